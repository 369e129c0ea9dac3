"""Tables of labelled texts: CSV and TSV with a header line."""

from __future__ import annotations

import csv
import io
import os
import pathlib
from collections.abc import Sequence

from keras_tx.data.examples import LabelledTexts
from keras_tx.data.text_files import existing_file, read_text

_DELIMITERS = {".csv": ",", ".tsv": "\t"}
_LONGEST_FIELD = 2**31 - 1  # the largest that a C long holds on every platform


def read_labelled_table(
    path: str | os.PathLike,
    text_column: str = "text",
    label_column: str = "label",
    label_names: Sequence[str] | None = None,
    quoted: bool = True,
) -> LabelledTexts:
    """Reads a table with a header line, a column of texts and a column of labels.

    Args:
        path: a `.csv` (comma) or `.tsv` (tab) file, or one of these ending in `.gz`.
        text_column: the header of the texts' column.
        label_column: the header of the labels' column.
        label_names: the names of the labels, in order. The column then holds these names, or
            their numbers from 0. If not given, the values that occur, sorted.
        quoted: whether `"` encloses fields; if not, it is a character like any other.

    Returns:
        The examples, in the order of the rows.

    Raises:
        FileNotFoundError, IsADirectoryError: if the path names no file.
        ValueError: if the extension is another, a column is missing, a row has another number
            of fields than the header, a label is empty or not in `label_names`, the text is
            not UTF-8, or there are no examples; an error in a row names its line.

    Example:

    >>> import tempfile
    >>> path = pathlib.Path(tempfile.mkdtemp()) / "reviews.tsv"
    >>> _ = path.write_text("label\\ttext\\ngood\\tI smiled.\\nbad\\tI slept.\\n")
    >>> read_labelled_table(path)
    LabelledTexts(texts=['I smiled.', 'I slept.'], labels=[1, 0], label_names=('bad', 'good'))
    """
    lines, texts, values = read_table_columns(path, text_column, label_column, quoted)
    if "" in values:
        line = lines[values.index("")]
        raise ValueError(f"Expected a label in each row. Received: {path}, line {line}, with none")
    names = sorted(set(values)) if label_names is None else label_names
    return LabelledTexts(texts, _label_numbers(values, names, lines, path), tuple(names))


def read_table_columns(
    path: str | os.PathLike, text_column: str, label_column: str, quoted: bool = True
) -> tuple[list[int], list[str], list[str]]:
    """Two columns of a table with a header line, as they stand there.

    Args:
        path, text_column, label_column, quoted: see `read_labelled_table`.

    Returns:
        For each row its line, its text, and its label without white space around it.

    Raises:
        FileNotFoundError, IsADirectoryError, ValueError: as `read_labelled_table`, but for what
            is wrong with labels.
    """
    path = existing_file(path)
    if not is_table(path):
        raise ValueError(f"Expected a .csv or .tsv file, or its .gz. Received: path={str(path)!r}")
    rows = iter(_table_rows(path, _DELIMITERS[_extension(path)], quoted))
    _, header = next(rows, (1, []))
    if not header:
        raise ValueError(f"Expected a table. Received: {path} with no examples")
    text_index, label_index = (_column(header, name, path) for name in (text_column, label_column))
    lines, texts, values = [], [], []
    for line, row in rows:
        if len(row) != len(header):
            raise ValueError(
                f"Expected {len(header)} fields in each row. Received: {path}, line {line}, "
                f"with {len(row)}"
            )
        lines.append(line)
        texts.append(row[text_index])
        values.append(row[label_index].strip())
    if not texts:
        raise ValueError(f"Expected a table. Received: {path} with no examples")
    return lines, texts, values


def is_table(path: str | os.PathLike) -> bool:
    """Whether the name of a file is that of a table: `.csv` or `.tsv`, perhaps with `.gz`.

    Args:
        path: any path.

    Returns:
        Whether `read_labelled_table` takes it.

    Example:

    >>> is_table("reviews.tsv.gz"), is_table("reviews.txt")
    (True, False)
    """
    return _extension(pathlib.Path(path)) in _DELIMITERS


def _extension(path: pathlib.Path) -> str:
    suffixes = [suffix.lower() for suffix in path.suffixes]
    return "".join(suffixes[-2:-1] if suffixes[-1:] == [".gz"] else suffixes[-1:])


def _table_rows(path: pathlib.Path, delimiter: str, quoted: bool) -> list[tuple[int, list[str]]]:
    # `strict` makes an unbalanced quote an error; it would swallow the rows that follow it.
    quoting = csv.QUOTE_MINIMAL if quoted else csv.QUOTE_NONE
    text = io.StringIO(read_text(path), newline="")
    reader = csv.reader(text, delimiter=delimiter, quoting=quoting, strict=True)
    longest = csv.field_size_limit(_LONGEST_FIELD)
    try:
        return [(reader.line_num, row) for row in reader if row]
    except csv.Error as error:
        raise ValueError(
            f"Expected a well-formed table. Received: {path}, line {reader.line_num}: {error} "
            "(if its quotes enclose nothing, read it with quoted=False, or --unquoted at the "
            "command line)"
        ) from error
    finally:
        csv.field_size_limit(longest)  # it is one setting for the whole process


def _column(header: list[str], name: str, path: pathlib.Path) -> int:
    if header.count(name) != 1:
        raise ValueError(
            f"Expected one column {name!r} in the first line. Received: {path} with the "
            f"columns {header[:20]!r}"
        )
    return header.index(name)


def _label_numbers(
    values: list[str], names: Sequence[str], lines: list[int], path: pathlib.Path
) -> list[int]:
    numbers = {name: number for number, name in enumerate(names)}
    digits = {str(number): number for number in range(len(names))}
    # Where labels are numbers themselves, such as stars, another number is another label.
    if (
        not all(map(str.isdecimal, names))
        and not set(values) & set(numbers)
        and set(values) & set(digits)
    ):
        numbers = digits
    for line, value in zip(lines, values, strict=True):
        if value not in numbers:
            raise ValueError(
                f"Expected one of the labels {tuple(names)!r}, or their numbers in all rows. "
                f"Received: {path}, line {line}, with {value!r}"
            )
    return [numbers[value] for value in values]
