"""The error of a guess of the tokens around a region, against the sum over the vocabulary."""

import numpy as np
import pytest

from keras_tx.layers.context_error import TARGET_LENGTH, ContextError

IDS = np.array([[5, 1, 4, 2, 6, 3, 5, 2], [2, 2, 6, 6, 1, 3, 4, 5]])
COUNTS = np.array([0, 9, 7, 1, 6, 5, 8])
N, D, REGION, CONTEXT = 7, 3, 3, 2


@pytest.fixture(scope="module")
def layer():
    layer = ContextError(N, REGION, CONTEXT)
    layer.build((None, None, D), (None, None))
    layer.set_counts(COUNTS, ignored=1, power=0.5, fewest=2)
    layer.guesses.assign(np.random.default_rng(0).normal(size=(N, D)))
    return layer


def bags(scales, shares):
    """The bag of each position, all its numbers, the average one taken off."""
    made = np.zeros((*IDS.shape, N))
    for row, ids in enumerate(IDS):
        for place in range(len(ids)):
            around = [p for p in range(place - 3, place + 4) if abs(p - place) > 1]
            for other in around:
                if 0 <= other < len(ids):
                    made[row, place, ids[other]] += scales[ids[other]]
                    made[row, place] -= shares * scales
    return made


def test_it_is_the_error_of_all_tokens(layer):
    regions = np.random.default_rng(1).normal(size=(*IDS.shape, D)).astype("float32")
    scales, shares = np.array(layer.scales, "f8"), np.array(layer.shares, "f8")
    guessed = regions @ np.array(layer.guesses).T
    target = bags(scales, shares)
    expected = ((guessed - target) ** 2).sum(-1) - (target**2).sum(-1)
    np.testing.assert_allclose(np.asarray(layer(regions, IDS)), expected, rtol=1e-3, atol=0.05)


def test_the_weights_of_tokens(layer):
    scales, shares = np.array(layer.scales, "f8"), np.array(layer.shares, "f8")
    np.testing.assert_allclose(shares, COUNTS / COUNTS.sum(), rtol=1e-6)
    # The most frequent one, one that is too rare, and one that never comes.
    assert scales[[1, 3, 0]].tolist() == [0, 0, 0]
    known = [2, 4, 5, 6]
    relative = scales[known] / scales[2]
    np.testing.assert_allclose(relative, np.sqrt(7 / COUNTS[known]), rtol=1e-5)
    length = 2 * CONTEXT * np.sum(scales**2 * shares)
    assert length == pytest.approx(TARGET_LENGTH**2, rel=1e-5)


def test_what_the_region_itself_holds_does_not_matter(layer):
    regions = np.ones((1, 8, D), "float32")
    changed = IDS[:1].copy()
    changed[0, 3:6] = [1, 1, 1]
    first, second = (np.asarray(layer(regions, ids))[0, 4] for ids in (IDS[:1], changed))
    assert first == pytest.approx(second, rel=1e-5)
    changed[0, 2] = 5
    assert abs(np.asarray(layer(regions, changed))[0, 4] - second) > 0.1


def test_counts_need_a_built_layer():
    with pytest.raises(ValueError, match="a layer that has been built"):
        ContextError(N, REGION).set_counts(COUNTS)
