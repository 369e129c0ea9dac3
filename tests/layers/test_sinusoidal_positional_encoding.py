"""The paper's formula, written out."""

from __future__ import annotations

import math

import keras
import numpy as np
import pytest
from keras import ops

from keras_tx.layers import SinusoidalPositionalEncoding


def formula(length: int, size: int, base: int, start: int = 0) -> np.ndarray:
    encoding = np.zeros((length, size))
    for t in range(length):
        for i in range(size):
            angle = (start + t) / base ** (2 * (i // 2) / size)
            encoding[t, i] = math.cos(angle) if i % 2 else math.sin(angle)
    return encoding


@pytest.mark.parametrize(("size", "base"), [(8, 10000), (6, 50), (5, 10000)])
def test_formula(size, base, vectors):
    x = vectors(2, 9, size)
    got = ops.convert_to_numpy(SinusoidalPositionalEncoding(base)(x))
    np.testing.assert_allclose(got, x + formula(9, size, base), atol=1e-5)


def test_any_length():
    got = ops.convert_to_numpy(SinusoidalPositionalEncoding()(np.zeros((1, 2000, 4), "float32")))
    np.testing.assert_allclose(got[0], formula(2000, 4, 10000), atol=3e-4)


@pytest.mark.parametrize("start", [3, np.array(3)], ids=["integer", "tensor"])
def test_start_index_gives_a_piece_of_the_whole(start, vectors):
    layer = SinusoidalPositionalEncoding()
    x = vectors(2, 7, 4)
    start = start if isinstance(start, int) else ops.convert_to_tensor(start)
    piece = ops.convert_to_numpy(layer(x[:, 3:5], start_index=start))
    np.testing.assert_allclose(piece, ops.convert_to_numpy(layer(x))[:, 3:5], atol=1e-6)


def test_a_mask_passes_through():
    inputs = keras.Input((3,), dtype="int32")
    embedded = keras.layers.Embedding(5, 4, mask_zero=True)(inputs)
    assert SinusoidalPositionalEncoding()(embedded)._keras_mask is embedded._keras_mask


def test_errors():
    with pytest.raises(ValueError, match="max_wavelength expected a positive .*max_wavelength=0"):
        SinusoidalPositionalEncoding(0)
