"""Draws by hand and on a grid that stands for chance, and searches made of them.

NumPy and `keras.ops` only: the same tests run on TensorFlow and on JAX.
"""

from __future__ import annotations

import keras
import numpy as np
import pytest

from keras_tx.decoding import SuppressTokens, greedy_search, sample_tokens, sampling_search

END = 3
# Most probable first: ids 2, 0, 3, 1 with cumulative 0.4, 0.7, 0.9, 1.
PROBABILITIES = np.array([0.3, 0.1, 0.4, 0.2])
JUST_BELOW_ONE = np.nextafter(np.float32(1), np.float32(0))


@pytest.fixture
def draw(arrays):
    """The ids drawn from one distribution by many uniform numbers."""

    def run(uniforms, probabilities=PROBABILITIES, **options):
        logits = np.tile(np.log(probabilities).astype("float32") + 5.0, (len(uniforms), 1))
        (ids,) = arrays([sample_tokens(logits, np.array(uniforms, "float32"), **options)])
        return ids.tolist()

    return run


def test_the_inverse_of_the_cumulative_distribution(draw):
    uniforms = [0.0, 0.39, 0.41, 0.69, 0.71, 0.89, 0.91, JUST_BELOW_ONE]
    assert draw(uniforms) == [2, 2, 0, 0, 3, 3, 1, 1]


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({}, PROBABILITIES),
        # The square of each, over their sum: .09, .01, .16, .04 of .30
        ({"temperature": 0.5}, np.array([0.09, 0.01, 0.16, 0.04]) / 0.3),
        ({"temperature": 1e-4}, [0, 0, 1, 0]),
        ({"temperature": 1e6}, [0.25] * 4),
        ({"top_k": 1}, [0, 0, 1, 0]),
        ({"top_k": 2}, np.array([0.3, 0, 0.4, 0]) / 0.7),
        ({"top_k": 9}, PROBABILITIES),
        ({"top_p": 0.1}, [0, 0, 1, 0]),
        ({"top_p": 0.5}, np.array([0.3, 0, 0.4, 0]) / 0.7),  # .4 is too little: the next one too
        ({"top_p": 0.8}, np.array([0.3, 0, 0.4, 0.2]) / 0.9),
        ({"top_p": 1.0}, PROBABILITIES),
        # Of three tokens .3, .4, .2 over .9 = .333, .444, .222: two have .778.
        ({"top_k": 3, "top_p": 0.7}, np.array([0.3, 0, 0.4, 0]) / 0.7),
        # Of .09, .01, .16, .04 over .30 = .3, .033, .533, .133: one has .533.
        ({"temperature": 0.5, "top_p": 0.5}, [0, 0, 1, 0]),
    ],
)
def test_a_grid_of_uniforms_has_the_frequencies_of_the_distribution(options, expected, draw):
    size = 2000
    counts = np.bincount(draw((np.arange(size) + 0.5) / size, **options), minlength=4)
    np.testing.assert_allclose(counts / size, expected, atol=1.01 / size)
    assert not counts[np.array(expected) == 0].any()


def test_the_ends_of_the_uniforms(draw):
    # Thousands of tokens: their cumulative sum in float32 does not end at 1 exactly.
    probabilities = np.random.default_rng(0).dirichlet(np.ones(5000))
    most, least = (int(place) for place in (probabilities.argmax(), probabilities.argmin()))
    assert draw([0.0, JUST_BELOW_ONE], probabilities)[0] == most
    assert draw([JUST_BELOW_ONE], probabilities, top_p=1.0)[0] in np.argsort(probabilities)[:50]
    assert 0 <= draw([JUST_BELOW_ONE], probabilities, top_p=0.3)[0] < 5000
    # What has no probability is not drawn, not even at the end.
    forbidden = np.array([[5.0, -1e9, 4.0, -1e9]], "float32")
    for top_k in (None, 3, 4):
        ids = sample_tokens(forbidden, np.array([JUST_BELOW_ONE]), top_k=top_k)
        assert int(ids[0]) == 2
    assert probabilities[least] < probabilities[most]


def test_a_search_of_one_candidate_is_greedy(tree, arrays):
    model, bounds = tree.random(rows=40, seed=1), np.arange(40) % 5
    arguments = (model.starts, END, bounds)
    greedy = arrays(greedy_search(model.moved_step, model.moved_state(), *arguments))
    uniforms = np.random.default_rng(2).random((40, 4))
    for options in ({"top_k": 1}, {"temperature": 1e-4}, {"top_p": 1e-6}):
        drawn = sampling_search(
            model.moved_step, model.moved_state(), *arguments, uniforms, **options
        )
        for expected, part in zip(greedy, arrays(drawn), strict=True):
            np.testing.assert_allclose(part, expected, rtol=1e-6)


@pytest.mark.parametrize("options", [{}, {"temperature": 0.7, "top_k": 3}, {"top_p": 0.8}])
def test_a_search_is_the_slow_twin(options, tree, arrays, draw):
    shrink = keras.backend.backend() == "tensorflow"
    model, bounds = tree.random(rows=20, seed=3), np.arange(20) % 5
    uniforms = np.random.default_rng(4).random((20, 6)).astype("float32")
    found = sampling_search(
        model.moved_step, model.moved_state(), model.starts, END, bounds, uniforms,
        shrink=shrink, **options,
    )  # fmt: skip
    ids, lengths, scores = arrays(found)
    for row, bound in enumerate(bounds):
        expected, total = [], 0.0
        while len(expected) < bound and END not in expected:
            following = model.after(row, expected)
            uniform = uniforms[row, len(expected)]
            expected = [*expected, draw([uniform], np.exp(following), **options)[0]]
            total += following[expected[-1]]  # Of the distribution as it is
        assert ids[row, : lengths[row]].tolist() == expected
        np.testing.assert_allclose(scores[row], total, atol=1e-4)
    assert len({tuple(row) for row in ids.tolist()}) > 8


def test_a_row_does_not_depend_on_its_batch(tree, arrays):
    model, bounds = tree.random(rows=5, seed=5), np.array([4, 0, 2, 3, 4])
    uniforms = np.random.default_rng(6).random((5, 4))

    def search(model, bounds, uniforms):
        state = model.moved_state()
        found = sampling_search(model.moved_step, state, model.starts, END, bounds, uniforms)
        return arrays(found)

    together = search(model, bounds, uniforms)
    for row in range(5):
        alone = search(model.of(row), bounds[[row]], uniforms[[row]])
        assert alone[0][0].tolist() == together[0][row, : bounds[row]].tolist()
        assert alone[1][0] == together[1][row]
        np.testing.assert_allclose(alone[2][0], together[2][row], rtol=1e-6)


def test_constraints_hold(tree, arrays):
    model, bounds = tree.random(rows=50, seed=7), np.full(50, 4)
    uniforms = np.random.default_rng(8).random((50, 4))
    found = sampling_search(
        model.moved_step, model.moved_state(), model.starts, END, bounds, uniforms,
        constraints=[SuppressTokens([0, 2])],
    )  # fmt: skip
    ids, lengths, _ = arrays(found)
    chosen = np.concatenate([row[:length] for row, length in zip(ids, lengths, strict=True)])
    assert set(chosen.tolist()) == {1, END}


@pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="a TensorFlow graph")
def test_graph_is_eager(tree, arrays):
    import tensorflow as tf

    model, bounds = tree.random(rows=3, seed=9), np.array([4, 0, 3], "int32")
    uniforms = np.random.default_rng(10).random((3, 4)).astype("float32")

    def search(starts, bounds, uniforms):
        rows = tf.shape(starts)[0]
        state = {"row": tf.range(rows), "number": tf.zeros((rows, 1), tf.int32)}
        arguments = (model.moved_step, state, starts, END, bounds, uniforms, 0.8, 3, 0.9)
        return tuple(sampling_search(*arguments, shrink=True))

    vector, matrix = tf.TensorSpec([None], tf.int32), tf.TensorSpec([None, None], tf.float32)
    graph = tf.function(search, input_signature=[vector, vector, matrix], autograph=False)
    eager = arrays(search(model.starts, bounds, uniforms))
    for expected, part in zip(eager, arrays(graph(model.starts, bounds, uniforms)), strict=True):
        np.testing.assert_allclose(part, expected, rtol=1e-5)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"temperature": 0}, "temperature expected a finite number above 0. .*temperature=0"),
        ({"temperature": float("inf")}, "temperature expected a finite number above 0. .*=inf"),
        ({"temperature": -1.0}, "temperature expected a finite number above 0. .*=-1.0"),
        ({"top_k": 0}, "top_k expected a positive integer. Received: top_k=0"),
        ({"top_p": 0.0}, r"top_p expected a number in \(0, 1\]. Received: top_p=0.0"),
        ({"top_p": 1.5}, r"top_p expected a number in \(0, 1\]. Received: top_p=1.5"),
    ],
)
def test_wrong_options(options, message, tree):
    with pytest.raises(ValueError, match=message):
        sample_tokens(np.zeros((1, 3), "float32"), np.zeros(1, "float32"), **options)
    model = tree.random(rows=1)
    with pytest.raises(ValueError, match=message):
        sampling_search(
            model.moved_step,
            model.moved_state(),
            model.starts,
            END,
            [2],
            np.zeros((1, 2)),
            **options,
        )


@pytest.mark.parametrize("temperature", [1e-40, 1e-7, 1.0, 1e9])
def test_what_is_forbidden_is_never_drawn_and_the_best_always_counts(temperature):
    logits = np.array([[0.0, 5.0, 1.0, 9.0]] * 400, "float32")
    logits = SuppressTokens([3])(logits[:, None], 0, None)[:, 0]
    uniforms = np.linspace(0, 1, 400, endpoint=False).astype("float32")
    found = set(np.asarray(sample_tokens(logits, uniforms, temperature)).tolist())
    assert found == ({1} if temperature < 1 else {0, 1, 2})


def test_a_uniform_that_rounds_to_one_draws_what_there_is():
    """1 - 1e-12 is 1 in float32: one in 33 million of NumPy's numbers is such a one."""
    uniforms = np.full((1, 2), 1 - 1e-12)

    def step(ids, index, state, origins):
        return np.array([[[5.0, -1e9, 4.0, -1e9]]], "float32"), state

    for options in ({}, {"top_k": 3}, {"top_p": 0.99}):
        found = sampling_search(step, (), np.array([1]), 3, np.array([2]), uniforms, **options)
        assert np.asarray(found.ids).tolist() == [[2, 2]]


def test_a_nucleus_that_has_the_probability_exactly_takes_no_further_token():
    logits, uniforms = np.zeros((4, 4), "float32"), np.array([0.1, 0.4, 0.6, 0.9], "float32")
    ids = sample_tokens(logits, uniforms, top_p=0.5)  # Two of four have 0.5.
    assert np.asarray(ids).tolist() == [0, 0, 1, 1]
