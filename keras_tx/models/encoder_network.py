"""Encoders by themselves: token ids to vectors, to be trained in advance and built upon."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import keras

from keras_tx.layers import PositionalEmbedding, TransformerEncoder
from keras_tx.layers.byte_dropout import ByteDropout
from keras_tx.layers.layer_normalization import LayerNormalization
from keras_tx.models.region_encoder import RegionEncoder

HUB = "keras_hub>"  # What the registered names of KerasHub's classes begin with.


@keras.saving.register_keras_serializable(package="keras_tx")
class EncoderNetwork(keras.Model):
    """Token ids to one vector a token: embedding, encoders, and normalization if pre-norm.

    Like the backbones of KerasHub, a functional model that knows its own arguments: it can
    be saved, and built again in another precision (`new_encoder`).

    Args:
        vocabulary_size: number of token ids, `N`.
        sequence_length: the most tokens; `None` (default) for any number, which learned
            positions cannot have.
        embed_dim, dense_dim, num_heads, num_layers, norm_first, activation, gated: of the
            encoders. Default 192, 576, 4, 3, `True`, `"gelu"`, `False`.
        dropout: rate on the embeddings and inside the encoders. Default 0.1.
        positions: `"sinusoidal"` (default) or `"learned"`.
        dtype: dtype policy of all layers. Default: the global one.

    Call arguments:
        inputs: ids `(B, T)`; 0 is padding.

    Returns:
        `(B, T, D)`, with a mask. The layers are named `embedding`, `encoder_0` …,
        `encoder_norm`; `token_embedding` is the first one, which also makes scores over the
        vocabulary of vectors (`reverse=True`).

    Example:
        >>> from keras_tx.models.encoder_network import EncoderNetwork
        >>> encoder = EncoderNetwork(vocabulary_size=50, embed_dim=8, dense_dim=16, num_heads=2)
        >>> encoder.output_shape
        (None, None, 8)

    Source: Vaswani et al. 2017, "Attention Is All You Need"; as one to be trained in advance:
    Devlin et al. 2019, "BERT".
    """

    def __init__(
        self,
        vocabulary_size: int,
        sequence_length: int | None = None,
        embed_dim: int = 192,
        dense_dim: int = 576,
        num_heads: int = 4,
        num_layers: int = 3,
        dropout: float = 0.1,
        norm_first: bool = True,
        activation: str = "gelu",
        gated: bool = False,
        positions: str = "sinusoidal",
        dtype: Any = None,
        name: str = "encoder",
    ) -> None:
        ids = keras.Input((None,), dtype="int32", name="ids")
        embedding = PositionalEmbedding(
            sequence_length,
            vocabulary_size,
            embed_dim,
            positions=positions,
            # Tokens as large as sinusoids, which would drown smaller ones; and rows of length
            # 1, so that the tied output layer starts with even scores.
            scale=True,
            embeddings_initializer=keras.initializers.RandomNormal(stddev=embed_dim**-0.5),
            dtype=dtype,
            name="embedding",
        )
        x = ByteDropout(dropout, dtype=dtype, name="embedding_dropout")(embedding(ids))
        for number in range(num_layers):
            x = TransformerEncoder(
                embed_dim,
                dense_dim,
                num_heads,
                norm_first=norm_first,
                dropout=dropout,
                activation=activation,
                gated=gated,
                dtype=dtype,
                name=f"encoder_{number}",
            )(x)
        if norm_first:
            x = LayerNormalization(1e-5, dtype=dtype, name="encoder_norm")(x)
        super().__init__(inputs=ids, outputs=x, name=name)
        self.token_embedding = embedding
        self.settings = {
            "vocabulary_size": vocabulary_size,
            "sequence_length": sequence_length,
            "embed_dim": embed_dim,
            "dense_dim": dense_dim,
            "num_heads": num_heads,
            "num_layers": num_layers,
            "dropout": dropout,
            "norm_first": norm_first,
            "activation": activation,
            "gated": gated,
            "positions": positions,
        }

    def get_config(self) -> dict[str, Any]:
        return {
            "name": self.name,
            **self.settings,
            "dtype": self.token_embedding.dtype_policy.name,
            "trainable": self.trainable,
        }

    @classmethod
    def from_config(cls, config: dict[str, Any], custom_objects: Any = None) -> EncoderNetwork:
        config = dict(config)
        trainable = config.pop("trainable", True)
        encoder = cls(**config)
        if not trainable:  # To say that it is would also be said to parts that never are.
            encoder.trainable = False
        return encoder


OURS = (EncoderNetwork, RegionEncoder)


def encoder_settings(encoder: keras.Model) -> dict[str, Any]:
    """An encoder as a dictionary of plain values: its kind and arguments, without its weights.

    Args:
        encoder: an `EncoderNetwork`, a `RegionEncoder`, or a backbone of KerasHub that takes
            `token_ids`.

    Raises:
        TypeError: when it is none of these.

    Example:
        >>> from keras_tx.models.encoder_network import EncoderNetwork, encoder_settings
        >>> encoder_settings(EncoderNetwork(vocabulary_size=50))["kind"]
        'keras_tx>EncoderNetwork'
    """
    inputs = getattr(encoder, "input", None)
    takes_ids = isinstance(inputs, Mapping) and "token_ids" in inputs
    kind = keras.saving.get_registered_name(type(encoder))
    if not isinstance(encoder, OURS) and not (takes_ids and kind.startswith(HUB)):
        raise TypeError(
            "encoder expected an EncoderNetwork, a RegionEncoder, or a backbone of KerasHub that "
            f"takes token_ids. Received: {type(encoder).__name__}"
        )
    # The precision is that of the model which the encoder becomes a part of.
    left_out = ("dtype", "trainable")
    config = encoder.get_config()
    arguments = {name: value for name, value in config.items() if name not in left_out}
    return {"kind": kind, "arguments": arguments}


def new_encoder(settings: Mapping[str, Any], dtype: Any = None, **changes: Any) -> keras.Model:
    """A new encoder, with other weights than the one whose settings these are.

    Args:
        settings: what `encoder_settings` returned.
        dtype: dtype policy of all layers. Default: the global one.
        **changes: arguments to be changed, such as `dropout`.

    Raises:
        ValueError: for settings of something else: no other class is ever made of them.

    Example:
        >>> from keras_tx.models.encoder_network import (
        ...     EncoderNetwork, encoder_settings, new_encoder)
        >>> settings = encoder_settings(EncoderNetwork(vocabulary_size=50))
        >>> new_encoder(settings, dropout=0.3).settings["dropout"]
        0.3
    """
    arguments = {**settings["arguments"], **changes}
    if dtype is not None:
        arguments["dtype"] = dtype
    return _class_of(str(settings["kind"])).from_config(arguments)


def _class_of(kind: str) -> type[keras.Model]:
    known: Any = OURS
    if kind.startswith(HUB):
        import keras_hub  # Takes a second: only where it is needed.

        known = keras_hub.models.Backbone
    found = keras.saving.get_registered_object(kind)
    if not isinstance(found, type) or not issubclass(found, known):
        raise ValueError(
            "settings expected those of an EncoderNetwork, a RegionEncoder, or a backbone of "
            f"KerasHub. Received: {kind!r}"
        )
    return found
