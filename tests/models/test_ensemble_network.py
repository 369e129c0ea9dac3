"""The mean of several networks, against NumPy."""

import keras
import numpy as np
import pytest

from keras_tx.models.ensemble_network import (
    ensemble_members,
    ensemble_network,
    mean_log_probabilities,
)
from keras_tx.models.networks import translation_network

IDS = [np.array([[4, 7, 9, 3], [5, 3, 0, 0]]), np.array([[2, 8, 4], [2, 5, 9]])]
SIZES = {"num_heads": 2, "num_encoder_layers": 1, "num_decoder_layers": 1, "dense_dim": 12}


def softmax(logits):
    values = np.exp(logits - logits.max(-1, keepdims=True))
    return values / values.sum(-1, keepdims=True)


def ensemble(*widths, **shared):
    members = [{**SIZES, "embed_dim": width} for width in widths]
    return ensemble_network(members, source_vocabulary_size=11, **shared)


def test_mean_of_probabilities_and_not_of_logits():
    logits = np.random.default_rng(0).normal(scale=5, size=(3, 2, 4, 7))
    expected = np.log(softmax(logits).mean(0))
    np.testing.assert_allclose(mean_log_probabilities(list(logits)), expected, rtol=1e-5)


def test_what_no_float_can_hold_stays_finite():
    logits = [np.array([[0.0, -2000.0]]), np.array([[0.0, -3000.0]])]
    expected = [[0.0, -2000 - np.log(2)]]
    np.testing.assert_allclose(mean_log_probabilities(logits), expected, rtol=1e-6, atol=1e-6)


def test_each_member_is_a_network_of_its_own():
    network = ensemble(8, 16, 8)
    members = ensemble_members(network)
    assert [member.count_params() for member in members] == [
        translation_network(source_vocabulary_size=11, embed_dim=width, **SIZES).count_params()
        for width in (8, 16, 8)
    ]
    assert network.count_params() == sum(member.count_params() for member in members)
    expected = np.log(np.mean([softmax(np.array(member(IDS))) for member in members], axis=0))
    np.testing.assert_allclose(network(IDS), expected, atol=1e-5)


def test_all_members_learn():
    network = ensemble(8, 16)
    before = [np.array(weight) for weight in network.trainable_variables]
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    network.compile(keras.optimizers.SGD(1.0), loss)
    network.fit(IDS, np.array([[8, 4, 3], [5, 9, 3]]), verbose=0)
    for weight, old in zip(network.trainable_variables, before, strict=True):
        assert not np.array_equal(weight, old), weight.path


def test_means_are_float32_whatever_the_members_compute_in():
    network = ensemble(8, 16, dtype="mixed_bfloat16")
    assert network(IDS).dtype == "float32"
    totals = np.exp(np.array(network(IDS))).sum(-1)
    np.testing.assert_allclose(totals, np.ones_like(totals), atol=1e-5)


def test_a_single_network_has_no_members():
    assert not ensemble_members(translation_network(source_vocabulary_size=11, **SIZES))


@pytest.mark.parametrize("count", [0, 33])
def test_none_or_too_many_members_are_an_error(count):
    with pytest.raises(ValueError, match=f"from 1 to 32 networks. Received: {count}"):
        ensemble(*[8] * count)
