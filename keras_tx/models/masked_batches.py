"""Texts as batches of a masked language model."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from keras_tx.data import batch_dataset
from keras_tx.models.batches import IDS, token_sequences
from keras_tx.text import Tokenizer, pack
from keras_tx.training import PackedSequences, TokenMasking


class MaskedBatches:
    """Texts as batches `((ids (B, T), positions (B, P)), labels (B, P))`.

    Each text ends with the end id; texts are joined and cut into rows of one length, so that
    nothing is padding (see `PackedSequences`). In the endless stream the rows, their order and
    the masked tokens are drawn anew for each epoch; what a step gets depends on the seed and
    its number alone, so that a stopped training goes on with what it would have had. The one
    pass for validation is always the same.

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
        def ended(chunk: Sequence[str]) -> tf.RaggedTensor:
            ids, lengths = pack(tokenizer.tokenize(chunk), end_id=tokenizer.end_id)
            return tf.RaggedTensor.from_tensor(ids, lengths=lengths)

        self.packed = PackedSequences(token_sequences(texts, ended), sequence_length, seed=seed)
        self.in_order = PackedSequences(self.packed.documents, sequence_length, shuffle=False)
        self.masking = masking
        self.batch_size = max(tokens_per_batch // sequence_length, 1)
        self.seed = seed

    def __len__(self) -> int:
        """How many batches an epoch has."""
        return -(-len(self.packed) // self.batch_size)

    def dataset(self, first_step: int | None = None) -> tf.data.Dataset:
        """One pass with fixed masks, or the endless stream from a step on."""
        signature = ((IDS, IDS), IDS)
        return batch_dataset(self, lambda batch: batch, signature, first_step)

    def plan(self, epoch: int) -> Iterator[Any]:
        """The batches of the one pass, assembled."""
        rows = self.in_order.rows(epoch)
        for number in range(len(self)):
            yield self._assemble(rows[number * self.batch_size :][: self.batch_size], number, 1)

    def stream(self, first_step: int) -> Iterator[Any]:
        """Assembled batches from a step on, without end."""
        epoch, skipped = divmod(first_step, len(self))
        while True:
            rows = self.packed.rows(epoch)
            order = np.random.default_rng([self.seed, epoch, 1]).permutation(len(rows))
            for number in range(skipped, len(self)):
                chosen = order[number * self.batch_size :][: self.batch_size]
                yield self._assemble(rows[chosen], epoch * len(self) + number, 2)
            epoch, skipped = epoch + 1, 0

    def _assemble(self, rows: np.ndarray, step: int, kind: int) -> Any:
        generator = np.random.default_rng([self.seed, step, kind])
        seen, positions, labels = self.masking(rows, generator)
        return (seen, positions), labels
