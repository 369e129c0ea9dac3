"""Embeddings of neighbouring tokens, found by hashing."""

from __future__ import annotations

from typing import Any

import keras
from keras import ops

from keras_tx.layers.validation import positive_integer


@keras.saving.register_keras_serializable(package="keras_tx")
class HashedNGramEmbedding(keras.layers.Layer):
    """An embedding for each n-gram of ids, from a table of hashed buckets.

    Output `t` stands for the ids `t … t + n - 1`. N-grams that reach into padding or
    beyond the end are masked. Different n-grams may share a bucket; with as many
    buckets as frequent n-grams that costs little and needs no vocabulary.

    Args:
        num_buckets: size of the table.
        output_dim: size of the vectors, `D`.
        n: how many neighbouring ids make one n-gram. Default 2.
        embeddings_initializer: initializer of the table. Default `"uniform"`.

    Call arguments:
        inputs: ids `(B, T)`; 0 is padding.

    Returns:
        `(B, T, D)`, with a mask.

    Raises:
        ValueError: when a size is not positive.

    Example:
        >>> import numpy as np, keras_tx
        >>> embed = keras_tx.layers.HashedNGramEmbedding(num_buckets=100, output_dim=4)
        >>> tuple(embed(np.array([[7, 2, 9, 0]])).shape)
        (1, 4, 4)

    Source: Joulin et al. 2017, "Bag of Tricks for Efficient Text Classification".
    """

    def __init__(
        self,
        num_buckets: int,
        output_dim: int,
        n: int = 2,
        embeddings_initializer: Any = "uniform",
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.num_buckets = positive_integer("num_buckets", num_buckets)
        self.output_dim = positive_integer("output_dim", output_dim)
        self.n = positive_integer("n", n)
        self.embeddings_initializer = keras.initializers.get(embeddings_initializer)

    def build(self, inputs_shape: tuple) -> None:
        self.embeddings = keras.layers.Embedding(
            self.num_buckets,
            self.output_dim,
            embeddings_initializer=self.embeddings_initializer,
            dtype=self.dtype_policy,
            name="embeddings",
        )
        self.embeddings.build((None, None))
        self.built = True

    def call(self, inputs: Any) -> Any:
        ids = ops.cast(inputs, "int32")
        buckets = ids % self.num_buckets if self.n == 1 else ids
        for shift in range(1, self.n):
            # The remainder is taken at each step, so that 32 bits hold every product.
            buckets = (buckets % 65536) * 16381 + self._shifted(ids, shift) * 31
            buckets = buckets % self.num_buckets
        return self.embeddings(buckets)

    def compute_mask(self, inputs: Any, previous_mask: Any = None) -> Any:
        ids = ops.cast(inputs, "int32")
        mask = ops.not_equal(ids, 0)
        for shift in range(1, self.n):
            mask = ops.logical_and(mask, ops.not_equal(self._shifted(ids, shift), 0))
        return mask

    def _shifted(self, ids: Any, shift: int) -> Any:
        # As many zeros come in at the end as ids fall off at the start.
        return ops.concatenate([ids[:, shift:], ops.zeros_like(ids[:, :shift])], axis=1)

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "num_buckets": self.num_buckets,
            "output_dim": self.output_dim,
            "n": self.n,
            "embeddings_initializer": keras.initializers.serialize(self.embeddings_initializer),
        }
