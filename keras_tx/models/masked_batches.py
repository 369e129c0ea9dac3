"""Texts as batches of a masked language model."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from keras_tx.data import batch_dataset
from keras_tx.models.batches import IDS
from keras_tx.models.packed_batches import PackedBatches
from keras_tx.text import Tokenizer
from keras_tx.training import TokenMasking


class MaskedBatches(PackedBatches):
    """Texts as batches `((ids (B, T), positions (B, P)), labels (B, P))`.

    The rows are those of `PackedBatches`. The masked tokens are drawn anew for each epoch, and
    depend on the seed and the step's number alone.

    Args:
        texts: the texts.
        tokenizer: a fitted tokenizer.
        masking: which tokens are to be predicted.
        sequence_length: length of the rows, `T`.
        tokens_per_batch: `B` is this number over `T`, and at least 1.
        seed: of the rows, their order and the masks.

    Raises:
        ValueError: when the texts have fewer tokens than `sequence_length`.
    """

    def __init__(
        self,
        texts: Sequence[str],
        tokenizer: Tokenizer,
        masking: TokenMasking,
        sequence_length: int,
        tokens_per_batch: int,
        seed: int = 0,
    ) -> None:
        super().__init__(texts, tokenizer, sequence_length, tokens_per_batch, seed)
        self.masking = masking

    def dataset(self, first_step: int | None = None) -> tf.data.Dataset:
        """One pass with fixed masks, or the endless stream from a step on."""
        signature = ((IDS, IDS), IDS)
        return batch_dataset(self, lambda batch: batch, signature, first_step)

    def plan(self, epoch: int) -> Iterator[Any]:
        """The batches of the one pass, assembled."""
        for number, rows in enumerate(super().plan(epoch)):
            yield self._assemble(rows, number, 1)

    def stream(self, first_step: int) -> Iterator[Any]:
        """Assembled batches from a step on, without end."""
        for step, rows in enumerate(super().stream(first_step), first_step):
            yield self._assemble(rows, step, 2)

    def _assemble(self, rows: np.ndarray, step: int, kind: int) -> Any:
        generator = np.random.default_rng([self.seed, step, kind])
        seen, positions, labels = self.masking(rows, generator)
        return (seen, positions), labels
