"""Third part of the recipe: the pre-trained encoder becomes a classifier, on an accelerator.

    python apps/jax_training/imdb_finetune.py --ids runs/imdb/ids.npz \
        --encoder runs/imdb/encoder.npz --output runs/imdb/classifier.npz

Needs JAX (`pip install jax`), no TensorFlow. Each step reads labelled and unlabelled reviews, with
the losses of `keras_tx.training.AdversarialTraining`; `TextClassifier.fit(adversarial=…,
unlabelled=…)` does the same in TensorFlow. With `--teacher`, an earlier classifier of the same
sizes, also that one's answers for the unlabelled reviews are learned. With `--minutes` the schedule
ends by then, compiling included. After each round it keeps a checkpoint beside the output; after a
stop the same command with `--resume` goes on.
"""

from __future__ import annotations

import argparse
import concurrent.futures
import json
import pathlib
import time
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from classifier import Classifier, crossentropy
from encoder import random_key
from from_apps import one_line_errors
from optimizer import Optimizer, learning_rate
from reviews import Reviews
from weight_files import (
    checkpoint_of,
    forget_run,
    is_finished,
    load_state,
    save_state,
    save_weights,
)


def options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--ids", type=pathlib.Path, required=True)
    parser.add_argument("--encoder", type=pathlib.Path, required=True)
    parser.add_argument("--output", type=pathlib.Path, required=True)
    parser.add_argument("--teacher", type=pathlib.Path, help="weights of a classifier")
    parser.add_argument("--teacher-temperature", type=float, default=1.0, help="of its answers")
    parser.add_argument("--teacher-weight", type=float, default=1.0)
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
    parser.add_argument("--attention", choices=["cudnn", "xla"], help="default: by the machine")
    parser.add_argument("--unroll", type=int, default=1, help="blocks in one round of their loop")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--resume", action="store_true", help="go on after a run that was stopped")
    return parser.parse_args()


class Training:
    """The state of a training, and its steps, compiled for each length of batches."""

    def __init__(
        self, arguments: argparse.Namespace, classifier: Classifier, reviews: Reviews
    ) -> None:
        self.arguments, self.classifier, self.reviews = arguments, classifier, reviews
        weights = classifier.first_weights
        self.optimizer = Optimizer(weights, (), 0.999, arguments.weight_decay)
        self.state = (weights, jax.tree.map(jnp.copy, weights), self.optimizer.init(weights))
        self.scores = jax.jit(classifier.logits)
        step = jax.jit(self._step, donate_argnums=0)
        examples = [reviews.batch(length) for length in reviews.lengths]
        numbers = (jnp.int32(0), jnp.float32(0))
        with concurrent.futures.ThreadPoolExecutor() as pool:
            compiled = pool.map(
                lambda batch: step.lower(self.state, *numbers, *batch).compile(), examples
            )
            self.steps = dict(zip(reviews.lengths, compiled, strict=True))
        if classifier.teacher_weights:
            # Not while the compiler measures what is fastest on the accelerator.
            scores = self.answers("unlabelled", classifier.teacher_weights)
            reviews.taught = scores / arguments.teacher_temperature

    def _step(self, state: Any, step: Any, rate: Any, *batch: Any) -> tuple[Any, Any]:
        weights, average, optimizer_state = state
        key = random_key(self.arguments.seed, 3, step)
        (_, figures), gradients = jax.value_and_grad(self.classifier.loss, has_aux=True)(
            weights, key, *batch
        )
        weights, optimizer_state = self.optimizer.step(weights, gradients, optimizer_state, rate)
        # At the beginning the average reaches back a tenth of what has been done.
        kept = jnp.minimum(self.arguments.average, 1 - 10 / (step + 10))
        average = jax.tree.map(lambda a, w: kept * a + (1 - kept) * w, average, weights)
        return (weights, average, optimizer_state), figures

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

    def answers(self, part: str, weights: Any) -> np.ndarray:
        """The scores of all reviews of a part."""
        found = np.zeros((self.reviews.counts[part], 2), "float32")
        for length, (numbers, rows) in self.reviews.parts[part].items():
            size = 262144 // length
            scores = []
            for start in range(0, len(rows), size):
                batch = rows[start : start + size]
                filled = np.pad(batch, ((0, size - len(batch)), (0, 0)))
                scores.append(self.scores(weights, filled))  # Waited for when all are under way.
            found[numbers] = np.concatenate(scores)[: len(rows)]
        return found

    def validation(self) -> dict[str, float]:
        found, truth = self.answers("held_out", self.state[1]), self.reviews.truth
        return {
            "val_loss": round(float(crossentropy(found, truth)), 4),
            "val_accuracy": round(float((found.argmax(axis=1) == truth).mean()), 4),
        }


def train(arguments: argparse.Namespace, started: float) -> None:
    """All steps; `started` is the moment from which the minutes are counted."""
    reviews = Reviews(arguments)
    training = Training(arguments, Classifier(arguments, reviews.mask_id), reviews)
    print(f"compiled after {time.monotonic() - started:.0f} seconds", flush=True)
    history: list[dict[str, float]] = []
    step, progress, waiting, figures = 0, 0.0, {}, {}
    checkpoint = checkpoint_of(arguments.output)
    if not arguments.resume:
        forget_run(arguments.output)
    elif checkpoint.exists():
        training.state, history = load_state(checkpoint, training.state)
        step = int(history[-1]["step"])
        started -= history[-1]["seconds"]
        reviews.generator = np.random.default_rng([arguments.seed, step])
    progress = training.progress(step, time.monotonic() - started)
    while progress < 1:
        # Of the step before the last: the clock must not run ahead, nor the accelerator wait.
        jax.block_until_ready(waiting)
        waiting, figures = figures, training.step(step, progress)
        step += 1
        seconds = time.monotonic() - started
        progress = training.progress(step, seconds)
        if step % arguments.steps_per_round == 0 or progress >= 1:
            losses = {name: round(float(value), 4) for name, value in figures.items()}
            row = {"step": step, "seconds": round(seconds, 1), **losses, **training.validation()}
            history.append(row)
            print(json.dumps(row), flush=True)
            if progress < 1:
                save_state(checkpoint, training.state, history)
    save_weights(arguments.output, training.state[1])
    for part in reviews.counts:
        path = arguments.output.with_name(f"{arguments.output.stem}_{part}.npy")
        np.save(path, training.answers(part, training.state[1]))
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
