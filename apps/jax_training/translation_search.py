"""Translations of many texts; without TensorFlow."""

from __future__ import annotations

import concurrent.futures
from collections.abc import Sequence
from typing import Any

import jax
import numpy as np
from pairs import END, rows_of
from translation_network import Network, Weights

# How many more tokens than its source a translation may have.
LONGER = 8


class Search:
    """Beam search with models of one size, in batches of a few lengths.

    Args:
        network: of the models.
        lengths: of the rows of a batch, the end included.
        tokens: of the sources in a batch.
        beam_size: how many hypotheses are followed.
    """

    def __init__(
        self, network: Network, lengths: Sequence[int], tokens: int, beam_size: int
    ) -> None:
        self.network, self.lengths, self.tokens = network, sorted(lengths), tokens
        self.beam_size = beam_size
        self.compiled: dict[tuple[int, int], Any] = {}

    def __call__(self, weights: Weights, texts: Sequence[np.ndarray]) -> list[np.ndarray | None]:
        """The best translation of each text as ids; `None` of what is too long, or has no end.

        Args:
            weights: of one or more stacked models, which search together.
            texts: the ids of the sources.
        """
        batches = list(self._batches(texts))
        self._compile(weights, {ids.shape[1] for _, ids in batches})
        found: list[np.ndarray | None] = [None] * len(texts)
        pending = []
        for numbers, ids in batches:
            program = self.compiled[count_of(weights), ids.shape[1]]
            pending.append((numbers, program(weights, ids)))
            if len(pending) > 4:  # The next ones begin while results are read.
                _read(found, *pending.pop(0))
        for numbers, results in pending:
            _read(found, numbers, results)
        return found

    def _batches(self, texts: Sequence[np.ndarray]) -> Any:
        """Numbers of texts, and their ids in rows; the last rows of a length can be empty."""
        places = np.searchsorted(self.lengths, [len(text) + 1 for text in texts])
        for place, length in enumerate(self.lengths):
            (rows,) = (places == place).nonzero()
            size = max(self.tokens // length, 1)
            for start in range(0, len(rows), size):
                numbers = rows[start : start + size]
                ids = np.zeros((size, length), "int32")
                ids[: len(numbers)] = rows_of([texts[number] for number in numbers], length)
                yield numbers, ids

    def _compile(self, weights: Weights, lengths: set[int]) -> None:
        count = count_of(weights)
        missing = [length for length in lengths if (count, length) not in self.compiled]

        def compiled(length: int) -> Any:
            shape = (max(self.tokens // length, 1), length)
            search = jax.jit(
                lambda weights, ids: self.network.search(
                    weights, ids, length + LONGER, self.beam_size
                )
            )
            return search.lower(weights, jax.ShapeDtypeStruct(shape, "int32")).compile()

        with concurrent.futures.ThreadPoolExecutor() as pool:
            for length, program in zip(missing, pool.map(compiled, missing), strict=True):
                self.compiled[count, length] = program


def count_of(weights: Weights) -> int:
    """The number of stacked models."""
    return len(weights["table"][0])


def _read(found: list, numbers: np.ndarray, results: jax.Array) -> None:
    for number, row in zip(numbers, np.asarray(results), strict=False):
        (ends,) = (row == END).nonzero()
        if len(ends):
            found[number] = row[: ends[0]].astype("uint16")
