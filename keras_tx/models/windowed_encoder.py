"""Any encoder of token ids as one layer, over texts of any length."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import keras
from keras import ops

from keras_tx.layers.token_replacement import TokenReplacement
from keras_tx.layers.validation import optional, positive_integer
from keras_tx.models.encoder_network import OURS, encoder_settings, new_encoder


@keras.saving.register_keras_serializable(package="keras_tx")
class WindowedEncoder(keras.layers.Layer):
    """Token ids to vectors, by an encoder that reads the text window by window.

    Without `window` the encoder reads each row whole. With it, a row is cut into windows,
    each is read as if it were a text of its own, and the vectors stand side by side again: the
    cost of attention grows no more with the length, every token of a long text counts, and
    the encoder meets no position that it has not been trained on.

    The encoder is an `EncoderNetwork`, or any backbone of KerasHub that takes `token_ids`: it
    gets `padding_mask` and `segment_ids` too, if it has such inputs, and its
    `sequence_output` is taken.

    Args:
        encoder: the encoder, or what `encoder_settings` returned.
        window: tokens of a window. Default `None`: no windows.

    Call arguments:
        inputs: ids `(B, T)`; 0 is padding.

    Returns:
        `(B, T, D)`, with the mask "id is not 0".

    Raises:
        ValueError: when `window` is not a positive integer.
        TypeError: for another kind of encoder.

    Example:
        >>> import numpy as np
        >>> from keras_tx.models import EncoderNetwork, WindowedEncoder
        >>> encoder = EncoderNetwork(vocabulary_size=50, embed_dim=8, dense_dim=16, num_heads=2)
        >>> tuple(WindowedEncoder(encoder, window=4)(np.array([[7, 8, 9, 7, 8]])).shape)
        (1, 5, 8)

    Source: windows whose representations are pooled: Pappagari et al. 2019, "Hierarchical
    Transformers for Long Document Classification".
    """

    def __init__(
        self,
        encoder: keras.Model | Mapping[str, Any],
        window: int | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(autocast=False, **kwargs)  # Ids are not to be cast to half precision.
        self.encoder = encoder if isinstance(encoder, keras.Model) else new_encoder(encoder)
        self.settings = encoder_settings(self.encoder)
        self.window = optional(positive_integer, "window", window)
        self.supports_masking = True
        # What makes other outputs, such as BERT's pooled one, would have nothing to learn from.
        output = self.sequence_output(self.encoder.output)
        used = {id(layer) for layer in keras.Model(self.encoder.input, output).layers}
        for layer in self.encoder.layers:
            if id(layer) not in used:
                layer.trainable = False
        self.built = True

    def call(self, inputs: Any, training: bool | None = None) -> Any:
        outputs = self.encoder(self.encoder_inputs(self.split(inputs)), training=training)
        return self.join(self.sequence_output(outputs), inputs)

    def compute_output_spec(self, inputs: Any, training: bool | None = None) -> Any:
        # Written out: JAX cannot trace the number of windows of an unknown length.
        output = self.sequence_output(self.encoder.output)
        return keras.KerasTensor((*inputs.shape, output.shape[-1]), output.dtype)

    def split(self, ids: Any) -> Any:
        """Ids `(B, T)` to windows `(B * W, window)`, filled up with padding.

        What is no longer than a window is one as it stands: a short text costs no long one.
        """
        if self.window is None:
            return ids
        size, missing = self._sizes(ids)
        padding = ops.zeros((ops.shape(ids)[0], missing), ids.dtype)
        return ops.reshape(ops.concatenate([ids, padding], axis=1), (-1, size))

    def _sizes(self, ids: Any) -> tuple[Any, Any]:
        """The length of the windows of ids, and how much of the last one is missing."""
        length = ops.shape(ids)[1]
        known = isinstance(length, int)
        size = min(self.window, max(length, 1)) if known else ops.clip(length, 1, self.window)
        return size, (size - length % size) % size

    def join(self, vectors: Any, ids: Any) -> Any:
        """Vectors of windows `(B * W, window, D)` to `(B, T, D)`, or with other last axes."""
        if self.window is None:
            return vectors
        batch, length = ops.shape(ids)[0], ops.shape(ids)[1]
        whole = length + self._sizes(ids)[1]
        return ops.reshape(vectors, (batch, whole, *vectors.shape[2:]))[:, :length]

    def encoder_inputs(self, ids: Any) -> Any:
        """Ids in the form in which the encoder takes them."""
        expected = self.encoder.input
        if not isinstance(expected, Mapping):
            return ids
        inputs = {
            "token_ids": ids,
            "padding_mask": ops.cast(ops.not_equal(ids, 0), "int32"),
            "segment_ids": ops.zeros_like(ids),
        }
        return {name: inputs[name] for name in expected}

    def sequence_output(self, outputs: Any) -> Any:
        """The vectors among the encoder's outputs."""
        return outputs["sequence_output"] if isinstance(outputs, Mapping) else outputs

    def compute_mask(self, inputs: Any, previous_mask: Any = None) -> Any:
        return ops.not_equal(inputs, 0)

    def get_config(self) -> dict[str, Any]:
        own = self.encoder.get_config() if isinstance(self.encoder, OURS) else {}
        kept = {name: own[name] for name in ("dtype", "trainable") if name in own}
        settings = {**self.settings, "arguments": {**self.settings["arguments"], **kept}}
        return {**super().get_config(), "encoder": settings, "window": self.window}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> WindowedEncoder:
        return cls(**config)


def encoded_text(
    ids: Any,
    encoder: Mapping[str, Any],
    *,
    window: int | None = None,
    dropout: float | None = None,
    token_dropout: float = 0.0,
    mask_id: int | None = None,
    kept_ids: Sequence[int] = (3,),
    dtype: Any = None,
) -> Any:
    """Ids to vectors inside a functional model, as fine-tuning needs them.

    Args:
        ids: symbolic ids `(B, T)`.
        encoder: what `encoder_settings` returned. A new encoder is made.
        window: see `WindowedEncoder`.
        dropout: of the encoder, if it has such an argument. Default: as in the settings.
        token_dropout: share of the tokens that are replaced in training, or left out by an
            encoder that has such an argument. Default 0.
        mask_id: what comes in their place; needed with `token_dropout`, if they are replaced.
        kept_ids: ids that are never replaced. Default: the end id of our tokenizers.
        dtype: dtype policy of all layers.

    Returns:
        Symbolic `(B, T, D)`, with a mask, from a layer named `encoder`.

    Raises:
        ValueError: when there is `token_dropout` without `mask_id`.

    Example:
        >>> import keras
        >>> from keras_tx.models.encoder_network import EncoderNetwork, encoder_settings
        >>> from keras_tx.models.windowed_encoder import encoded_text
        >>> settings = encoder_settings(EncoderNetwork(vocabulary_size=50))
        >>> encoded_text(keras.Input((None,), dtype="int32"), settings, window=4).shape
        (None, None, 192)
    """
    arguments = encoder["arguments"]
    own = {"dropout": dropout, "token_dropout": token_dropout}
    changes = {name: own[name] for name in own if name in arguments and own[name] is not None}
    replaced = token_dropout if "token_dropout" not in arguments else 0.0
    if replaced and mask_id is None:
        raise ValueError("token_dropout expected a mask_id. Received: mask_id=None")
    if replaced:
        replacing = TokenReplacement(
            replaced, mask_id, kept_ids, dtype=dtype, name="token_replacement"
        )
        ids = replacing(ids)
    return WindowedEncoder(
        new_encoder(encoder, dtype, **changes), window, dtype=dtype, name="encoder"
    )(ids)
