"""Documents of any length as rows of one length, without padding."""

from __future__ import annotations

import numpy as np

from keras_tx.data import TokenSequences


class PackedSequences:
    """Documents joined to one long sequence, which is cut into rows of one length.

    A row begins and ends where it happens to: inside a document, or with several short ones
    in it. The documents end with an id of their own, which tells one from the next. No
    computation goes into padding. What is left at the end and fills no row is left out; the
    order of the documents, and so the cuts, are drawn anew for each epoch.

    Args:
        documents: the documents, each with its end id.
        sequence_length: length of the rows, `T`.
        shuffle: whether the order is drawn. Default `True`; `False` is for validation.
        seed: of the order. Default 0.

    Raises:
        ValueError: when there are fewer tokens than `sequence_length`.

    Example:
        >>> from keras_tx.data import TokenSequences
        >>> from keras_tx.training import PackedSequences
        >>> documents = TokenSequences([([5, 6, 3, 7, 3, 8], [3, 2, 1])])
        >>> PackedSequences(documents, 3, shuffle=False).rows(epoch=0).tolist()
        [[5, 6, 3], [7, 3, 8]]

    Source: "full sentences" of Liu et al. 2019, "RoBERTa", section 4.2.
    """

    def __init__(
        self,
        documents: TokenSequences,
        sequence_length: int,
        shuffle: bool = True,
        seed: int = 0,
    ) -> None:
        if sequence_length < 1 or len(documents.values) < sequence_length:
            raise ValueError(
                f"sequence_length expected a number from 1 to the {len(documents.values)} tokens "
                f"of all documents. Received: sequence_length={sequence_length!r}"
            )
        self.documents = documents
        self.sequence_length = sequence_length
        self.shuffle = shuffle
        self.seed = seed

    def __len__(self) -> int:
        """How many rows an epoch has."""
        return len(self.documents.values) // self.sequence_length

    def rows(self, epoch: int) -> np.ndarray:
        """The rows of an epoch, `(N, T)` int32; they depend on the seed and the epoch alone."""
        joined = self.documents.values
        if self.shuffle:
            order = np.random.default_rng([self.seed, epoch]).permutation(len(self.documents))
            lengths = self.documents.lengths[order]
            # Where each token of the new sequence stood in the old one.
            moved = self.documents.starts[order] - (np.cumsum(lengths, dtype="int64") - lengths)
            joined = joined[np.repeat(moved, lengths) + np.arange(len(joined))]
        return joined[: len(self) * self.sequence_length].reshape(-1, self.sequence_length)
