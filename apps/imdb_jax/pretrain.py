"""Second part of the recipe: a masked language model of the reviews, on an accelerator, in JAX.

    KERAS_BACKEND=jax python apps/imdb_jax/pretrain.py --ids runs/imdb/ids.npz \
        --output runs/imdb/encoder.npz

Needs JAX and Keras, no TensorFlow. All that `prepare.py` left but the reviews that are held out,
and 500 others on which the guesses are measured, is read from random places on in rows of
`--sequence-length` tokens; half of the rows begin where a review does, as in classification.
"""

from __future__ import annotations

import argparse
import functools
import json
import os
import pathlib
import time
from typing import Any

os.environ.setdefault("KERAS_BACKEND", "jax")

import jax
import jax.numpy as jnp
import keras
import numpy as np
from networks import (
    END,
    Encoder,
    Optimizer,
    guessing_head,
    learning_rate,
    save_weights,
    values,
)


def options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--ids", type=pathlib.Path, required=True)
    parser.add_argument("--output", type=pathlib.Path, required=True)
    parser.add_argument("--validation", type=int, default=500, help="reviews")
    parser.add_argument("--steps", type=int, default=15000)
    parser.add_argument("--rows", type=int, default=128, help="in a batch")
    parser.add_argument("--sequence-length", type=int, default=512)
    parser.add_argument("--embed-dim", type=int, default=384)
    parser.add_argument("--dense-dim", type=int, default=1536)
    parser.add_argument("--num-heads", type=int, default=6)
    parser.add_argument("--num-layers", type=int, default=6)
    parser.add_argument("--dropout", type=float, default=0.1)
    parser.add_argument("--masking-rate", type=float, default=0.2)
    parser.add_argument("--learning-rate", type=float, default=2e-3)
    parser.add_argument("--warmup-steps", type=int, default=500)
    parser.add_argument("--weight-decay", type=float, default=0.05)
    parser.add_argument("--steps-per-round", type=int, default=500)
    parser.add_argument("--seed", type=int, default=0)
    return parser.parse_args()


def read_reviews(path: pathlib.Path, validation: int) -> dict[str, np.ndarray]:
    """The tokens of all reviews to learn from, one after another, and where reviews begin."""
    with np.load(path) as stored:
        arrays = dict(stored)
    cut = int(arrays["unlabelled_lengths"][:validation].sum())
    parts = {
        "train": [arrays["train_ids"], arrays["unlabelled_ids"][cut:]],
        "validation": [arrays["unlabelled_ids"][:cut]],
    }
    lengths = {
        "train": [arrays["train_lengths"], arrays["unlabelled_lengths"][validation:]],
        "validation": [arrays["unlabelled_lengths"][:validation]],
    }
    reviews = {"begins_word": arrays["begins_word"]}
    for name in parts:
        ends = np.cumsum(np.concatenate(lengths[name]))
        # An end id after each review: it belongs to no word, and is not to be guessed.
        reviews[name] = np.insert(np.concatenate(parts[name]).astype("int32"), ends, END)
        reviews[f"{name}_starts"] = np.concatenate([[0], ends[:-1] + np.arange(1, len(ends))])
    return reviews


def hide(
    key: jax.Array, rows: jax.Array, begins_word: jax.Array, rate: float
) -> tuple[jax.Array, jax.Array, jax.Array]:
    """Whole words to be guessed: what is seen, which positions, and what stood there."""
    size = begins_word.shape[0]  # Which is the mask's id.
    word_key, kind_key, token_key = jax.random.split(key, 3)
    special = rows == END
    words = jnp.cumsum(begins_word[rows] | special, axis=1)
    draws = jax.random.uniform(word_key, (rows.shape[0], rows.shape[1] + 1))
    draws = jnp.where(special, 2.0, jnp.take_along_axis(draws, words, axis=1))
    count = round(rate * rows.shape[1])
    _, positions = jax.lax.top_k(-draws, count)
    labels = jnp.take_along_axis(rows, positions, axis=1)
    kind = jax.random.uniform(kind_key, positions.shape)
    strangers = jax.random.randint(token_key, positions.shape, END + 1, size)
    replaced = jnp.where(kind < 0.8, size, jnp.where(kind < 0.9, strangers, labels))
    seen = jax.vmap(lambda row, place, value: row.at[place].set(value))(rows, positions, replaced)
    return seen, positions, labels


def cut_rows(key: jax.Array, tokens: jax.Array, starts: jax.Array, count: int, length: int) -> Any:
    """Rows from random places on, or from the beginning of the review that is there."""
    place_key, snap_key = jax.random.split(key)
    places = jax.random.randint(place_key, (count,), 0, tokens.shape[0] - length)
    beginnings = starts[jnp.searchsorted(starts, places, side="right") - 1]
    snapped = jax.random.uniform(snap_key, (count,)) < 0.5
    places = jnp.where(snapped, beginnings, places)
    return tokens[places[:, None] + jnp.arange(length)[None]]


def main() -> None:
    arguments = options()
    keras.utils.set_random_seed(arguments.seed)
    reviews = {
        name: jnp.asarray(array)
        for name, array in read_reviews(arguments.ids, arguments.validation).items()
    }
    size, width = reviews["begins_word"].shape[0] + 1, arguments.embed_dim
    encoder = Encoder(
        size,
        width,
        arguments.dense_dim,
        arguments.num_heads,
        arguments.num_layers,
        arguments.dropout,
    )
    head = guessing_head(size, width)
    weights = encoder.new_weights()
    weights["guess"] = values(head.trainable_variables)
    weights["bias"] = jnp.zeros(size)
    kernels = jax.tree.map(lambda w: False, weights)
    kernels["blocks"] = [w.ndim == 3 for w in weights["blocks"]]
    kernels["guess"] = [w.ndim == 2 for w in weights["guess"]]
    optimizer = Optimizer(kernels, 0.98, arguments.weight_decay)
    number = sum(w.size for w in jax.tree.leaves(weights))
    print(f"{number:,} weights, {reviews['train'].shape[0]:,} tokens")

    def loss(weights: Any, seeds: Any, batch: Any, training: bool) -> Any:
        seen, positions, labels = batch
        mask = jnp.ones(seen.shape, bool)
        vectors, seeds = encoder(weights, seeds, encoder.vectors(weights, seen), mask, training)
        vectors = jnp.take_along_axis(vectors, positions[:, :, None], axis=1)
        vectors, _ = head.stateless_call(weights["guess"], [], vectors.reshape(-1, width))
        logits = vectors @ weights["table"].T.astype(vectors.dtype)
        logits = logits.astype(jnp.float32) + weights["bias"]
        losses = jax.nn.logsumexp(logits, axis=1)
        losses = losses - jnp.take_along_axis(logits, labels.reshape(-1, 1), axis=1)[:, 0]
        right = jnp.mean(jnp.argmax(logits, axis=1) == labels.reshape(-1))
        return jnp.mean(losses), (seeds, right)

    def one_step(reviews: Any, state: Any, step: Any) -> Any:
        weights, optimizer_state, seeds = state
        place_key, hide_key = jax.random.split(jax.random.fold_in(jax.random.key(1), step))
        rows = cut_rows(
            place_key,
            reviews["train"],
            reviews["train_starts"],
            arguments.rows,
            arguments.sequence_length,
        )
        batch = hide(hide_key, rows, reviews["begins_word"], arguments.masking_rate)
        (value, (seeds, _)), gradients = jax.value_and_grad(loss, has_aux=True)(
            weights, seeds, batch, True
        )
        rate = learning_rate(
            arguments.learning_rate, step, arguments.warmup_steps, step / arguments.steps
        )
        weights, optimizer_state = optimizer.step(weights, gradients, optimizer_state, rate)
        return (weights, optimizer_state, seeds), value

    @functools.partial(jax.jit, donate_argnums=1)
    def several_steps(reviews: Any, state: Any, first: Any) -> Any:
        steps = first + jnp.arange(arguments.steps_per_round // 5)
        return jax.lax.scan(functools.partial(one_step, reviews), state, steps)

    @jax.jit
    def validated(reviews: Any, weights: Any, seeds: Any) -> Any:
        length = arguments.sequence_length
        rows = reviews["validation"]
        rows = rows[: rows.shape[0] // length * length].reshape(-1, length)
        batch = hide(jax.random.key(2), rows, reviews["begins_word"], arguments.masking_rate)
        value, (_, right) = loss(weights, seeds, batch, False)
        return value, right

    state = (weights, optimizer.init(weights), encoder.new_seeds(arguments.seed))
    history, started = [], time.monotonic()
    for step in range(0, arguments.steps, arguments.steps_per_round):
        for part in range(5):
            state, losses = several_steps(
                reviews, state, jnp.int32(step + part * arguments.steps_per_round // 5)
            )
        value, right = validated(reviews, state[0], state[2])
        row = {
            "step": step + arguments.steps_per_round,
            "seconds": round(time.monotonic() - started, 1),
            "loss": round(float(losses.mean()), 4),
            "val_loss": round(float(value), 4),
            "val_accuracy": round(float(right), 4),
        }
        history.append(row)
        print(json.dumps(row), flush=True)
        save_weights(arguments.output, state[0])
    arguments.output.with_suffix(".json").write_text(json.dumps(history, indent=1) + "\n")


if __name__ == "__main__":
    main()
