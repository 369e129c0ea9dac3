"""Labelled texts in any form: the IMDB reviews, a table, or a folder for each class."""

from __future__ import annotations

import os
from collections.abc import Sequence

from keras_tx.data import readers_imdb
from keras_tx.data.archives import is_tar_name
from keras_tx.data.examples import LabelledTexts
from keras_tx.data.readers_imdb import is_imdb_folder, read_imdb, read_imdb_unlabelled
from keras_tx.data.readers_table import is_table, read_labelled_table
from keras_tx.data.text_files import existing_path, texts_in_folder

__all__ = [
    "read_imdb",
    "read_imdb_unlabelled",
    "read_labelled",
    "read_labelled_folder",
    "read_labelled_table",
]


def read_labelled_folder(
    path: str | os.PathLike, label_names: Sequence[str] | None = None
) -> LabelledTexts:
    """Reads a folder that has one sub-folder of `.txt` files for each class.

    Args:
        path: the folder.
        label_names: the sub-folders to read, in the order of their labels. If not given, all
            that are not hidden, sorted.

    Returns:
        The examples, sorted by label and file name.

    Raises:
        FileNotFoundError, NotADirectoryError: if the path or a class is no folder.
        ValueError: if there are no classes, a class has no examples or a text is not UTF-8.

    Example:

    >>> import pathlib, tempfile
    >>> root = pathlib.Path(tempfile.mkdtemp())
    >>> for name in ("sport", "art"):
    ...     (root / name).mkdir()
    ...     _ = (root / name / "1.txt").write_text(f"About {name}.")
    >>> read_labelled_folder(root)
    LabelledTexts(texts=['About art.', 'About sport.'], labels=[0, 1], label_names=('art', 'sport'))
    """
    path = existing_path(path)
    if not path.is_dir():
        raise NotADirectoryError(f"Expected a folder. Received: path={str(path)!r}, a file")
    if label_names is None:
        folders = [entry for entry in path.iterdir() if entry.is_dir()]
        label_names = sorted(entry.name for entry in folders if not entry.name.startswith("."))
    if not label_names:
        raise ValueError(f"Expected a sub-folder for each class. Received: {path} with no examples")
    texts, labels = [], []
    for label, name in enumerate(label_names):
        if not (path / name).is_dir():
            raise FileNotFoundError(f"Expected the sub-folder {name!r}. Received: {path}")
        found = texts_in_folder(path / name)
        if not found:
            raise ValueError(
                f"Expected .txt files in each class. Received: {path} with no examples in {name!r}"
            )
        texts += found
        labels += [label] * len(found)
    return LabelledTexts(texts, labels, tuple(label_names))


def read_labelled(
    path: str | os.PathLike,
    split: str = "train",
    text_column: str = "text",
    label_column: str = "label",
    label_names: Sequence[str] | None = None,
    quoted: bool = True,
) -> LabelledTexts:
    """Reads labelled texts in any of this module's forms, chosen by what the path is.

    Args:
        path: a table (`.csv`, `.tsv`, or one of these ending in `.gz`), the IMDB dataset (as a
            folder or archive), or a folder with one sub-folder for each class.
        split: for IMDB: `"train"` or `"test"`.
        text_column: for a table: the header of the texts' column.
        label_column: for a table: the header of the labels' column.
        label_names: the names of the labels, in order; by default what the data holds.
        quoted: for a table: whether `"` encloses fields.

    Returns:
        The examples.

    Raises:
        FileNotFoundError: if the path does not exist.
        ValueError: if the form is unknown, or as the form's own reader says.

    Example:

    >>> import pathlib, tempfile
    >>> path = pathlib.Path(tempfile.mkdtemp()) / "reviews.csv"
    >>> _ = path.write_text('text,label\\n"Short, sweet.",positive\\n')
    >>> read_labelled(path, label_names=("negative", "positive")).labels
    [1]
    """
    path = existing_path(path)
    if path.is_file() and is_table(path):
        return read_labelled_table(path, text_column, label_column, label_names, quoted)
    if path.is_file() and not is_tar_name(path.name):
        raise ValueError(
            "Expected a .csv or .tsv table, a tar archive or a folder. "
            f"Received: path={str(path)!r}"
        )
    if path.is_dir() and not is_imdb_folder(path):
        return read_labelled_folder(path, label_names)
    if label_names is not None and tuple(label_names) != readers_imdb.LABEL_NAMES:
        raise ValueError(
            f"The IMDB reviews have the labels {readers_imdb.LABEL_NAMES!r}. "
            f"Received: label_names={tuple(label_names)!r}"
        )
    return read_imdb(path, split)
