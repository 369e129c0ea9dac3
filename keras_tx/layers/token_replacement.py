"""Dropout of whole tokens, on their ids."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras
from keras import ops

from keras_tx.layers import validation


@keras.saving.register_keras_serializable(package="keras_tx")
class TokenReplacement(keras.layers.Layer):
    """In training, puts one id in the place of tokens drawn at random.

    Token dropout for any network that takes ids. With the mask id of a masked language model
    the network has seen such gaps before, and has learned to read across them. Padding, and
    the ids that are to be kept, stay.

    Args:
        rate: share of the tokens that are replaced, in [0, 1).
        replacement_id: what comes in their place.
        kept_ids: ids that are never replaced. Default: none but 0, which is padding.
        seed: of the random numbers. Default `None`.

    Call arguments:
        inputs: ids `(B, T)`.
        training: whether to replace.

    Returns:
        Ids `(B, T)`, int32.

    Raises:
        ValueError: when `rate` is outside [0, 1).

    Example:
        >>> import numpy as np
        >>> from keras_tx.layers.token_replacement import TokenReplacement
        >>> replace = TokenReplacement(0.99, replacement_id=9, kept_ids=[3])
        >>> np.asarray(replace(np.array([[5, 3, 0]]), training=False)).tolist()
        [[5, 3, 0]]

    Source: word dropout: Iyyer et al. 2015, "Deep Unordered Composition Rivals Syntactic
    Methods for Text Classification".
    """

    def __init__(
        self,
        rate: float,
        replacement_id: int,
        kept_ids: Sequence[int] = (),
        seed: int | None = None,
        **kwargs: Any,
    ) -> None:
        # Ids are not to be cast to half precision.
        super().__init__(autocast=False, **kwargs)
        self.rate = validation.rate("rate", rate)
        self.replacement_id = int(replacement_id)
        self.kept_ids = [int(kept) for kept in kept_ids]
        self.seed = seed
        self.supports_masking = True
        if self.rate:
            self.seed_generator = keras.random.SeedGenerator(seed)
        self.built = True

    def call(self, inputs: Any, training: bool | None = None) -> Any:
        ids = ops.cast(inputs, "int32")
        if not training or not self.rate:
            return ids
        drawn = keras.random.uniform(ops.shape(ids), seed=self.seed_generator) < self.rate
        for kept in (0, *self.kept_ids):
            drawn = ops.logical_and(drawn, ops.not_equal(ids, kept))
        return ops.where(drawn, ops.cast(self.replacement_id, "int32"), ids)

    def compute_output_spec(self, inputs: Any, training: bool | None = None) -> Any:
        return keras.KerasTensor(inputs.shape, "int32")

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "rate": self.rate,
            "replacement_id": self.replacement_id,
            "kept_ids": self.kept_ids,
            "seed": self.seed,
        }
