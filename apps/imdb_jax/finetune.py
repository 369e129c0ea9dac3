"""Third part of the recipe: the pre-trained encoder becomes a classifier, on an accelerator.

    KERAS_BACKEND=jax python apps/imdb_jax/finetune.py --ids runs/imdb/ids.npz \
        --encoder runs/imdb/encoder.npz --output runs/imdb/classifier.npz

Each step reads labelled and unlabelled reviews, with the losses of
`keras_tx.training.AdversarialTraining`; `TextClassifier.fit(adversarial=…, unlabelled=…)` does the
same in TensorFlow. After each round it keeps a checkpoint beside the output; after a stop the same
command with `--resume` goes on.
"""

from __future__ import annotations

import argparse
import concurrent.futures
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
    class_head,
    learning_rate,
    load_arrays,
    load_state,
    save_state,
    save_weights,
    values,
)
from reviews import Reviews

from keras_tx.training import answer_divergence, answer_entropy, shift_factors

WINDOW = 512  # Tokens that are read at once.


def options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--ids", type=pathlib.Path, required=True)
    parser.add_argument("--encoder", type=pathlib.Path, required=True)
    parser.add_argument("--output", type=pathlib.Path, required=True)
    parser.add_argument("--steps", type=int, default=6000)
    parser.add_argument("--minutes", type=float, default=1e9, help="the schedule ends by then")
    # The reviews of a batch are filled up to one of these; 1,024 are read in two windows.
    parser.add_argument("--lengths", type=int, nargs="+", default=[256, 512, 1024])
    parser.add_argument("--num-heads", type=int, default=6)
    parser.add_argument("--dropout", type=float, default=0.1)
    parser.add_argument("--token-dropout", type=float, default=0.1)
    parser.add_argument("--labelled-tokens", type=int, default=16384, help="in a step")
    parser.add_argument("--unlabelled-tokens", type=int, default=32768, help="in a step")
    parser.add_argument("--shift", type=float, default=6.0, help="length of the shift of a review")
    parser.add_argument("--adversarial", type=float, default=1.0, help="weight; 0 for none")
    parser.add_argument("--virtual", type=float, default=1.0, help="weight; 0 for none")
    parser.add_argument("--entropy", type=float, default=1.0, help="weight; 0 for none")
    parser.add_argument("--learning-rate", type=float, default=2e-4)
    parser.add_argument("--warmup-steps", type=int, default=200)
    parser.add_argument("--weight-decay", type=float, default=0.01)
    parser.add_argument("--average", type=float, default=0.998, help="of the moving average")
    parser.add_argument("--steps-per-round", type=int, default=250)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--resume", action="store_true", help="go on after a run that was stopped")
    return parser.parse_args()


class Classifier:
    """The classifier and its losses, as pure functions of the weights."""

    def __init__(self, arguments: argparse.Namespace, mask_id: int) -> None:
        self.arguments, self.mask_id = arguments, mask_id
        arrays = load_arrays(arguments.encoder)
        self.width, dense_dim = arrays[0].shape[1], arrays[7].shape[-1]
        num_layers = (len(arrays) - 3) // 12
        self.encoder = Encoder(
            mask_id + 1, self.width, dense_dim, arguments.num_heads, num_layers, arguments.dropout
        )
        self.head = class_head(self.width)
        head = values(self.head.trainable_variables)
        self.first_weights = {**self.encoder.from_arrays(arrays), "head": head}
        random = values(self.head.non_trainable_variables)
        self.first_seeds = (self.encoder.new_seeds(arguments.seed), random)

    def logits(
        self, weights: Any, seeds: Any, ids: Any, shift: Any = None, training: bool = True
    ) -> tuple[Any, Any]:
        """Scores, and new states of the random numbers: passes of equal states drop the same."""
        windows = ids.reshape(-1, min(ids.shape[1], WINDOW))
        vectors = self.encoder.vectors(weights, windows)
        if shift is not None:
            vectors = vectors + shift.reshape(vectors.shape).astype(vectors.dtype)
        vectors, block_seeds = self.encoder(weights, seeds[0], vectors, windows != 0, training)
        vectors = vectors.reshape(*ids.shape, self.width)
        logits, head_seeds = self.head.stateless_call(
            weights["head"], seeds[1], [vectors, ids != 0], training=training
        )
        return logits.astype(jnp.float32), (block_seeds, head_seeds)

    def loss(
        self, weights: Any, seeds: Any, key: Any, labelled: Any, labels: Any, others: Any
    ) -> tuple[Any, Any]:
        """The sum of all losses, and new random states and each of the losses."""
        arguments, rows = self.arguments, labelled.shape[0]
        ids = jnp.concatenate([labelled, others])
        drop_key, shift_key = jax.random.split(key)
        dropped = jax.random.uniform(drop_key, ids.shape) < arguments.token_dropout
        ids = jnp.where(dropped & (ids != 0) & (ids != END), self.mask_id, ids)
        logits, new_seeds = self.logits(weights, seeds, ids)
        figures = {"labels": crossentropy(logits[:rows], labels)}
        if arguments.entropy:
            figures["entropy"] = jnp.mean(answer_entropy(logits[rows:]))

        def worst(objective: Any, ids: Any, start: Any) -> Any:
            """The answers under the shift in whose direction an objective rises most."""
            fixed = jax.lax.stop_gradient(weights)
            slope = jax.grad(lambda shift: objective(self.logits(fixed, seeds, ids, shift)[0]))
            shift = of_length(slope(start), ids, arguments.shift)
            return self.logits(weights, seeds, ids, jax.lax.stop_gradient(shift))[0]

        if arguments.adversarial:
            start = jnp.zeros((*labelled.shape, self.width))
            shifted = worst(lambda found: crossentropy(found, labels), ids[:rows], start)
            figures["adversarial"] = crossentropy(shifted, labels)
        if arguments.virtual:
            given = jax.lax.stop_gradient(logits)
            noise = jax.random.normal(shift_key, (*ids.shape, self.width))
            # Near the point itself the divergence is flat; half of the shift shows its slope.
            start = of_length(noise, ids, arguments.shift / 2)
            shifted = worst(lambda found: jnp.sum(answer_divergence(given, found)), ids, start)
            figures["virtual"] = jnp.mean(answer_divergence(given, shifted))
        total = sum(getattr(arguments, name, 1.0) * figures[name] for name in figures)
        return total, (new_seeds, figures)


def of_length(direction: Any, ids: Any, length: float) -> Any:
    factors = shift_factors(jnp.sum(direction**2, axis=2), ids != 0, length)
    return direction * factors[:, :, None]


def crossentropy(logits: Any, labels: Any) -> Any:
    return -jnp.mean(jnp.take_along_axis(jax.nn.log_softmax(logits), labels[:, None], axis=1))


class Training:
    """The state of a training, and its steps, compiled for each length of batches."""

    def __init__(
        self, arguments: argparse.Namespace, classifier: Classifier, reviews: Reviews
    ) -> None:
        self.arguments, self.classifier, self.reviews = arguments, classifier, reviews
        weights = classifier.first_weights
        self.optimizer = Optimizer(weights, (), 0.999, arguments.weight_decay)
        average = jax.tree.map(jnp.copy, weights)
        self.state = (weights, average, self.optimizer.init(weights), classifier.first_seeds)
        self.scores = jax.jit(
            lambda weights, seeds, ids: classifier.logits(weights, seeds, ids, training=False)[0]
        )
        step = jax.jit(self._step, donate_argnums=0)
        examples = [reviews.batch(length) for length in reviews.lengths]
        with concurrent.futures.ThreadPoolExecutor() as pool:
            compiled = pool.map(
                lambda batch: step.lower(
                    self.state, jnp.int32(0), jnp.float32(0), *batch
                ).compile(),
                examples,
            )
            self.steps = dict(zip(reviews.lengths, compiled, strict=True))

    def _step(
        self, state: Any, step: Any, rate: Any, labelled: Any, labels: Any, others: Any
    ) -> tuple[Any, Any]:
        weights, average, optimizer_state, seeds = state
        key = jax.random.fold_in(jax.random.key(3), step)
        (_, (seeds, figures)), gradients = jax.value_and_grad(self.classifier.loss, has_aux=True)(
            weights, seeds, key, labelled, labels, others
        )
        weights, optimizer_state = self.optimizer.step(weights, gradients, optimizer_state, rate)
        # At the beginning the average reaches back a tenth of what has been done.
        kept = jnp.minimum(self.arguments.average, 1 - 10 / (step + 10))
        average = jax.tree.map(lambda a, w: kept * a + (1 - kept) * w, average, weights)
        return (weights, average, optimizer_state, seeds), figures

    def step(self, number: int, progress: float) -> dict[str, Any]:
        """One step; its losses."""
        arguments, length = self.arguments, self.reviews.any_length()
        rate = learning_rate(arguments.learning_rate, number, arguments.warmup_steps, progress)
        self.state, figures = self.steps[length](
            self.state, jnp.int32(number), jnp.float32(rate), *self.reviews.batch(length)
        )
        return figures

    def progress(self, step: int, seconds: float) -> float:
        """The share of the training that has been done, by steps or by time."""
        return max(step / self.arguments.steps, seconds / 60 / self.arguments.minutes)

    def answers(self, part: str) -> np.ndarray:
        """The scores of all reviews of a part, with the averaged weights."""
        found = np.zeros((self.reviews.counts[part], 2), "float32")
        for length, (numbers, rows) in self.reviews.parts[part].items():
            size = 262144 // length
            for start in range(0, len(rows), size):
                batch = rows[start : start + size]
                filled = np.pad(batch, ((0, size - len(batch)), (0, 0)))
                scores = np.asarray(self.scores(self.state[1], self.state[3], filled))
                found[numbers[start : start + size]] = scores[: len(batch)]
        return found

    def validation(self) -> dict[str, float]:
        found, truth = self.answers("held_out"), self.reviews.truth
        return {
            "val_loss": round(float(crossentropy(found, truth)), 4),
            "val_accuracy": round(float((found.argmax(axis=1) == truth).mean()), 4),
        }


def main() -> None:
    arguments = options()
    keras.utils.set_random_seed(arguments.seed)
    reviews = Reviews(arguments)
    started = time.monotonic()
    training = Training(arguments, Classifier(arguments, reviews.mask_id), reviews)
    print(f"compiled in {time.monotonic() - started:.0f} seconds", flush=True)
    history: list[dict[str, float]] = []
    step, progress, figures = 0, 0.0, {}
    checkpoint = arguments.output.with_suffix(".state.npz")
    if arguments.resume and checkpoint.exists():
        training.state, history = load_state(checkpoint, training.state)
        step = int(history[-1]["step"])
        started = time.monotonic() - history[-1]["seconds"]
        progress = training.progress(step, history[-1]["seconds"])
        reviews.generator = np.random.default_rng([arguments.seed, step])
    while progress < 1:
        jax.block_until_ready(figures)  # Of the step before: the clock must not run ahead.
        figures = training.step(step, progress)
        step += 1
        seconds = time.monotonic() - started
        progress = training.progress(step, seconds)
        if step % arguments.steps_per_round == 0 or progress >= 1:
            losses = {name: round(float(value), 4) for name, value in figures.items()}
            row = {"step": step, "seconds": round(seconds, 1), **losses, **training.validation()}
            history.append(row)
            print(json.dumps(row), flush=True)
            save_state(checkpoint, training.state, history)
    save_weights(arguments.output, training.state[1])
    for part in reviews.counts:
        path = arguments.output.with_name(f"{arguments.output.stem}_{part}.npy")
        np.save(path, training.answers(part))
    arguments.output.with_suffix(".json").write_text(json.dumps(history, indent=1) + "\n")
    checkpoint.unlink(missing_ok=True)


if __name__ == "__main__":
    main()
