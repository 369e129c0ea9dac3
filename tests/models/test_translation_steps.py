"""Steps with either kind of cache against the whole network, and against each other."""

import numpy as np
import pytest
import tensorflow as tf

from keras_tx.models.translation_steps import TranslationSteps

SOURCES = np.array([[4, 7, 9, 3], [5, 3, 0, 0]])
TARGETS = np.array([[2, 8, 4, 6], [2, 5, 9, 7]])
NETWORKS = [
    {"norm_first": True, "positions": "sinusoidal"},
    {"norm_first": False, "positions": "learned", "separate": True},
]


@pytest.mark.parametrize("arguments", NETWORKS, ids=["shared", "separate"])
@pytest.mark.parametrize("compiled", [False, True])
def test_token_by_token_is_the_network(arguments, compiled, random_translator):
    network = random_translator(seed=1, **arguments).network
    expected = network([SOURCES, TARGETS]).numpy()
    steps = TranslationSteps(network, compiled=compiled)
    encoded, mask = steps.encode(tf.constant(SOURCES))
    state = steps.start_state(encoded, mask, longest=5)
    step = steps.decoder_step(longest=5)
    for index in range(4):
        logits, state = step(tf.constant(TARGETS[:, index : index + 1]), index, state, None)
        np.testing.assert_allclose(logits[:, 0], expected[:, index], atol=1e-4)


@pytest.mark.parametrize("rows", [1, 2, 9])
def test_one_row_and_several_have_the_same_logits(rows, random_translator):
    network = random_translator(seed=3).network
    steps = TranslationSteps(network)
    sources, starts = np.resize(SOURCES, (rows, 4)), np.resize(TARGETS, (rows, 4))[:, :1]
    encoded, mask = steps.encode(tf.constant(sources))

    @tf.function
    def first_logits(batch_size):
        step = steps.decoder_step(longest=3, batch_size=batch_size)
        state = steps.start_state(encoded, mask, longest=3)
        return step(tf.constant(starts), 0, state, None)[0]

    expected = network([sources, starts])
    np.testing.assert_allclose(first_logits(tf.constant(rows)), expected, atol=1e-4)
    traced = first_logits.get_concrete_function(tf.TensorSpec([], tf.int32))
    assert traced.output_shapes[-1] == network.output_shape[-1]


@pytest.mark.parametrize("compiled", [False, True])
def test_hypotheses_that_change_places_read_their_own_past(compiled, random_translator):
    network = random_translator(seed=2).network
    # Hypotheses 0 and 1 after each step, and from whose place each came.
    places, tokens = [(0, 1), (1, 0), (0, 0)], [(2, 2), (5, 6), (7, 8)]
    steps = TranslationSteps(network, compiled=compiled)
    encoded, mask = steps.encode(tf.constant(SOURCES[:1]))
    state = steps.start_state(encoded, mask, longest=3, beam_size=2)
    step = steps.decoder_step(longest=3, beam_size=2, with_attention=True)
    origins, pasts = np.tile([[[0], [1]]], (1, 1, 3)), [[], []]
    for index, (came, read) in enumerate(zip(places, tokens, strict=True)):
        pasts = [[*pasts[place], token] for place, token in zip(came, read, strict=True)]
        origins = origins[:, list(came)]
        origins[0, :, index:] = [[0], [1]]
        ids = tf.constant([read], tf.int32)
        logits, state, attention = step(ids, index, state, tf.constant(origins, tf.int32))
        for number, past in enumerate(pasts):
            expected = network([SOURCES[:1], np.array([past])]).numpy()[0, -1]
            np.testing.assert_allclose(logits[0, number], expected, atol=1e-4)
        np.testing.assert_allclose(tf.reduce_sum(attention, axis=2), np.ones((1, 2)), atol=1e-5)
