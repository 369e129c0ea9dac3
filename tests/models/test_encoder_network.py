"""Encoders that know their own arguments."""

import json

import keras
import keras_hub
import numpy as np
import pytest

from keras_tx.models import EncoderNetwork
from keras_tx.models.encoder_network import encoder_settings, new_encoder

SIZES = {"vocabulary_size": 20, "embed_dim": 12, "dense_dim": 16, "num_heads": 2, "num_layers": 2}
IDS = np.array([[5, 6, 7, 3], [8, 3, 0, 0]])


def bert(**changes):
    arguments = {"vocabulary_size": 20, "num_layers": 2, "num_heads": 2, "hidden_dim": 12}
    return keras_hub.models.BertBackbone(**arguments, intermediate_dim=16, **changes)


def test_padding_changes_nothing_and_the_mask_travels():
    encoder = EncoderNetwork(**SIZES)
    alone = np.asarray(encoder(np.array([[8, 3]])))
    np.testing.assert_allclose(np.asarray(encoder(IDS))[1, :2], alone[0], atol=1e-5)
    model = keras.Sequential([encoder, keras.layers.GlobalAveragePooling1D()])
    np.testing.assert_allclose(model(IDS)[1], alone[0].mean(axis=0), atol=1e-5)


def test_tokens_are_as_large_as_positions():
    encoder = EncoderNetwork(**{**SIZES, "embed_dim": 64})
    embedding = encoder.token_embedding
    tokens = np.asarray(embedding.token_vectors(np.arange(20)))
    positions = np.asarray(embedding.position_vectors(20))
    assert 0.5 < tokens.std() / positions.std() < 2
    # Scores over the vocabulary start even: of size 1, not 8.
    scores = np.asarray(embedding(keras.random.normal((1, 50, 64)), reverse=True))
    assert 0.5 < scores.std() < 2


@pytest.mark.parametrize("changes", [{}, {"norm_first": False}, {"gated": True, "num_layers": 1}])
def test_a_new_one_is_of_the_same_shape(changes):
    encoder = EncoderNetwork(**{**SIZES, **changes})
    settings = json.loads(json.dumps(encoder_settings(encoder)))
    again = new_encoder(settings)
    again.set_weights(encoder.get_weights())
    np.testing.assert_allclose(again(IDS), encoder(IDS), atol=1e-6)


def test_arguments_and_precision_can_be_changed():
    settings = encoder_settings(EncoderNetwork(**SIZES))
    changed = new_encoder(settings, "mixed_bfloat16", dropout=0.4)
    assert changed.settings["dropout"] == 0.4
    layer = changed.get_layer("encoder_1")
    assert (layer.dropout, layer.compute_dtype, layer.variable_dtype) == (
        0.4,
        "bfloat16",
        "float32",
    )
    assert changed.get_layer("embedding").compute_dtype == "bfloat16"


def test_learned_positions_have_an_end():
    encoder = EncoderNetwork(**SIZES, sequence_length=4, positions="learned")
    assert encoder(IDS).shape == (2, 4, 12)
    with pytest.raises(ValueError, match="at most sequence_length=4"):
        encoder(np.ones((1, 5), "int32"))


def test_it_is_saved_and_loaded(tmp_path):
    encoder = EncoderNetwork(**SIZES)
    encoder.save(tmp_path / "encoder.keras")
    again = keras.saving.load_model(tmp_path / "encoder.keras")
    assert isinstance(again, EncoderNetwork)
    np.testing.assert_allclose(again(IDS), encoder(IDS), atol=1e-6)


def test_precision_and_what_is_not_trained_are_kept(tmp_path):
    encoder = EncoderNetwork(**SIZES, dtype="mixed_bfloat16")
    encoder.save(tmp_path / "encoder.keras")
    again = keras.saving.load_model(tmp_path / "encoder.keras")
    assert again.output.dtype == "bfloat16" and again.variables[0].dtype == "float32"
    assert again.trainable_weights and not {"dtype", "trainable"} & {
        *encoder_settings(encoder)["arguments"]
    }
    encoder.trainable = False
    inputs = keras.Input((None,), dtype="int32")
    model = keras.Model(inputs, keras.layers.Dense(2)(encoder(inputs)))
    model.save(tmp_path / "model.keras")
    assert len(keras.saving.load_model(tmp_path / "model.keras").trainable_weights) == 2


def test_backbones_of_keras_hub():
    backbone = bert()
    settings = json.loads(json.dumps(encoder_settings(backbone)))
    again = new_encoder(settings, "mixed_bfloat16", dropout=0.3)
    assert type(again) is type(backbone) and again.dropout == 0.3
    assert again.get_layer("transformer_layer_1").compute_dtype == "bfloat16"
    again.set_weights(backbone.get_weights())


def test_other_models_are_refused():
    with pytest.raises(TypeError, match="KerasHub that takes token_ids. Received: Sequential"):
        encoder_settings(keras.Sequential([keras.Input((3,)), keras.layers.Dense(2)]))
    hidden = {"kind": "keras_tx>TransformerEncoder", "arguments": {}}
    for settings in (hidden, {"kind": "keras_hub>BertTokenizer", "arguments": {}}):
        with pytest.raises(
            ValueError, match=f"backbone of KerasHub. Received: '{settings['kind']}"
        ):
            new_encoder(settings)
