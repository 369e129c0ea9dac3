"""What every reader returns: texts with labels, or sentences with their translations."""

from __future__ import annotations

import dataclasses
import operator
from collections.abc import Iterable


@dataclasses.dataclass(frozen=True)
class LabelledTexts:
    """Texts, each with the number of its label.

    Args:
        texts: the texts, `N` of them.
        labels: for each text the index of its label in `label_names`, `N` of them.
        label_names: the names of the labels, all different, at least one.

    Raises:
        ValueError: if the lengths differ, a label is out of range, or names repeat.
        TypeError: if a text or a name is not a string, or a label is not an integer.

    Example:

    >>> reviews = LabelledTexts(["Dull.", "Lovely!"], [0, 1], ("negative", "positive"))
    >>> len(reviews)
    2
    >>> reviews.take([1]).texts
    ['Lovely!']
    """

    texts: list[str]
    labels: list[int]
    label_names: tuple[str, ...]

    def __post_init__(self) -> None:
        # A frozen dataclass can only be given its checked copies this way.
        object.__setattr__(self, "texts", checked_strings(self.texts, "texts"))
        object.__setattr__(self, "labels", _integers(self.labels, "labels"))
        object.__setattr__(
            self, "label_names", tuple(checked_strings(self.label_names, "label_names"))
        )
        if not self.label_names or len(set(self.label_names)) != len(self.label_names):
            raise ValueError(
                "`label_names` must hold at least one name and no name twice. "
                f"Received: label_names={self.label_names!r}"
            )
        if len(self.texts) != len(self.labels):
            raise ValueError(
                "`texts` and `labels` must have the same length. "
                f"Received: {len(self.texts)} texts and {len(self.labels)} labels"
            )
        for position, label in enumerate(self.labels):
            if not 0 <= label < len(self.label_names):
                raise ValueError(
                    f"`labels` must lie between 0 and {len(self.label_names) - 1}. "
                    f"Received: labels[{position}]={label}"
                )

    def __len__(self) -> int:
        return len(self.texts)

    def __add__(self, other: LabelledTexts) -> LabelledTexts:
        """The examples of both, one after the other; their label names must agree."""
        if not isinstance(other, LabelledTexts):
            return NotImplemented
        if self.label_names != other.label_names:
            raise ValueError(
                "Only examples with the same label names can be joined. "
                f"Received: {self.label_names!r} and {other.label_names!r}"
            )
        return LabelledTexts(self.texts + other.texts, self.labels + other.labels, self.label_names)

    def take(self, indices: Iterable[int]) -> LabelledTexts:
        """The examples at these positions, in this order.

        Args:
            indices: positions from 0 to `len(self) - 1`; a position may come twice.

        Returns:
            A new `LabelledTexts` with the same label names.

        Raises:
            IndexError: if a position is negative or too large.
        """
        positions = checked_positions(indices, len(self))
        return LabelledTexts(
            [self.texts[position] for position in positions],
            [self.labels[position] for position in positions],
            self.label_names,
        )


@dataclasses.dataclass(frozen=True)
class SentencePairs:
    """Sentences in one language, each with its translation in another.

    Args:
        sources: the sentences to translate from, `N` of them.
        targets: their translations, `N` of them.

    Raises:
        ValueError: if the lengths differ.
        TypeError: if a sentence is not a string.

    Example:

    >>> pairs = SentencePairs(["Hello."], ["Bonjour."]) + SentencePairs(["Bye."], ["Salut."])
    >>> pairs.targets
    ['Bonjour.', 'Salut.']
    """

    sources: list[str]
    targets: list[str]

    def __post_init__(self) -> None:
        object.__setattr__(self, "sources", checked_strings(self.sources, "sources"))
        object.__setattr__(self, "targets", checked_strings(self.targets, "targets"))
        if len(self.sources) != len(self.targets):
            raise ValueError(
                "`sources` and `targets` must have the same length. "
                f"Received: {len(self.sources)} sources and {len(self.targets)} targets"
            )

    def __len__(self) -> int:
        return len(self.sources)

    def __add__(self, other: SentencePairs) -> SentencePairs:
        """The pairs of both, one after the other."""
        if not isinstance(other, SentencePairs):
            return NotImplemented
        return SentencePairs(self.sources + other.sources, self.targets + other.targets)

    def take(self, indices: Iterable[int]) -> SentencePairs:
        """The pairs at these positions, in this order.

        Args:
            indices: positions from 0 to `len(self) - 1`; a position may come twice.

        Returns:
            A new `SentencePairs`.

        Raises:
            IndexError: if a position is negative or too large.
        """
        positions = checked_positions(indices, len(self))
        return SentencePairs(
            [self.sources[position] for position in positions],
            [self.targets[position] for position in positions],
        )


def checked_strings(values: Iterable[str], name: str) -> list[str]:
    """Strings as a list; a TypeError for anything else."""
    # A lone string is iterable too, and would silently become a list of its characters.
    if isinstance(values, (str, bytes)):
        raise TypeError(f"`{name}` must be a list of strings. Received: {name}={values!r}")
    values = list(values)
    for position, value in enumerate(values):
        if not isinstance(value, str):
            raise TypeError(f"`{name}` must hold strings. Received: {name}[{position}]={value!r}")
    return values


def _integers(values: Iterable[int], name: str) -> list[int]:
    integers = []
    for position, value in enumerate(values):
        try:
            integers.append(operator.index(value))  # takes NumPy integers, refuses 1.0
        except TypeError:
            raise TypeError(
                f"`{name}` must hold integers. Received: {name}[{position}]={value!r}"
            ) from None
    return integers


def checked_positions(indices: Iterable[int], length: int) -> list[int]:
    """The positions of some of `length` examples; an IndexError for others."""
    positions = _integers(indices, "indices")
    for position in positions:
        if not 0 <= position < length:
            raise IndexError(f"`indices` must lie between 0 and {length - 1}. Received: {position}")
    return positions
