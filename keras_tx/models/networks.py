"""The network of the translators, in the functional API."""

from __future__ import annotations

from typing import Any

import keras

from keras_tx.layers import PositionalEmbedding, TransformerDecoder, TransformerEncoder
from keras_tx.layers.byte_dropout import ByteDropout
from keras_tx.layers.layer_normalization import LayerNormalization


def translation_network(
    *,
    source_vocabulary_size: int,
    target_vocabulary_size: int | None = None,
    sequence_length: int | None = None,
    embed_dim: int = 256,
    dense_dim: int = 1024,
    num_heads: int = 4,
    num_encoder_layers: int = 3,
    num_decoder_layers: int = 3,
    dropout: float = 0.1,
    norm_first: bool = True,
    activation: str = "relu",
    use_bias: bool = True,
    positions: str = "sinusoidal",
    dtype: Any = None,
    name: str = "translation_network",
) -> keras.Model:
    """An encoder–decoder from source and target ids to scores over the target vocabulary.

    The output projection is the target's token table; with one vocabulary for both
    languages, that table is the source's too.

    Args:
        source_vocabulary_size: number of source ids.
        target_vocabulary_size: number of target ids, `N`; `None` (default) for one table
            that both languages share.
        sequence_length: the most tokens; needed with learned positions.
        embed_dim, dense_dim, num_heads, norm_first, activation: of encoders and decoders.
        num_encoder_layers, num_decoder_layers: how many of each.
        dropout: rate on embeddings and inside the layers.
        use_bias: whether their projections have biases. Default `True`.
        positions: `"sinusoidal"` (default) or `"learned"`.
        dtype: dtype policy of all layers. Default: the global one.
        name: of the model. Default `"translation_network"`.

    Returns:
        A model from `[source ids (B, Ts), target ids (B, Tt)]` to logits `(B, Tt, N)`.
        Its layers are named `source_embedding`, `target_embedding` (`embedding` if
        shared), `encoder_0` …, `encoder_norm`, `decoder_0` …, `decoder_norm`.

    Example:
        >>> from keras_tx.models import translation_network
        >>> translation_network(source_vocabulary_size=100, embed_dim=32).output_shape
        (None, None, 100)
    """

    def embedding(size: int, name: str) -> PositionalEmbedding:
        return PositionalEmbedding(
            sequence_length,
            size,
            embed_dim,
            positions=positions,
            scale=True,
            # Small enough that the tied output projection starts with even scores.
            embeddings_initializer=keras.initializers.RandomNormal(stddev=embed_dim**-0.5),
            dtype=dtype,
            name=name,
        )

    def stack(block: type, count: int, name: str, x: Any, *further: Any) -> Any:
        for number in range(count):
            x = block(
                embed_dim,
                dense_dim,
                num_heads,
                norm_first=norm_first,
                dropout=dropout,
                activation=activation,
                use_bias=use_bias,
                dtype=dtype,
                name=f"{name}_{number}",
            )(x, *further)
        if norm_first:
            x = LayerNormalization(1e-5, dtype=dtype, name=f"{name}_norm")(x)
        return x

    if target_vocabulary_size is None:
        source_embedding = target_embedding = embedding(source_vocabulary_size, "embedding")
    else:
        source_embedding = embedding(source_vocabulary_size, "source_embedding")
        target_embedding = embedding(target_vocabulary_size, "target_embedding")
    source_ids = keras.Input((None,), dtype="int32", name="source_ids")
    target_ids = keras.Input((None,), dtype="int32", name="target_ids")
    x = ByteDropout(dropout, dtype=dtype, name="source_dropout")(source_embedding(source_ids))
    encoded = stack(TransformerEncoder, num_encoder_layers, "encoder", x)
    y = ByteDropout(dropout, dtype=dtype, name="target_dropout")(target_embedding(target_ids))
    y = stack(TransformerDecoder, num_decoder_layers, "decoder", y, encoded)
    logits = target_embedding(y, reverse=True)
    return keras.Model([source_ids, target_ids], logits, name=name)
