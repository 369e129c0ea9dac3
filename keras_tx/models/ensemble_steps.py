"""Encoder and decoder steps of several networks at once."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import keras
import tensorflow as tf

from keras_tx.models.ensemble_network import ensemble_members, mean_log_probabilities
from keras_tx.models.translation_steps import TranslationSteps


class EnsembleSteps:
    """What `TranslationSteps` is for one network, for an ensemble of networks.

    Args:
        members: the steps of each, one or more, with the same vocabularies.

    Example:
        >>> import tensorflow as tf
        >>> from keras_tx.models.ensemble_network import ensemble_network
        >>> from keras_tx.models.ensemble_steps import steps_of
        >>> network = ensemble_network(
        ...     [{"embed_dim": 8}, {"embed_dim": 16}], source_vocabulary_size=9, num_heads=2)
        >>> steps = steps_of(network)
        >>> encoded, mask = steps.encode(tf.constant([[4, 5, 0]]))
        >>> state = steps.start_state(encoded, mask, longest=3)
        >>> logits, state = steps.decoder_step(longest=3)(tf.constant([[2]]), 0, state, None)
        >>> tuple(logits.shape)
        (1, 1, 9)
    """

    def __init__(self, members: Sequence[TranslationSteps]) -> None:
        self.members = list(members)

    def encode(self, source_ids: tf.Tensor) -> tuple[list[tf.Tensor], tf.Tensor]:
        """The sources as each member encodes them, and their mask `(B, Ts)`."""
        encoded = [member.encode(source_ids) for member in self.members]
        return [vectors for vectors, _ in encoded], encoded[0][1]

    def start_state(
        self, encoded: Sequence[tf.Tensor], source_mask: tf.Tensor, longest: Any, beam_size: int = 1
    ) -> dict[str, Any]:
        """What the first step takes; `longest` is the most tokens that will be decoded."""
        return {
            "members": [
                member.start_state(vectors, source_mask, longest, beam_size)
                for member, vectors in zip(self.members, encoded, strict=True)
            ]
        }

    def decoder_step(
        self, longest: Any, beam_size: int = 1, with_attention: bool = False, batch_size: Any = None
    ) -> Callable:
        """The step function of the searches: logarithms of mean probabilities, mean attention."""
        steps = [
            member.decoder_step(longest, beam_size, with_attention, batch_size)
            for member in self.members
        ]

        def step(ids: Any, index: Any, state: dict[str, Any], origins: Any) -> tuple:
            results = [
                one(ids, index, own, origins)
                for one, own in zip(steps, state["members"], strict=True)
            ]
            logits, states, *attention = zip(*results, strict=True)
            means = [tf.add_n(list(weights)) / len(steps) for weights in attention]
            return mean_log_probabilities(logits), {"members": list(states)}, *means

        return step

    def attention(self, source_ids: tf.Tensor, target_ids: tf.Tensor) -> tf.Tensor:
        """The mean of the members' attention `(B, Tt, Ts)`, see `TranslationSteps.attention`."""
        weights = [member.attention(source_ids, target_ids) for member in self.members]
        return tf.add_n(weights) / len(weights)


def steps_of(
    network: keras.Model, padding_id: int = 0, compiled: bool = False
) -> TranslationSteps | EnsembleSteps:
    """The steps of a translation network, or of an ensemble of them.

    Args:
        network, padding_id, compiled: as `TranslationSteps` takes them.

    Example: see `EnsembleSteps`.
    """
    members = ensemble_members(network)
    if not members:
        return TranslationSteps(network, padding_id, compiled)
    return EnsembleSteps([TranslationSteps(member, padding_id, compiled) for member in members])
