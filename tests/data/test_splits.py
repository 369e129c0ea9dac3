"""Seeded splits."""

import collections
import os
import subprocess
import sys

import numpy as np
import pytest

from keras_tx.data.examples import LabelledTexts, SentencePairs
from keras_tx.data.splits import split_labelled, split_pairs

REVIEWS = LabelledTexts(
    [f"text {n}" for n in range(100)], [0] * 50 + [1] * 30 + [2] * 20, ("a", "b", "c")
)
# 40 sentences, each with one to four translations.
PAIRS = SentencePairs(
    [f"sentence {n % 40}" for n in range(100)], [f"traduction {n}" for n in range(100)]
)


@pytest.mark.parametrize(("held_out", "count"), [(10, 10), (0.25, 25), (1, 1), (99, 99)])
def test_labelled_parts_are_disjoint_and_complete(held_out, count):
    train, validation = split_labelled(REVIEWS, held_out)
    assert (len(train), len(validation)) == (100 - count, count)
    for part in (train, validation):
        assert part.label_names == REVIEWS.label_names
        assert part.texts == sorted(part.texts, key=lambda text: int(text.split()[1]))
    together = train + validation
    assert sorted(zip(together.texts, together.labels, strict=True)) == sorted(
        zip(REVIEWS.texts, REVIEWS.labels, strict=True)
    )


def test_labels_keep_their_proportions():
    for seed in range(5):
        _, validation = split_labelled(REVIEWS, 10, seed)
        assert collections.Counter(validation.labels) == {0: 5, 1: 3, 2: 2}
        _, validation = split_labelled(REVIEWS, 7, seed)  # 3.5, 2.1 and 1.4
        assert collections.Counter(validation.labels) == {0: 4, 1: 2, 2: 1}


def test_equal_texts_stay_together():
    texts = [f"text {n % 30}" + " " * (n // 30) for n in range(60)]
    examples = LabelledTexts(texts, [n % 2 for n in range(60)], ("a", "b"))
    for seed in range(5):
        train, validation = split_labelled(examples, 20, seed)
        stripped = [{text.strip() for text in part.texts} for part in (train, validation)]
        assert not stripped[0] & stripped[1]
        assert len(train) + len(validation) == 60
        assert 18 <= len(validation) <= 20


@pytest.mark.parametrize("held_out", [1, 20, 0.5])
def test_no_source_sentence_stands_in_both_parts(held_out):
    pairs = PAIRS + SentencePairs(["Alone."], ["Seul."])
    for seed in range(5):
        train, validation = split_pairs(pairs, held_out, seed)
        assert not set(train.sources) & set(validation.sources)
        assert sorted((train + validation).targets) == sorted(pairs.targets)
        count = round(held_out * 101) if isinstance(held_out, float) else held_out
        assert count - 3 < len(validation) <= count
        for part in (train, validation):
            assert all(
                (s, t) in set(zip(pairs.sources, pairs.targets, strict=True))
                for s, t in zip(part.sources, part.targets, strict=True)
            )


def test_sources_are_compared_with_case_and_without_white_space_around():
    pairs = SentencePairs(["Go.", " Go.\t", "go.", "GO."], ["1", "2", "3", "4"])
    for seed in range(10):
        train, validation = split_pairs(pairs, 2, seed)
        assert {"1", "2"} in (set(train.targets), set(validation.targets))


def test_the_seed_decides():
    first = split_pairs(PAIRS, 20, seed=1)
    assert split_pairs(PAIRS, np.int64(20), seed=np.int64(1)) == first
    assert split_pairs(PAIRS, 20, seed=2) != first
    assert split_labelled(REVIEWS, 20, seed=1) == split_labelled(REVIEWS, 20, seed=1)
    assert split_labelled(REVIEWS, 20, seed=1) != split_labelled(REVIEWS, 20, seed=2)


def test_every_example_is_held_out_by_some_seed():
    held_out = set()
    for seed in range(60):
        held_out |= set(split_labelled(REVIEWS, 20, seed)[1].texts)
    assert held_out == set(REVIEWS.texts)


def test_the_split_does_not_hang_on_the_hash_seed():
    program = (
        "from keras_tx.data.examples import SentencePairs\n"
        "from keras_tx.data.splits import split_pairs\n"
        f"print(split_pairs({PAIRS!r}, 20, seed=3))"
    )
    # One below 2**32 that is not this process's own, if that was set.
    hash_seed = str(int(os.environ.get("PYTHONHASHSEED", "0").replace("random", "0")) ^ 1)
    result = subprocess.run(
        [sys.executable, "-c", program],
        # JAX, because the start of TensorFlow takes seconds and no data needs it.
        env=os.environ | {"PYTHONHASHSEED": hash_seed, "KERAS_BACKEND": "jax"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert result.stdout.strip() == repr(split_pairs(PAIRS, 20, seed=3))


@pytest.mark.parametrize(
    "split", [lambda h, s=0: split_labelled(REVIEWS, h, s), lambda h, s=0: split_pairs(PAIRS, h, s)]
)
def test_bad_arguments_are_errors(split):
    for held_out in (0, 100, -1, 101):
        with pytest.raises(ValueError, match=f"Received: held_out={held_out} of 100 examples"):
            split(held_out)
    for held_out in (0.0, 1.0, -0.1, float("nan")):
        with pytest.raises(ValueError, match=f"between 0 and 1. Received: held_out={held_out}"):
            split(held_out)
    with pytest.raises(ValueError, match="Received: held_out=0.001 of 100"):
        split(0.001)
    with pytest.raises(TypeError, match="Received: held_out='10'"):
        split("10")
    with pytest.raises(TypeError, match="Received: held_out=True"):
        split(True)
    with pytest.raises(ValueError, match="Received: seed=-1"):
        split(10, -1)
    with pytest.raises(TypeError, match="Received: seed=0.5"):
        split(10, 0.5)


def test_too_few_different_texts_are_an_error():
    with pytest.raises(ValueError, match="all groups of them are larger .* held_out=1"):
        split_pairs(SentencePairs(["a", "a", "a"], ["x", "y", "z"]), 1)
    with pytest.raises(ValueError, match="of 0 examples"):
        split_pairs(SentencePairs([], []), 0.5)


def test_a_split_is_the_same_in_every_version():
    """Else what was held out in one version would be trained with in another."""
    texts = [f"text {n}" for n in range(20)]
    examples = LabelledTexts(texts, [n % 2 for n in range(20)], ("a", "b"))
    assert split_labelled(examples, 6, seed=1)[1].texts == [
        "text 4",
        "text 7",
        "text 8",
        "text 11",
        "text 13",
        "text 18",
    ]
    assert split_pairs(SentencePairs(texts, texts), 4, seed=1)[1].sources == [
        "text 2",
        "text 9",
        "text 16",
        "text 18",
    ]
