"""Where sentences end, and where it only looks like it."""

import pytest

from keras_tx.text import sentence_ends


def sentences(text):
    ends = sentence_ends(text)
    starts = [0, *(start for _, start in ends)]
    return [text[a:b] for a, b in zip(starts, [*(end for end, _ in ends), len(text)], strict=True)]


@pytest.mark.parametrize(
    "text",
    [
        "One. | Two! | Three? | Four… | Five?! | Six!!! | Seven",
        "He left.  | \tThen it rained.",
        "“Go!” | Nobody went. | (It was late.) | [So they say.] | 'No.' | \"Yes.\" | Fine.",
        "« Bonjour. » | Il part. | « Ça va ? » | Oui ! | «\u202fNon\u202f!\u202f» | Bon.",
        "Où est-il\u00a0? | Là\u202f! | « Ici. » | – Oui. | — Non. | ¿Qué? | ¡Sí!",
        "It works. | 😀 Great. | $5 is enough. | 12 people came. | Élan.",
        "So do I. | You too.",
        "It was 1999. | Then came 2000. | He said no. | Nobody else did.",
        "你好。|我很好！|真的？」|是。| はい。",
        "Он ушёл. | Потом пришёл.",
        "1. Salt it. | 2. Pepper it.",
    ],
)
def test_ends(text):
    parts = text.split("|")
    whole = "".join(part.strip(" ") if part.isspace() else part for part in parts)
    assert [found.strip() for found in sentences(whole)] == [part.strip() for part in parts]


@pytest.mark.parametrize(
    "text",
    [
        "Mr. Lee and Mrs. Lee met Dr. Who at St. Paul on Mt. Blanc",
        "Apples vs. Pears, apples etc. Pears, cf. Plums, i.e. Fruit, e.g. Figs",
        "M. Dupont, Mme. Durand et MM. Martin ; voir p. ex. Le Monde, av. J.-C.",
        "J. R. R. Tolkien, J.-P. Sartre, I. Newton",
        "the U.S. Army, at 5 p.m. Paris time",
        "No. 5, art. 12, p. 7, fig. 3, le 5 janv. 2020, n° 3, vol. 2",
        "3.14 and 1.000.000 and 10.30",
        "1. Salt",
        "Well... perhaps… or not, “Go!” he said, « Va ! » dit-il, hm.. so",
        "www.example.org and name.Surname",
        "Acme Inc. Limited",
        "Wait!, he said?; no.: yes",
    ],
)
def test_no_ends(text):
    assert sentence_ends(text) == []


@pytest.mark.parametrize("text", ["", ".", "...", " . ", "One.", "One.  ", "。", "\0. \0", ". ."])
def test_nothing_follows(text):
    assert sentence_ends(text) == []


def test_between_an_end_and_a_start_is_white_space():
    text = "One.\u2003\n Two! 三。四。\u00a0五 “Six?” Seven"
    ends = sentence_ends(text)
    assert len(ends) == 5
    for end, start in ends:
        assert text[end:start].strip() == "" and not text[end - 1].isspace()
        assert not text[start].isspace()
