"""Sentence pairs as rows of token ids; without TensorFlow."""

from __future__ import annotations

import pathlib
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

PADDING, UNKNOWN, START, END = 0, 1, 2, 3
LANGUAGES = ("en", "fr")


class Pairs:
    """Sentence pairs in rows of a few lengths: each text is its ids, the end id, and padding.

    Args:
        lengths: of rows. A pair is in the shortest that holds both sides, or left out.

    Attributes:
        rows: for each length, arrays `(N, length)` of both languages.
        times: for each length, how often each of its pairs is read in an epoch, `(N,)`.
    """

    def __init__(self, lengths: Sequence[int]) -> None:
        self.lengths = sorted(lengths)
        self.rows = {length: [np.zeros((0, length), "uint16")] * 2 for length in self.lengths}
        self.times = {length: np.zeros(0) for length in self.lengths}

    def add(
        self, english: Sequence[np.ndarray], french: Sequence[np.ndarray], times: float
    ) -> None:
        """Further pairs; `times` is how often they are read in an epoch."""
        most = [max(map(len, pair)) + 1 for pair in zip(english, french, strict=True)]
        places = np.searchsorted(self.lengths, most)
        for place, length in enumerate(self.lengths):
            (chosen,) = (places == place).nonzero()
            for number, texts in enumerate((english, french)):
                added = rows_of([texts[place] for place in chosen], length)
                self.rows[length][number] = np.concatenate([self.rows[length][number], added])
            self.times[length] = np.append(self.times[length], np.full(len(chosen), times))

    def orders(self, seed: int) -> Orders:
        return Orders(self, seed)


def rows_of(texts: Sequence[np.ndarray], length: int) -> np.ndarray:
    """Texts as rows: the ids of each, the end id, and padding."""
    sizes = np.array([len(text) for text in texts], "int64")
    rows = np.zeros((len(texts), length), "uint16")
    nothing = np.zeros(0, "uint16")
    rows[np.arange(length) < sizes[:, None]] = np.concatenate([nothing, *texts])
    rows[np.arange(len(texts)), sizes] = END
    return rows


class Orders:
    """The order in which one model reads pairs: all of a length once, then anew."""

    def __init__(self, pairs: Pairs, seed: int) -> None:
        self.times = pairs.times
        self.generator = np.random.default_rng(seed)
        self.left: dict[int, np.ndarray] = {}

    def next(self, length: int, count: int) -> np.ndarray:
        """The numbers of the next pairs of a length."""
        left = self.left.get(length, np.zeros(0, "int32"))
        while len(left) < count:
            times = self.times[length]
            # 2.3 times is twice, and once more for three of ten.
            whole = np.floor(times + self.generator.random(len(times))).astype("int32")
            numbers = np.repeat(np.arange(len(times), dtype="int32"), whole)
            left = np.concatenate([left, self.generator.permutation(numbers)])
        self.left[length] = left[count:]
        return left[:count]


class Corpus(NamedTuple):
    """A corpus as `translation_prepare.py` writes it.

    Attributes:
        english, french: the ids of all texts; behind those of the pairs, of draws of other pieces
            of the same pairs.
        times: how often a pair is read in an epoch.
        count: the number of pairs.
    """

    english: list[np.ndarray]
    french: list[np.ndarray]
    times: float
    count: int


def read_corpora(path: pathlib.Path) -> dict[str, Corpus]:
    with np.load(path) as stored:
        arrays = dict(stored)
    corpora = {}
    for name in (key.removesuffix("_count") for key in arrays if key.endswith("_count")):
        sides = []
        for language in LANGUAGES:
            ends = np.cumsum(arrays[f"{name}_{language}_lengths"])
            sides.append(np.split(arrays[f"{name}_{language}_ids"], ends[:-1]))
        times, count = arrays.get(f"{name}_times", 1.0), arrays[f"{name}_count"]
        corpora[name] = Corpus(*sides, float(times), int(count))
    return corpora
