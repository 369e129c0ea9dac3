"""Second part of the recipe: a masked language model of the reviews, on an accelerator, in JAX.

    python apps/jax_training/imdb_pretrain.py --ids runs/imdb/ids.npz --output runs/imdb/encoder.npz

Needs JAX (`pip install jax`), no TensorFlow. All that `imdb_prepare.py` left but the reviews that
are held out, and 500 others on which the guesses are measured, is read from random places on in
rows of `--sequence-length` tokens; half of the rows begin where a review does, as in
classification. With `--minutes` the schedule ends by then, compiling included. With `--start-from`
the encoder of an earlier run, or of a classifier, learns on. Every few rounds it keeps a checkpoint
beside the output; after a stop the same command with `--resume` goes on.
"""

from __future__ import annotations

import argparse
import json
import pathlib
import time
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from encoder import END, Encoder, guessing_head, new_guessing_head, random_key
from from_apps import one_line_errors
from guessing_loss import guessing_loss
from optimizer import Optimizer, Pace, learning_rate
from weight_files import (
    checkpoint_of,
    forget_run,
    is_finished,
    load_classifier,
    load_state,
    save_state,
    save_weights,
)


def options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--ids", type=pathlib.Path, required=True)
    parser.add_argument("--output", type=pathlib.Path, required=True)
    parser.add_argument("--validation", type=int, default=500, help="reviews")
    parser.add_argument("--start-from", type=pathlib.Path, help="weights of an encoder")
    parser.add_argument("--steps", type=int, default=15000)
    parser.add_argument("--minutes", type=float, default=1e9, help="the schedule ends by then")
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
    parser.add_argument("--rounds-per-checkpoint", type=int, default=1)
    parser.add_argument("--attention", choices=["cudnn", "xla"], help="default: by the machine")
    parser.add_argument("--unroll", type=int, default=1, help="blocks in one round of their loop")
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
        by_machine = "cudnn" if jax.default_backend() == "gpu" else "xla"
        self.encoder = Encoder(
            vocabulary_size,
            arguments.embed_dim,
            arguments.dense_dim,
            arguments.num_heads,
            arguments.num_layers,
            arguments.dropout,
            arguments.attention or by_machine,
            arguments.unroll,
        )
        keys = jax.random.split(random_key(arguments.seed), 2)
        weights = self.encoder.new_weights(keys[0])
        if arguments.start_from:
            weights = same_shapes(
                weights, self.encoder.from_arrays(load_classifier(arguments.start_from)[0])
            )
        weights["guess"] = new_guessing_head(keys[1], self.width)
        weights["bias"] = jnp.zeros(vocabulary_size)
        self.optimizer = Optimizer(weights, ("blocks", "guess"), 0.98, arguments.weight_decay)
        self.first_state = (weights, self.optimizer.init(weights))
        self.steps = jax.jit(self._steps, donate_argnums=1)
        self.validated = jax.jit(self._validated)

    def loss(self, weights: Any, batch: Any, key: Any) -> tuple[Any, Any]:
        """The cross-entropy of the hidden tokens, and the share guessed."""
        seen, positions, labels = batch
        vectors = self.encoder(weights, self.encoder.vectors(weights, seen), key=key)
        rows = jnp.arange(len(seen))[:, None]
        # No position stands there twice: their slopes need not be added one by one.
        vectors = vectors.at[rows, positions].get(unique_indices=True, mode="promise_in_bounds")
        vectors = guessing_head(weights["guess"], vectors.reshape(-1, self.width))
        return guessing_loss(vectors, weights["table"], weights["bias"], labels.reshape(-1))

    def _steps(
        self, reviews: Any, state: Any, first: Any, count: Any, progress: Any, pace: Any
    ) -> tuple[Any, Any]:
        """Several steps in one call, any number of them: the state, and the mean of the losses."""

        def step(number: Any, carried: Any) -> Any:
            state, total = carried
            state, value = self._step(reviews, state, first + number, progress + number * pace)
            return state, total + value

        state, total = jax.lax.fori_loop(0, count, step, (state, jnp.zeros(())))
        return state, total / jnp.maximum(count, 1)

    def _step(self, reviews: Any, state: Any, step: Any, progress: Any) -> tuple[Any, Any]:
        arguments, (weights, optimizer_state) = self.arguments, state
        keys = jax.random.split(random_key(arguments.seed, 1, step), 3)
        tokens, starts = reviews["train"], reviews["train_starts"]
        rows = cut_rows(keys[0], tokens, starts, arguments.rows, arguments.sequence_length)
        batch = hide(keys[1], rows, reviews["begins_word"], arguments.masking_rate)
        (value, _), gradients = jax.value_and_grad(self.loss, has_aux=True)(weights, batch, keys[2])
        rate = learning_rate(arguments.learning_rate, step, arguments.warmup_steps, progress)
        weights, optimizer_state = self.optimizer.step(weights, gradients, optimizer_state, rate)
        return (weights, optimizer_state), value

    def _validated(self, reviews: Any, weights: Any) -> tuple[Any, Any]:
        length = self.arguments.sequence_length
        tokens = reviews["validation"]
        rows = tokens[: tokens.shape[0] // length * length].reshape(-1, length)
        rate = self.arguments.masking_rate
        return self.loss(weights, hide(random_key(2), rows, reviews["begins_word"], rate), None)


def same_shapes(weights: Any, others: Any) -> Any:
    """The other weights, if they are of the same shapes.

    Raises:
        ValueError: when they are not.
    """
    expected, found = (jax.tree.map(jnp.shape, each) for each in (weights, others))
    if expected != found:
        raise ValueError(f"--start-from expected weights of shapes {expected}. Received: {found}")
    return others


def train(arguments: argparse.Namespace, started: float) -> None:
    """All rounds; `started` is the moment from which the minutes are counted."""
    reviews = read_reviews(arguments.ids, arguments.validation)
    reviews = {name: jnp.asarray(array) for name, array in reviews.items()}
    # One more for the mask.
    model = MaskedLanguageModel(arguments, reviews["begins_word"].shape[0] + 1)
    state = model.first_state
    number = sum(weight.size for weight in jax.tree.leaves(state[0]))
    print(f"{number:,} weights, {reviews['train'].shape[0]:,} tokens", flush=True)
    history: list[dict[str, float]] = []
    checkpoint = checkpoint_of(arguments.output)
    if not arguments.resume:
        forget_run(arguments.output)
    elif checkpoint.exists():
        state, history = load_state(checkpoint, state)
    step, before = (int(history[-1]["step"]), history[-1]["seconds"]) if history else (0, 0.0)
    pace = Pace(arguments, started - before)
    # A round of no steps: it only compiles.
    state, _ = model.steps(reviews, state, *pace.numbers(step, 0))
    jax.block_until_ready(model.validated(reviews, state[0]))
    print(f"compiled after {pace.seconds() - before:.0f} seconds", flush=True)
    ended = False
    while not ended:
        count, ended = pace.next_round(step)
        state, loss = model.steps(reviews, state, *pace.numbers(step, count))
        loss = float(loss)
        pace.measure(count)
        step += count
        value, right = model.validated(reviews, state[0])
        row = {
            "step": step,
            "seconds": round(pace.seconds(), 1),
            "loss": round(loss, 4),
            "val_loss": round(float(value), 4),
            "val_accuracy": round(float(right), 4),
        }
        history.append(row)
        print(json.dumps(row), flush=True)
        if ended or len(history) % arguments.rounds_per_checkpoint == 0:
            save_weights(arguments.output, state[0])
        if not ended and len(history) % arguments.rounds_per_checkpoint == 0:
            save_state(checkpoint, state, history)
        pace.measure_rest()
    arguments.output.with_suffix(".json").write_text(json.dumps(history, indent=1) + "\n")
    checkpoint.unlink(missing_ok=True)


@one_line_errors
def main() -> None:
    arguments = options()
    if arguments.resume and is_finished(arguments.output):
        print(f"{arguments.output} is finished; without --resume it is trained anew")
        return
    train(arguments, time.monotonic())


if __name__ == "__main__":
    main()
