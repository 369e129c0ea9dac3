"""The translation network: shapes, weights counted by hand, padding that changes nothing."""

import keras
import numpy as np
import pytest

from keras_tx.models import translation_network

D, F = 8, 12


def attention(count=1):
    return count * (4 * D * D + 4 * D)  # query, key, value, output with biases


def feed_forward():
    return 2 * D * F + F + D


def norms(count):
    return count * 2 * D


def translation(**changes):
    arguments = {"source_vocabulary_size": 20, "embed_dim": D, "dense_dim": F, "num_heads": 2}
    arguments |= {"num_encoder_layers": 2, "num_decoder_layers": 1, "sequence_length": 16}
    return translation_network(**{**arguments, **changes})


def ids(rows, length, vocabulary=20, seed=0):
    return np.random.default_rng(seed).integers(1, vocabulary, (rows, length))


def outputs(network, inputs):
    return keras.ops.convert_to_numpy(network(inputs))


def test_translation_weights_by_hand():
    blocks = 2 * (attention() + feed_forward() + norms(2)) + (
        attention(2) + feed_forward() + norms(3)
    )
    assert translation().count_params() == 20 * D + blocks + norms(2)
    # The tied projection has no weights of its own, whether languages share a table or not.
    separate = translation(target_vocabulary_size=30)
    assert separate.count_params() == 50 * D + blocks + norms(2)
    assert translation(norm_first=False).count_params() == 20 * D + blocks
    assert translation(positions="learned").count_params() == 36 * D + blocks + norms(2)
    biases = 2 * (4 * D + F + D) + (8 * D + F + D)
    assert translation(use_bias=False).count_params() == 20 * D + blocks - biases + norms(2)


def test_translation_layer_names_and_shapes():
    names = [layer.name for layer in translation(target_vocabulary_size=30).layers]
    expected = {"source_embedding", "target_embedding", "encoder_0", "encoder_1", "encoder_norm"}
    assert expected | {"decoder_0", "decoder_norm"} <= set(names)
    assert {"embedding", "encoder_0"} <= {layer.name for layer in translation().layers}
    network = translation(target_vocabulary_size=30)
    assert network.output_shape == (None, None, 30)
    assert outputs(network, [ids(2, 5), ids(2, 7, 30)]).shape == (2, 7, 30)


@pytest.mark.parametrize("norm_first", [True, False])
def test_padding_and_the_future_change_nothing_in_translation(norm_first):
    network = translation(norm_first=norm_first)
    source, target = ids(2, 4), ids(2, 5, seed=1)
    expected = outputs(network, [source, target])
    padded = np.pad(source, [(0, 0), (0, 3)]), np.pad(target, [(0, 0), (0, 2)])
    np.testing.assert_allclose(outputs(network, [*padded])[:, :5], expected, atol=1e-5)
    later = target.copy()
    later[:, 3:] = 21 - later[:, 3:] - 1
    np.testing.assert_allclose(outputs(network, [source, later])[:, :3], expected[:, :3], atol=1e-5)
    other = source.copy()
    other[:, -1] = other[:, -1] % 19 + 1
    assert np.abs(outputs(network, [other, target]) - expected).max() > 1e-3


def test_mixed_precision_gives_float32_weights():
    network = translation(dtype="mixed_bfloat16")
    assert network.get_layer("encoder_0").compute_dtype == "bfloat16"
    assert {str(weight.dtype) for weight in network.weights} == {"float32"}
