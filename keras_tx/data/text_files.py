"""Text files read strictly: UTF-8 or an error that says where, never a silent replacement."""

from __future__ import annotations

import gzip
import os
import pathlib
import zlib

BYTE_ORDER_MARK = b"\xef\xbb\xbf"


def existing_path(path: str | os.PathLike) -> pathlib.Path:
    """The path, once it is known to name a file or a folder.

    Args:
        path: the path of a file or folder.

    Returns:
        The same path as a `pathlib.Path`.

    Raises:
        FileNotFoundError: if nothing stands there.

    Example:

    >>> existing_path(".").is_dir()
    True
    """
    if not os.fspath(path):  # Left empty by mistake, it would be the working directory.
        raise FileNotFoundError("Expected a file or a folder. Received: path=''")
    path = pathlib.Path(path)
    return path if path.is_dir() else existing_file(path)


def existing_file(path: str | os.PathLike) -> pathlib.Path:
    """The path, once it is known to name a file.

    Args:
        path: the path of a file.

    Returns:
        The same path as a `pathlib.Path`.

    Raises:
        FileNotFoundError: if nothing stands there.
        IsADirectoryError: if a folder stands there.

    Example:

    >>> existing_file("no such file.txt")
    Traceback (most recent call last):
    FileNotFoundError: Expected a file. Received: path='no such file.txt', which does not exist
    """
    path = pathlib.Path(path)
    if path.is_dir():
        raise IsADirectoryError(f"Expected a file. Received: path={str(path)!r}, a folder")
    if not path.exists():
        raise FileNotFoundError(
            f"Expected a file. Received: path={str(path)!r}, which does not exist"
        )
    return path


def decode_text(data: bytes, name: str) -> str:
    r"""Decodes UTF-8 strictly, without the byte order mark that some editors put first.

    Args:
        data: the bytes of a text file.
        name: how to call the file in an error.

    Returns:
        The text, line ends as they were.

    Raises:
        ValueError: if the bytes are not UTF-8 or hold a NUL; names the line and the byte.

    Example:

    >>> decode_text(b"caf\xc3\xa9", "menu.txt")
    'café'
    >>> decode_text(b"one\ncaf\xe9", "menu.txt")
    Traceback (most recent call last):
    ValueError: Expected UTF-8 text. Received: menu.txt, line 2, with the byte 0xe9 at offset 7
    """
    try:
        text = data.decode("utf-8")
        place = data.find(b"\0")  # valid UTF-8, yet a sign of UTF-16 or of a binary file
    except UnicodeDecodeError as error:
        place = error.start
    if place >= 0:
        line = data.count(b"\n", 0, place) + 1
        raise ValueError(
            f"Expected UTF-8 text. Received: {name}, line {line}, with the byte "
            f"0x{data[place]:02x} at offset {place}"
        )
    return text[1:] if data.startswith(BYTE_ORDER_MARK) else text


def read_text(path: str | os.PathLike) -> str:
    """Reads a whole text file, unpacking it when its name ends in `.gz`.

    Args:
        path: a UTF-8 text file, plain or gzip-compressed.

    Returns:
        The text, line ends as they were, without a byte order mark.

    Raises:
        FileNotFoundError, IsADirectoryError: if the path names no file.
        ValueError: if the compressed file is damaged or the text is not UTF-8.

    Example:

    >>> import pathlib, tempfile
    >>> path = pathlib.Path(tempfile.mkdtemp()) / "a.txt.gz"
    >>> _ = path.write_bytes(gzip.compress(b"Hello."))
    >>> read_text(path)
    'Hello.'
    """
    path = existing_file(path)
    data = path.read_bytes()
    if path.suffix.lower() == ".gz":
        try:
            data = gzip.decompress(data)
        except (OSError, EOFError, zlib.error) as error:
            raise ValueError(
                f"Expected a whole gzip file. Received: {path}, corrupt or cut short ({error})"
            ) from error
        if not data and path.stat().st_size == 0:
            # gzip takes an empty file for an empty text; an interrupted copy is likelier.
            raise ValueError(f"Expected a whole gzip file. Received: {path}, an empty file")
    return decode_text(data, str(path))


def split_lines(text: str) -> list[str]:
    r"""Splits a text at line feeds only, and drops a carriage return before one.

    `str.splitlines` also splits at U+2028, U+0085, form feeds and others, which stand inside
    sentences of real corpora; one of them would shift all later lines of a parallel file.

    Args:
        text: a text of any number of lines, the last with or without its line feed.

    Returns:
        The lines without their ends.

    Example:

    >>> split_lines("one\r\ntwo\u2028still two\n")
    ['one', 'two\u2028still two']
    """
    lines = text.split("\n")
    if lines[-1] == "":
        lines.pop()  # what follows the last line feed is no line
    return [line.removesuffix("\r") for line in lines]


def is_text_name(name: str) -> bool:
    """Whether this is the name of a `.txt` file that is not hidden.

    Args:
        name: a file name without its folder.

    Returns:
        Whether `texts_in_folder` reads such a file.

    Example:

    >>> is_text_name("0_3.txt"), is_text_name("._0_3.txt")
    (True, False)
    """
    return name.endswith(".txt") and not name.startswith(".")


def texts_in_folder(folder: pathlib.Path) -> list[str]:
    """Reads the `.txt` files of a folder, sorted by name; each file is one text.

    Args:
        folder: an existing folder.

    Returns:
        The texts, none if there is no such file.

    Raises:
        ValueError: if a file is not UTF-8.

    Example:

    >>> import tempfile
    >>> texts_in_folder(pathlib.Path(tempfile.mkdtemp()))
    []
    """
    files = [entry for entry in folder.iterdir() if is_text_name(entry.name) and entry.is_file()]
    return [read_text(file) for file in sorted(files, key=lambda file: file.name)]
