"""The encoder of the recipe and its heads as pure functions of their weights, in JAX alone.

They compute what `keras_tx.models.EncoderNetwork` does, of the same weights in the same order, but
in operations chosen for an accelerator: attention that never writes its weights to memory, random
bytes from a cheap generator, and a backward pass that computes again what costs only a little
arithmetic. A pass that gets a key drops; passes of equal keys drop the same.
"""

from __future__ import annotations

import dataclasses
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

END = 3  # The id that ends a text.
BLOCK = 12  # Arrays of a block.
# Results that the backward pass keeps: those of matrix products, and of cuDNN's attention.
KEPT = ("dot_general", "dot_product_attention_fwd_wrapper")
Weights = dict[str, Any]


def random_key(seed: int, *numbers: Any) -> jax.Array:
    """A key of the generator that costs an accelerator least, for these numbers."""
    key = jax.random.key(seed, impl="rbg")
    for number in numbers:
        key = jax.random.fold_in(key, number)
    return key


def split_key(key: jax.Array | None, count: int) -> Any:
    """Several keys of one; of none as many nones."""
    return [None] * count if key is None else jax.random.split(key, count)


def dropped(key: jax.Array | None, x: jax.Array, rate: float) -> jax.Array:
    """Dropout as of `keras_tx`' layers, one byte for each value; without a key nothing is dropped.

    One random number is four bytes: drawn as bytes, each would cost as much as a number.
    """
    if key is None or not rate:
        return x
    *rows, width = x.shape
    drawn = jax.random.bits(key, (*rows, -(-width // 4)), "uint32")
    drawn = jax.lax.bitcast_convert_type(drawn, jnp.uint8).reshape(*rows, -1)[..., :width]
    limit = min(max(round(rate * 256), 1), 255)
    return jnp.where(drawn >= limit, x * jnp.asarray(256 / (256 - limit), x.dtype), 0)


def normalized(x: jax.Array, gain: jax.Array, offset: jax.Array) -> jax.Array:
    """Layer normalization, computed in float32."""
    wide = x.astype(jnp.float32)
    centered = wide - jnp.mean(wide, axis=-1, keepdims=True)
    variance = jnp.mean(centered**2, axis=-1, keepdims=True)
    return (centered * jax.lax.rsqrt(variance + 1e-5) * gain + offset).astype(x.dtype)


def dense(x: jax.Array, kernel: jax.Array, bias: jax.Array) -> jax.Array:
    return x @ kernel.astype(x.dtype) + bias.astype(x.dtype)


def gelu(x: jax.Array) -> jax.Array:
    return jax.nn.gelu(x.astype(jnp.float32), approximate=False).astype(x.dtype)


def attended(
    queries: jax.Array, keys: jax.Array, values: jax.Array, lengths: jax.Array | None, kind: str
) -> jax.Array:
    """Attention of `(B, T, H, K)` to the first positions of each row, or to all."""
    if kind == "cudnn":
        # All queries are computed, those of padding too: their results are then finite.
        return jax.nn.dot_product_attention(
            queries, keys, values, key_value_seq_lengths=lengths, implementation="cudnn"
        )
    scores = jnp.einsum("bqhk,bthk->bhqt", queries * queries.shape[-1] ** -0.5, keys)
    scores = scores.astype(jnp.float32)
    if lengths is not None:
        scores = jnp.where(filled(lengths, keys.shape[1])[:, None, None], scores, -1e9)
    return jnp.einsum("bhqt,bthk->bqhk", jax.nn.softmax(scores).astype(values.dtype), values)


def filled(lengths: jax.Array, size: int) -> jax.Array:
    """The mask `(B, T)` of the first positions of each row."""
    return jnp.arange(size) < lengths[:, None]


@dataclasses.dataclass(frozen=True)
class Encoder:
    """Token ids to vectors.

    The weights are a dictionary: `table` `(N, D)`, `blocks`, the arrays of a block, each with
    one axis more, `(L, …)`, and `norm`. A loop runs over the blocks: many passes in one step
    would take minutes to compile otherwise.

    Args:
        vocabulary_size, embed_dim, dense_dim, num_heads, num_layers, dropout: as of
            `keras_tx.models.EncoderNetwork`.
        attention: `"cudnn"`, which needs a GPU, or `"xla"`, which runs everywhere.
        unroll: blocks in one round of the loop.
        dtype: of vectors and products; weights are float32.
    """

    vocabulary_size: int
    embed_dim: int
    dense_dim: int
    num_heads: int
    num_layers: int
    dropout: float
    attention: str = "xla"
    unroll: int = 1
    dtype: Any = jnp.bfloat16

    def new_weights(self, key: jax.Array) -> Weights:
        """Weights to begin with."""
        width, inner, layers = self.embed_dim, self.dense_dim, self.num_layers
        table_key, *keys = jax.random.split(key, 5)
        draw = jax.nn.initializers.glorot_uniform(batch_axis=0)
        sizes = [(width, 3 * width), (width, width), (width, inner), (inner, width)]
        kernels = [draw(k, (layers, *size)) for k, size in zip(keys, sizes, strict=True)]
        products = [[kernel, jnp.zeros((layers, kernel.shape[-1]))] for kernel in kernels]

        def norm(*shape: int) -> list[jax.Array]:
            return [jnp.ones(shape), jnp.zeros(shape)]

        first, second = norm(layers, width), norm(layers, width)
        return {
            "table": jax.random.normal(table_key, (self.vocabulary_size, width)) * width**-0.5,
            "blocks": [*products[0], *products[1], *first, *products[2], *products[3], *second],
            "norm": norm(width),
        }

    def from_arrays(self, arrays: list[np.ndarray]) -> Weights:
        """Weights from arrays in the order of `EncoderNetwork`'s."""
        layers = [arrays[1 + BLOCK * n : 1 + BLOCK * (n + 1)] for n in range(self.num_layers)]
        return {
            "table": jnp.asarray(arrays[0]),
            "blocks": [jnp.stack(each) for each in zip(*layers, strict=True)],
            "norm": [jnp.asarray(array) for array in arrays[1 + BLOCK * self.num_layers :]],
        }

    def vectors(self, weights: Weights, ids: jax.Array) -> jax.Array:
        """The sum of token and position, `(B, T, D)`, in float32."""
        places = np.arange(self.embed_dim)
        speeds = 10000.0 ** (-2 * (places // 2) / self.embed_dim)
        angles = np.arange(ids.shape[1])[:, None] * speeds
        positions = np.where(places % 2 == 0, np.sin(angles), np.cos(angles))
        return weights["table"][ids] * self.embed_dim**0.5 + positions.astype("float32")

    def __call__(
        self,
        weights: Weights,
        vectors: jax.Array,
        lengths: jax.Array | None = None,
        key: jax.Array | None = None,
    ) -> jax.Array:
        """Vectors to vectors; of each row the first positions, or all, are attended to."""
        vector_key, block_key = split_key(key, 2)
        x = dropped(vector_key, vectors.astype(self.dtype), self.dropout)
        if lengths is not None:
            lengths = jnp.maximum(lengths, 1).astype(jnp.int32)  # No row without a position.

        def layer(x: jax.Array, block: Any) -> tuple[jax.Array, None]:
            return self._block(x, lengths, *block), None

        keys = None if key is None else jax.random.split(block_key, self.num_layers)
        layer = jax.checkpoint(
            layer, prevent_cse=False, policy=lambda made, *_, **__: made.name in KEPT
        )
        x, _ = jax.lax.scan(layer, x, (weights["blocks"], keys), unroll=self.unroll)
        return normalized(x, *weights["norm"])

    def _block(
        self, x: jax.Array, lengths: Any, arrays: list[jax.Array], key: jax.Array | None
    ) -> jax.Array:
        """One pre-norm block, as `keras_tx.layers.TransformerEncoder`."""
        attention, norm, products, second_norm = arrays[:4], arrays[4:6], arrays[6:10], arrays[10:]
        first_key, inner_key, last_key = split_key(key, 3)
        projected = dense(normalized(x, *norm), *attention[:2])
        if lengths is not None:
            # Whatever a kernel leaves in the slopes of padding ends here.
            projected = jnp.where(filled(lengths, x.shape[1])[:, :, None], projected, 0)
        heads = [
            part.reshape(*x.shape[:2], self.num_heads, -1) for part in jnp.split(projected, 3, -1)
        ]
        joined = attended(*heads, lengths, self.attention).reshape(x.shape)
        x = x + dropped(first_key, dense(joined, *attention[2:]), self.dropout)
        inner = gelu(dense(normalized(x, *second_norm), *products[:2]))
        inner = dense(dropped(inner_key, inner, self.dropout), *products[2:])
        return x + dropped(last_key, inner, self.dropout)


def new_guessing_head(key: jax.Array, embed_dim: int) -> list[jax.Array]:
    """A dense layer and a normalization."""
    kernel = jax.nn.initializers.glorot_uniform()(key, (embed_dim, embed_dim))
    return [kernel, jnp.zeros(embed_dim), jnp.ones(embed_dim), jnp.zeros(embed_dim)]


def guessing_head(arrays: list[jax.Array], vectors: jax.Array) -> jax.Array:
    """Vectors `(M, D)` to those that the token table makes scores of."""
    return normalized(gelu(dense(vectors, *arrays[:2])), *arrays[2:])


def new_class_head(key: jax.Array, embed_dim: int) -> list[jax.Array]:
    return [0.01 * jax.random.normal(key, (2 * embed_dim, 2)), jnp.zeros(2)]


def class_head(
    arrays: list[jax.Array], vectors: jax.Array, mask: jax.Array, key: jax.Array | None
) -> jax.Array:
    """Vectors `(B, T, D)` and their mask to two scores, of mean and maximum."""
    mask = mask[:, :, None]
    count = jnp.maximum(jnp.sum(mask, axis=1), 1)
    mean = jnp.sum(jnp.where(mask, vectors, 0), axis=1, dtype=jnp.float32) / count
    highest = jnp.max(jnp.where(mask, vectors, -1e9), axis=1).astype(jnp.float32)
    return dense(dropped(key, jnp.concatenate([mean, highest], axis=1), 0.5), *arrays)
