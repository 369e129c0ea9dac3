"""Lines of text in, lines of results out: one for one, in chunks, in UTF-8."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import stat
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, BinaryIO

import click

CHUNK_LINES = 1024
BLOCK_BYTES = 1 << 20
STANDARD_STREAM = "-"
BYTE_ORDER_MARK = b"\xef\xbb\xbf"
LINE_ENDS = ("\r\n", "\n", "\r")


def text_options(function: Callable) -> Callable:
    """Adds `TEXT …`, `--input`, `--output` and `--batch-size` to a command."""
    for option in (
        click.argument("texts", nargs=-1, metavar="[TEXT]..."),
        click.option(
            "--batch-size",
            type=click.IntRange(min=1),
            default=32,
            show_default=True,
            help="How many texts go through the model at once.",
        ),
        click.option(
            "--output",
            "output_path",
            metavar="FILE",
            help="Where the results go. Default: standard output.",
        ),
        click.option(
            "--input",
            "input_path",
            metavar="FILE",
            help="File with one text a line. Default without TEXT: standard input.",
        ),
    ):
        function = option(function)
    return function


def read_lines(stream: BinaryIO) -> Iterator[list[str]]:
    r"""Reads lines in chunks, as they come in.

    Lines end at line feeds only, a carriage return before one goes with it. Bytes that are not
    UTF-8 become U+FFFD, a byte order mark at the start is dropped, all else stays.

    Args:
        stream: a binary stream with `read1`.

    Returns:
        Lists of up to `CHUNK_LINES` lines. A pipe gives what it holds at the moment, so that
        results do not wait for the end of the input.

    Example:
        >>> import io
        >>> from keras_tx.cli.text_lines import read_lines
        >>> list(read_lines(io.BytesIO(b"one\r\n\ncaf\xe9")))
        [['one', ''], ['caf\ufffd']]
    """
    parts: list[bytes] = []  # Of a line whose end has not come yet.
    mark = BYTE_ORDER_MARK
    while block := stream.read1(BLOCK_BYTES):
        *lines, rest = block.split(b"\n")
        if lines:
            lines[0] = b"".join([*parts, lines[0]]).removeprefix(mark)
            parts, mark = [], b""
        parts.append(rest)
        for start in range(0, len(lines), CHUNK_LINES):
            yield [_decode(line) for line in lines[start : start + CHUNK_LINES]]
    if last := b"".join(parts).removeprefix(mark):
        yield [_decode(last)]


def _decode(line: bytes) -> str:
    return line.removesuffix(b"\r").decode("utf-8", errors="replace")


@contextlib.contextmanager
def open_texts(texts: Sequence[str], input_path: str | None) -> Iterator[Iterable[list[str]]]:
    """The texts of a command in chunks: its arguments, a file, or standard input.

    Args:
        texts: the arguments.
        input_path: the file, `-` for standard input, or `None`.

    Raises:
        click.UsageError: when both are given.
        OSError: when the file cannot be opened.
    """
    if texts and input_path is not None:
        raise click.UsageError(
            "expected either TEXT or --input. "
            f"Received: {len(texts)} TEXT and --input {input_path!r}",
            click.get_current_context(silent=True),
        )
    if texts:
        # Python keeps arguments that are not UTF-8 as lone surrogates.
        sound = [os.fsencode(text).decode("utf-8", errors="replace") for text in texts]
        starts = range(0, len(sound), CHUNK_LINES)
        yield (sound[start : start + CHUNK_LINES] for start in starts)
    elif input_path in (None, STANDARD_STREAM):
        yield read_lines(click.get_binary_stream("stdin"))
    else:
        with open(input_path, "rb") as stream:
            yield read_lines(stream)


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
    if os.path.isdir(path):
        raise IsADirectoryError(f"expected a file for --output. Received: {path!r}, a folder")
    target = os.path.realpath(path)  # A link stays a link.
    if os.path.exists(target) and not stat.S_ISREG(os.stat(target).st_mode):
        with open(target, "wb") as stream:
            yield stream
        return
    folder, name = os.path.split(target)
    if not os.path.isdir(folder):
        raise FileNotFoundError(
            f"expected --output in an existing folder. Received: {path!r}, where there is none"
        )
    beside = os.path.join(folder, f".{name[:200]}.{os.getpid()}.part")
    try:
        with open(beside, "wb") as stream:
            yield stream
        if os.path.exists(target):
            shutil.copymode(target, beside)
        os.replace(beside, target)
    finally:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(beside)


def transform_lines(
    texts: Sequence[str],
    input_path: str | None,
    output_path: str | None,
    prepare: Callable[[], Callable[[list[str]], list[str]]],
) -> None:
    """Writes exactly one line for each text.

    Args:
        texts, input_path: see `open_texts`.
        output_path: see `open_output`.
        prepare: gives the function from texts to results. It is called when input and output
            are known to be there, for it may take long.
    """
    with open_output(output_path) as output, open_texts(texts, input_path) as chunks:
        transform = prepare()
        from tqdm import tqdm

        with tqdm(unit=" lines", disable=not _shows_progress(output_path)) as bar:
            for chunk in chunks:
                results = transform(chunk)
                output.write("".join(f"{as_line(text)}\n" for text in results).encode(**_UTF_8))
                output.flush()
                bar.update(len(chunk))


_UTF_8: dict[str, Any] = {"encoding": "utf-8", "errors": "replace"}


def _shows_progress(output_path: str | None) -> bool:
    # Never among the results on one screen.
    to_screen = output_path in (None, STANDARD_STREAM) and sys.stdout.isatty()
    return sys.stderr is not None and sys.stderr.isatty() and not to_screen


def as_line(text: str) -> str:
    r"""The text with its line ends made spaces.

    Example:
        >>> from keras_tx.cli.text_lines import as_line
        >>> as_line("one\r\ntwo\nthree")
        'one two three'
    """
    for end in LINE_ENDS:
        text = text.replace(end, " ")
    return text


def print_line(text: str) -> None:
    """Writes a line to standard output, in UTF-8 whatever the locale."""
    output = click.get_binary_stream("stdout")
    output.write(f"{text}\n".encode(**_UTF_8))
    output.flush()


def print_json(content: Any) -> None:
    """Writes one JSON object to standard output, readable and in UTF-8."""
    print_line(json.dumps(content, indent=2, ensure_ascii=False))
