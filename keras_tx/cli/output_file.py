"""Where results go: standard output, or a file that appears when it is whole."""

from __future__ import annotations

import contextlib
import os
import shutil
import stat
from collections.abc import Iterator
from typing import BinaryIO

import click

STANDARD_STREAM = "-"


@contextlib.contextmanager
def open_output(path: str | None) -> Iterator[BinaryIO]:
    """A binary stream for results: a file, which appears when it is whole, or standard output.

    Args:
        path: the file; `None` or `-` for standard output. What is no regular file, such as a
            named pipe, is written to directly.

    Raises:
        OSError: when the file cannot be made, before any work is done.
    """
    if path in (None, STANDARD_STREAM):
        yield click.get_binary_stream("stdout")
        return
    if not is_file_to_make(path):
        with open(target_of(path), "wb") as stream:
            yield stream
        return
    target = target_of(path)
    folder, name = os.path.split(target)
    short = os.fsdecode(os.fsencode(name)[:200])  # A name may have 255 bytes.
    beside = os.path.join(folder, f".{short}.{os.getpid()}.part")
    try:
        with open(beside, "wb") as stream:
            yield stream
        put_in_place(beside, target)
    finally:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(beside)


def is_file_to_make(path: str | None) -> bool:
    """Whether results go to a regular file: not to a stream, a named pipe or a device."""
    if path in (None, STANDARD_STREAM):
        return False
    return not os.path.exists(path) or stat.S_ISREG(os.stat(path).st_mode) or os.path.isdir(path)


def target_of(path: str) -> str:
    """The file that `--output` names. A link stays a link: what it leads to is the file.

    Raises:
        ValueError: when `path` is empty.
        OSError: for a folder, and for a file in no folder.
    """
    if not path:  # Left empty by mistake, it would be the working directory.
        raise ValueError("expected a file. Received: --output ''")
    if os.path.isdir(path):
        raise IsADirectoryError(f"expected a file for --output. Received: {path!r}, a folder")
    target = os.path.realpath(path)
    if not os.path.isdir(os.path.dirname(target)):
        raise FileNotFoundError(
            f"expected --output in an existing folder. Received: {path!r}, where there is none"
        )
    return target


def put_in_place(beside: str, target: str) -> None:
    """Renames a finished file; it takes the rights of the one that it replaces."""
    if os.path.exists(target):
        shutil.copymode(target, beside)
    os.replace(beside, target)
