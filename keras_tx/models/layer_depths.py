"""How far from the input the layers of a fine-tuned network stand."""

from __future__ import annotations

import re

import keras

# The blocks of ours and of KerasHub: TransformerEncoder, FNetEncoder, GemmaDecoderBlock, …
BLOCK = re.compile("Encoder|Decoder|Transformer|Block")


def layer_depths(network: keras.Model) -> list[int]:
    """The depth of each trainable variable: 0 for embeddings, then one more for each block.

    Args:
        network: a network with a `WindowedEncoder` named `encoder`. What stands behind the
            encoder has the highest depth.

    Returns:
        One number for each of `network.trainable_variables`, in order.

    Raises:
        ValueError: when the network has no such layer.

    Example:
        >>> from keras_tx.models import EncoderNetwork, masked_language_network
        >>> from keras_tx.models.layer_depths import layer_depths
        >>> encoder = EncoderNetwork(vocabulary_size=50, num_layers=2)
        >>> sorted(set(layer_depths(masked_language_network(encoder))))
        [0, 1, 2, 3]
    """
    if "encoder" not in [layer.name for layer in network.layers]:
        raise ValueError(
            "network expected a layer named 'encoder', as a classifier made from a backbone has "
            f"one. Received: {network.name!r}"
        )
    depth, depths = 0, {}
    for layer in network.get_layer("encoder").encoder.layers:
        depth += bool(BLOCK.search(type(layer).__name__))
        for variable in layer.trainable_variables:
            depths.setdefault(id(variable), depth)
    return [depths.get(id(variable), depth + 1) for variable in network.trainable_variables]
