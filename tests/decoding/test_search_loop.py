"""The loop by itself: rows that count up to numbers of their own.

NumPy and `keras.ops` only: the same tests run on TensorFlow and on JAX.
"""

from __future__ import annotations

import keras
import numpy as np
import pytest
from keras import ops

from keras_tx.decoding.search_loop import run_search

on_tensorflow = keras.backend.backend() == "tensorflow"
either = pytest.mark.parametrize("shrink", [0, *([1, 4] if on_tensorflow else [])])


def count_up(wanted, longest, shrink, sizes=None):
    wanted = np.array(wanted, "int32")
    carry = {
        "count": np.zeros((len(wanted), 2), "int32"),
        "other": {"wanted": wanted},
        "done": wanted <= 0,
    }

    def advance(index, carry):
        wanted = carry["other"]["wanted"]
        if sizes is not None:
            sizes.append(len(wanted))
        going = ops.cast(ops.logical_not(carry["done"]), "int32")
        count = carry["count"] + going[:, None]
        return {**carry, "count": count, "done": count[:, 0] >= wanted}

    count, done = run_search(advance, carry, longest, ("count", "done"), shrink)
    return ops.convert_to_numpy(count), ops.convert_to_numpy(done)


@either
@pytest.mark.parametrize(
    ("wanted", "longest"),
    [
        ([1, 5, 2, 5, 3, 1, 1, 9], 20),
        ([1, 5, 2, 5, 3, 1, 1, 9], 4),
        ([3], 5),
        ([7] * 6, 5),
        ([0, 0, 0, 2], 5),
        ([0, 4, 4, 4, 4, 4], 5),
        ([0, 0], 3),
        ([2, 2], 0),
        ([], 3),
    ],
)
def test_each_row_gets_what_it_wants(wanted, longest, shrink):
    count, done = count_up(wanted, longest, shrink)
    assert count.tolist() == [[min(number, longest)] * 2 for number in wanted]
    assert done.tolist() == [number <= longest for number in wanted]


@pytest.mark.skipif(not on_tensorflow, reason="counts eager steps")
def test_rows_that_are_done_are_left_behind():
    sizes: list[int] = []
    count_up([1, 1, 2, 3, 9, 9, 9, 9], 20, True, sizes)
    # A quarter is done after one step, less than that of six after two, and so on.
    assert sizes == [8, 6, 6, *[4] * 6]
    sizes.clear()
    count_up([1, 1, 2, 3, 4, 9, 9, 9], 20, 4, sizes)
    # Eight or four rows: after two steps five are not done, after three four, after four three.
    assert sizes == [*[8] * 3, *[4] * 6]
    sizes.clear()
    count_up([1, 1, 2, 3, 9, 9, 9, 9], 20, False, sizes)
    assert sizes == [8] * 9
