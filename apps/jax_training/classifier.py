"""The classifier of the recipe and its losses, as pure functions of the weights.

The losses are those of `keras_tx.training`, written in JAX alone.
"""

from __future__ import annotations

import argparse
from typing import Any

import jax
import jax.numpy as jnp
from encoder import END, Encoder, class_head, new_class_head, random_key, split_key
from weight_files import load_classifier

WINDOW = 512  # Tokens that are read at once.


class Classifier:
    """Encoder and head, with weights to begin with; and those of a teacher, if there is one."""

    def __init__(self, arguments: argparse.Namespace, mask_id: int) -> None:
        self.arguments, self.mask_id = arguments, mask_id
        arrays, _ = load_classifier(arguments.encoder)
        self.width = arrays[0].shape[1]
        by_machine = "cudnn" if jax.default_backend() == "gpu" else "xla"
        self.encoder = Encoder(
            mask_id + 1,
            self.width,
            arrays[7].shape[-1],
            arguments.num_heads,
            (len(arrays) - 3) // 12,
            arguments.dropout,
            arguments.attention or by_machine,
            arguments.unroll,
        )
        head = new_class_head(random_key(arguments.seed), self.width)
        self.first_weights = {**self.encoder.from_arrays(arrays), "head": head}
        self.teacher_weights = None
        if arguments.teacher:
            taught, taught_head = load_classifier(arguments.teacher)
            shapes = [
                [array.shape for array in each] for each in (arrays + head, taught + taught_head)
            ]
            if shapes[0] != shapes[1]:
                raise ValueError(
                    f"--teacher expected arrays of shapes {shapes[0]}. Received: {shapes[1]}"
                )
            head = [jnp.asarray(array) for array in taught_head]
            self.teacher_weights = {**self.encoder.from_arrays(taught), "head": head}
        self.factors = {
            "adversarial": arguments.adversarial,
            "virtual": arguments.virtual,
            "entropy": arguments.entropy,
            "teacher": arguments.teacher_weight if arguments.teacher else 0.0,
        }

    def logits(self, weights: Any, ids: Any, key: Any = None, shift: Any = None) -> Any:
        """Scores. Passes of equal keys drop the same; those without a key nothing."""
        windows = ids.reshape(-1, min(ids.shape[1], WINDOW))
        encoder_key, head_key = split_key(key, 2)
        vectors = self.encoder.vectors(weights, windows)
        if shift is not None:
            vectors = vectors + shift.reshape(vectors.shape)
        vectors = self.encoder(weights, vectors, jnp.sum(windows != 0, axis=1), encoder_key)
        vectors = vectors.reshape(*ids.shape, self.width)
        return class_head(weights["head"], vectors, ids != 0, head_key)

    def loss(
        self, weights: Any, key: Any, labelled: Any, labels: Any, others: Any, taught: Any
    ) -> tuple[Any, Any]:
        """The sum of all losses, and each of them."""
        arguments, rows, factors = self.arguments, labelled.shape[0], self.factors
        ids = jnp.concatenate([labelled, others])
        drop_key, shift_key, key = jax.random.split(key, 3)
        dropped = jax.random.uniform(drop_key, ids.shape) < arguments.token_dropout
        ids = jnp.where(dropped & (ids != 0) & (ids != END), self.mask_id, ids)
        logits = self.logits(weights, ids, key)
        figures = {"labels": crossentropy(logits[:rows], labels)}
        if factors["entropy"]:
            figures["entropy"] = jnp.mean(answer_entropy(logits[rows:]))
        if factors["teacher"]:
            figures["teacher"] = jnp.mean(answer_divergence(taught, logits[rows:]))

        def worst(objective: Any, ids: Any, start: Any) -> Any:
            """The answers under the shift in whose direction an objective rises most."""
            fixed = jax.lax.stop_gradient(weights)
            slope = jax.grad(lambda shift: objective(self.logits(fixed, ids, key, shift)))
            shift = of_length(slope(start), ids, arguments.shift)
            return self.logits(weights, ids, key, jax.lax.stop_gradient(shift))

        if factors["adversarial"]:
            start = jnp.zeros((*labelled.shape, self.width))
            shifted = worst(lambda found: crossentropy(found, labels), ids[:rows], start)
            figures["adversarial"] = crossentropy(shifted, labels)
        if factors["virtual"]:
            given = jax.lax.stop_gradient(logits)
            noise = jax.random.normal(shift_key, (*ids.shape, self.width))
            # Near the point itself the divergence is flat; half of the shift shows its slope.
            start = of_length(noise, ids, arguments.shift / 2)
            shifted = worst(lambda found: jnp.sum(answer_divergence(given, found)), ids, start)
            figures["virtual"] = jnp.mean(answer_divergence(given, shifted))
        return sum(factors.get(name, 1.0) * figures[name] for name in figures), figures


def of_length(direction: Any, ids: Any, length: float) -> Any:
    """Directions `(B, T, D)` as shifts of a given length of each review, none of padding."""
    direction = jnp.where((ids != 0)[:, :, None], direction, 0)
    squares = jnp.sum(direction**2, axis=(1, 2), keepdims=True)
    return direction * jnp.where(squares > 0, length * jax.lax.rsqrt(squares + 1e-30), 0)


def answer_entropy(logits: Any) -> Any:
    known = jax.nn.log_softmax(logits)
    return -jnp.sum(jnp.exp(known) * known, axis=-1)


def answer_divergence(given: Any, logits: Any) -> Any:
    """`KL(p‖q)` of the distributions of two arrays of logits `(B, C)` -> `(B,)`."""
    known = jax.nn.log_softmax(given)
    return jnp.sum(jnp.exp(known) * (known - jax.nn.log_softmax(logits)), axis=-1)


def crossentropy(logits: Any, labels: Any) -> Any:
    return -jnp.mean(jnp.take_along_axis(jax.nn.log_softmax(logits), labels[:, None], axis=1))
