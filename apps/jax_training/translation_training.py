"""Several translators of one size, trained side by side; without TensorFlow."""

from __future__ import annotations

import concurrent.futures
import dataclasses
import json
import time
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from optimizer import Optimizer, learning_rate
from pairs import PADDING, Pairs
from translation_network import Network


@dataclasses.dataclass(frozen=True)
class Settings:
    """Of a training; it ends after `steps` or `minutes`, whichever comes first."""

    steps: int
    minutes: float
    tokens_per_batch: int
    learning_rate: float
    warmup_steps: int = 300
    average: float = 0.99
    label_smoothing: float = 0.1
    weight_decay: float = 0.0
    # How much of the loss is the divergence from the teachers.
    teacher_share: float = 0.0
    steps_per_round: int = 250
    seed: int = 0


@dataclasses.dataclass(frozen=True)
class Teachers:
    """Translators whose mean probabilities others learn; `weights` are stacked."""

    network: Network
    weights: Any


class Training:
    """Models that read the same pairs in orders of their own.

    Args:
        network: of each.
        pairs, validation: to learn from, and to measure the loss on.
        forward: for each model whether it translates from English; from French otherwise.
        settings: see there.
        teachers: of models that all translate from English.
    """

    def __init__(
        self,
        network: Network,
        pairs: Pairs,
        validation: Pairs,
        forward: list[bool],
        settings: Settings,
        teachers: Teachers | None = None,
    ) -> None:
        self.started = time.monotonic()
        self.network, self.settings, self.teachers = network, settings, teachers
        self.forward = jnp.asarray(forward)
        weights, seeds = network.new_weights(len(forward))
        single = jax.tree.map(lambda leaf: leaf[0], weights)
        self.optimizer = Optimizer(single, ("kernels",), 0.98, settings.weight_decay)
        optimizer_state = jax.vmap(self.optimizer.init)(weights)
        self.state = (weights, jax.tree.map(jnp.copy, weights), optimizer_state, seeds)
        self.orders = [pairs.orders(settings.seed + number) for number in range(len(forward))]
        self.lengths = [length for length in pairs.lengths if pairs.times[length].sum() >= 1]
        tokens = np.array([pairs.times[length].sum() * length for length in self.lengths])
        self.shares = tokens / tokens.sum()
        self.generator = np.random.default_rng(settings.seed)
        self.data = on_device(pairs)
        self.validation = on_device(validation)
        self.sums = jax.jit(self._sums)
        self.compiled = self._compiled()

    def _compiled(self) -> dict[int, Any]:
        step = jax.jit(self._steps, donate_argnums=0)
        # Made here: the orders are no threads' business, and the same with each run.
        examples = [self._inputs(length, 0, 0.0) for length in self.lengths]
        # Each length is a program of its own.
        with concurrent.futures.ThreadPoolExecutor() as pool:
            compiled = pool.map(lambda each: step.lower(self.state, *each).compile(), examples)
            return dict(zip(self.lengths, compiled, strict=True))

    def _inputs(self, length: int, step: int, rate: float) -> tuple[Any, ...]:
        count = max(self.settings.tokens_per_batch // length, 1)
        numbers = np.stack([order.next(length, count) for order in self.orders])
        teachers = self.teachers and self.teachers.weights
        return numbers, self.data[length], teachers, jnp.int32(step), jnp.float32(rate)

    def _steps(
        self, state: Any, numbers: Any, data: Any, teachers: Any, step: Any, rate: Any
    ) -> tuple[Any, Any]:
        def one(state: Any, numbers: Any, forward: Any) -> tuple[Any, Any]:
            source, target = sides(forward, *(rows[numbers] for rows in data))
            return self._step(state, source, target, teachers, step, rate)

        return jax.vmap(one)(state, numbers, self.forward)

    def _step(
        self, state: Any, source: Any, target: Any, teachers: Any, step: Any, rate: Any
    ) -> tuple[Any, Any]:
        weights, average, optimizer_state, seeds = state
        taught = None if teachers is None else self._taught(teachers, source, target)
        (loss, seeds), gradients = jax.value_and_grad(self.loss, has_aux=True)(
            weights, seeds, source, target, taught
        )
        weights, optimizer_state = self.optimizer.step(weights, gradients, optimizer_state, rate)
        # At the beginning the average reaches back a tenth of what has been done.
        kept = jnp.minimum(self.settings.average, 1 - 10 / (step + 10))
        average = jax.tree.map(lambda a, w: kept * a + (1 - kept) * w, average, weights)
        return (weights, average, optimizer_state, seeds), loss

    def _taught(self, teachers: Any, source: Any, target: Any) -> jax.Array:
        """The mean of the teachers' probabilities, `(B, T, N)`."""
        network = self.teachers.network
        seeds = [jnp.zeros(2, "uint32") for _ in network.model.non_trainable_variables]

        def probabilities(weights: Any) -> jax.Array:
            logits, _ = network.logits(weights, seeds, source, target, training=False)
            return jax.nn.softmax(logits).astype(jnp.bfloat16)

        return jnp.mean(jax.vmap(probabilities)(teachers), axis=0)

    def loss(
        self, weights: Any, seeds: Any, source: Any, target: Any, taught: Any
    ) -> tuple[jax.Array, Any]:
        """The mean over the tokens, and new states of the random numbers."""
        settings = self.settings
        logits, seeds = self.network.logits(weights, seeds, source, target, training=True)
        logs = jax.nn.log_softmax(logits)
        losses = -chosen(logs, target)
        smoothing, share = settings.label_smoothing, settings.teacher_share
        losses = (1 - smoothing) * losses - smoothing * jnp.mean(logs, axis=-1)
        if taught is not None:
            losses = (1 - share) * losses - share * jnp.sum(taught * logs, axis=-1)
        real = target != PADDING
        return jnp.sum(jnp.where(real, losses, 0.0)) / jnp.sum(real), seeds

    def run(self, name: str) -> Any:
        """Train; the averaged weights of all models.

        Raises:
            ValueError: when a loss is no number any more: what came of it would be kept as made.
        """
        settings, step, progress = self.settings, 0, 0.0
        print(f"{name}: compiled in {time.monotonic() - self.started:.0f} seconds", flush=True)
        loss = jnp.zeros(())
        while progress < 1:
            length = self.lengths[self.generator.choice(len(self.lengths), p=self.shares)]
            rate = learning_rate(settings.learning_rate, step, settings.warmup_steps, progress)
            inputs = self._inputs(length, step, rate)
            jax.block_until_ready(loss)  # Of the step before: the clock must not run ahead.
            self.state, loss = self.compiled[length](self.state, *inputs)
            step += 1
            seconds = time.monotonic() - self.started
            progress = max(step / settings.steps, seconds / 60 / settings.minutes)
            if step % settings.steps_per_round == 0 or progress >= 1:
                row = {"step": step, "seconds": round(seconds, 1), "loss": rounded(loss)}
                print(name, json.dumps(row | {"val_loss": self.validated()}), flush=True)
                if not np.isfinite(row["loss"]).all():
                    raise ValueError(f"{name} expected finite losses. Received: {row['loss']}")
        return self.state[1]

    def validated(self) -> list[float]:
        """The loss of each model's averaged weights on the pairs kept for it, per token."""
        _, average, _, seeds = self.state
        totals = [
            np.asarray(self.sums(average, seeds, self.forward, *rows))
            for rows in self.validation.values()
            if len(rows[0])
        ]
        losses, counts = np.sum(totals, axis=0).T
        return rounded(losses / counts)

    def _sums(self, weights: Any, seeds: Any, forward: Any, english: Any, french: Any) -> jax.Array:
        """Of each model, `(M, 2)`: the sum of the losses, and the number of tokens."""

        def sums(one: Any) -> jax.Array:
            weights, seeds, forward = one
            source, target = sides(forward, english, french)
            logits, _ = self.network.logits(weights, seeds, source, target, training=False)
            losses = -chosen(jax.nn.log_softmax(logits), target)
            real = target != PADDING
            return jnp.stack([jnp.sum(jnp.where(real, losses, 0.0)), jnp.sum(real)])

        # One after the other: all at once would take much memory.
        return jax.lax.map(sums, (weights, seeds, forward))


def sides(forward: Any, english: Any, french: Any) -> tuple[jax.Array, jax.Array]:
    """Source and target of a model that translates from English, or to it."""
    english, french = english.astype(jnp.int32), french.astype(jnp.int32)
    return jnp.where(forward, english, french), jnp.where(forward, french, english)


def chosen(values: jax.Array, ids: jax.Array) -> jax.Array:
    """Those of `(B, T, N)` values that belong to ids `(B, T)`."""
    return jnp.take_along_axis(values, ids[..., None], axis=-1)[..., 0]


def on_device(pairs: Pairs) -> dict[int, tuple[jax.Array, jax.Array]]:
    return {
        length: tuple(jnp.asarray(side, "uint16") for side in both)
        for length, both in pairs.rows.items()
    }


def rounded(values: Any) -> list[float]:
    return [round(float(value), 4) for value in np.atleast_1d(np.asarray(values))]
