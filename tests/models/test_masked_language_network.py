"""Scores over the vocabulary at the positions that are asked for."""

import math

import keras
import keras_hub
import numpy as np
import pytest

from keras_tx.models import EncoderNetwork, masked_language_network

IDS = np.array([[5, 6, 7, 3], [8, 9, 3, 0]])
POSITIONS = np.array([[0, 2], [1, 1]])


def gelu(x):
    return 0.5 * x * (1 + np.vectorize(math.erf)(x / np.sqrt(2)))


def test_it_is_what_the_formula_says():
    keras.utils.set_random_seed(0)
    encoder = EncoderNetwork(20, embed_dim=12, dense_dim=16, num_heads=2, num_layers=1)
    network = masked_language_network(encoder)
    generator = np.random.default_rng(1)
    for variable in network.trainable_variables:
        variable.assign(generator.normal(scale=0.4, size=variable.shape))
    weights = {variable.path: np.array(variable) for variable in network.weights}
    vectors = np.asarray(encoder(IDS))
    picked = np.stack([vectors[row, POSITIONS[row]] for row in range(2)])
    x = gelu(picked @ weights["transform/kernel"] + weights["transform/bias"])
    x = (x - x.mean(-1, keepdims=True)) / np.sqrt(x.var(-1, keepdims=True) + 1e-5)
    x = x * weights["transform_norm/gamma"] + weights["transform_norm/beta"]
    table = weights["embedding/token_embeddings/embeddings"]
    expected = x @ table.T + weights["vocabulary_bias/bias"]
    np.testing.assert_allclose(network([IDS, POSITIONS]), expected, rtol=1e-3, atol=1e-3)


def test_the_table_is_one_weight():
    encoder = EncoderNetwork(20, embed_dim=12, dense_dim=16, num_heads=2, num_layers=1)
    network = masked_language_network(encoder)
    head = 12 * 12 + 12 + 2 * 12 + 20
    assert network.count_params() == encoder.count_params() + head
    assert network.output_shape == (None, None, 20)


def test_half_precision():
    encoder = EncoderNetwork(20, embed_dim=12, num_heads=2, num_layers=1, dtype="mixed_bfloat16")
    network = masked_language_network(encoder, "mixed_bfloat16")
    assert network.get_layer("encoder").encoder.get_layer("encoder_0").compute_dtype == "bfloat16"
    assert np.isfinite(np.asarray(network([IDS, POSITIONS]), "float32")).all()


def test_backbones_of_keras_hub():
    for encoder in (
        keras_hub.models.BertBackbone(20, 1, 2, 12, 16),
        keras_hub.models.RobertaBackbone(20, 1, 2, 12, 16, max_sequence_length=16),
    ):
        network = masked_language_network(encoder)
        logits = network([IDS, POSITIONS])
        assert logits.shape == (2, 2, 20)
        again = np.array(IDS)
        again[1, 3] = 0
        np.testing.assert_allclose(network([again, POSITIONS]), logits, atol=1e-5)


def test_an_encoder_without_a_table_is_refused():
    inputs = keras.Input((None,), dtype="int32", name="token_ids")
    model = keras.Model({"token_ids": inputs}, keras.layers.Embedding(5, 4)(inputs))
    with pytest.raises(ValueError, match="expected a token_embedding.*Received: Functional"):
        masked_language_network(model)
