"""Beam search against exhaustive search, slow twins and tables worked by hand.

NumPy and `keras.ops` only: the same tests run on TensorFlow and on JAX.
"""

from __future__ import annotations

import keras
import numpy as np
import pytest
from keras import ops

from keras_tx.decoding import (
    LengthPenalty,
    SuppressTokens,
    beam_search,
    gather_beams,
    greedy_search,
)

END = 3
A, B = 1, 2
NOTHING = -1e9
PENALTIES = [
    LengthPenalty(0.0),
    LengthPenalty(1.0),
    LengthPenalty(2.0),
    LengthPenalty(0.6, "gnmt"),
]
each_penalty = pytest.mark.parametrize("penalty", PENALTIES, ids=repr)
on_tensorflow = pytest.mark.skipif(
    keras.backend.backend() != "tensorflow", reason="a TensorFlow graph"
)


@pytest.mark.parametrize(
    ("penalty", "stop"),
    [(LengthPenalty(0.0), "safe"), (PENALTIES[2], "count"), (PENALTIES[3], "count")],
    ids=repr,
)
def test_a_beam_of_one_is_greedy(penalty, stop, tree, find, arrays, by_hand):
    model = tree.random(rows=100, seed=1)
    bounds = np.arange(100) % 5
    greedy = greedy_search(model.moved_step, model.moved_state(), model.starts, END, bounds)
    ids, lengths, sums = arrays(greedy)
    found = find(model, bounds, 1, length_penalty=penalty, stop=stop)
    assert found[0][:, 0].tolist() == ids.tolist()
    assert found[1][:, 0].tolist() == lengths.tolist()
    np.testing.assert_allclose(found[3][:, 0], sums, atol=1e-5)
    scores = [total / by_hand(penalty)(max(n, 1)) for total, n in zip(sums, lengths, strict=True)]
    np.testing.assert_allclose(found[2][:, 0], scores, atol=1e-5)
    assert {1, 2, 3, 4} <= {int(n) for n in lengths}


@each_penalty
@pytest.mark.parametrize(("size", "depth", "rows"), [(4, 5, 6), (5, 4, 6)])
def test_a_wide_beam_is_exhaustive_search(
    penalty, size, depth, rows, tree, find, search_all, by_hand, assert_row
):
    model = tree.random(rows, size, depth, seed=2)
    width = (size - 1) ** (depth - 1) * size  # All continuations of all that live
    bounds = [depth] * (rows - 2) + [depth - 1, 1]
    found = find(model, bounds, width, num_hypotheses=8, length_penalty=penalty)
    for row, bound in enumerate(bounds):
        expected = search_all(lambda ids, row=row: model.after(row, ids), bound, by_hand(penalty))
        assert_row(found, row, expected[:8])


# After these beginnings: padding, A, B, END. With two beams the finished ones change places:
# step 1:  A .50 lives, END .30 ends, B .20 lives
# step 2:  A END .325 and B END .19 end (of .325, .19, A A .15, A B .025, B A .01)
# step 3:  A A END .147 ends
CHANGING = {
    (): [0, 0.50, 0.20, 0.30],
    (A,): [0, 0.30, 0.05, 0.65],
    (B,): [0, 0.05, 0.00, 0.95],
    (A, A): [0, 0.01, 0.01, 0.98],
    (A, B): [0, 0.01, 0.01, 0.98],
}


@pytest.mark.parametrize(
    ("exponent", "stop", "best", "probabilities"),
    [
        # Sums: log .325, log .30. Nothing can displace them after step 2.
        (0.0, "safe", [[A, END], [END]], [0.325, 0.30]),
        # Means: log .325 / 2 = -0.562, log .147 / 3 = -0.639, log .19 / 2 = -0.830; END, the
        # first that had finished, has -1.204 and is displaced; then so is B END.
        (1.0, "safe", [[A, END], [A, A, END]], [0.325, 0.147]),
        # Three have finished after step 2: that is where others stop, and A A END is missed.
        (1.0, "count", [[A, END], [B, END]], [0.325, 0.19]),
        # Divided by the square of the length: -0.281, -0.213. The last one is the best.
        (2.0, "safe", [[A, A, END], [A, END]], [0.147, 0.325]),
    ],
)
def test_finished_hypotheses_change_places(
    exponent, stop, best, probabilities, tree, find, assert_row
):
    model = tree.worked(CHANGING, depth=4)
    penalty = LengthPenalty(exponent)
    found = find(model, [3], 2, num_hypotheses=2, length_penalty=penalty, stop=stop)
    sums = np.log(probabilities)
    expected = [
        (total / len(ids) ** exponent, total, ids) for total, ids in zip(sums, best, strict=True)
    ]
    assert_row(found, 0, expected)


@pytest.mark.parametrize("stop", ["safe", "count"])
def test_a_row_does_not_depend_on_its_batch(stop, tree, find):
    model, bounds = tree.random(rows=6, seed=6), np.array([4, 0, 2, 4, 1, 3])
    together = find(model, bounds, 3, num_hypotheses=3, stop=stop)
    for row in (1, 2, 3):
        alone = find(model.of(row), bounds[[row]], 3, num_hypotheses=3, stop=stop)
        assert together[0].shape[2] == 4
        assert alone[0][0].tolist() == together[0][row, :, : bounds[row]].tolist()
        for part in (1, 2, 3):
            np.testing.assert_allclose(alone[part][0], together[part][row], rtol=1e-6)


@each_penalty
def test_coverage_penalty_by_a_twin(penalty, tree, find, search_beams, by_hand, assert_row):
    rows, sources, weight = 40, 3, 0.7
    model = tree.random(rows, seed=7)
    generator = np.random.default_rng(8)
    # What is looked at hangs on the row, the position and the token that was read last.
    attention = generator.dirichlet(np.ones(sources), (rows, 4, 4)).astype("float32")
    mask = np.arange(sources) < generator.integers(1, sources + 1, (rows, 1))
    plain = model.moved_step

    def step(ids, index, state, origins):
        now = ops.take(ops.convert_to_tensor(attention), index, axis=1)  # (B, N, Ts)
        now = ops.take(now, state["row"], axis=0)
        return (*plain(ids, index, state, origins), gather_beams(now, ids))

    model.moved_step = step
    bounds = np.arange(rows) % 4 + 1
    arguments = {"num_hypotheses": 2, "length_penalty": penalty}
    found = find(model, bounds, 3, coverage_penalty=weight, source_mask=mask, **arguments)
    changed = 0
    for row, bound in enumerate(bounds):

        def covered(ids, row=row):
            read = [0, *ids[:-1]]
            seen = sum(attention[row, time, token] for time, token in enumerate(read))
            return weight * np.log(np.minimum(seen, 1.0))[mask[row]].sum()

        search = (lambda ids, row=row: model.after(row, ids), int(bound), 3, by_hand(penalty))
        expected, _ = search_beams(*search, extra=covered)
        assert_row(found, row, expected[:2])
        changed += expected[0][2] != search_beams(*search)[0][0][2]
    assert changed > 0


def test_coverage_by_hand(tree, arrays):
    # One step, two tokens of source: .25 and .75 of the attention. log .25 + log .75 = -1.674
    model = tree.worked({(): [0, 0, 0, 1.0]}, depth=1)

    def step(ids, index, state, origins):
        weights = ops.broadcast_to(np.array([0.25, 0.75, 0.0], "float32"), (1, 2, 3))
        return (*model.moved_step(ids, index, state, origins), weights)

    mask = np.array([[True, True, False]])
    bounds, state = np.array([1]), model.moved_state(2)
    found = beam_search(
        step, state, model.starts, END, bounds, 2, coverage_penalty=2.0, source_mask=mask
    )
    ids, _, scores, sums = arrays(found)
    assert ids.tolist() == [[[END]]]
    np.testing.assert_allclose(scores, [[2.0 * np.log(0.25 * 0.75)]], rtol=1e-5)
    np.testing.assert_allclose(sums, [[0.0]], atol=1e-5)


def test_rows_without_room(tree, find):
    found = find(tree.random(rows=3), [0, 2, 0], 2, num_hypotheses=2)
    for row in (0, 2):  # One hypothesis: the empty one.
        assert not found[0][row].any() and not found[1][row].any()
        for part in (2, 3):
            assert found[part][row].tolist() == [0.0, NOTHING]
    assert found[1][1].all()
    found = find(tree.random(rows=2), [0, 0], 2)
    assert found[0].shape == (2, 1, 0) and found[2].tolist() == [[0.0], [0.0]]


@pytest.mark.skipif(keras.backend.backend() == "jax", reason="JAX traces a step of no rows")
def test_no_rows(tree, find):
    found = find(tree.random(rows=1).of(), [], 3, num_hypotheses=2)
    assert [part.shape for part in found] == [(0, 2, 0), (0, 2), (0, 2), (0, 2)]


def test_more_beams_than_hypotheses(tree, find, search_all, assert_row):
    model, penalty = tree.random(rows=2, seed=9), LengthPenalty()
    for bound, possible in ((1, 4), (2, 13)):
        found = find(model, [bound] * 2, 20, num_hypotheses=20)
        for row in range(2):
            expected = search_all(lambda ids, row=row: model.after(row, ids), bound, penalty)
            assert len(expected) == possible
            assert_row(found, row, expected)


def test_suppressed_ids(tree, find, search_beams, assert_row):
    model, suppress = tree.random(rows=20, seed=10), SuppressTokens([0, B])
    found = find(model, [4] * 20, 4, num_hypotheses=4, constraints=[suppress])
    for row in range(20):
        # A ... A END in any length, or A A A A: with the probabilities of the whole vocabulary.
        expected, _ = search_beams(
            lambda ids, row=row: model.after(row, ids), 4, 4, float, forbidden=lambda ids: {0, B}
        )
        assert len(expected) == 5
        assert_row(found, row, expected[:4])
    found = find(model, [1] * 20, 4, num_hypotheses=4, constraints=[suppress])
    assert (found[1] == [1, 1, 0, 0]).all()


def test_what_never_ends_is_cut_at_its_bound(tree, find, search_beams, assert_row):
    model, bounds = tree.random(rows=12, seed=11, end=-60.0), np.arange(12) % 4 + 1
    found = find(model, bounds, 3, num_hypotheses=3)
    for row, bound in enumerate(bounds):
        assert found[1][row].tolist() == [bound] * 3
        assert END not in found[0][row]
        search = (lambda ids, row=row: model.after(row, ids), int(bound), 3, float)
        assert_row(found, row, search_beams(*search)[0][:3])


def test_padding_fills_the_rest(tree, find):
    model = tree.worked(CHANGING, depth=4)
    found = find(model, [4], 2, num_hypotheses=2, padding_id=7)
    assert found[0].tolist() == [[[A, END, 7, 7], [A, A, END, 7]]]


@on_tensorflow
@pytest.mark.parametrize(("stop", "shrink"), [("safe", False), ("count", True)])
def test_graph_is_eager(stop, shrink, tree, find, arrays):
    import tensorflow as tf

    model, bounds = tree.random(rows=5, seed=12), np.array([0, 4, 2, 4, 1], "int32")
    eager = find(model, bounds, 3, num_hypotheses=2, stop=stop)

    @tf.function(input_signature=[tf.TensorSpec([None], tf.int32)] * 2, autograph=False)
    def graph(starts, bounds):
        rows = tf.shape(starts)[0]
        state = {"row": tf.range(rows), "number": tf.zeros((rows, 3), tf.int32)}
        arguments = (model.moved_step, state, starts, END, bounds, 3, 2)
        return tuple(beam_search(*arguments, stop=stop, reorder=model.reorder, shrink=shrink))

    for expected, part in zip(eager, arrays(graph(model.starts, bounds)), strict=True):
        np.testing.assert_allclose(part, expected, rtol=1e-5)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"beam_size": 0}, "a positive beam_size .* Received: beam_size=0, num_hypotheses=1"),
        ({"beam_size": 2, "num_hypotheses": 3}, "Received: beam_size=2, num_hypotheses=3"),
        ({"num_hypotheses": 0}, "Received: beam_size=4, num_hypotheses=0"),
        ({"stop": "soon"}, "stop expected 'safe' or 'count'. Received: stop='soon'"),
        ({"coverage_penalty": 0.1}, "expected a source_mask beside it. Received: None"),
    ],
)
def test_wrong_calls(arguments, message, tree):
    model = tree.random(rows=1)
    with pytest.raises(ValueError, match=message):
        beam_search(model.moved_step, (), model.starts, END, np.array([2]), **arguments)
