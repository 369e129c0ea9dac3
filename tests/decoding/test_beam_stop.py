"""When a beam search stops, against slow searches that stop later or never.

NumPy and `keras.ops` only: the same tests run on TensorFlow and on JAX.
"""

from __future__ import annotations

import keras
import numpy as np
import pytest

from keras_tx.decoding import LengthPenalty, beam_search

END = 3
PENALTIES = [
    LengthPenalty(0.0),
    LengthPenalty(1.0),
    LengthPenalty(2.0),
    LengthPenalty(0.6, "gnmt"),
]
each_penalty = pytest.mark.parametrize("penalty", PENALTIES, ids=repr)


@each_penalty
def test_the_safe_stop_is_no_stop_at_all(penalty, tree, find, search_beams, by_hand, assert_row):
    end = np.linspace(-1.0, 1.5, 300)[:, None, None]  # Short ones and long ones
    model = tree.random(rows=300, seed=3, end=end)
    bounds = np.arange(300) % 4 + 1
    found = find(model, bounds, 3, num_hypotheses=2, length_penalty=penalty)
    early = 0
    for row, bound in enumerate(bounds):
        search = (lambda ids, row=row: model.after(row, ids), int(bound), 3, by_hand(penalty))
        expected, _ = search_beams(*search)
        assert_row(found, row, expected[:2])
        early += search_beams(*search, stop="safe", wanted=2)[1] < bound
    assert early > 0


@each_penalty
def test_the_count_stop_is_ctranslate2s_rule(
    penalty, tree, find, search_beams, by_hand, assert_row
):
    model = tree.random(rows=200, seed=4)
    bounds = np.arange(200) % 4 + 1
    found = find(model, bounds, 3, num_hypotheses=3, length_penalty=penalty, stop="count")
    missed = 0
    for row, bound in enumerate(bounds):
        search = (lambda ids, row=row: model.after(row, ids), int(bound), 3, by_hand(penalty))
        expected, _ = search_beams(*search, stop="count")
        assert_row(found, row, expected[:3])
        missed += expected[0] != search_beams(*search)[0][0]
    assert missed > 0 or penalty.exponent == 0.0  # It does miss some.


@pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="counts eager steps")
@pytest.mark.parametrize(
    ("penalty", "stop"), [(PENALTIES[1], "safe"), (PENALTIES[3], "safe"), (PENALTIES[1], "count")]
)
def test_it_stops_as_early_as_it_may(penalty, stop, tree, search_beams, by_hand):
    model, steps = tree.random(rows=6, seed=5, end=1.0), []
    for row in range(model.rows):
        alone, calls = model.of(row), []

        def step(ids, index, *others, alone=alone, calls=calls):
            calls.append(int(index))
            return alone.moved_step(ids, index, *others)

        state = alone.moved_state(2)
        bounds = np.array([4])
        beam_search(
            step, state, alone.starts, END, bounds, 2, 1, penalty, stop=stop, reorder=alone.reorder
        )
        _, expected = search_beams(
            lambda ids, row=row: model.after(row, ids), 4, 2, by_hand(penalty), stop, wanted=1
        )
        assert calls == list(range(expected))
        steps.append(expected)
    assert min(steps) < 4
