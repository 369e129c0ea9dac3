"""Several corpora as one, each with a weight of its own."""

from __future__ import annotations

import math
import zlib
from collections.abc import Mapping

import numpy as np

from keras_tx.data.examples import SentencePairs


def mix(
    corpora: Mapping[str, SentencePairs], weights: Mapping[str, float], seed: int = 0
) -> SentencePairs:
    """Join corpora, each as often as its weight says.

    A weight of 2 takes every pair twice, 0.25 a quarter of the pairs, 2.25 every pair twice
    and a quarter of them a third time. The quarter is drawn once, without replacement:
    every epoch of a training reads the same pairs, and so does one that was resumed. Which
    pairs are drawn depends on the seed and the corpus' name, not on the other corpora.

    Args:
        corpora: name -> pairs.
        weights: name -> how often the corpus is read in an epoch, 0 for not at all; for each
            of the corpora, and no others.
        seed: of the drawing. Default 0.

    Returns:
        The pairs, corpus by corpus, in the order of `corpora`.

    Raises:
        ValueError: when the names differ, a weight is negative or no number, or nothing is
            left.

    Example:

    >>> corpora = {
    ...     "captions": SentencePairs(["A dog."], ["Un chien."]),
    ...     "news": SentencePairs(["Rain.", "Snow."], ["De la pluie.", "De la neige."]),
    ... }
    >>> mix(corpora, {"captions": 3, "news": 1}).sources
    ['A dog.', 'A dog.', 'A dog.', 'Rain.', 'Snow.']
    >>> len(mix(corpora, {"captions": 0, "news": 1.5}))
    3
    """
    if set(corpora) != set(weights):
        raise ValueError(
            f"weights expected one for each of {sorted(corpora)}. Received: {sorted(weights)}"
        )
    sources: list[str] = []
    targets: list[str] = []
    for name, pairs in corpora.items():
        weight = weights[name]
        if not 0 <= weight < math.inf:
            raise ValueError(
                f"weights expected numbers from 0 on. Received: weights[{name!r}]={weight!r}"
            )
        whole = int(weight)
        drawn = _draw(len(pairs), weight - whole, seed, name)
        sources += pairs.sources * whole + [pairs.sources[place] for place in drawn]
        targets += pairs.targets * whole + [pairs.targets[place] for place in drawn]
    if not sources:
        raise ValueError(
            f"weights expected to leave at least one pair. Received: weights={dict(weights)!r}"
        )
    return SentencePairs(sources, targets)


def _draw(count: int, share: float, seed: int, name: str) -> list[int]:
    """Numbers of a share of the pairs, in order."""
    # Unlike `hash`, the checksum of a name is the same in every process.
    generator = np.random.default_rng([seed, zlib.crc32(name.encode("utf-8"))])
    return sorted(generator.permutation(count)[: round(share * count)].tolist())
