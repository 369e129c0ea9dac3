"""Depths of layers, ours and KerasHub's."""

import keras_hub
import pytest

from keras_tx.models import EncoderNetwork, classification_network, masked_language_network
from keras_tx.models.layer_depths import layer_depths


def depths(encoder):
    network = masked_language_network(encoder)
    found = zip(network.trainable_variables, layer_depths(network), strict=True)
    return {variable.path: depth for variable, depth in found}


def test_ours():
    found = depths(EncoderNetwork(9, embed_dim=4, dense_dim=4, num_heads=2, num_layers=2))
    assert found["embedding/token_embeddings/embeddings"] == 0
    assert found["encoder_0/feed_forward/up/kernel"] == 1
    assert found["encoder_1/self_attention/output/bias"] == 2
    assert found["encoder_norm/gamma"] == 2
    assert found["transform/kernel"] == found["vocabulary_bias/bias"] == 3


def test_those_of_keras_hub():
    found = depths(keras_hub.models.BertBackbone(9, 2, 2, 4, 4))
    for name, depth in found.items():
        if "embedding" in name:
            assert depth == 0
        elif name.startswith("transformer_layer_"):
            assert depth == int(name[len("transformer_layer_")]) + 1
        else:
            assert depth == 3
    assert set(found.values()) == {0, 1, 2, 3}


def test_a_network_without_a_backbone_is_refused():
    network = classification_network(vocabulary_size=9, num_classes=2, sequence_length=4)
    with pytest.raises(ValueError, match="named 'encoder'.*Received: 'classification_network'"):
        layer_depths(network)
