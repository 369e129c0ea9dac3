"""Texts as batches of rows of one length, without padding."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from keras_tx.data import batch_dataset
from keras_tx.models.batches import IDS, token_sequences
from keras_tx.text import Tokenizer, pack
from keras_tx.training import PackedSequences


class PackedBatches:
    """Texts as batches `(ids (B, T), zeros (B,))`, joined and cut into rows of one length.

    In the endless stream the rows and their order are drawn anew for each epoch; what a step
    gets depends on the seed and its number alone. The one pass for validation is always the
    same.

    Args:
        texts: the texts.
        tokenizer: a fitted tokenizer. Each text ends with its end id.
        sequence_length: length of the rows, `T`.
        tokens_per_batch: `B` is this number over `T`, and at least 1.
        seed: of the rows and their order.

    Raises:
        ValueError: when the texts have fewer tokens than `sequence_length`.
    """

    def __init__(
        self,
        texts: Sequence[str],
        tokenizer: Tokenizer,
        sequence_length: int,
        tokens_per_batch: int,
        seed: int = 0,
    ) -> None:
        def ended(chunk: Sequence[str]) -> tf.RaggedTensor:
            ids, lengths = pack(tokenizer.tokenize(chunk), end_id=tokenizer.end_id)
            return tf.RaggedTensor.from_tensor(ids, lengths=lengths)

        self.packed = PackedSequences(token_sequences(texts, ended), sequence_length, seed=seed)
        self.in_order = PackedSequences(self.packed.documents, sequence_length, shuffle=False)
        self.batch_size = max(tokens_per_batch // sequence_length, 1)
        self.seed = seed

    def __len__(self) -> int:
        """How many batches an epoch has."""
        return -(-len(self.packed) // self.batch_size)

    def dataset(self, first_step: int | None = None) -> tf.data.Dataset:
        """One pass, or the endless stream from a step on."""
        signature = (IDS, tf.TensorSpec([None], tf.float32))
        return batch_dataset(self, _with_zeros, signature, first_step)

    def plan(self, epoch: int) -> Iterator[Any]:
        """The batches of the one pass."""
        rows = self.in_order.rows(epoch)
        return (rows[start : start + self.batch_size] for start in self._starts())

    def stream(self, first_step: int) -> Iterator[Any]:
        """Batches from a step on, without end."""
        epoch, skipped = divmod(first_step, len(self))
        while True:
            rows = self.packed.rows(epoch)
            order = np.random.default_rng([self.seed, epoch, 1]).permutation(len(rows))
            for start in self._starts()[skipped:]:
                yield rows[order[start : start + self.batch_size]]
            epoch, skipped = epoch + 1, 0

    def _starts(self) -> range:
        return range(0, len(self.packed), self.batch_size)


def _with_zeros(rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    return rows, np.zeros(len(rows), "float32")
