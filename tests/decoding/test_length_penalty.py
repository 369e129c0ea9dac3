"""Length penalties by hand, and what they reject.

NumPy and `keras.ops` only: the same tests run on TensorFlow and on JAX.
"""

from __future__ import annotations

import numpy as np
import pytest

from keras_tx.decoding import LengthPenalty


@pytest.mark.parametrize(
    ("arguments", "lengths", "expected"),
    [
        ((), [1, 2, 7], [1.0, 2.0, 7.0]),
        ((0.0,), [1, 2, 7], [1.0, 1.0, 1.0]),
        ((0.5,), [1, 4, 9], [1.0, 2.0, 3.0]),
        ((2.0,), [1, 2, 7], [1.0, 4.0, 49.0]),
        # (5 + length) / 6: 1, 2 and 3
        ((1.0, "gnmt"), [1, 7, 13], [1.0, 2.0, 3.0]),
        ((2.0, "gnmt"), [1, 7, 13], [1.0, 4.0, 9.0]),
        ((0.0, "gnmt"), [1, 7, 13], [1.0, 1.0, 1.0]),
    ],
)
def test_by_hand(arguments, lengths, expected, arrays):
    penalty = LengthPenalty(*arguments)
    (got,) = arrays([penalty(np.array(lengths, "int32"))])
    assert got.dtype == np.float32
    np.testing.assert_allclose(got, expected, rtol=1e-6)
    assert float(penalty(lengths[1])) == pytest.approx(expected[1])


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((-0.1,), "length_penalty expected a number of at least 0. Received: -0.1"),
        ((float("nan"),), "length_penalty expected a number of at least 0. Received: nan"),
        ((1.0, "mean"), r"kind expected one of \('average', 'gnmt'\). Received: kind='mean'"),
    ],
)
def test_wrong_arguments(arguments, message):
    with pytest.raises(ValueError, match=message):
        LengthPenalty(*arguments)


def test_equal_ones_are_one_key():
    assert len({LengthPenalty(1), LengthPenalty(1.0), LengthPenalty(1.0, "gnmt")}) == 2
