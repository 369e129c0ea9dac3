"""The loop under a choice of one's own; `test_greedy` and `test_sampling` prove the rest.

NumPy and `keras.ops` only: the same tests run on TensorFlow and on JAX.
"""

from __future__ import annotations

import numpy as np
import pytest
from keras import ops

from keras_tx.decoding.token_loop import decode_tokens, longest_row

END = 3


def test_any_choice_will_do(tree, arrays):
    model = tree.random(rows=6, seed=1)
    bounds, least = np.array([4, 2, 0, 4, 3, 1]), []

    def choose(logits, index, chances):  # The least probable one; END alone at the third place.
        last = ops.full((6,), END, dtype="int32")
        return ops.where(index == 2, last, ops.cast(ops.argmin(logits, axis=-1), "int32"))

    found = decode_tokens(
        model.moved_step, model.moved_state(), model.starts, END, bounds, 0, (), choose
    )
    ids, lengths, scores = arrays(found)
    for row, bound in enumerate(bounds):
        expected, total = [], 0.0
        while len(expected) < bound and END not in expected:
            following = model.after(row, expected)
            expected = [*expected, END if len(expected) == 2 else int(following.argmin())]
            total += following[expected[-1]]
        least.append(len(expected))
        assert ids[row].tolist() == [*expected, *[0] * (4 - len(expected))]
        np.testing.assert_allclose(scores[row], total, rtol=1e-5)
    assert lengths.tolist() == least


@pytest.mark.parametrize(("bounds", "expected"), [([3, 7, 0], 7), ([0], 0), ([], 0)])
def test_the_longest_row(bounds, expected):
    assert int(longest_row(ops.convert_to_tensor(np.array(bounds, "int32")))) == expected
