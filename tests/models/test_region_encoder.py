"""Encoders of regions: known ones, and with a layer that is trained on labels."""

import keras
import numpy as np
import pytest

from keras_tx.models import RegionEncoder
from keras_tx.models.encoder_network import encoder_settings, new_encoder

IDS = np.array([[5, 6, 7, 8, 3], [9, 4, 3, 0, 0]])


def randomized(encoder):
    generator = np.random.default_rng(0)
    for weight in encoder.weights:
        if "seed" not in weight.path:
            weight.assign(generator.normal(scale=0.4, size=weight.shape))
    return encoder


def regions(vectors, length, size):
    before = (size - 1) // 2
    return np.array(
        [
            vectors[max(place - before, 0) : min(place - before + size, length)].sum(axis=0)
            for place in range(length)
        ]
    )


def test_it_is_what_the_formula_says():
    encoder = randomized(RegionEncoder(12, region_size=3, embed_dim=4, units=6))
    found = np.asarray(encoder(IDS))
    embedding = encoder.token_embedding
    frozen, trained = np.array(embedding.frozen), np.array(embedding.trained)
    known_bias, own_bias = (
        np.array(encoder.get_layer(name).bias) for name in ("known_regions", "own_regions")
    )
    kernel = np.array(encoder.get_layer("combination").kernel)
    for row, length in enumerate((5, 3)):
        ids = IDS[row, :length]
        known = np.maximum(regions(frozen[ids], length, 3) + known_bias, 0)
        known /= np.sqrt(1 + (known**2).sum(-1, keepdims=True))
        expected = known @ kernel + regions(trained[ids], length, 3) + own_bias
        np.testing.assert_allclose(
            found[row, :length], np.maximum(expected, 0), rtol=1e-4, atol=1e-5
        )


def test_what_labels_train():
    encoder = RegionEncoder(12, embed_dim=4, units=6)
    trained = {weight.path.split("encoder/")[-1] for weight in encoder.trainable_weights}
    assert trained == {"embedding/trained", "own_regions/bias", "combination/kernel"}
    alone = RegionEncoder(12, embed_dim=4)
    trained = {weight.path.split("encoder/")[-1] for weight in alone.trainable_weights}
    assert trained == {"embedding/embeddings", "known_regions/bias"}


def test_whole_tokens_are_left_out():
    keras.utils.set_random_seed(0)
    encoder = randomized(RegionEncoder(12, region_size=1, embed_dim=4, units=6, token_dropout=0.5))
    # With regions of one token, what is left without it is the bias.
    bare = np.maximum(np.array(encoder.get_layer("known_regions").bias), 0)
    bare /= np.sqrt(1 + bare @ bare)
    kernel = np.array(encoder.get_layer("combination").kernel)
    bare = np.maximum(bare @ kernel + np.array(encoder.get_layer("own_regions").bias), 0)
    found = np.asarray(encoder(np.full((40, 25), 5), training=True)).reshape(-1, 6)
    left_out = np.isclose(found, bare, atol=1e-5).all(axis=1)
    assert 0.4 < left_out.mean() < 0.6
    assert len(np.unique(found[~left_out].round(4), axis=0)) == 1


def test_settings_make_another_one():
    encoder = randomized(RegionEncoder(12, 3, 4, units=6, frozen_dtype="float16"))
    settings = encoder_settings(encoder)
    twin = new_encoder(settings)
    twin.set_weights(encoder.get_weights())
    np.testing.assert_array_equal(np.asarray(twin(IDS)), np.asarray(encoder(IDS)))
    changed = new_encoder(settings, "mixed_bfloat16", token_dropout=0.3)
    assert changed.settings["token_dropout"] == 0.3
    assert changed.get_layer("combination").compute_dtype == "bfloat16"
    with pytest.raises(TypeError, match="a RegionEncoder, or a backbone of KerasHub"):
        encoder_settings(keras.Sequential([keras.Input((2,))]))
