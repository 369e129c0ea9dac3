"""Mixing: each corpus as often as its weight says, the same every time."""

from collections import Counter

import pytest

from keras_tx.data import SentencePairs, mix


def corpus(name, count):
    numbers = range(count)
    return SentencePairs([f"{name} {n}" for n in numbers], [f"le {name} {n}" for n in numbers])


CORPORA = {"captions": corpus("captions", 10), "news": corpus("news", 40)}


def times(pairs):
    """How often each pair is there; each source with its own target."""
    assert all(f"le {s}" == t for s, t in zip(pairs.sources, pairs.targets, strict=True))
    return Counter(pairs.sources)


def test_whole_weights():
    mixed = mix(CORPORA, {"captions": 3, "news": 1})
    assert mixed.sources == CORPORA["captions"].sources * 3 + CORPORA["news"].sources
    assert set(times(mixed).values()) == {3, 1}
    assert mix(CORPORA, {"captions": 0, "news": 1}) == CORPORA["news"]


def test_parts_are_drawn_without_replacement():
    counts = times(mix(CORPORA, {"captions": 2.5, "news": 0.25}, seed=1))
    assert Counter(counts[f"captions {n}"] for n in range(10)) == {2: 5, 3: 5}
    assert Counter(counts[f"news {n}"] for n in range(40)) == {0: 30, 1: 10}


def test_seed_and_name_decide():
    weights = {"captions": 0.5, "news": 0.5}
    mixed = mix(CORPORA, weights, seed=1)
    assert mix(CORPORA, weights, seed=1) == mixed
    assert mix(CORPORA, weights, seed=2) != mixed
    alone = mix({"news": CORPORA["news"]}, {"news": 0.5}, seed=1)
    assert mixed.sources[-20:] == alone.sources


@pytest.mark.parametrize(
    "weights, message",
    [
        ({"news": 1}, r"for each of \['captions', 'news'\]. Received: \['news'\]"),
        ({"news": 1, "captions": -0.5}, r"from 0 on. Received: weights\['captions'\]=-0.5"),
        ({"news": 1, "captions": float("nan")}, r"from 0 on. Received: .*=nan"),
        ({"news": 0, "captions": 0}, "at least one pair. Received: weights="),
    ],
)
def test_errors(weights, message):
    with pytest.raises(ValueError, match=message):
        mix(CORPORA, weights)
