"""The networks of the recipe, and what training them in JAX needs; without TensorFlow.

The encoder is that of `keras_tx.models.EncoderNetwork`, made of the same layers in the same
order, but in two halves: between them stand the token vectors, which adversarial training shifts.
"""

from __future__ import annotations

import functools
import json
import math
import pathlib
from typing import Any

import jax
import jax.numpy as jnp
import keras
import numpy as np

from keras_tx.layers import MeanMaxPooling1D, PositionalEmbedding, TransformerEncoder

END = 3  # The id that ends a text.
POLICY = "mixed_bfloat16"
Weights = dict[str, Any]


def token_embedding(vocabulary_size: int, embed_dim: int) -> keras.Model:
    """Ids `(B, T)` to vectors `(B, T, D)`."""
    ids = keras.Input((None,), dtype="int32")
    layer = PositionalEmbedding(
        None,
        vocabulary_size,
        embed_dim,
        positions="sinusoidal",
        scale=True,
        embeddings_initializer=keras.initializers.RandomNormal(stddev=embed_dim**-0.5),
        dtype=POLICY,
        name="embedding",
    )
    return keras.Model(ids, layer(ids), name="token_embedding")


def encoder_block(embed_dim: int, dense_dim: int, num_heads: int, dropout: float) -> keras.Model:
    """Vectors `(B, T, D)` and a mask `(B, T)` to vectors: one block, which stands for all."""
    vectors = keras.Input((None, embed_dim), dtype="bfloat16")
    mask = keras.Input((None,), dtype="bool")
    block = TransformerEncoder(
        embed_dim,
        dense_dim,
        num_heads,
        norm_first=True,
        dropout=dropout,
        activation="gelu",
        dtype=POLICY,
    )
    return keras.Model([vectors, mask], block(vectors, source_mask=mask), name="encoder_block")


def final_norm(embed_dim: int) -> keras.Model:
    """What a stack of pre-norm blocks ends with."""
    vectors = keras.Input((None, embed_dim), dtype="bfloat16")
    norm = keras.layers.LayerNormalization(epsilon=1e-5, dtype=POLICY, name="encoder_norm")
    return keras.Model(vectors, norm(vectors), name="final_norm")


class Encoder:
    """Token ids to vectors, as pure functions of the weights.

    The weights are a dictionary: `table` `(N, D)`, `blocks`, the arrays of a block, each with
    one axis more, `(L, …)`, and `norm`. One block is compiled, and run `L` times by a loop:
    many passes in one step would take minutes to compile otherwise.

    Args:
        vocabulary_size, embed_dim, dense_dim, num_heads, num_layers, dropout: as of
            `keras_tx.models.EncoderNetwork`.
    """

    def __init__(
        self,
        vocabulary_size: int,
        embed_dim: int,
        dense_dim: int,
        num_heads: int,
        num_layers: int,
        dropout: float,
    ) -> None:
        self.embed_dim, self.num_layers, self.dropout = embed_dim, num_layers, dropout
        self.embedding = token_embedding(vocabulary_size, embed_dim)
        self.block = encoder_block(embed_dim, dense_dim, num_heads, dropout)
        self.norm = final_norm(embed_dim)

    def new_weights(self) -> Weights:
        """Weights to begin with: those of a block are drawn for each layer."""
        layers = []
        for _ in range(self.num_layers):
            block = keras.models.clone_model(self.block)
            layers.append(values(block.trainable_variables))
        return {
            "table": values(self.embedding.trainable_variables)[0],
            "blocks": [jnp.stack(arrays) for arrays in zip(*layers, strict=True)],
            "norm": values(self.norm.trainable_variables),
        }

    def from_arrays(self, arrays: list[np.ndarray]) -> Weights:
        """Weights from arrays in the order of `EncoderNetwork`'s."""
        size = len(self.block.trainable_variables)
        layers = [arrays[1 + size * n : 1 + size * (n + 1)] for n in range(self.num_layers)]
        return {
            "table": jnp.asarray(arrays[0]),
            "blocks": [jnp.stack(each) for each in zip(*layers, strict=True)],
            "norm": [jnp.asarray(array) for array in arrays[1 + size * self.num_layers :]],
        }

    def new_seeds(self, seed: int) -> Any:
        """States of the random numbers of dropout, of each layer."""
        count = len(self.block.non_trainable_variables)
        drawn = np.random.default_rng(seed).integers(0, 2**32, (count, self.num_layers, 2))
        return list(jnp.asarray(drawn, "uint32"))

    def vectors(self, weights: Weights, ids: jax.Array) -> jax.Array:
        """The sum of token and position, `(B, T, D)`."""
        return self.embedding.stateless_call([weights["table"]], [], ids)[0]

    def __call__(
        self,
        weights: Weights,
        seeds: Any,
        vectors: jax.Array,
        mask: jax.Array,
        training: bool,
    ) -> tuple[jax.Array, Any]:
        """Vectors to vectors, and new states of the random numbers."""
        if training:
            # Of the first layer's state, which the block itself uses for other numbers.
            key = jax.random.wrap_key_data(seeds[0][0] ^ jnp.uint32(0x5BD1E995))
            kept = jax.random.uniform(key, vectors.shape) >= self.dropout
            vectors = jnp.where(kept, vectors / (1 - self.dropout), 0).astype(vectors.dtype)

        def layer(x: jax.Array, block: Any) -> Any:
            return self.block.stateless_call(*block, [x, mask], training=training)

        x, seeds = jax.lax.scan(layer, vectors, (weights["blocks"], seeds))
        return self.norm.stateless_call(weights["norm"], [], x)[0], seeds


def guessing_head(vocabulary_size: int, embed_dim: int) -> keras.Model:
    """Vectors `(M, D)` to those that the token table makes scores of."""
    vectors = keras.Input((embed_dim,), dtype="bfloat16")
    x = keras.layers.Dense(embed_dim, activation="gelu", dtype=POLICY, name="transform")(vectors)
    x = keras.layers.LayerNormalization(epsilon=1e-5, dtype=POLICY, name="transform_norm")(x)
    return keras.Model(vectors, x, name="guessing_head")


def class_head(embed_dim: int) -> keras.Model:
    """Vectors `(B, T, D)` and their mask to two scores."""
    vectors = keras.Input((None, embed_dim), dtype="bfloat16")
    mask = keras.Input((None,), dtype="bool")
    x = MeanMaxPooling1D(dtype=POLICY)(vectors, mask=mask)
    x = keras.layers.Dropout(0.5, dtype=POLICY)(x)
    logits = keras.layers.Dense(
        2,
        kernel_initializer=keras.initializers.RandomNormal(stddev=0.01),
        dtype="float32",
        name="logits",
    )(x)
    return keras.Model([vectors, mask], logits, name="class_head")


def values(variables: Any) -> list[jax.Array]:
    return [variable.value for variable in variables]


def save_weights(path: pathlib.Path, weights: Weights) -> None:
    """Weights in half precision, in the order of `EncoderNetwork`'s; then those of `head`."""
    layers = [array for each in zip(*weights["blocks"], strict=True) for array in each]
    arrays = [weights["table"], *layers, *weights["norm"], *weights.get("head", [])]
    beside = path.with_name(path.name + ".part")
    with open(beside, "wb") as file:
        numbered = {f"array_{place}": np.asarray(a, "float16") for place, a in enumerate(arrays)}
        np.savez(file, **numbered)
    beside.rename(path)


def save_state(path: pathlib.Path, state: Any, history: list[dict[str, float]]) -> None:
    """All that a later call needs to go on."""
    beside = path.with_name(path.name + ".part")
    with open(beside, "wb") as file:
        leaves = {f"array_{place}": np.asarray(a) for place, a in enumerate(jax.tree.leaves(state))}
        np.savez(file, history=json.dumps(history), **leaves)
    beside.rename(path)


def load_state(path: pathlib.Path, like: Any) -> tuple[Any, list[dict[str, float]]]:
    """What `save_state` wrote, in the structure of another state, and the history."""
    with np.load(path) as stored:
        leaves = [jnp.asarray(stored[f"array_{place}"]) for place in range(len(stored.files) - 1)]
        history = json.loads(str(stored["history"]))
    return jax.tree.unflatten(jax.tree.structure(like), leaves), history


def load_arrays(path: pathlib.Path) -> list[np.ndarray]:
    with np.load(path) as stored:
        return [stored[f"array_{place}"].astype("float32") for place in range(len(stored.files))]


def orthogonal(matrix: jax.Array) -> jax.Array:
    """Newton and Schulz' iteration of Muon, in bfloat16 (Jordan et al. 2024)."""
    x = (matrix / (jnp.linalg.norm(matrix) + 1e-7)).astype(jnp.bfloat16)
    tall = x.shape[0] > x.shape[1]
    x = x.T if tall else x
    for _ in range(5):
        gram = x @ x.T
        x = 3.4445 * x + (-4.7750 * gram + 2.0315 * gram @ gram) @ x
    return (x.T if tall else x).astype(jnp.float32)


class Optimizer:
    """AdamW with clipped gradients, with Muon for some matrices, as pure functions.

    Args:
        weights: of which the structure is taken.
        muon: names of the parts whose matrices get steps of orthogonal matrices.
        beta: of Adam's second moment.
        weight_decay: of all matrices.
    """

    def __init__(
        self, weights: Weights, muon: tuple[str, ...], beta: float, weight_decay: float
    ) -> None:
        def is_matrix(name: str, weight: jax.Array) -> bool:
            return weight.ndim == (3 if name == "blocks" else 2)  # Blocks have an axis of layers.

        matrices = {
            name: jax.tree.map(functools.partial(is_matrix, name), part)
            for name, part in weights.items()
        }
        self.is_matrix, self.structure = jax.tree.flatten(matrices)
        chosen = {
            name: jax.tree.map(lambda matrix, name=name: matrix and name in muon, part)
            for name, part in matrices.items()
        }
        self.is_kernel = jax.tree.leaves(chosen)
        self.beta, self.weight_decay = beta, weight_decay

    def init(self, weights: Any) -> Any:
        leaves = self.structure.flatten_up_to(weights)
        seconds = [
            jnp.zeros(()) if kernel else jnp.zeros_like(leaf)
            for leaf, kernel in zip(leaves, self.is_kernel, strict=True)
        ]
        return [jnp.zeros_like(leaf) for leaf in leaves], seconds, jnp.zeros(())

    def step(self, weights: Any, gradients: Any, state: Any, rate: Any) -> tuple[Any, Any]:
        weights, gradients = map(self.structure.flatten_up_to, (weights, gradients))
        norm = jnp.sqrt(sum(jnp.sum(gradient**2) for gradient in gradients))
        firsts, seconds, count = state
        count = count + 1
        new: tuple[list, list, list] = ([], [], [])
        for w, g, m, v, matrix, kernel in zip(
            weights, gradients, firsts, seconds, self.is_matrix, self.is_kernel, strict=True
        ):
            g = g / jnp.maximum(norm, 1.0)
            if kernel:
                m = 0.95 * m + g
                # As large as Adam's, so that both take the same rate (Liu et al. 2025).
                matrices = orthogonal if w.ndim == 2 else jax.vmap(orthogonal)
                change = 0.2 * max(w.shape[-2:]) ** 0.5 * matrices(g + 0.95 * m)
            else:
                m = 0.9 * m + 0.1 * g
                v = self.beta * v + (1 - self.beta) * g**2
                change = m / (1 - 0.9**count) / (jnp.sqrt(v / (1 - self.beta**count)) + 1e-9)
            decay = self.weight_decay if matrix else 0.0
            for values_of, value in zip(new, (w - rate * (change + decay * w), m, v), strict=True):
                values_of.append(value)
        return self.structure.unflatten(new[0]), (new[1], new[2], count)


def learning_rate(peak: float, step: Any, warmup_steps: int, progress: Any) -> Any:
    """Warm-up, then a cosine to 0, by the share of the training that has been done."""
    return peak * jnp.minimum((step + 1) / warmup_steps, 0.5 * (1 + jnp.cos(math.pi * progress)))
