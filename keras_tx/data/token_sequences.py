"""Many token sequences in little memory."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np


class TokenSequences:
    """Token sequences of different lengths, kept in one flat array.

    Args:
        parts: pairs `(values, lengths)`: the flat ids of some sequences and the length of
            each, as the rows of a ragged tensor give them.
        padding_id: fills short rows. Default 0.

    Raises:
        ValueError: when lengths and values do not agree.

    Example:
        >>> from keras_tx.data import TokenSequences
        >>> sequences = TokenSequences([([5, 6, 7], [2, 1]), ([8], [1])])
        >>> sequences.padded([2, 0]).tolist()
        [[8, 0], [5, 6]]
    """

    def __init__(
        self, parts: Iterable[tuple[Sequence[int], Sequence[int]]], padding_id: int = 0
    ) -> None:
        parts = [(np.asarray(ids, "int32"), np.asarray(sizes, "int32")) for ids, sizes in parts]
        self.values = np.concatenate([np.zeros(0, "int32"), *(values for values, _ in parts)])
        self.lengths = np.concatenate([np.zeros(0, "int32"), *(sizes for _, sizes in parts)])
        if self.lengths.sum() != len(self.values):
            raise ValueError(
                f"lengths expected a sum of {len(self.values)}, the number of values. "
                f"Received: {self.lengths.sum()}"
            )
        self.starts = np.cumsum(self.lengths, dtype="int64") - self.lengths
        self.padding_id = padding_id

    def __len__(self) -> int:
        return len(self.lengths)

    def padded(self, rows: Sequence[int], width: int = 0) -> np.ndarray:
        """The sequences with these numbers, as an int32 array.

        It is padded to the longest one, or to `width` if that is more.
        """
        lengths = self.lengths[rows]
        places = np.arange(lengths.max(initial=width))
        real = places < lengths[:, None]
        batch = np.full(real.shape, self.padding_id, "int32")
        batch[real] = self.values[(self.starts[rows][:, None] + places)[real]]
        return batch
