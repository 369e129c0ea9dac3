"""Texts without labels in any form: the IMDB reviews, a table, a folder, or lines of a file."""

from __future__ import annotations

import os

from keras_tx.data.archives import is_tar_name
from keras_tx.data.readers_imdb import is_imdb_folder, read_imdb_unlabelled
from keras_tx.data.readers_table import is_table, read_table_columns
from keras_tx.data.text_files import existing_path, read_text, split_lines, texts_in_folder


def read_unlabelled(
    path: str | os.PathLike, text_column: str = "text", quoted: bool = True
) -> list[str]:
    """Reads texts in any of this module's forms, chosen by what the path is.

    Args:
        path: a table (`.csv`, `.tsv`, or one of these ending in `.gz`), the IMDB dataset (as a
            folder or archive), whose unlabelled reviews are read, a folder of `.txt` files, or
            another file, perhaps ending in `.gz`, with a text on each line.
        text_column: for a table: the header of the texts' column.
        quoted: for a table: whether `"` encloses fields.

    Returns:
        The texts; of a file of lines those that are not blank.

    Raises:
        FileNotFoundError: if the path does not exist, or an IMDB folder has no such reviews.
        ValueError: if there are no texts, or as the form's own reader says.

    Example:

    >>> import pathlib, tempfile
    >>> path = pathlib.Path(tempfile.mkdtemp()) / "texts.txt"
    >>> _ = path.write_text("So long.\\n\\nIt never ends.\\n")
    >>> read_unlabelled(path)
    ['So long.', 'It never ends.']
    """
    path = existing_path(path)
    if path.is_file() and is_table(path):
        return read_table_columns(path, text_column, text_column, quoted)[1]
    is_imdb = path.name == "unsup" or is_imdb_folder(path)
    if is_imdb if path.is_dir() else is_tar_name(path.name):
        return read_imdb_unlabelled(path)
    if path.is_dir():
        texts = texts_in_folder(path)
    else:
        texts = [line for line in split_lines(read_text(path)) if line.strip()]
    if not texts:
        kind = ".txt files in the folder" if path.is_dir() else "a text on a line"
        raise ValueError(f"Expected {kind}. Received: {path} with no texts")
    return texts
