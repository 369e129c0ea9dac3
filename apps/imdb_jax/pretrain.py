"""Second part of the recipe: a masked language model of the reviews, on an accelerator, in JAX.

    KERAS_BACKEND=jax python apps/imdb_jax/pretrain.py --ids runs/imdb/ids.npz \
        --output runs/imdb/encoder.npz

Needs JAX and Keras, no TensorFlow. All that `prepare.py` left but the reviews that are held out,
and 500 others on which the guesses are measured, is read from random places on in rows of
`--sequence-length` tokens; half of the rows begin where a review does, as in classification. After
each round it keeps a checkpoint beside the output; after a stop the same command with `--resume`
goes on.
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
    load_state,
    save_state,
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
    parser.add_argument("--resume", action="store_true", help="go on after a run that was stopped")
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


class MaskedLanguageModel:
    """Encoder and output layer, and the steps of their training, as pure functions."""

    def __init__(self, arguments: argparse.Namespace, vocabulary_size: int) -> None:
        self.arguments, self.width = arguments, arguments.embed_dim
        self.encoder = Encoder(
            vocabulary_size,
            arguments.embed_dim,
            arguments.dense_dim,
            arguments.num_heads,
            arguments.num_layers,
            arguments.dropout,
        )
        self.head = guessing_head(vocabulary_size, arguments.embed_dim)
        weights = self.encoder.new_weights()
        weights["guess"] = values(self.head.trainable_variables)
        weights["bias"] = jnp.zeros(vocabulary_size)
        self.optimizer = Optimizer(weights, ("blocks", "guess"), 0.98, arguments.weight_decay)
        self.first_state = (
            weights,
            self.optimizer.init(weights),
            self.encoder.new_seeds(arguments.seed),
        )
        self.steps = jax.jit(self._steps, donate_argnums=1, static_argnums=3)
        self.validated = jax.jit(self._validated)

    def loss(self, weights: Any, seeds: Any, batch: Any, training: bool) -> tuple[Any, Any]:
        """The cross-entropy of the hidden tokens; new random states and the share guessed."""
        seen, positions, labels = batch
        mask = jnp.ones(seen.shape, bool)
        vectors = self.encoder.vectors(weights, seen)
        vectors, seeds = self.encoder(weights, seeds, vectors, mask, training)
        vectors = jnp.take_along_axis(vectors, positions[:, :, None], axis=1)
        vectors = vectors.reshape(-1, self.width)
        vectors, _ = self.head.stateless_call(weights["guess"], [], vectors)
        logits = vectors @ weights["table"].T.astype(vectors.dtype)
        logits = logits.astype(jnp.float32) + weights["bias"]
        labels = labels.reshape(-1, 1)
        losses = -jnp.take_along_axis(jax.nn.log_softmax(logits), labels, axis=1)
        return jnp.mean(losses), (seeds, jnp.mean(jnp.argmax(logits, axis=1) == labels[:, 0]))

    def _steps(self, reviews: Any, state: Any, first: Any, count: int) -> tuple[Any, Any]:
        """Several steps in one call: the state, and the loss of each."""
        return jax.lax.scan(
            functools.partial(self._step, reviews), state, first + jnp.arange(count)
        )

    def _step(self, reviews: Any, state: Any, step: Any) -> tuple[Any, Any]:
        arguments, (weights, optimizer_state, seeds) = self.arguments, state
        place_key, hide_key = jax.random.split(jax.random.fold_in(jax.random.key(1), step))
        tokens, starts = reviews["train"], reviews["train_starts"]
        rows = cut_rows(place_key, tokens, starts, arguments.rows, arguments.sequence_length)
        batch = hide(hide_key, rows, reviews["begins_word"], arguments.masking_rate)
        (value, (seeds, _)), gradients = jax.value_and_grad(self.loss, has_aux=True)(
            weights, seeds, batch, True
        )
        progress = step / arguments.steps
        rate = learning_rate(arguments.learning_rate, step, arguments.warmup_steps, progress)
        weights, optimizer_state = self.optimizer.step(weights, gradients, optimizer_state, rate)
        return (weights, optimizer_state, seeds), value

    def _validated(self, reviews: Any, weights: Any, seeds: Any) -> tuple[Any, Any]:
        length = self.arguments.sequence_length
        tokens = reviews["validation"]
        rows = tokens[: tokens.shape[0] // length * length].reshape(-1, length)
        rate = self.arguments.masking_rate
        batch = hide(jax.random.key(2), rows, reviews["begins_word"], rate)
        value, (_, right) = self.loss(weights, seeds, batch, False)
        return value, right


def main() -> None:
    arguments = options()
    keras.utils.set_random_seed(arguments.seed)
    reviews = read_reviews(arguments.ids, arguments.validation)
    reviews = {name: jnp.asarray(array) for name, array in reviews.items()}
    # One more for the mask.
    model = MaskedLanguageModel(arguments, reviews["begins_word"].shape[0] + 1)
    state = model.first_state
    number = sum(weight.size for weight in jax.tree.leaves(state[0]))
    print(f"{number:,} weights, {reviews['train'].shape[0]:,} tokens", flush=True)
    history: list[dict[str, float]] = []
    checkpoint = arguments.output.with_suffix(".state.npz")
    if arguments.resume and checkpoint.exists():
        state, history = load_state(checkpoint, state)
    first, before = (history[-1]["step"], history[-1]["seconds"]) if history else (0, 0.0)
    started = time.monotonic() - before
    for step in range(int(first), arguments.steps, arguments.steps_per_round):
        count = min(arguments.steps_per_round, arguments.steps - step)
        state, losses = model.steps(reviews, state, jnp.int32(step), count)
        value, right = model.validated(reviews, state[0], state[2])
        row = {
            "step": step + count,
            "seconds": round(time.monotonic() - started, 1),
            "loss": round(float(losses.mean()), 4),
            "val_loss": round(float(value), 4),
            "val_accuracy": round(float(right), 4),
        }
        history.append(row)
        print(json.dumps(row), flush=True)
        save_weights(arguments.output, state[0])
        save_state(checkpoint, state, history)
    checkpoint.unlink(missing_ok=True)
    arguments.output.with_suffix(".json").write_text(json.dumps(history, indent=1) + "\n")


if __name__ == "__main__":
    main()
