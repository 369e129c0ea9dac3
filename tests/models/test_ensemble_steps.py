"""Steps of an ensemble, token by token, against its whole network."""

import numpy as np
import pytest
import tensorflow as tf

from keras_tx.models import translator_ensemble
from keras_tx.models.ensemble_steps import steps_of
from keras_tx.models.translation_steps import TranslationSteps

SOURCES = np.array([[4, 7, 9, 3], [5, 3, 0, 0]])
TARGETS = np.array([[2, 8, 4, 6], [2, 5, 9, 7]])


@pytest.fixture
def network(random_translator):
    """Of members that have no size in common but the vocabulary's."""
    sizes = [{}, {"embed_dim": 24, "dense_dim": 16, "num_heads": 3, "num_decoder_layers": 3}]
    models = [random_translator(seed=seed, **size) for seed, size in enumerate(sizes)]
    return translator_ensemble(models).network


@pytest.mark.parametrize("compiled", [False, True])
def test_token_by_token_is_the_network(network, compiled):
    expected = network([SOURCES, TARGETS]).numpy()
    steps = steps_of(network, compiled=compiled)
    encoded, mask = steps.encode(tf.constant(SOURCES))
    np.testing.assert_array_equal(mask, SOURCES != 0)
    state = steps.start_state(encoded, mask, longest=5)
    step = steps.decoder_step(longest=5)
    for index in range(4):
        logits, state = step(tf.constant(TARGETS[:, index : index + 1]), index, state, None)
        np.testing.assert_allclose(logits[:, 0], expected[:, index], atol=1e-4)


def test_attention_is_the_mean_of_the_members(network):
    steps = steps_of(network)
    each = [np.array(member.attention(SOURCES, TARGETS)) for member in steps.members]
    assert np.abs(each[0] - each[1]).max() > 0.1
    np.testing.assert_allclose(steps.attention(SOURCES, TARGETS), np.mean(each, axis=0), atol=1e-6)
    encoded, mask = steps.encode(tf.constant(SOURCES))
    state = steps.start_state(encoded, mask, longest=4)
    step = steps.decoder_step(longest=4, with_attention=True)
    lasts = [member.decoder_step(longest=4, with_attention=True) for member in steps.members]
    _, _, weights = step(tf.constant(TARGETS[:, :1]), 0, state, None)
    expected = [
        last(tf.constant(TARGETS[:, :1]), 0, own, None)[2]
        for last, own in zip(lasts, state["members"], strict=True)
    ]
    np.testing.assert_allclose(weights, np.mean(expected, axis=0), atol=1e-6)


def test_of_one_network_they_are_its_own(random_translator):
    assert isinstance(steps_of(random_translator().network), TranslationSteps)
