"""A classification network in adversarial training."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import keras
import tensorflow as tf
from keras import ops

from keras_tx.models.embedding_split import EmbeddingSplit
from keras_tx.models.region_encoder import RegionEncoder
from keras_tx.training import (
    AdversarialTraining,
    answer_divergence,
    answer_entropy,
    shift_factors,
)


class AdversarialNetwork(keras.Model):
    """Trains a classification network by `AdversarialTraining`; its weights are the network's.

    In a step, all passes of a batch drop the same values and tokens, so that they differ by the
    shift alone.

    Args:
        network: a `classification_network` without n-grams.
        options: what to withstand.

    Call arguments:
        inputs: ids `(B, T)`. In training `(ids (B, T), others (U, S))`, of texts with and
            without labels; or ids alone.

    Returns:
        Logits `(B, C)`.

    Raises:
        ValueError: for a network whose tokens have no vectors of their own (of regions).

    Example:
        >>> from keras_tx.models import classification_network
        >>> from keras_tx.models.adversarial_network import AdversarialNetwork
        >>> from keras_tx.training import AdversarialTraining
        >>> network = classification_network(vocabulary_size=9, num_classes=2, sequence_length=4)
        >>> training = AdversarialNetwork(network, AdversarialTraining())
        >>> len(training.trainable_weights) == len(network.trainable_weights)
        True

    Source: see `keras_tx.training.AdversarialTraining`.
    """

    def __init__(self, network: keras.Model, options: AdversarialTraining) -> None:
        super().__init__(name="adversarial_network")
        names = [layer.name for layer in network.layers]
        if "encoder" in names and isinstance(network.get_layer("encoder").encoder, RegionEncoder):
            raise ValueError(
                "adversarial expected an encoder of token vectors. Received: one of regions"
            )
        self.network, self.options = network, options
        self._parts = (EmbeddingSplit(network),)
        self._noise = keras.random.SeedGenerator()
        self._replacement = (
            network.get_layer("token_replacement") if "token_replacement" in names else None
        )
        known = {id(weight) for weight in network.weights}
        self._random_states = tuple(v for v in network.variables if id(v) not in known)
        self.built = True

    def call(self, inputs: Any, training: bool | None = None) -> Any:
        return self.network(inputs, training=training)

    def train_step(self, data: Any) -> dict[str, Any]:
        inputs, labels, weights = keras.utils.unpack_x_y_sample_weight(data)
        ids, others = inputs if isinstance(inputs, (tuple, list)) else (inputs, None)
        # The divergence is that of all texts together.
        count, rest = (0 if part is None else ops.shape(part)[0] for part in (ids, others))
        share = ops.cast(count, "float32") / ops.cast(count + rest, "float32")
        with tf.GradientTape() as tape:
            logits, loss = self._answers_and_loss(tape, share, ids, labels, weights)
            if others is not None:
                loss += self._answers_and_loss(tape, 1 - share, others)[1]
            scaled = self.optimizer.scale_loss(loss)
        gradients = tape.gradient(scaled, self.trainable_weights)
        self.optimizer.apply_gradients(zip(gradients, self.trainable_weights, strict=True))
        for metric in self.metrics:
            if metric.name == "loss":
                metric.update_state(loss)
            else:
                metric.update_state(labels, logits, sample_weight=weights)
        return self.get_metrics_result()

    def _answers_and_loss(
        self, tape: tf.GradientTape, share: Any, ids: Any, labels: Any = None, weights: Any = None
    ) -> tuple[Any, Any]:
        """The logits of a batch, and all of its losses, by their weights."""
        options, (split,) = self.options, self._parts
        if self._replacement is not None:
            ids = self._replacement(ids, training=True)
        points = split.embed(ids)[0]
        states = [tf.identity(state) for state in self._random_states]

        def answers(shift: Any = None) -> Any:
            for variable, state in zip(self._random_states, states, strict=True):
                variable.assign(state)
            shifted = points if shift is None else points + ops.cast(shift, points.dtype)
            return split.logits_in_training(shifted, ids)

        def error(logits: Any) -> Any:
            return self.compute_loss(None, labels, logits, weights)

        logits = answers()
        loss = 0.0
        if labels is not None:
            loss += error(logits)
            if options.adversarial:
                # No direction of its own to begin with: the loss has a slope where it stands.
                shift = self._worst(tape, lambda shift: error(answers(shift)), points, ids)
                loss += options.adversarial * error(answers(shift))
        elif options.entropy:
            loss += options.entropy * ops.mean(answer_entropy(logits))
        if options.virtual:
            given = ops.stop_gradient(logits)

            def change(shift: Any) -> Any:
                return ops.sum(answer_divergence(given, answers(shift)))

            # Where it stands the divergence is 0 and flat; half of a shift away it has a slope.
            noise = keras.random.normal(ops.shape(points), seed=self._noise)
            start = self._of_length(noise, ids, options.shift / 2)
            shift = self._worst(tape, change, points, ids, start)
            divergence = answer_divergence(given, answers(shift))
            loss += options.virtual * share * ops.mean(divergence)
        return logits, loss

    def _worst(
        self,
        tape: tf.GradientTape,
        objective: Callable[[Any], Any],
        points: Any,
        ids: Any,
        start: Any = None,
    ) -> Any:
        """The shift in the direction in which an objective rises most."""
        start = ops.zeros(ops.shape(points), "float32") if start is None else start
        with tape.stop_recording(), tf.GradientTape(watch_accessed_variables=False) as inner:
            inner.watch(start)
            value = objective(start)
        with tape.stop_recording():
            slope = ops.cast(inner.gradient(value, start), "float32")
            return self._of_length(slope, ids, self.options.shift)

    def _of_length(self, direction: Any, ids: Any, length: float) -> Any:
        """A direction in the form of the points, scaled to a length for each text."""
        (split,) = self._parts
        squares = split.join(ops.sum(ops.square(direction), axis=-1), ids)
        factors = split.windows(shift_factors(squares, ops.not_equal(ids, 0), length))
        return direction * factors[..., None]
