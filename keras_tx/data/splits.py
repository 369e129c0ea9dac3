"""Seeded splits of a corpus into a part for training and a part held out."""

from __future__ import annotations

import numbers
from collections.abc import Hashable, Iterable

import numpy as np

from keras_tx.data.examples import LabelledTexts, SentencePairs


def split_labelled(
    examples: LabelledTexts, held_out: int | float, seed: int = 0
) -> tuple[LabelledTexts, LabelledTexts]:
    """Splits labelled texts by chance, with the labels in the same proportions in both parts.

    Every example comes into exactly one part, in its old order. Equal texts (but for white
    space around them) stay together, so that no text is seen in training and held out too;
    the held-out part can therefore be smaller than asked for by a few examples.

    Args:
        examples: the texts to split, `N` of them.
        held_out: how many to hold out, from 1 to `N - 1`, or which fraction, between 0 and 1.
        seed: another seed gives another split; the same gives the same on every machine.

    Returns:
        The examples for training and those held out.

    Raises:
        TypeError: if `held_out` or `seed` is no such number.
        ValueError: if `held_out` or `seed` is out of range, or too few texts differ.

    Example:

    >>> texts = LabelledTexts([f"text {n}" for n in range(10)], [0, 1] * 5, ("bad", "good"))
    >>> train, validation = split_labelled(texts, held_out=4)
    >>> len(train), sorted(validation.labels)
    (6, [0, 0, 1, 1])
    """
    count = _held_out_count(held_out, len(examples))
    groups = _groups(text.strip() for text in examples.texts)
    # A text that stands under two labels goes where it stands first.
    strata = [
        [group for group in groups if examples.labels[group[0]] == label]
        for label in range(len(examples.label_names))
    ]
    chosen: set[int] = set()
    for label, share in enumerate(_shares(strata, count)):
        # A stream for each label: its split does not hang on the size of the others.
        chosen |= _choose(strata[label], share, seed, label)
    _check_chosen(chosen, held_out)
    return _parts(examples, chosen)


def split_pairs(
    pairs: SentencePairs, held_out: int | float, seed: int = 0
) -> tuple[SentencePairs, SentencePairs]:
    """Splits sentence pairs by chance, so that no source sentence stands in both parts.

    Every pair comes into exactly one part, in its old order. All translations of a source
    sentence (compared with case, without white space around it) stay together; the held-out
    part can therefore be smaller than asked for by a few pairs.

    Args:
        pairs: the pairs to split, `N` of them.
        held_out: how many to hold out, from 1 to `N - 1`, or which fraction, between 0 and 1.
        seed: another seed gives another split; the same gives the same on every machine.

    Returns:
        The pairs for training and those held out.

    Raises:
        TypeError: if `held_out` or `seed` is no such number.
        ValueError: if `held_out` or `seed` is out of range, or too few sources differ.

    Example:

    >>> pairs = SentencePairs(["Hi.", "Hi.", "Bye."], ["Salut.", "Bonjour.", "Au revoir."])
    >>> train, validation = split_pairs(pairs, held_out=1)
    >>> train.sources, validation.sources
    (['Hi.', 'Hi.'], ['Bye.'])
    """
    count = _held_out_count(held_out, len(pairs))
    chosen = _choose(_groups(source.strip() for source in pairs.sources), count, seed)
    _check_chosen(chosen, held_out)
    return _parts(pairs, chosen)


def _held_out_count(held_out: int | float, length: int) -> int:
    if isinstance(held_out, bool) or not isinstance(held_out, numbers.Real):
        raise TypeError(f"`held_out` must be a number. Received: held_out={held_out!r}")
    whole = isinstance(held_out, numbers.Integral)
    if not whole and not 0.0 < held_out < 1.0:
        raise ValueError(
            "`held_out` must be an integer, or a fraction between 0 and 1. "
            f"Received: held_out={held_out!r}"
        )
    count = int(held_out) if whole else round(float(held_out) * length)
    if not 0 < count < length:
        raise ValueError(
            "`held_out` must leave at least one example in both parts. "
            f"Received: held_out={held_out!r} of {length} examples"
        )
    return count


def _groups(keys: Iterable[Hashable]) -> list[list[int]]:
    # A dictionary keeps the order of insertion, whatever PYTHONHASHSEED is.
    groups: dict[Hashable, list[int]] = {}
    for position, key in enumerate(keys):
        groups.setdefault(key, []).append(position)
    return list(groups.values())


def _shares(strata: list[list[list[int]]], count: int) -> list[int]:
    # Largest remainders, in whole numbers: the shares add up to `count` exactly.
    sizes = [sum(len(group) for group in stratum) for stratum in strata]
    total = sum(sizes)
    shares = [size * count // total for size in sizes]
    by_remainder = sorted(range(len(sizes)), key=lambda label: -(sizes[label] * count % total))
    for label in by_remainder[: count - sum(shares)]:
        shares[label] += 1
    return shares


def _choose(groups: list[list[int]], count: int, seed: int, stream: int = 0) -> set[int]:
    if isinstance(seed, bool) or not isinstance(seed, numbers.Integral):
        raise TypeError(f"`seed` must be an integer. Received: seed={seed!r}")
    if seed < 0:
        raise ValueError(f"`seed` must be 0 or more. Received: seed={seed!r}")
    # NumPy promises the raw stream of a bit generator for good, that of `shuffle` it does not.
    keys = np.random.PCG64([int(seed), stream]).random_raw(len(groups))
    chosen: set[int] = set()
    for number in np.argsort(keys, kind="stable"):
        if len(chosen) + len(groups[number]) <= count:
            chosen.update(groups[number])
    return chosen


def _check_chosen(chosen: set[int], held_out: int | float) -> None:
    if not chosen:
        raise ValueError(
            "Equal texts stay together, and all groups of them are larger than the part to hold "
            f"out. Received: held_out={held_out!r}"
        )


def _parts(examples, chosen: set[int]):
    train = [position for position in range(len(examples)) if position not in chosen]
    return examples.take(train), examples.take(sorted(chosen))
