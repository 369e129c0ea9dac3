"""One vector for all n-grams of a text, found by hashing."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras
from keras import ops

from keras_tx.layers.validation import positive_integer

# Odd, so that the product keeps all 32 bits apart; 2^32 over the golden ratio.
MULTIPLIER = 0x9E3779B1
# Each order of n-grams starts from another number: the pair "a b" must not be the token "x".
ORDER_STEP = 0x85EBCA6B


@keras.saving.register_keras_serializable(package="keras_tx")
class HashedNGramPooling(keras.layers.Layer):
    """The sum of the vectors of a text's n-grams, over the square root of their number.

    Each n-gram has a row in a table of hashed buckets, so that no vocabulary is needed;
    different n-grams may share one. Every bucket counts once a text, however often its n-gram
    stands there: of words of sentiment, that they occur says more than how often. With one
    column this is a linear classifier on binary n-gram features of unit length, the form in
    which short and long texts are comparable:

        `outputs = bias + sum(table[bucket] for bucket in set(buckets)) / sqrt(len(set(buckets)))`

    Args:
        num_buckets: rows of the table.
        output_dim: columns of the table, `D`.
        orders: which n-grams: `1` stands for single ids, `2` for pairs … Default `(1, 2, 3)`.
        embeddings_initializer: initializer of the table. Default `"zeros"`.
        embeddings_dtype: dtype in which the table is kept, such as `"float16"` for half the
            memory. Default: the layer's variable dtype. The sum is always in float32.

    Call arguments:
        inputs: ids `(B, T)`; 0 is padding and stands in no n-gram.

    Returns:
        `(B, D)`; the bias for a text without n-grams.

    Raises:
        ValueError: when a size or an order is not a positive integer, or there is no order.

    Example:
        >>> import numpy as np, keras_tx
        >>> pool = keras_tx.layers.HashedNGramPooling(9999, 1, (1, 2), "ones")
        >>> round(float(pool(np.array([[7, 2, 7, 2, 0]]))[0, 0]), 4)  # 7, 2, 7 2, 2 7
        2.0

    Source: hashing: Joulin et al. 2017, "Bag of Tricks for Efficient Text Classification";
    binary features: Wang and Manning 2012, "Baselines and Bigrams".
    """

    def __init__(
        self,
        num_buckets: int,
        output_dim: int,
        orders: Sequence[int] = (1, 2, 3),
        embeddings_initializer: Any = "zeros",
        embeddings_dtype: str | None = None,
        **kwargs: Any,
    ) -> None:
        # Ids may come as floats (an Input's default); half precision would change them.
        super().__init__(autocast=False, **kwargs)
        self.num_buckets = positive_integer("num_buckets", num_buckets)
        self.output_dim = positive_integer("output_dim", output_dim)
        self.orders = [positive_integer("orders", order) for order in orders]
        if not self.orders:
            raise ValueError("orders expected at least one. Received: orders=()")
        self.embeddings_initializer = keras.initializers.get(embeddings_initializer)
        self.embeddings_dtype = embeddings_dtype
        self.supports_masking = True

    def build(self, inputs_shape: tuple) -> None:
        self.embeddings = self.add_weight(
            shape=(self.num_buckets, self.output_dim),
            initializer=self.embeddings_initializer,
            dtype=self.embeddings_dtype or self.variable_dtype,
            autocast=False,  # Not the whole table at each call: only the rows that are looked up.
            name="embeddings",
        )
        self.bias = self.add_weight(
            shape=(self.output_dim,), initializer="zeros", autocast=False, name="bias"
        )
        self.built = True

    def buckets(self, ids: Any) -> Any:
        """The buckets of each text, sorted, each one once.

        Args:
            ids: `(B, T)`; 0 is padding.

        Returns:
            `(B, T * len(orders))`, int32. Places that no bucket fills hold `num_buckets`.
        """
        found = self.buckets_in_order(ids)
        absent = ops.cast(self.num_buckets, "int32")
        found = ops.sort(
            ops.concatenate(ops.unstack(found, len(set(self.orders)), axis=1), axis=1), axis=1
        )
        before = ops.concatenate([-ops.ones_like(found[:, :1]), found[:, :-1]], axis=1)
        return ops.where(ops.equal(found, before), absent, found)

    def buckets_in_order(self, ids: Any) -> Any:
        """The bucket of each n-gram of each text, where the n-gram begins.

        Args:
            ids: `(B, T)`; 0 is padding.

        Returns:
            `(B, len(orders), T)`, int32, with the orders from small to large. Places where no
            n-gram begins hold `num_buckets`.
        """
        found, absent = [], ops.cast(self.num_buckets, "int32")
        ids = ops.cast(ids, "int32")
        present = ops.ones_like(ids, "bool")
        hashes = ops.zeros_like(ids, "uint32")
        for order in range(1, max(self.orders) + 1):
            last = _shifted(ids, order - 1)
            present = ops.logical_and(present, ops.not_equal(last, 0))
            hashes = _mixed(ops.bitwise_xor(hashes, ops.cast(last, "uint32")))
            if order in self.orders:
                start = _uint32(order * ORDER_STEP)
                buckets = _mixed(ops.bitwise_xor(hashes, start)) % _uint32(self.num_buckets)
                found.append(ops.where(present, ops.cast(buckets, "int32"), absent))
        return ops.stack(found, axis=1)

    def call(self, inputs: Any) -> Any:
        buckets = self.buckets(inputs)  # (B, N)
        counts = buckets < self.num_buckets
        vectors = ops.take(self.embeddings, ops.minimum(buckets, self.num_buckets - 1), axis=0)
        vectors = ops.where(counts[..., None], ops.cast(vectors, "float32"), 0.0)  # (B, N, D)
        count = ops.sum(ops.cast(counts, "float32"), axis=1, keepdims=True)
        pooled = ops.sum(vectors, axis=1) * ops.rsqrt(ops.maximum(count, 1.0))
        return ops.cast(pooled + ops.cast(self.bias, "float32"), self.compute_dtype)

    def compute_mask(self, inputs: Any, mask: Any = None) -> None:
        return None

    def compute_output_shape(self, inputs_shape: tuple) -> tuple:
        return (inputs_shape[0], self.output_dim)

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "num_buckets": self.num_buckets,
            "output_dim": self.output_dim,
            "orders": self.orders,
            "embeddings_initializer": keras.initializers.serialize(self.embeddings_initializer),
            "embeddings_dtype": self.embeddings_dtype,
        }


def _uint32(number: int) -> Any:
    return ops.convert_to_tensor(number % 2**32, "uint32")


def _mixed(hashes: Any) -> Any:
    """Spread each bit over the ones above by the product, and over those below by the shift."""
    hashes = hashes * _uint32(MULTIPLIER)
    return ops.bitwise_xor(hashes, ops.bitwise_right_shift(hashes, _uint32(15)))


def _shifted(ids: Any, shift: int) -> Any:
    # As many zeros come in at the end as ids fall off at the start.
    return ops.concatenate([ids[:, shift:], ops.zeros_like(ids[:, :shift])], axis=1)
