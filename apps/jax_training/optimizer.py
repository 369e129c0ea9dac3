"""What trains networks in JAX, as pure functions; without TensorFlow."""

from __future__ import annotations

import argparse
import functools
import itertools
import math
import time
from typing import Any

import jax
import jax.numpy as jnp


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
        self, weights: dict[str, Any], muon: tuple[str, ...], beta: float, weight_decay: float
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
        gradients = [gradient / jnp.maximum(norm, 1.0) for gradient in gradients]
        firsts, seconds, count = state
        count = count + 1
        firsts = [
            0.95 * m + g if kernel else 0.9 * m + 0.1 * g
            for m, g, kernel in zip(firsts, gradients, self.is_kernel, strict=True)
        ]
        seconds = [
            v if kernel else self.beta * v + (1 - self.beta) * g**2
            for v, g, kernel in zip(seconds, gradients, self.is_kernel, strict=True)
        ]
        ahead = [
            g + 0.95 * m
            for g, m, kernel in zip(gradients, firsts, self.is_kernel, strict=True)
            if kernel
        ]
        turned = iter(orthogonal_matrices(ahead))
        changed = []
        for w, m, v, matrix, kernel in zip(
            weights, firsts, seconds, self.is_matrix, self.is_kernel, strict=True
        ):
            if kernel:
                # As large as Adam's, so that both take the same rate (Liu et al. 2025).
                change = 0.2 * max(w.shape[-2:]) ** 0.5 * next(turned)
            else:
                change = m / (1 - 0.9**count) / (jnp.sqrt(v / (1 - self.beta**count)) + 1e-9)
            decay = self.weight_decay if matrix else 0.0
            changed.append(w - rate * (change + decay * w))
        return self.structure.unflatten(changed), (firsts, seconds, count)


def orthogonal_matrices(matrices: list[jax.Array]) -> list[jax.Array]:
    """`orthogonal` of each matrix, or of each in a stack of them.

    Those of one shape are done at once: many small products are slow.
    """
    groups: dict[tuple[int, ...], list[int]] = {}
    for place, matrix in enumerate(matrices):
        groups.setdefault(matrix.shape[-2:], []).append(place)
    found: list[Any] = [None] * len(matrices)
    for shape, places in groups.items():
        stacks = [matrices[place].reshape(-1, *shape) for place in places]
        turned = jax.vmap(orthogonal)(jnp.concatenate(stacks))
        ends = list(itertools.accumulate(len(stack) for stack in stacks))
        for place, part in zip(places, jnp.split(turned, ends[:-1]), strict=True):
            found[place] = part.reshape(matrices[place].shape)
    return found


def learning_rate(peak: float, step: Any, warmup_steps: int, progress: Any) -> Any:
    """Warm-up, then a cosine to 0, by the share of the training that has been done."""
    return peak * jnp.minimum((step + 1) / warmup_steps, 0.5 * (1 + jnp.cos(math.pi * progress)))


class Pace:
    """How much of a training is done, by steps or by time, and how fast it goes on.

    Args:
        arguments: with `steps`, `minutes` and `steps_per_round`.
        started: the moment from which the time is counted.
    """

    def __init__(self, arguments: argparse.Namespace, started: float) -> None:
        self.arguments, self.started = arguments, started
        # Seconds of a step, and of what follows a round.
        self.step_seconds, self.rest_seconds, self.moment = 0.0, 0.0, started

    def seconds(self) -> float:
        return time.monotonic() - self.started

    def progress(self, step: int) -> float:
        """The share of the training that has been done."""
        return max(step / self.arguments.steps, self.seconds() / 60 / self.arguments.minutes)

    def per_step(self) -> float:
        """The share that a step adds."""
        each = self.step_seconds + self.rest_seconds / self.arguments.steps_per_round
        return max(1 / self.arguments.steps, each / 60 / self.arguments.minutes)

    def next_round(self, step: int) -> tuple[int, bool]:
        """The steps of the next round, and whether the training ends with it."""
        most = self.arguments.steps_per_round
        if not self.step_seconds and self.arguments.minutes < 1e6:
            most = max(most // 10, 1)  # It shows how long a step takes.
        left = math.ceil((1 - self.progress(step)) / self.per_step() - 1e-6)
        return min(max(left, 1), most), left <= most

    def numbers(self, step: int, count: int) -> tuple[Any, ...]:
        """First step, number of steps, progress and pace of a round, and the clock for it."""
        self.moment = time.monotonic()
        progress, pace = self.progress(step), self.per_step()
        return jnp.int32(step), jnp.int32(count), jnp.float32(progress), jnp.float32(pace)

    def measure(self, count: int) -> None:
        """After the steps of a round."""
        moment = time.monotonic()
        self.step_seconds, self.moment = (moment - self.moment) / count, moment

    def measure_rest(self) -> None:
        """After all that follows them."""
        self.rest_seconds = time.monotonic() - self.moment
