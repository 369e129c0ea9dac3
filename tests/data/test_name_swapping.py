"""Further pairs with other names: the same name in both sentences, everything else as it was."""

import re

import pytest

from keras_tx.data import SentencePairs, shared_names, swap_names

NAMES = ["Boris", "Ivo", "Anouk", "Madeleine"]


@pytest.mark.parametrize("source, target, names", [
    ("I saw Boris.", "J'ai vu Boris.", ["Boris"]),
    # What begins a sentence may be any word; so may what the translation does not have.
    ("Boris saw Anouk.", "Boris a vu Anouk.", ["Anouk"]),
    ("I like Venice.", "J'aime Venise.", []),
    ("He met Rose in May.", "Il a rencontré Rose en mai. La rose est rouge.", []),
    ("He met Łukasz, Al and Zoé.", "Il a rencontré Łukasz, Al et Zoé.", ["Zoé"]),
    ("", "", []),
])  # fmt: skip
def test_names_are_what_a_translation_leaves(source, target, names):
    assert shared_names(SentencePairs([source], [target])) == names


def test_names_come_once_from_all_pairs():
    pairs = SentencePairs(["to Ivo", "to Boris", "for Ivo"], ["à Ivo", "à Boris", "pour Ivo"])
    assert shared_names(pairs) == ["Boris", "Ivo"]


def test_both_sentences_get_the_same_name_and_nothing_else_changes():
    pairs = SentencePairs(["I saw Boris's dog."] * 200, ["J'ai vu le chien de Boris."] * 200)
    swapped = swap_names(pairs, NAMES, count=200)
    found = set()
    for source, target in zip(swapped.sources, swapped.targets, strict=True):
        name = re.fullmatch(r"I saw ([A-Z]\w+)'s dog\.", source)[1]
        assert target == f"J'ai vu le chien de {name}."
        found.add(name)
    # By itself, or as the beginning of one and the end of another. No name with a vowel: "d'Ivo".
    assert found == {"Boris", "Madeleine", "Boreine", "Madelis"}


def test_a_vowel_takes_the_place_of_a_vowel():
    pairs = SentencePairs(["He saw Ivo."] * 50, ["Il a vu Ivo."] * 50)
    assert all(source[7] in "IA" for source in swap_names(pairs, NAMES, 50).sources)


@pytest.mark.parametrize("source, target", [
    ("I live in Boris.", "J'habite en Boris."),
    ("The Boris is red.", "Le Boris est rouge."),
    ("Tell Anouk.", "Dis-le à l'Anouk."),
    ("Boris and Boris", "Boris et un autre Boris"),
    ("Boris sleeps.", "Boris dort, dit Boris."),
    ("Nobody sleeps.", "Personne ne dort."),
    ("Borisov sleeps.", "Borisov dort."),
])  # fmt: skip
def test_what_may_be_no_person_stays(source, target):
    assert len(swap_names(SentencePairs([source], [target]), NAMES, 5)) == 0


def test_the_first_name_that_fits_is_swapped():
    pairs = SentencePairs(["The Boris of Anouk met Ivo."], ["Le Boris de Anouk a vu Ivo."])
    (source,), (target,) = vars(swap_names(pairs, NAMES, 5)).values()
    assert source.startswith("The Boris of ") and source.endswith(" met Ivo.")
    assert target.startswith("Le Boris de ") and target.endswith(" a vu Ivo.")


def test_count_and_seed():
    pairs = SentencePairs(
        [f"Boris has {n} dogs." for n in range(30)], [f"Boris a {n} chiens." for n in range(30)]
    )
    first = swap_names(pairs, NAMES, 10, seed=1)
    assert len(first) == 10 and len(set(first.sources)) == 10
    assert first == swap_names(pairs, NAMES, 10, seed=1) != swap_names(pairs, NAMES, 10, seed=2)
    assert len(swap_names(pairs, NAMES, 1000)) == 30
    assert len(swap_names(pairs, NAMES, 0)) == len(swap_names(pairs, [], 5)) == 0
    with pytest.raises(ValueError, match="count expected .*Received: count=-1"):
        swap_names(pairs, NAMES, -1)
