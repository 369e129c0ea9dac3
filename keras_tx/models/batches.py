"""Examples of the text models as batches of token ids."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from keras_tx.data import (
    LabelledTexts,
    SentencePairs,
    TokenBatches,
    TokenSequences,
    batch_dataset,
)
from keras_tx.text import Tokenizer, pack

CHUNK = 4096  # Texts tokenized at once: bounds the memory.
IDS = tf.TensorSpec([None, None], tf.int32)


def token_sequences(
    texts: Sequence[str], encode: Callable[[Sequence[str]], tf.RaggedTensor]
) -> TokenSequences:
    """Tokenize many texts, chunk by chunk."""
    parts = []
    for start in range(0, len(texts), CHUNK):
        ragged = encode(texts[start : start + CHUNK])
        parts.append((ragged.flat_values.numpy(), ragged.row_lengths().numpy()))
    return TokenSequences(parts)


class LabelledBatches:
    """Labelled texts as batches `(ids (B, T), labels (B,))`.

    Args:
        examples: texts and labels.
        encode: packs texts into `(ids, lengths)`.
        tokens_per_batch: the most padded tokens in a batch.
        seed: of the shuffling; `None` (default) for none.
    """

    def __init__(
        self,
        examples: LabelledTexts,
        encode: Callable[[Sequence[str]], tuple[tf.Tensor, tf.Tensor]],
        tokens_per_batch: int,
        seed: int | None = None,
    ) -> None:
        self.sequences = token_sequences(examples.texts, lambda texts: _ragged(*encode(texts)))
        self.labels = np.asarray(examples.labels, "int32")
        self.plan = TokenBatches(
            self.sequences.lengths, tokens_per_batch, shuffle=seed is not None, seed=seed or 0
        )

    def __len__(self) -> int:
        return len(self.plan)

    def dataset(self, first_step: int | None = None) -> tf.data.Dataset:
        """One pass, or the endless stream from a step on."""
        signature = (IDS, tf.TensorSpec([None], tf.int32))
        return batch_dataset(self.plan, self._assemble, signature, first_step)

    def _assemble(self, rows: np.ndarray) -> Any:
        return self.sequences.padded(rows), self.labels[rows]


class PairBatches:
    """Sentence pairs as batches `((source (B, Ts), target (B, Tt)), labels (B, Tt))`.

    The target begins with the start id, the labels end with the end id. Pairs with a side
    longer than `sequence_length` are left out.

    Args:
        pairs: sources and targets.
        source_tokenizer, target_tokenizer: fitted tokenizers.
        sequence_length: the most tokens of a side, its frame included.
        tokens_per_batch: the most padded tokens of either side in a batch.
        seed: of the shuffling; `None` (default) for none.

    Raises:
        ValueError: when no pair is short enough.
    """

    def __init__(
        self,
        pairs: SentencePairs,
        source_tokenizer: Tokenizer,
        target_tokenizer: Tokenizer,
        sequence_length: int,
        tokens_per_batch: int,
        seed: int | None = None,
    ) -> None:
        def framed(tokenizer: Tokenizer, start_id: int | None) -> Callable:
            return lambda texts: _ragged(
                *pack(tokenizer.tokenize(texts), start_id=start_id, end_id=tokenizer.end_id)
            )

        self.sources = token_sequences(pairs.sources, framed(source_tokenizer, None))
        start_id = target_tokenizer.start_id
        self.targets = token_sequences(pairs.targets, framed(target_tokenizer, start_id))
        # A target of n tokens with start and end gives n + 1 steps of the decoder.
        lengths = np.stack([self.sources.lengths, self.targets.lengths - 1], axis=1)
        (self.rows,) = (lengths.max(axis=1) <= sequence_length).nonzero()
        if not len(self.rows):
            raise ValueError(
                f"pairs expected at least one with no more than {sequence_length} tokens on "
                f"either side. Received: none among {len(pairs)}"
            )
        self.plan = TokenBatches(
            lengths[self.rows], tokens_per_batch, shuffle=seed is not None, seed=seed or 0
        )

    def __len__(self) -> int:
        return len(self.plan)

    def dataset(self, first_step: int | None = None) -> tf.data.Dataset:
        """One pass, or the endless stream from a step on."""
        return batch_dataset(self.plan, self._assemble, ((IDS, IDS), IDS), first_step)

    def _assemble(self, numbers: np.ndarray) -> Any:
        rows = self.rows[numbers]
        target = self.targets.padded(rows)
        return (self.sources.padded(rows), target[:, :-1]), target[:, 1:]


def _ragged(ids: tf.Tensor, lengths: tf.Tensor) -> tf.RaggedTensor:
    return tf.RaggedTensor.from_tensor(ids, lengths=lengths)
