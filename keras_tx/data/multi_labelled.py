"""Texts that each have any number of labels."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Iterable, Sequence

import numpy as np

from keras_tx.data.examples import LabelledTexts, checked_positions, checked_strings
from keras_tx.data.readers_table import read_table_columns
from keras_tx.data.splits import split_labelled


@dataclasses.dataclass(frozen=True)
class MultiLabelledTexts:
    """Texts, each with the numbers of its labels: none, one or several.

    Args:
        texts: the texts, `N` of them.
        labels: for each text the indices of its labels in `label_names`, `N` sets of them.
            Kept sorted, each one once.
        label_names: the names of the labels, all different, at least one.

    Raises:
        ValueError: if the lengths differ, a label is out of range, or names repeat.
        TypeError: if a text or a name is not a string, or a label is not an integer.

    Example:

    >>> from keras_tx.data import MultiLabelledTexts
    >>> films = MultiLabelledTexts(["Bang!", "Ha ha!", "Hm."], [[0], [1, 0], []], ("war", "fun"))
    >>> films.labels
    [(0,), (0, 1), ()]
    >>> films.matrix().tolist()
    [[1, 0], [1, 1], [0, 0]]
    """

    texts: list[str]
    labels: list[tuple[int, ...]]
    label_names: tuple[str, ...]

    def __post_init__(self) -> None:
        object.__setattr__(self, "texts", checked_strings(self.texts, "texts"))
        object.__setattr__(self, "labels", [tuple(labels) for labels in self.labels])
        if len(self.texts) != len(self.labels):
            raise ValueError(
                "`texts` and `labels` must have the same length. "
                f"Received: {len(self.texts)} texts and {len(self.labels)} labels"
            )
        # Each label by itself goes through the checks of the texts with one label.
        flat = [label for labels in self.labels for label in labels]
        checked = LabelledTexts([""] * len(flat), flat, self.label_names)
        labels = [tuple(sorted({int(label) for label in labels})) for labels in self.labels]
        object.__setattr__(self, "labels", labels)
        object.__setattr__(self, "label_names", checked.label_names)

    @classmethod
    def of(cls, examples: LabelledTexts | MultiLabelledTexts) -> MultiLabelledTexts:
        """The same texts; those of `LabelledTexts` have one label each."""
        if isinstance(examples, cls):
            return examples
        return cls(examples.texts, [(label,) for label in examples.labels], examples.label_names)

    def __len__(self) -> int:
        return len(self.texts)

    def matrix(self) -> np.ndarray:
        """The labels as ones among zeros, `(N, number of names)`, int32."""
        matrix = np.zeros((len(self), len(self.label_names)), "int32")
        for row, labels in zip(matrix, self.labels, strict=True):
            row[list(labels)] = 1
        return matrix

    def take(self, indices: Iterable[int]) -> MultiLabelledTexts:
        """The examples at these positions, in this order.

        Raises:
            IndexError: if a position is negative or too large.
        """
        positions = checked_positions(indices, len(self))
        return MultiLabelledTexts(
            [self.texts[position] for position in positions],
            [self.labels[position] for position in positions],
            self.label_names,
        )


def read_multi_labelled_table(
    path: str | os.PathLike,
    text_column: str = "text",
    label_column: str = "label",
    separator: str = "|",
    label_names: Sequence[str] | None = None,
    quoted: bool = True,
) -> MultiLabelledTexts:
    """Reads a table whose column of labels holds several in a cell, or none.

    Args:
        path: a `.csv` (comma) or `.tsv` (tab) file, or one of these ending in `.gz`.
        text_column: the header of the texts' column.
        label_column: the header of the labels' column.
        separator: stands between two labels of a cell. White space around labels is dropped.
        label_names: the names of the labels, in order. If not given, those that occur, sorted.
        quoted: whether `"` encloses fields; if not, it is a character like any other.

    Returns:
        The examples, in the order of the rows.

    Raises:
        FileNotFoundError, IsADirectoryError: if the path names no file.
        ValueError: as `read_labelled_table`, but that a cell without labels is none; and if
            `separator` is empty.

    Example:

    >>> import pathlib, tempfile
    >>> from keras_tx.data import read_multi_labelled_table
    >>> path = pathlib.Path(tempfile.mkdtemp()) / "films.csv"
    >>> _ = path.write_text("text,genres\\nBang!,war\\nHa ha!,war | fun\\nHm.,\\n")
    >>> films = read_multi_labelled_table(path, label_column="genres")
    >>> films.label_names, films.labels
    (('fun', 'war'), [(1,), (0, 1), ()])
    """
    if not separator:
        raise ValueError("separator expected one or more characters. Received: separator=''")
    lines, texts, cells = read_table_columns(path, text_column, label_column, quoted)
    values = [[name.strip() for name in cell.split(separator)] for cell in cells]
    values = [[name for name in names if name] for names in values]
    known = sorted({name for names in values for name in names})
    if label_names is None:
        label_names = known
        if not known:
            raise ValueError(f"Expected labels in {label_column!r}. Received: {path} with none")
    numbers = {name: number for number, name in enumerate(label_names)}
    for line, names in zip(lines, values, strict=True):
        for name in names:
            if name not in numbers:
                raise ValueError(
                    f"Expected some of the labels {tuple(label_names)!r}. "
                    f"Received: {path}, line {line}, with {name!r}"
                )
    labels = [tuple(numbers[name] for name in names) for names in values]
    return MultiLabelledTexts(texts, labels, tuple(label_names))


def split_multi_labelled(
    examples: MultiLabelledTexts, held_out: int | float, seed: int = 0
) -> tuple[MultiLabelledTexts, MultiLabelledTexts]:
    """Splits texts by chance, with the same sets of labels in the same proportions.

    Args:
        examples: the texts to split, `N` of them.
        held_out: how many to hold out, from 1 to `N - 1`, or which fraction, between 0 and 1.
        seed: another seed gives another split.

    Returns:
        The examples for training and those held out; see `split_labelled`.

    Raises:
        TypeError, ValueError: as `split_labelled`.

    Example:

    >>> from keras_tx.data import MultiLabelledTexts, split_multi_labelled
    >>> texts, labels = [f"text {n}" for n in range(10)], [(0, 1), ()] * 5
    >>> examples = MultiLabelledTexts(texts, labels, ("a", "b"))
    >>> train, validation = split_multi_labelled(examples, held_out=4)
    >>> len(train), sorted(validation.labels)
    (6, [(), (), (0, 1), (0, 1)])
    """
    sets = sorted(set(examples.labels))
    numbers = {labels: number for number, labels in enumerate(sets)}
    names = tuple(str(number) for number in range(len(sets)))
    whole = LabelledTexts(examples.texts, [numbers[one] for one in examples.labels], names)
    parts = split_labelled(whole, held_out, seed)
    return tuple(
        MultiLabelledTexts(part.texts, [sets[label] for label in part.labels], examples.label_names)
        for part in parts
    )
