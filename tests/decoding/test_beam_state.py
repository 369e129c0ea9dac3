"""The parts of a step of beam search by hand; `test_beam` proves the whole.

NumPy and `keras.ops` only: the same tests run on TensorFlow and on JAX.
"""

from __future__ import annotations

import numpy as np
import pytest

from keras_tx.decoding import NoRepeatedNGrams, SuppressTokens
from keras_tx.decoding.beam_state import (
    best_continuations,
    go_on,
    start_beams,
    total_coverage,
)

END, NOTHING = 3, -1e9


@pytest.fixture
def live():
    """Two rows of two beams that have chosen one id, the first beam the more probable one."""
    state, _ = start_beams(np.zeros(2, "int32"), np.array([4, 4]), 4, 2, 0, None)
    return state._replace(
        last=np.array([[1, 2], [2, 4]], "int32"),
        ids=np.array([[[1, 0, 0, 0], [2, 0, 0, 0]], [[2, 0, 0, 0], [4, 0, 0, 0]]], "int32"),
        log_probabilities=np.log(np.array([[0.6, 0.3], [0.5, 0.5]], "float32")),
    )


def logits(size=40):
    return np.random.default_rng(0).normal(size=(2, 2, size)).astype("float32")


@pytest.mark.parametrize("size", [5, 40, 1024])
@pytest.mark.parametrize(
    "constraints",
    [
        [],
        [SuppressTokens([0, 2, 4])],
        [SuppressTokens([2]), NoRepeatedNGrams(1), SuppressTokens([0])],
    ],
    ids=len,
)
def test_the_best_continuations(size, constraints, live, arrays):
    rows = logits(size)
    allowed = rows
    for constraint in constraints:
        (allowed,) = arrays([constraint(allowed, 1, live.ids)])
    exact = rows - np.log(np.exp(rows).sum(axis=-1, keepdims=True))
    expected = np.where(allowed > NOTHING / 2, exact, NOTHING) + live.log_probabilities[..., None]
    rules = [(constraint, constraint.rows) for constraint in constraints]
    totals, beams, tokens = arrays(best_continuations(rows, live, 1, rules))
    for row in range(2):
        best = np.argsort(-expected[row].ravel(), kind="stable")[:4]
        possible = expected[row].ravel()[best] > NOTHING / 2
        np.testing.assert_allclose(
            totals[row][possible], expected[row].ravel()[best][possible], rtol=1e-5
        )
        assert (totals[row][~possible] < NOTHING / 2).all()
        assert beams[row][possible].tolist() == (best // size)[possible].tolist()
        assert tokens[row][possible].tolist() == (best % size)[possible].tolist()


def test_they_go_on_from_other_beams(live, arrays):
    # In row 0 the best one ends; two others follow, both from the second beam.
    totals = np.log(np.array([[0.4, 0.3, 0.2, 0.1]] * 2, "float32"))
    beams = np.array([[0, 1, 1, 0], [1, 0, 0, 1]], "int32")
    tokens = np.array([[END, 4, 1, 2], [4, 1, END, 2]], "int32")
    new, came_from = go_on(live, 1, totals, beams, tokens, END)
    last, ids, origins, sums = arrays(new[:4])
    assert arrays([came_from])[0].tolist() == [[1, 1], [1, 0]]
    assert last.tolist() == [[4, 1], [4, 1]]
    assert ids[:, :, :3].tolist() == [[[2, 4, 0], [2, 1, 0]], [[4, 4, 0], [2, 1, 0]]]
    # The past stands where it was read; what comes is read in one's own place.
    assert origins.tolist() == [
        [[1, 1, 0, 0], [1, 1, 1, 1]],
        [[1, 1, 0, 0], [0, 0, 1, 1]],
    ]
    np.testing.assert_allclose(np.exp(sums), [[0.3, 0.2], [0.4, 0.3]], rtol=1e-5)


def test_coverage(arrays):
    coverage = np.array([[[0.5, 3.0, 0.1], [1.0, 1.0, 0.0]]], "float32")
    (found,) = arrays([total_coverage(coverage, np.array([[True, True, False]]))])
    np.testing.assert_allclose(found, [[np.log(0.5), 0.0]], rtol=1e-5)
    (found,) = arrays([total_coverage(coverage, np.ones((1, 3), bool))])
    assert np.isfinite(found).all() and found[0, 1] < -20  # Nothing at all of one
