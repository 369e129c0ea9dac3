"""An encoder read window by window: each window is a text of its own."""

import keras
import keras_hub
import numpy as np
import pytest

from keras_tx.models import EncoderNetwork, WindowedEncoder
from keras_tx.models.encoder_network import encoder_settings
from keras_tx.models.windowed_encoder import encoded_text

IDS = np.array([[5, 6, 7, 8, 9, 10, 3], [11, 12, 3, 0, 0, 0, 0]])


@pytest.fixture(scope="module")
def encoder():
    keras.utils.set_random_seed(3)
    return EncoderNetwork(20, embed_dim=12, dense_dim=16, num_heads=2, num_layers=1)


def test_without_windows_it_is_the_encoder(encoder):
    np.testing.assert_allclose(WindowedEncoder(encoder)(IDS), encoder(IDS), atol=1e-6)


def test_each_window_is_a_text_of_its_own(encoder):
    outputs = np.asarray(WindowedEncoder(encoder, window=3)(IDS))
    assert outputs.shape == (2, 7, 12)
    for start in (0, 3):
        window = np.asarray(encoder(IDS[:1, start : start + 3]))
        np.testing.assert_allclose(outputs[:1, start : start + 3], window, atol=1e-5)
    np.testing.assert_allclose(outputs[:1, 6:7], encoder(IDS[:1, 6:]), atol=1e-5)
    assert np.isfinite(outputs).all()  # Windows of nothing but padding.


@pytest.mark.parametrize("length", [1, 3, 7])
def test_a_short_text_is_no_longer_for_its_window(encoder, length):
    ids = keras.ops.convert_to_tensor(IDS[:, :length])
    layer = WindowedEncoder(encoder, window=100)
    assert layer.split(ids).shape == (2, length)
    np.testing.assert_allclose(layer(ids), encoder(ids), atol=1e-6)
    # Of a length that only the graph knows.
    whole = keras.Model(made := keras.Input((None,), dtype="int32"), layer(made))
    np.testing.assert_allclose(whole(ids), encoder(ids), atol=1e-6)


def test_the_mask_travels(encoder):
    ids = keras.Input((None,), dtype="int32")
    x = WindowedEncoder(encoder, window=4)(ids)
    assert x.shape == (None, None, 12)
    pooled = keras.Model(ids, keras.layers.GlobalAveragePooling1D()(x))(IDS)
    alone = np.asarray(WindowedEncoder(encoder, window=4)(IDS[1:, :3]))[0, :3]
    np.testing.assert_allclose(pooled[1], alone.mean(axis=0), atol=1e-5)


def test_values_go_to_windows_and_back(encoder):
    layer = WindowedEncoder(encoder, window=3)
    windows = np.asarray(layer.split(keras.ops.convert_to_tensor(IDS)))
    assert windows.tolist()[2:4] == [[3, 0, 0], [11, 12, 3]]
    back = np.asarray(layer.join(keras.ops.convert_to_tensor(windows), IDS))
    np.testing.assert_array_equal(back, IDS)


def test_a_backbone_of_keras_hub_gets_all_its_inputs():
    bert = keras_hub.models.BertBackbone(20, 1, 2, 12, 16, max_sequence_length=8)
    inputs = {
        "token_ids": IDS,
        "padding_mask": (IDS != 0).astype("int32"),
        "segment_ids": np.zeros_like(IDS),
    }
    layer = WindowedEncoder(bert)
    expected = bert(inputs)["sequence_output"]
    np.testing.assert_allclose(layer(IDS), expected, atol=1e-6)
    # What its other output is made of has nothing to learn from.
    assert "pooled_dense/kernel" not in [v.path for v in layer.trainable_variables]
    again = WindowedEncoder.from_config(layer.get_config())
    again.set_weights(layer.get_weights())
    np.testing.assert_allclose(again(IDS), expected, atol=1e-6)


def test_config_round_trip(encoder):
    layer = WindowedEncoder(encoder, window=5, name="mine")
    again = WindowedEncoder.from_config(layer.get_config())
    again.set_weights(layer.get_weights())
    assert again.get_config() == layer.get_config()
    np.testing.assert_allclose(again(IDS), layer(IDS), atol=1e-6)


def test_fine_tuning_replaces_tokens_and_changes_dropout(encoder):
    ids = keras.Input((None,), dtype="int32")
    x = encoded_text(
        ids, encoder_settings(encoder), window=4, dropout=0.25, token_dropout=0.9, mask_id=19
    )
    model = keras.Model(ids, x)
    assert model.get_layer("encoder").encoder.settings["dropout"] == 0.25
    assert model.get_layer("token_replacement").replacement_id == 19
    np.testing.assert_allclose(model(IDS), model(IDS), atol=1e-6)
    assert (np.asarray(model(IDS, training=True)) != np.asarray(model(IDS))).any()
    with pytest.raises(ValueError, match="expected a mask_id. Received: mask_id=None"):
        encoded_text(ids, encoder_settings(encoder), token_dropout=0.1)


def test_wrong_arguments(encoder):
    with pytest.raises(ValueError, match="positive integer. Received: window=0"):
        WindowedEncoder(encoder, window=0)
    with pytest.raises(TypeError, match="Received: Functional"):
        WindowedEncoder(keras.Model(encoder.input, encoder.output))


def test_precision_and_what_is_not_trained_are_kept():
    encoder = EncoderNetwork(50, embed_dim=8, dense_dim=16, num_heads=2, dtype="mixed_bfloat16")
    layer = WindowedEncoder(encoder, 4, dtype="mixed_bfloat16")
    encoder.trainable = False
    again = WindowedEncoder.from_config(layer.get_config())
    again.set_weights(layer.get_weights())
    assert not again.trainable_weights
    np.testing.assert_array_equal(again(IDS).numpy(), layer(IDS).numpy())


def test_symbolic_shapes_are_those_of_calls(encoder):
    layer = WindowedEncoder(encoder, window=4)
    symbolic = layer(keras.Input((None,), dtype="int32"))
    assert symbolic.shape == (None, None, layer(IDS).shape[-1])
    assert symbolic.dtype == keras.backend.standardize_dtype(layer(IDS).dtype)
