"""Sums of token vectors around each position."""

import numpy as np
import pytest

from keras_tx.layers import RegionEmbedding
from keras_tx.layers.region_embedding import window_sum

VECTORS = np.random.default_rng(0).normal(size=(2, 7, 3)).astype("float32")
MASK = np.array([[1] * 7, [1, 1, 1, 1, 0, 0, 0]], bool)


def by_hand(vectors, length, size, bias, normalize):
    rows = []
    for place in range(length):
        first = place - (size - 1) // 2
        window = range(max(first, 0), min(first + size, length))
        total = np.maximum(sum(vectors[other] for other in window) + bias, 0)
        rows.append(total / np.sqrt(1 + total @ total) if normalize else total)
    return np.array(rows)


@pytest.mark.parametrize("normalize", [True, False])
@pytest.mark.parametrize("size", [1, 2, 3, 5, 9])
def test_it_is_what_the_formula_says(size, normalize):
    layer = RegionEmbedding(size, normalize=normalize)
    layer.build(VECTORS.shape)
    bias = np.array([0.3, -0.2, 0.1], "float32")
    layer.bias.assign(bias)
    found = np.asarray(layer(VECTORS, mask=MASK))
    for row, length in enumerate((7, 4)):
        expected = by_hand(VECTORS[row], length, size, bias, normalize)
        np.testing.assert_allclose(found[row, :length], expected, rtol=1e-5, atol=1e-6)


def test_padding_and_the_order_in_a_region_do_not_matter():
    layer = RegionEmbedding(3)
    expected = np.asarray(layer(VECTORS, mask=MASK))[1, :4]
    changed = VECTORS.copy()
    changed[1, 4:] = 99
    np.testing.assert_array_equal(np.asarray(layer(changed, mask=MASK))[1, :4], expected)
    turned = VECTORS[:, ::-1]  # The window around the middle holds the same vectors.
    middles = [np.asarray(layer(vectors))[:, 3] for vectors in (VECTORS, turned)]
    np.testing.assert_allclose(*middles, rtol=1e-5)


def test_no_activation_lets_what_is_below_zero_through():
    found = np.asarray(RegionEmbedding(1, activation=None, normalize=False)(VECTORS))
    np.testing.assert_array_equal(found, VECTORS)


@pytest.mark.parametrize(("first", "last"), [(-9, -1), (-3, 2), (0, 0), (2, 4), (7, 9)])
def test_window_sum(first, last):
    found = np.asarray(window_sum(VECTORS, first, last))
    for place in range(7):
        places = [p for p in range(place + first, place + last + 1) if 0 <= p < 7]
        expected = VECTORS[:, places].sum(axis=1)
        np.testing.assert_allclose(found[:, place], expected, rtol=1e-5, atol=1e-6)


def test_a_wrong_size():
    with pytest.raises(ValueError, match="region_size expected a positive integer. Received: .*=0"):
        RegionEmbedding(0)
