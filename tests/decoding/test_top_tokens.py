"""The largest of many by blocks is `top_k` over all, ties included.

NumPy and `keras.ops` only: the same tests run on TensorFlow and on JAX.
"""

from __future__ import annotations

import numpy as np
import pytest

from keras_tx.decoding.constraints import FORBIDDEN
from keras_tx.decoding.top_tokens import skippable, top_continuations, top_tokens


# Sizes without blocks, with blocks, and one whose divisors are of no use.
@pytest.mark.parametrize("size", [5, 64, 1000, 1024, 1021, 8000])
@pytest.mark.parametrize("count", [1, 4, 13])
@pytest.mark.parametrize("ties", [False, True])
def test_it_is_top_k(size, count, ties, arrays):
    count, generator = min(count, size), np.random.default_rng(size)
    logits = generator.normal(size=(7, size)).astype("float32")
    if ties:
        logits = np.round(logits) + 0.0  # No -0.0, which some sort below 0.0.
    logits[1] = np.sort(logits[1])
    logits[2] = -1e9
    logits[3, : size // 2] = -1e9
    values, ids = arrays(top_tokens(logits, count))
    expected = np.argsort(-logits, axis=-1, kind="stable")[:, :count]
    assert ids.dtype == np.int32
    assert ids.tolist() == expected.tolist()
    np.testing.assert_array_equal(values, np.take_along_axis(logits, expected, axis=-1))


@pytest.mark.parametrize("size", [5, 64, 1000, 1021])
@pytest.mark.parametrize("count", [2, 10, 25])
@pytest.mark.parametrize("ties", [False, True])
def test_over_several_hypotheses_it_is_top_k_of_the_sums(size, count, ties, arrays):
    beams, generator = 5, np.random.default_rng(size)
    logits = generator.normal(size=(7, beams, size)).astype("float32")
    offsets = generator.normal(size=(7, beams)).astype("float32")
    if ties:
        logits, offsets = np.round(logits) + 0.0, np.round(offsets) + 0.0
    logits[1] = -1e9
    offsets[2, 1:] = -1e9  # One hypothesis counts alone.
    values, places, tokens = arrays(top_continuations(logits, offsets, count))
    sums = (logits + offsets[..., None]).reshape(7, -1)
    expected = np.argsort(-sums, axis=-1, kind="stable")[:, :count]
    assert places.dtype == tokens.dtype == np.int32
    assert (places * size + tokens).tolist() == expected.tolist()
    np.testing.assert_array_equal(values, np.take_along_axis(sums, expected, axis=-1))


# Of the last, blocks of 16 would be skipped whole: they are larger, then.
@pytest.mark.parametrize(
    "size, skipped", [(5, 2), (64, 3), (1000, 3), (1021, 4), (8000, 1), (272, 16)]
)
@pytest.mark.parametrize("beams", [1, 5])
@pytest.mark.parametrize("ties", [False, True])
def test_the_first_ids_are_skipped(size, skipped, beams, ties, arrays):
    generator = np.random.default_rng(size)
    logits = generator.normal(size=(7, beams, size)).astype("float32")
    offsets = generator.normal(size=(7, beams)).astype("float32")
    if ties:
        logits, offsets = np.round(logits) + 0.0, np.round(offsets) + 0.0
    logits[:5, :, :skipped] += 9  # They would be the best.
    logits[1] = -1e9
    allowed = np.where(np.arange(size) < skipped, np.float32(FORBIDDEN), logits)
    if beams == 1:
        expected = arrays(top_tokens(allowed[:, 0], 3))
        found = arrays(top_tokens(logits[:, 0], 3, skipped))
    else:
        expected = arrays(top_continuations(allowed, offsets, 3))
        found = arrays(top_continuations(logits, offsets, 3, skipped))
    rows = [0, *range(2, 7)]  # Where nothing is allowed, any may be found.
    for one, other in zip(found, expected, strict=True):
        np.testing.assert_array_equal(one[rows], other[rows])
    assert (found[0][1] <= FORBIDDEN / 2).all()


@pytest.mark.parametrize(
    "ids, expected",
    [((), (0, ())), ([0], (1, ())), ((2, 0, 1, 1), (3, ())), ([1, 2], (0, (1, 2)))],
)
def test_skippable(ids, expected):
    assert skippable(ids) == expected
