"""Rows in a new order, against NumPy.

NumPy and `keras.ops` only: the same tests run on TensorFlow and on JAX.
"""

from __future__ import annotations

import numpy as np
import pytest

from keras_tx.decoding import gather_beams


def test_whole_rows_by_hand(arrays):
    x = np.arange(24).reshape(2, 3, 2, 2)
    beams = np.array([[2, 2], [0, 1]])
    (got,) = arrays([gather_beams(x, beams)])
    assert got.tolist() == [[x[0, 2].tolist()] * 2, [x[1, 0].tolist(), x[1, 1].tolist()]]


@pytest.mark.parametrize("further", [(), (3,), (2, 4)])
@pytest.mark.parametrize("rows", [0, 1, 5])
def test_it_is_take_along_axis(rows, further, arrays):
    generator = np.random.default_rng(3)
    x = generator.normal(size=(rows, 4, *further)).astype("float32")
    beams = generator.integers(0, 4, (rows, 6)).astype("int32")
    (got,) = arrays([gather_beams(x, beams)])
    expected = np.take_along_axis(x, beams.reshape(rows, 6, *(1 for _ in further)), axis=1)
    np.testing.assert_array_equal(got, expected)
    assert got.dtype == np.float32
