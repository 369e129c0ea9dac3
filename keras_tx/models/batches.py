"""Examples of the text models as batches of token ids."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from keras_tx.data import (
    LabelledTexts,
    MultiLabelledTexts,
    SentencePairs,
    TokenBatches,
    TokenSequences,
    batch_dataset,
    bucket_lengths,
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

    The labels of `MultiLabelledTexts` are ones among zeros, `(B, C)`. Where `weights` are set,
    an array of the labels' shape, a batch has them as a third part.

    Args:
        examples: texts and labels.
        encode: packs texts into `(ids, lengths)`.
        tokens_per_batch: the most padded tokens in a batch.
        seed: of the shuffling; `None` (default) for none.
    """

    def __init__(
        self,
        examples: LabelledTexts | MultiLabelledTexts,
        encode: Callable[[Sequence[str]], tuple[tf.Tensor, tf.Tensor]],
        tokens_per_batch: int,
        seed: int | None = None,
    ) -> None:
        self.sequences = token_sequences(examples.texts, lambda texts: _ragged(*encode(texts)))
        several = isinstance(examples, MultiLabelledTexts)
        self.labels = examples.matrix() if several else np.asarray(examples.labels, "int32")
        self.weights: np.ndarray | None = None
        self.longest = int(self.sequences.lengths.max(initial=0))
        lengths = bucket_lengths(self.sequences.lengths, self.longest)
        self.plan = TokenBatches(
            lengths, tokens_per_batch, shuffle=seed is not None, seed=seed or 0
        )

    def __len__(self) -> int:
        return len(self.plan)

    def dataset(self, first_step: int | None = None) -> tf.data.Dataset:
        """One pass, or the endless stream from a step on."""
        arrays = [array for array in (self.labels, self.weights) if array is not None]
        shapes = [tf.TensorSpec([None, *array.shape[1:]], array.dtype) for array in arrays]
        signature = (IDS, *shapes)
        return batch_dataset(self.plan, self._assemble, signature, first_step)

    def _assemble(self, rows: np.ndarray) -> Any:
        width = int(bucket_lengths(self.sequences.lengths[rows].max(), self.longest))
        batch = self.sequences.padded(rows, width), self.labels[rows]
        return batch if self.weights is None else (*batch, self.weights[rows])


class PairBatches:
    """Sentence pairs as batches `((source (B, Ts), target (B, Tt)), labels (B, Tt))`.

    The target begins with the start id, the labels end with the end id. Pairs with a side
    longer than `sequence_length` are left out. Batches are padded to `bucket_lengths`.

    With `subword_dropout` the stream tokenizes all pairs anew for each epoch, drawing other
    pieces each time (see `SentencePieceTokenizer.sample`); the seed and the epoch decide which,
    as long as the process lasts: a run that is resumed draws others.
    Each epoch's batches are sorted by the lengths drawn for it. An epoch has as many batches
    as any other, cut by the lengths of the first one, so they keep to `tokens_per_batch` but
    for a few tokens; of longer pieces there are more batches than without. A text whose
    draw is longer than `sequence_length` keeps its plain pieces.

    Args:
        pairs: sources and targets.
        source_tokenizer, target_tokenizer: fitted tokenizers.
        sequence_length: the most tokens of a side, its frame included.
        tokens_per_batch: the most padded tokens of either side in a batch.
        seed: of the shuffling and of the drawn pieces; `None` (default) for none.
        subword_dropout: see above; 0 (default) for the plain pieces. One pass over the
            pairs, as for validation, always has the plain pieces.

    Raises:
        TypeError: when `pairs` is no `SentencePairs`.
        ValueError: when no pair is short enough, or a tokenizer cannot draw pieces.
    """

    def __init__(
        self,
        pairs: SentencePairs,
        source_tokenizer: Tokenizer,
        target_tokenizer: Tokenizer,
        sequence_length: int,
        tokens_per_batch: int,
        seed: int | None = None,
        subword_dropout: float = 0.0,
    ) -> None:
        if not isinstance(pairs, SentencePairs):
            raise TypeError(f"pairs expected SentencePairs. Received: {type(pairs).__name__}")
        start_id = target_tokenizer.start_id
        sides = [
            _Side(source_tokenizer, pairs.sources, None, sequence_length),
            _Side(target_tokenizer, pairs.targets, start_id, sequence_length + 1),
        ]
        self.sources, self.targets = (side.plain() for side in sides)
        lengths = _lengths(self.sources, self.targets)
        (self.rows,) = (lengths.max(axis=1) <= sequence_length).nonzero()
        if not len(self.rows):
            raise ValueError(
                f"pairs expected at least one with no more than {sequence_length} tokens on "
                f"either side. Received: none among {len(pairs)}"
            )
        self.longest = sequence_length
        self.seed = seed
        self.subword_dropout = subword_dropout
        self._drawn: tuple[int, TokenSequences, TokenSequences] | None = None
        self._drawing = threading.Lock()
        lengths = self.bucketed(lengths[self.rows])
        if subword_dropout:
            _check_draws(subword_dropout, source_tokenizer, target_tokenizer)
            self.sides = [side.of_rows(self.rows) for side in sides]
            lengths = self.bucketed(_lengths(*self.drawn(epoch=0)))
        self.plan = TokenBatches(
            lengths, tokens_per_batch, shuffle=seed is not None, seed=seed or 0
        )

    def __len__(self) -> int:
        return len(self.plan)

    def dataset(self, first_step: int | None = None) -> tf.data.Dataset:
        """One pass, or the endless stream from a step on."""
        signature = ((IDS, IDS), IDS)
        if self.subword_dropout and first_step is not None:
            return batch_dataset(_DrawnStream(self), lambda batch: batch, signature, first_step)
        if self.subword_dropout:  # The plan is of drawn lengths, this pass of plain ones.
            lengths = self.bucketed(_lengths(self.sources, self.targets)[self.rows])
            plan = TokenBatches(lengths, self.plan.tokens_per_batch, shuffle=False)
            return batch_dataset(plan, self._assemble, signature)
        return batch_dataset(self.plan, self._assemble, signature, first_step)

    def drawn(self, epoch: int) -> tuple[TokenSequences, TokenSequences]:
        """Sources and targets of the rows as drawn for an epoch; the last one is kept."""
        # A stream that ends reads ahead: the next one waits for what it is drawing already.
        with self._drawing:
            if self._drawn is None or self._drawn[0] != epoch:
                seeds = np.random.SeedSequence([self.seed or 0, epoch]).spawn(2)
                plain = (self.sources, self.targets)
                made = [
                    side.drawn(self.subword_dropout, seed, sequences, self.rows)
                    for side, seed, sequences in zip(self.sides, seeds, plain, strict=True)
                ]
                self._drawn = (epoch, *made)
            return self._drawn[1:]

    def _assemble(self, numbers: np.ndarray) -> Any:
        return self.arrays(self.sources, self.targets, self.rows[numbers])

    def bucketed(self, lengths: np.ndarray) -> np.ndarray:
        """Lengths `(N, 2)` of the sides as they stand in a batch."""
        return bucket_lengths(lengths, self.longest)

    def arrays(self, sources: TokenSequences, targets: TokenSequences, rows: np.ndarray) -> Any:
        """The batch of these rows."""
        source, target = self.bucketed(_lengths(sources, targets, rows).max(axis=0)).tolist()
        padded = targets.padded(rows, target + 1)
        return (sources.padded(rows, source), padded[:, :-1]), padded[:, 1:]


class _DrawnStream:
    """Batches of drawn pieces, in the place of a plan."""

    def __init__(self, batches: PairBatches) -> None:
        self.batches = batches

    def __len__(self) -> int:
        return len(self.batches)

    def stream(self, first_step: int) -> Iterator[Any]:
        """Assembled batches from a step on, without end."""
        epoch, skipped = divmod(first_step, len(self))
        while True:
            sequences = self.batches.drawn(epoch)
            lengths = self.batches.bucketed(_lengths(*sequences))
            for numbers in self.batches.plan.plan(epoch, lengths)[skipped:]:
                yield self.batches.arrays(*sequences, numbers)
            epoch, skipped = epoch + 1, 0


class _Side:
    """The texts of one language, framed as the network wants them."""

    def __init__(
        self, tokenizer: Tokenizer, texts: Sequence[str], start_id: int | None, longest: int
    ) -> None:
        self.tokenizer, self.texts, self.longest = tokenizer, texts, longest
        self.start_id = start_id

    def of_rows(self, rows: np.ndarray) -> _Side:
        texts = [self.texts[row] for row in rows]
        return _Side(self.tokenizer, texts, self.start_id, self.longest)

    def plain(self) -> TokenSequences:
        """The texts in their usual pieces."""

        def framed(texts: Sequence[str]) -> tf.RaggedTensor:
            tokens, end_id = self.tokenizer.tokenize(texts), self.tokenizer.end_id
            return _ragged(*pack(tokens, start_id=self.start_id, end_id=end_id))

        return token_sequences(self.texts, framed)

    def drawn(
        self, dropout: float, seed: Any, plain: TokenSequences, rows: np.ndarray
    ) -> TokenSequences:
        """The texts in pieces drawn at random; those of `plain` where they are too many."""
        start, end = [] if self.start_id is None else [self.start_id], [self.tokenizer.end_id]
        starts = range(0, len(self.texts), CHUNK)
        parts = []
        for first, number in zip(starts, seed.generate_state(len(starts)), strict=True):
            texts = self.texts[first : first + CHUNK]
            sampled = self.tokenizer.sample(texts, dropout, int(number) % 2**31)
            chunk = [[*start, *ids, *end] for ids in sampled]
            for place, ids in enumerate(chunk):
                if len(ids) > self.longest:
                    chunk[place] = plain.padded(rows[first + place : first + place + 1])[0]
            parts.append((np.concatenate(chunk), [len(ids) for ids in chunk]))
        return TokenSequences(parts)


def _check_draws(subword_dropout: float, *tokenizers: Tokenizer) -> None:
    if not 0 <= subword_dropout < 1:
        raise ValueError(
            "subword_dropout expected a number in [0, 1). "
            f"Received: subword_dropout={subword_dropout!r}"
        )
    for tokenizer in tokenizers:
        if not hasattr(tokenizer, "sample"):
            raise ValueError(
                "subword_dropout expected a tokenizer that draws pieces (SentencePieceTokenizer). "
                f"Received: {type(tokenizer).__name__}"
            )


def _lengths(
    sources: TokenSequences, targets: TokenSequences, rows: np.ndarray | slice = slice(None)
) -> np.ndarray:
    # A target of n tokens with start and end gives n + 1 steps of the decoder.
    return np.stack([sources.lengths[rows], targets.lengths[rows] - 1], axis=1)


def _ragged(ids: tf.Tensor, lengths: tf.Tensor) -> tf.RaggedTensor:
    return tf.RaggedTensor.from_tensor(ids, lengths=lengths)
