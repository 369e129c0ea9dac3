"""Labelled texts as the commands take them."""

from __future__ import annotations

from typing import Any

SEPARATOR = "|"  # Between the labels of a cell, unless another is given.


def read_examples(
    path: str,
    separator: str | None,
    text_column: str,
    label_column: str,
    label_names: Any,
    quoted: bool = True,
    split: str = "train",
) -> Any:
    """Texts with one label each, or, with a separator, with any number of them."""
    from keras_tx.data import read_labelled, read_multi_labelled_table

    columns = {"text_column": text_column, "label_column": label_column, "quoted": quoted}
    if separator is None:
        return read_labelled(path, split, label_names=label_names, **columns)
    return read_multi_labelled_table(path, separator=separator, label_names=label_names, **columns)
