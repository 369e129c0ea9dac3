"""Which tokens a masked language model has to guess, and what it gets to see in their place."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import numpy as np


@dataclasses.dataclass(frozen=True)
class TokenMasking:
    """BERT's masking, drawn on arrays of ids.

    Of each row a share of the tokens is chosen. Most of the chosen ones are replaced by the
    mask id, some by a random token, some stay as they are; all of them are to be predicted.
    So that a row always asks for about as many predictions as any other, the share is kept
    exactly, not in the mean.

    With `begins_word` words are drawn, not pieces: all pieces of a word are chosen together,
    which leaves no easy guesses from the other half of a word. (Words are drawn until the
    share is reached, so that the last one may be cut off.)

    Attributes:
        mask_id: what stands in the place of a chosen token.
        vocabulary_size: random tokens have ids below this one.
        special_ids: ids that are never chosen, and never drawn as random tokens. Default
            `(0, 1, 2, 3)`: padding, unknown, start and end. Nor is `mask_id`.
        rate: share of a row's ordinary tokens that is chosen, rounded, but at least one.
            Default 0.15.
        mask_fraction: of the chosen ones, how many become `mask_id`. Default 0.8.
        random_fraction: how many become a random token; the others stay. Default 0.1.
        begins_word: for each id whether it begins a word, `(vocabulary_size,)`; `None`
            (default) for pieces that are drawn by themselves. See `word_beginnings`.

    Raises:
        ValueError: when a share is outside its range, or `begins_word` has another length.

    Example:
        >>> import numpy as np
        >>> from keras_tx.training import TokenMasking
        >>> masking = TokenMasking(mask_id=10, vocabulary_size=10, rate=0.5, mask_fraction=1.0,
        ...                        random_fraction=0.0)
        >>> ids = np.array([[4, 5, 3, 0]])
        >>> seen, positions, labels = masking(ids, np.random.default_rng(0))
        >>> int((seen == 10).sum()), bool(ids[0, positions[0, 0]] == labels[0, 0])
        (1, True)

    Source: Devlin et al. 2019, "BERT", section 3.1; whole words: its repository's update of
    May 2019; exact shares and other rates: Wettig et al. 2023, "Should You Mask 15%?".
    """

    mask_id: int
    vocabulary_size: int
    special_ids: Sequence[int] = (0, 1, 2, 3)
    rate: float = 0.15
    mask_fraction: float = 0.8
    random_fraction: float = 0.1
    begins_word: np.ndarray | None = None

    def __post_init__(self) -> None:
        if not 0 < self.rate < 1:
            raise ValueError(f"rate expected a number between 0 and 1. Received: rate={self.rate}")
        fractions = (self.mask_fraction, self.random_fraction)
        if min(fractions) < 0 or sum(fractions) > 1:
            raise ValueError(
                "mask_fraction and random_fraction expected shares with a sum of at most 1. "
                f"Received: mask_fraction={fractions[0]}, random_fraction={fractions[1]}"
            )
        if self.begins_word is not None and len(self.begins_word) != self.vocabulary_size:
            raise ValueError(
                f"begins_word expected one value for each of {self.vocabulary_size} ids. "
                f"Received: {len(self.begins_word)}"
            )
        if len(self._ordinary_ids()) == 0:
            raise ValueError(
                "vocabulary_size expected ids that are not special. "
                f"Received: vocabulary_size={self.vocabulary_size}"
            )

    def _ordinary_ids(self) -> np.ndarray:
        return np.setdiff1d(np.arange(self.vocabulary_size), [*self.special_ids, self.mask_id])

    def __call__(
        self, ids: np.ndarray, generator: np.random.Generator
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Draw a masking.

        Args:
            ids: token ids, `(B, T)`; 0 is padding.
            generator: of the random numbers.

        Returns:
            `(seen, positions, labels)`: the ids with the chosen ones replaced, `(B, T)`; the
            chosen positions in ascending order, `(B, P)`; and the ids that stood there,
            `(B, P)`. `P` is `round(rate * T)`, and at least 1. A row with fewer chosen tokens
            is filled up with position 0 and label 0, which the loss leaves out. All int32.
        """
        ids = np.asarray(ids, "int32")
        most = max(round(self.rate * ids.shape[1]), 1)
        maskable = ~np.isin(ids, [*self.special_ids, self.mask_id])
        counts = np.rint(self.rate * maskable.sum(axis=1)).astype(int)
        counts = np.minimum(np.clip(counts, 1, most), maskable.sum(axis=1))  # (B,)
        # The tokens in random order, those that cannot be chosen last; the first ones it is.
        order = np.argsort(np.where(maskable, self._draws(ids, generator), 2.0), axis=1)
        rank = np.arange(most)
        chosen = rank < counts[:, None]  # (B, P)
        positions = np.sort(np.where(chosen, order[:, :most], ids.shape[1]), axis=1)
        positions = np.where(chosen, positions, 0).astype("int32")
        labels = np.where(chosen, np.take_along_axis(ids, positions, axis=1), 0)
        kind = generator.random(positions.shape)
        strangers = generator.choice(self._ordinary_ids(), positions.shape)
        replacements = np.where(
            kind < self.mask_fraction,
            self.mask_id,
            np.where(kind < self.mask_fraction + self.random_fraction, strangers, labels),
        )
        seen = ids.copy()
        rows = np.broadcast_to(np.arange(len(ids))[:, None], positions.shape)
        seen[rows[chosen], positions[chosen]] = replacements[chosen]
        return seen, positions, labels.astype("int32")

    def _draws(self, ids: np.ndarray, generator: np.random.Generator) -> np.ndarray:
        """A number in [0, 1) for each token, the same one for all pieces of a word."""
        draws = generator.random(ids.shape)
        if self.begins_word is None:
            return draws
        known = ids < self.vocabulary_size
        begins = np.where(known, self.begins_word[np.where(known, ids, 0)], True)
        begins |= np.isin(ids, [*self.special_ids, self.mask_id])
        words = np.cumsum(begins, axis=1) - begins[:, :1]  # (B, T), from 0
        # A little apart in the order of the text, so that of a cut word the front is chosen.
        apart = np.arange(ids.shape[1]) * (1e-9 / ids.shape[1])
        return np.take_along_axis(draws, words, axis=1) * (1 - 1e-9) + apart


def word_beginnings(vocabulary: Sequence[str]) -> np.ndarray | None:
    """Which tokens begin a word.

    Args:
        vocabulary: all tokens in the order of their ids, with SentencePiece's sign `▁` at
            the beginning of words, or WordPiece's `##` at all else.

    Returns:
        `(N,)` bool; `None` when neither sign is in the vocabulary: every token is a word.

    Example:
        >>> from keras_tx.training import word_beginnings
        >>> word_beginnings(["▁film", "s", "▁a"]).tolist()
        [True, False, True]
    """
    pieces = [token.startswith("▁") for token in vocabulary]
    if any(pieces):
        return np.asarray(pieces)
    continued = [token.startswith("##") for token in vocabulary]
    return ~np.asarray(continued) if any(continued) else None
