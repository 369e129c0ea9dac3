"""Encoder and decoder steps of a translator's network: ids in, logits out."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import keras
import tensorflow as tf

from keras_tx.models.output_projection import compiled_output_projection, output_projection


class TranslationSteps:
    """The parts of a translation network, put together to be run token by token.

    Args:
        network: what `translation_network` makes.
        padding_id: of the sources. Default 0.
        compiled: whether XLA compiles the steps. It must know all sizes, so caches then have a
            fixed length; otherwise they grow, which costs less. Default `False`.

    Example:
        >>> import tensorflow as tf
        >>> from keras_tx.models import translation_network
        >>> from keras_tx.models.translation_steps import TranslationSteps
        >>> network = translation_network(
        ...     source_vocabulary_size=9, sequence_length=5, embed_dim=8, num_heads=2)
        >>> steps = TranslationSteps(network)
        >>> encoded, mask = steps.encode(tf.constant([[4, 5, 0]]))
        >>> step = steps.decoder_step(longest=3)
        >>> state = steps.start_state(encoded, mask, longest=3)
        >>> logits, state = step(tf.constant([[2]]), 0, state, None)
        >>> tuple(logits.shape)
        (1, 1, 9)
    """

    def __init__(self, network: keras.Model, padding_id: int = 0, compiled: bool = False) -> None:
        self.network, self.padding_id, self.compiled = network, padding_id, compiled
        self.names = {layer.name for layer in network.layers}
        shared = "embedding" in self.names
        self.source_embedding = network.get_layer("embedding" if shared else "source_embedding")
        self.target_embedding = network.get_layer("embedding" if shared else "target_embedding")
        self.encoder_blocks = list(self._numbered("encoder"))
        self.decoder_blocks = list(self._numbered("decoder"))

    def _numbered(self, name: str) -> Iterator[keras.layers.Layer]:
        number = 0
        while f"{name}_{number}" in self.names:
            yield self.network.get_layer(f"{name}_{number}")
            number += 1

    def normalized(self, stack: str, x: tf.Tensor) -> tf.Tensor:
        """What comes out of a stack: pre-norm ones end with a normalization."""
        norm = f"{stack}_norm"
        return self.network.get_layer(norm)(x) if norm in self.names else x

    def encode(self, source_ids: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """Encoded sources `(B, Ts, D)` and their mask `(B, Ts)`."""
        mask = source_ids != self.padding_id
        x = self.source_embedding(source_ids)
        for block in self.encoder_blocks:
            x = block(x, source_mask=mask)
        return self.normalized("encoder", x), mask

    def start_state(
        self, encoded: tf.Tensor, source_mask: tf.Tensor, longest: Any, beam_size: int = 1
    ) -> dict[str, Any]:
        """What the first step takes; `longest` is the most tokens that will be decoded."""
        batch_size = tf.shape(encoded)[0]
        # A length that the graph does not know to be zero: it changes from step to step.
        length = longest * beam_size if self.compiled else 0 * batch_size
        caches = [block.start_cache(batch_size, length, encoded) for block in self.decoder_blocks]
        return {"caches": caches, "source_mask": source_mask}

    def decoder_step(
        self, longest: Any, beam_size: int = 1, with_attention: bool = False, batch_size: Any = None
    ) -> Callable:
        """The step function of the searches, as `keras_tx.decoding.beam_search` takes it.

        `batch_size` is that of the first step; it makes a few sequences faster.
        """
        embedding = self.target_embedding
        # What does not change from step to step is made once.
        positions = embedding.position_vectors(longest)
        table = embedding.token_table()
        if self.compiled:
            project = compiled_output_projection(table, beam_size)
        else:
            rows = None if batch_size is None else batch_size * beam_size
            project = output_projection(table, rows)
        places = tf.range(beam_size)
        # Read once, not in each step.
        weights = [(one, tf.convert_to_tensor(one.value)) for one in self.network.variables]

        def past(index: Any, origins: Any) -> tf.Tensor:
            # Slot (t, j) is in the past of hypothesis k if it was in place j at time t.
            if not self.compiled:
                seen = origins[:, :, : index + 1, None] == places  # (B, K, T, K)
                return tf.reshape(seen, [-1, beam_size, (index + 1) * beam_size])
            slots = tf.shape(origins)[2]
            read = tf.range(slots)[:, None] <= index
            seen = tf.logical_and(origins[..., None] == places, read)  # (B, K, L, K)
            return tf.reshape(seen, [-1, beam_size, slots * beam_size])

        def step(ids: Any, index: Any, state: dict[str, Any], origins: Any) -> tuple:
            with keras.StatelessScope(state_mapping=weights):
                return run_blocks(ids, index, state, origins)

        def run_blocks(ids: Any, index: Any, state: dict[str, Any], origins: Any) -> tuple:
            x = embedding.token_vectors(ids) + positions[index]
            mask = past(index, origins) if beam_size > 1 else None
            where = {"cache_index": index * beam_size, "in_place_cache": True}
            caches, attention = [], []
            for block, cache in zip(self.decoder_blocks, state["caches"], strict=True):
                x, *scores, cache = block(
                    x,
                    target_mask=mask,
                    source_mask=state["source_mask"],
                    cache=cache,
                    return_attention_scores=with_attention,
                    **(where if self.compiled else {}),
                )
                caches.append(cache)
                attention.extend(scores)
            x = self.normalized("decoder", x)
            # What is added up in a search is added up in float32, whatever the network has.
            rows_of_x = tf.cast(tf.reshape(x, [-1, x.shape[-1]]), table.dtype)
            logits = tf.cast(project(rows_of_x), tf.float32)
            # Without this TensorFlow moves the cast behind the next operation, and does it twice.
            logits = tf.ensure_shape(logits, [None, table.shape[0]])
            logits = tf.reshape(logits, [-1, beam_size, logits.shape[-1]])
            state = {**state, "caches": caches}
            if with_attention:
                weights = tf.cast(attention[-1], tf.float32)
                return logits, state, tf.reduce_mean(weights, axis=1)  # (B, K, Ts)
            return logits, state

        return step

    def attention(self, source_ids: tf.Tensor, target_ids: tf.Tensor) -> tf.Tensor:
        """How much each target step looks at each source token, `(B, Tt, Ts)`.

        The mean over the heads of the last decoder block but one.
        """
        encoded, source_mask = self.encode(source_ids)
        x = self.target_embedding(target_ids)
        for block in self.decoder_blocks[: max(len(self.decoder_blocks) - 1, 1)]:
            x, weights = block(x, encoded, source_mask=source_mask, return_attention_scores=True)
        return tf.reduce_mean(tf.cast(weights, tf.float32), axis=1)
