"""Greedy search against a hand-worked table and a slow twin; ends, bounds, independence.

NumPy and `keras.ops` only: the same tests run on TensorFlow and on JAX.
"""

from __future__ import annotations

import keras
import numpy as np
import pytest
from keras import ops

from keras_tx.decoding import MinimumLength, SuppressTokens, greedy_search

END, SIZE = 3, 7


def chain(probabilities, calls=None):
    """A step that knows the last token only; its logits are unnormalized log-probabilities."""
    # A constant more on each row changes no probability: the scores must be normalized.
    table = np.log(np.array(probabilities)) + np.arange(len(probabilities))[:, None]

    def step(ids, index, state, origins):
        if calls is not None:
            calls.append(index)
        return ops.take(ops.convert_to_tensor(table.astype("float32")), ids, axis=0), state

    return step


@pytest.fixture
def hand_worked():
    tiny = 1e-12
    rows = np.full((6, 6), tiny)
    rows[2, [4, 5, 3]] = 0.5, 0.3, 0.2
    rows[4, [5, 3]] = 0.6, 0.4
    rows[5, [3, 4]] = 0.9, 0.1
    return rows


@pytest.fixture
def with_memory():
    """A step whose logits depend on all earlier tokens and the position, and its NumPy twin."""
    generator = np.random.default_rng(3)
    table, mix = generator.normal(size=(2, SIZE, SIZE)).astype("float32") * 2
    positions = generator.normal(size=(64, SIZE)).astype("float32")

    def step(ids, index, state, origins):
        assert origins is None  # One hypothesis never changes its place.
        seen = state["seen"] * 0.5 + ops.one_hot(ids[:, 0], SIZE)
        logits = ops.take(ops.convert_to_tensor(table), ids[:, 0], axis=0)
        logits = logits + ops.matmul(seen, mix) + ops.convert_to_tensor(positions)[index]
        return logits[:, None], {"seen": seen}

    def twin(token, max_length):
        seen, ids, score = np.zeros(SIZE, "float32"), [], 0.0
        for index in range(max_length):
            seen = seen * 0.5 + np.eye(SIZE)[token]
            logits = table[token] + seen @ mix + positions[index]
            token = int(np.argmax(logits))
            score += logits[token] - np.log(np.sum(np.exp(logits)))
            ids.append(token)
            if token == END:
                break
        return ids, score

    return step, twin


def start_state(rows):
    return {"seen": ops.zeros((rows, SIZE), "float32")}


def arrays(found):
    return [ops.convert_to_numpy(part) for part in found]


def test_hand_worked_table(hand_worked):
    starts, bounds = np.array([2, 2, 2, 2]), np.array([5, 2, 1, 0])
    found = greedy_search(chain(hand_worked), (), starts, END, bounds)
    ids, lengths, scores = arrays(found)
    assert ids.tolist() == [[4, 5, 3, 0, 0], [4, 5, 0, 0, 0], [4, 0, 0, 0, 0], [0] * 5]
    assert lengths.tolist() == [3, 2, 1, 0]
    expected = [np.log(0.5 * 0.6 * 0.9), np.log(0.5 * 0.6), np.log(0.5), 0.0]
    np.testing.assert_allclose(scores, expected, atol=1e-5)
    assert scores.dtype == np.float32


@pytest.mark.parametrize("shrink", [False, keras.backend.backend() == "tensorflow"])
def test_it_is_the_slow_twin(shrink, with_memory):
    step, twin = with_memory
    starts = np.array([0, 1, 2, 4, 5, 6] * 3)
    bounds = np.array([1] * 6 + [7] * 6 + [40] * 6)
    ids, lengths, scores = arrays(
        greedy_search(step, start_state(18), starts, END, bounds, shrink=shrink)
    )
    assert ids.shape == (18, 40)
    ended = 0
    for row in range(18):
        expected, score = twin(starts[row], bounds[row])
        ended += expected[-1] == END
        assert ids[row, : lengths[row]].tolist() == expected
        assert not ids[row, lengths[row] :].any()
        np.testing.assert_allclose(scores[row], score, rtol=1e-4)
    assert 0 < ended < 18  # Both ways to stop occur.


def test_a_row_does_not_depend_on_its_batch(with_memory):
    step, _ = with_memory
    starts, bounds = np.array([1, 4, 5, 6]), np.array([3, 30, 0, 11])
    together = arrays(greedy_search(step, start_state(4), starts, END, bounds))
    for row in range(4):
        alone = arrays(greedy_search(step, start_state(1), starts[[row]], END, bounds[[row]]))
        assert alone[0][0].tolist() == together[0][row, : bounds[row]].tolist()
        assert alone[1][0] == together[1][row]
        np.testing.assert_allclose(alone[2][0], together[2][row], rtol=1e-5)


@pytest.mark.skipif(keras.backend.backend() == "jax", reason="JAX traces the step once")
def test_it_stops_when_all_have_ended(hand_worked):
    calls = []
    greedy_search(chain(hand_worked, calls), (), np.array([2, 4]), END, np.array([50, 50]))
    assert len(calls) == 3  # 4 5 END, and 5 END: the longer row's three steps
    calls.clear()
    greedy_search(chain(hand_worked, calls), (), np.array([2, 2]), END, np.array([1, 2]))
    assert len(calls) == 2
    calls.clear()
    greedy_search(chain(hand_worked, calls), (), np.array([2]), END, np.array([0]))
    assert not calls


def test_padding_fills_the_rest(hand_worked):
    found = greedy_search(
        chain(hand_worked), (), np.array([5, 2]), END, np.array([4, 4]), padding_id=1
    )
    assert arrays(found)[0].tolist() == [[3, 1, 1, 1], [4, 5, 3, 1]]


def test_no_rows_and_no_room(hand_worked):
    ids, lengths, scores = arrays(
        greedy_search(chain(hand_worked), (), np.array([2, 4]), END, np.array([0, 0]))
    )
    assert ids.shape == (2, 0) and lengths.tolist() == [0, 0] and scores.tolist() == [0, 0]
    empty = np.zeros(0, "int32")
    ids, lengths, _ = arrays(greedy_search(chain(hand_worked), (), empty, END, empty))
    assert ids.shape == (0, 0) and lengths.shape == (0,)


@pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="a TensorFlow graph")
def test_graph_is_eager(with_memory):
    import tensorflow as tf

    step, _ = with_memory

    @tf.function(input_signature=[tf.TensorSpec([None], tf.int32)] * 2, autograph=False)
    def graph(starts, bounds):
        state = {"seen": tf.zeros((tf.shape(starts)[0], SIZE))}
        return tuple(greedy_search(step, state, starts, END, bounds))

    starts, bounds = np.array([1, 2, 6], "int32"), np.array([0, 20, 5], "int32")
    eager = arrays(greedy_search(step, start_state(3), starts, END, bounds))
    for expected, part in zip(eager, arrays(graph(starts, bounds)), strict=True):
        np.testing.assert_allclose(part, expected, rtol=1e-5)


def test_suppressed_ids_are_never_chosen_and_scores_stay_those_of_all():
    logits = np.log(np.array([[[0.1, 0.5, 0.3, 0.1]]], "float32"))  # Best is 1, then 2.

    def step(ids, index, state, origins):
        return ops.convert_to_tensor(logits), state

    start, bounds, rules = np.array([0]), np.array([2]), [SuppressTokens([0, 1])]
    found = greedy_search(step, (), start, 3, bounds, constraints=rules)
    ids, _, scores = arrays(found)
    assert ids.tolist() == [[2, 2]]
    np.testing.assert_allclose(scores, [2 * np.log(0.3)], rtol=1e-5)


@pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="rows leave the loop")
@pytest.mark.parametrize("suppressed", [(), (4,), (0, 1, 2, 4, 5)])
def test_with_and_without_shrinking_the_same_tokens_are_chosen(suppressed, with_memory):
    step, _ = with_memory
    starts, bounds = np.array([0, 1, 2, 4, 5, 6] * 3), np.array([9] * 18)
    rules = [SuppressTokens(suppressed), MinimumLength(END, 4), SuppressTokens([0])]
    plain, *others = (
        arrays(
            greedy_search(
                step, start_state(18), starts, END, bounds, constraints=rules, shrink=shrink
            )
        )
        for shrink in (False, True, 4)
    )
    assert (plain[1] >= 4).all()
    for shrunk in others:
        for expected, part in zip(plain, shrunk, strict=True):
            np.testing.assert_allclose(part, expected, rtol=1e-5)


@pytest.mark.parametrize("shrink", [False, keras.backend.backend() == "tensorflow"])
def test_of_equal_tokens_the_one_with_the_lower_id_is_chosen(shrink):
    def step(ids, index, state, origins):
        return ops.zeros((1, 1, 600)), state

    rules = [SuppressTokens([0, 2])]
    found = greedy_search(
        step, (), np.array([0]), 3, np.array([2]), constraints=rules, shrink=shrink
    )
    assert arrays(found)[0].tolist() == [[1, 1]]


@pytest.mark.parametrize("shrink", [False, keras.backend.backend() == "tensorflow"])
def test_without_scores_the_same_tokens(shrink, with_memory):
    step, _ = with_memory
    starts, bounds = np.array([0, 1, 2]), np.array([9, 1, 40])
    scored, bare = (
        arrays(
            greedy_search(
                step, start_state(3), starts, END, bounds, shrink=shrink, with_scores=wanted
            )
        )
        for wanted in (True, False)
    )
    assert np.array_equal(bare[0], scored[0]) and np.array_equal(bare[1], scored[1])
    assert scored[2].all() and not bare[2].any()
