"""Lists of strings: order, line breaks, long texts, draws, and what is no list of strings."""

import threading

import numpy as np
import pytest

from keras_tx.models import Hypothesis, workers

ODD = ["", " ", "\t\n ", "\x00", "🙂🙂", "\ud800 lone", "the\x00dog", "né à 北京", "a" * 20_000]


@pytest.fixture(scope="module")
def translator(random_translator):
    return random_translator(seed=4)


@pytest.fixture(scope="module")
def alone(translator):
    """What one sentence by itself is translated to."""
    known = {}

    def translate(text):
        if text not in known:
            (known[text],) = translator.translate([text])
        return known[text]

    return translate


def test_order_and_batches(translator, sentences, alone):
    texts = [text for text in sentences(8) if len(text.split()) < 17] + ["", "word3 unseen"]
    expected = [alone(text) for text in texts]
    assert len(set(expected)) > 5
    for sizes in ({"batch_size": 1}, {"batch_size": 3}, {"tokens_per_batch": 8}, {}):
        assert translator.translate(texts, **sizes) == expected
        assert translator.translate(texts[::-1], **sizes) == expected[::-1]
    assert translator.translate([]) == []


def test_batches_side_by_side_give_the_same(translator, sentences, alone, monkeypatch):
    texts = [text for text in sentences(8) if len(text.split()) < 17]
    expected = [alone(text) for text in texts]
    n_best = translator.translate_n_best(texts, 3)
    scores = translator.score(texts, expected)
    used = set()

    def searched(*arguments, run=translator._run, **inputs):
        used.add(threading.get_ident())
        return run(*arguments, **inputs)

    monkeypatch.setattr(workers, "worker_count", lambda: 3)
    monkeypatch.setattr(translator, "_run", searched)
    assert translator.translate(texts) == expected  # One batch would do: each worker gets a part.
    assert len(used) > 1 and threading.get_ident() not in used
    assert translator.translate(texts, batch_size=2) == expected
    assert translator.translate(texts, batch_size=2, jit_compile="auto") == expected
    for found, wanted in zip(translator.translate_n_best(texts, 3), n_best, strict=True):
        assert [one.text for one in found] == [one.text for one in wanted]
    again = translator.score(texts, expected, batch_size=2)
    for found, wanted in zip(again, scores, strict=True):
        assert found.log_probability == pytest.approx(wanted.log_probability, abs=1e-4)


def test_line_breaks_and_empty_lines_stay(translator, alone):
    one, two, three = "word1 word2", "word3", "word4 word5 word6"
    texts = [f"{one}\n\n  {two}\r\n", "", "\n", f"\t{three}", f"{two}\u2028{one}\n{three}\n\n"]
    assert translator.translate(texts) == [
        f"{alone(one)}\n\n  {alone(two)}\r\n",
        "",
        "\n",
        f"\t{alone(three)}",
        f"{alone(two)}\u2028{alone(one)}\n{alone(three)}\n\n",
    ]


def test_only_what_is_too_long_becomes_sentences(translator, alone):
    # 18 tokens with the end: 17 are taken as they are.
    short = "word1 word2. Word3 word4! " + " ".join(["word5"] * 13)
    assert len(short.split()) == 17
    first, second = "word1 word2 word3.", "Word4 " + " ".join(["word5"] * 14)
    assert translator.translate([short, f"{first} {second}"]) == [
        alone(short),
        f"{alone(first)} {alone(second)}",
    ]
    # One sentence that is too long is cut, and nothing of it is lost.
    parts = [" ".join([f"word{number}"] * 17) for number in (6, 7)]
    assert translator.translate([" ".join([*parts, "word8"])]) == [
        " ".join(map(alone, [*parts, "word8"]))
    ]


def test_what_is_short_for_certain_is_not_measured(translator, alone, monkeypatch):
    # 17 tokens are taken as they are; of lines, and of control characters, nothing is certain.
    texts = ["word1 word2", "a" * 16, "a" * 17, "né word1", "word1\nword2", "word1\x1a"]
    expected = [alone(text) for text in texts]
    measured, lengths = [], translator.tokenizer.lengths
    monkeypatch.setattr(
        translator.tokenizer, "lengths", lambda pieces: measured.append(pieces) or lengths(pieces)
    )
    assert [translator.translate([text])[0] for text in texts] == expected
    lines = ["word1", "word2"]  # Once more, to be sorted.
    assert measured == [["a" * 17], ["né word1"], lines, lines, ["word1\x1a"]]


def test_n_best(translator, sentences):
    texts = [*sentences(5), ""]
    found = translator.translate_n_best(texts, 3, max_length=6)
    assert [len(hypotheses) for hypotheses in found] == [3, 3, 3, 3, 3, 1]
    assert found[-1] == [Hypothesis("", 0.0, 0.0)]
    for hypotheses in found[:-1]:
        scores = [hypothesis.score for hypothesis in hypotheses]
        assert scores == sorted(scores, reverse=True)
        assert all(one.log_probability <= one.score < 0 for one in hypotheses)
    # The best one is what `translate` says, also of several pieces; the order is no matter.
    several = [*texts, "word1 word2\n\n word3", " ".join(f"word{n}" for n in range(25))]
    best = [hypotheses[0].text for hypotheses in translator.translate_n_best(several, 1)]
    assert best == translator.translate(several)
    again = translator.translate_n_best(texts[::-1], 3, max_length=6, batch_size=2)[::-1]
    assert [[one.text for one in row] for row in again] == [
        [one.text for one in row] for row in found
    ]
    # More are wanted than the beam holds: it grows.
    assert len(translator.translate_n_best(texts[:1], 6, beam_size=2)[0]) == 6
    # Fewer exist than are wanted: of one token there are as many as allowed ids.
    (few,) = translator.translate_n_best(["word1"], 40, max_length=1)
    assert len(few) == translator.tokenizer.vocabulary_size - 3
    assert translator.translate_n_best([], 2) == []


def test_options_change_this_call_only(translator, sentences):
    texts = sentences(3)
    expected = translator.translate(texts)
    greedy = translator.translate(texts, beam_size=1, max_length=3)
    assert all(len(text.split()) <= 3 for text in greedy) and greedy != expected
    assert translator.translate(texts, beam_size=None) == expected
    assert translator.decoding.beam_size == 4


def test_prefixes(translator, sentences):
    texts, prefixes = sentences(4), ["word7 word8", "", "word9", "word1"]
    found = translator.translate(texts, prefixes=prefixes)
    assert [text.startswith(prefix) for text, prefix in zip(found, prefixes, strict=True)]
    for row in range(4):
        (one,) = translator.translate([texts[row]], prefixes=[prefixes[row]], beam_size=4)
        assert one == found[row] and one.startswith(prefixes[row])
    assert found[0] != translator.translate(texts[:1])[0]


def test_draws_are_seeded_by_the_seed_and_the_text(translator, sentences):
    texts = sentences(5)
    options = {"temperature": 1.0, "max_length": 8}
    drawn = translator.translate(texts, **options)
    assert translator.translate(texts, **options) == drawn
    # Neither place nor batch plays a part.
    assert translator.translate(texts[::-1], batch_size=2, **options) == drawn[::-1]
    assert translator.translate([texts[2]], **options) == [drawn[2]]
    others = [translator.translate(texts, seed=seed, **options) for seed in (1, 2)]
    assert others[0] != drawn and others[0] != others[1]
    assert translator.translate(texts, top_k=1, **options) == translator.translate(
        texts, beam_size=1, max_length=8
    )


def test_scores(translator, sentences):
    texts, translations = sentences(4), ["word1 word2", "", "word3", "word4 word5 unseen"]
    found = translator.score(texts, translations)
    end = translator.tokenizer.id_to_token(3)
    unknown = translator.tokenizer.id_to_token(1)
    assert [score.tokens for score in found] == [
        ["word1", "word2", end],
        [end],
        ["word3", end],
        ["word4", "word5", unknown, end],
    ]
    for score in found:
        assert score.log_probability == pytest.approx(sum(score.token_log_probabilities), rel=1e-4)
    again = translator.score(texts[::-1], translations[::-1], batch_size=1)[::-1]
    sums = [score.log_probability for score in found]
    np.testing.assert_allclose([score.log_probability for score in again], sums, rtol=1e-4)
    assert translator.score([], []) == []


def test_the_score_of_what_the_beam_found_is_the_beams(random_translator, sentences):
    model = random_translator(seed=4, favoured=3)
    texts = [text for text in sentences(8) if len(text.split()) < 17]  # Of one piece each.
    best = [hypotheses[0] for hypotheses in model.translate_n_best(texts, 1)]
    ended = [place for place, one in enumerate(best) if len(one.text.split()) < 12]
    scores = model.score([texts[place] for place in ended], [best[place].text for place in ended])
    assert len(ended) > 2
    for place, score in zip(ended, scores, strict=True):
        assert score.log_probability == pytest.approx(best[place].log_probability, abs=1e-3)


def test_alignments(translator, sentences):
    texts = [*sentences(3), ""]
    translations = ["word1 word2", "word3", "word1 word2 word4", ""]
    found = translator.align(texts, translations)
    for alignment, text, translation in zip(found, texts, translations, strict=True):
        assert alignment.source_tokens == text.split()
        assert alignment.target_tokens == translation.split()
        assert alignment.weights.shape == (len(translation.split()), len(text.split()))
        np.testing.assert_allclose(alignment.weights.sum(axis=1), 1.0, atol=1e-5)
    own = translator.align(texts[:1])
    assert own[0].target_tokens == translator.translate(texts[:1])[0].split()


def test_odd_texts(learned_translator):
    model, _ = learned_translator
    found = model.translate(ODD, beam_size=1)
    assert len(found) == len(ODD) and all(isinstance(text, str) for text in found)
    assert found[:3] == ODD[:3]
    assert len(model.score(ODD[:8], ODD[:8])) == len(model.align(ODD[:8], ODD[:8])) == 8


def test_wrong_calls(translator):
    for texts in ("dog", b"dog", ["dog", None], [b"dog"], [["dog"]]):
        with pytest.raises(TypeError, match="texts expected a list of str. Received"):
            translator.translate(texts)
        with pytest.raises(TypeError, match="texts expected a list of str. Received"):
            translator.translate_n_best(texts, 2)
        with pytest.raises(TypeError, match="texts expected a list of str. Received"):
            translator.score(texts, ["dog"])
    with pytest.raises(ValueError, match="positive integer. Received: batch_size=-1"):
        translator.translate(["dog"], batch_size=-1)
    with pytest.raises(ValueError, match="n_best expected a positive integer. Received: n_best=0"):
        translator.translate_n_best(["dog"], 0)
    with pytest.raises(ValueError, match="Received: beam_size=0"):
        translator.translate_n_best(["dog"], 1, beam_size=0)
    with pytest.raises(TypeError, match="decoding options among beam_size, .* Received: beams"):
        translator.translate(["dog"], beams=3)
    with pytest.raises(TypeError, match="prefixes expected a list of str. Received: an item 1"):
        translator.translate(["dog"], prefixes=[1])
    with pytest.raises(ValueError, match="prefixes expected one for each of the 1 .* Received: 2"):
        translator.translate(["dog"], prefixes=["a", "b"])
    with pytest.raises(ValueError, match="translations expected one for each of the 2 texts"):
        translator.align(["dog", "cat"], ["chien"])
    for seed in (-1, 1.5):
        with pytest.raises(ValueError, match=f"seed expected an integer from 0 on. .* seed={seed}"):
            translator.translate(["dog"], temperature=1.0, seed=seed)
    with pytest.raises(ValueError, match="temperature expected a finite number above 0"):
        translator.translate(["dog"], temperature=0.0)
    with pytest.raises(ValueError, match="Received: temperature=1.0, beam_size=2"):
        translator.translate(["dog"], temperature=1.0, beam_size=2)


def test_bounds_may_be_infinite(translator, sentences):
    texts = sentences(4)
    most = translator.translate(texts, max_length_ratio=100.0)
    assert all(most)
    for options in ({"max_length_ratio": float("inf")}, {"max_length_ratio": 1e30}):
        assert translator.translate(texts, **options) == most
    offset = {"max_length_ratio": 0.0, "max_length_offset": 2**31 - 1}
    assert translator.translate(texts, **offset) == most
    assert translator.translate(["", *texts], max_length_ratio=float("inf")) == ["", *most]


@pytest.mark.parametrize("compiled", [False, True])
def test_a_long_prefix_is_whole_and_goes_on(translator, compiled):
    # 13 words, where a source of one word alone allows 4 tokens.
    prefix = " ".join(f"word{number % 5}" for number in range(13))
    options = {"max_length_ratio": 1.0, "max_length_offset": 2, "jit_compile": compiled}
    (found,) = translator.translate(["word3"], prefixes=[prefix], **options)
    assert found.startswith(prefix)
    (alone,) = translator.translate(["word3"], **options)
    assert len(alone.split()) <= 4 and len(found.split()) <= 13 + 4


def test_hypotheses_are_searched_for_not_drawn(translator):
    with pytest.raises(ValueError, match="without temperature. .*temperature=0.5 with a beam of 1"):
        translator.translate_n_best(["word1"], 1, temperature=0.5)
