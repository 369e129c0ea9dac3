"""Lines of text in, lines of results out: one for one, in chunks, in UTF-8."""

from __future__ import annotations

import contextlib
import dataclasses
import hashlib
import json
import os
import stat
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, BinaryIO, NamedTuple

import click

from keras_tx.cli.output_file import STANDARD_STREAM, open_output
from keras_tx.cli.resumable_output import ResumableOutput

CHUNK_LINES = 1024
BLOCK_BYTES = 1 << 20
CHECKED_BYTES = 1 << 16
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


class Chunk(NamedTuple):
    """Some lines, and how many bytes they took."""

    lines: list[str]
    size: int


@dataclasses.dataclass(frozen=True)
class Texts:
    """The texts of a command.

    Args:
        chunks: the texts, as they come in.
        size: bytes in all, where that is known.
        description: what tells this input from another one, cheaply.
    """

    chunks: Iterable[Chunk]
    size: int | None
    description: str


def read_lines(stream: BinaryIO) -> Iterator[Chunk]:
    r"""Reads lines in chunks, as they come in.

    Lines end at line feeds only, a carriage return before one goes with it. Bytes that are not
    UTF-8 become U+FFFD, a byte order mark at the start is dropped, all else stays.

    Args:
        stream: a binary stream with `read1`.

    Returns:
        Chunks of up to `CHUNK_LINES` lines. A pipe gives what it holds at the moment, so that
        results do not wait for the end of the input.

    Example:
        >>> import io
        >>> from keras_tx.cli.text_lines import read_lines
        >>> list(read_lines(io.BytesIO(b"one\r\n\ncaf\xe9")))
        [Chunk(lines=['one', ''], size=6), Chunk(lines=['caf\ufffd'], size=4)]
    """
    parts: list[bytes] = []  # Of a line whose end has not come yet.
    mark = BYTE_ORDER_MARK
    while block := stream.read1(BLOCK_BYTES):
        *lines, rest = block.split(b"\n")
        if lines:
            lines[0] = b"".join([*parts, lines[0]])
            parts = []
        parts.append(rest)
        for start in range(0, len(lines), CHUNK_LINES):
            some = lines[start : start + CHUNK_LINES]
            size = sum(map(len, some)) + len(some)
            some[0] = some[0].removeprefix(mark)
            mark = b""
            yield Chunk([_decode(line) for line in some], size)
    last = b"".join(parts)
    if text := last.removeprefix(mark):
        yield Chunk([_decode(text)], len(last))


def _decode(line: bytes) -> str:
    return line.removesuffix(b"\r").decode("utf-8", errors="replace")


@contextlib.contextmanager
def open_texts(texts: Sequence[str], input_path: str | None) -> Iterator[Texts]:
    """The texts of a command: its arguments, a file, or standard input.

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
        chunks = [
            Chunk(some, sum(map(len, some)))
            for start in range(0, len(sound), CHUNK_LINES)
            if (some := sound[start : start + CHUNK_LINES])
        ]
        yield Texts(chunks, sum(chunk.size for chunk in chunks), "arguments")
    elif input_path in (None, STANDARD_STREAM):
        yield _texts_of(click.get_binary_stream("stdin"), "standard input")
    else:
        with open(input_path, "rb") as stream:
            yield _texts_of(stream, os.path.basename(input_path))


def _texts_of(stream: BinaryIO, name: str) -> Texts:
    try:
        number = stream.fileno()
        status = os.fstat(number)
    except OSError:  # No stream of the operating system.
        return Texts(read_lines(stream), None, name)
    if not stat.S_ISREG(status.st_mode):
        return Texts(read_lines(stream), None, name)
    # Start and end, read without moving on.
    places = (0, max(0, status.st_size - CHECKED_BYTES))
    ends = b"".join(os.pread(number, CHECKED_BYTES, place) for place in places)
    checksum = hashlib.sha256(ends).hexdigest()[:16]
    description = f"{name}, {status.st_size:,} bytes, checksum of its ends {checksum}"
    return Texts(read_lines(stream), status.st_size, description)


def transform_lines(
    texts: Sequence[str],
    input_path: str | None,
    output_path: str | None,
    prepare: Callable[[], Callable[[list[str]], list[str]]],
    resumable: ResumableOutput | None = None,
) -> None:
    """Writes exactly one line for each text.

    Args:
        texts, input_path: see `open_texts`.
        output_path: see `open_output`.
        prepare: gives the function from texts to results. It is called when input and output
            are known to be there, for it may take long.
        resumable: takes the lines instead of `open_output`.
    """
    with contextlib.ExitStack() as stack:
        source = stack.enter_context(open_texts(texts, input_path))
        done = 0
        if resumable:
            opened = resumable.open({"input": source.description})
            output, done = stack.enter_context(opened)
        else:
            output = stack.enter_context(open_output(output_path))
        _write_results(source, output, prepare(), resumable, done, _shows_progress(output_path))


def _write_results(
    source: Texts,
    output: BinaryIO,
    transform: Callable[[list[str]], list[str]],
    resumable: ResumableOutput | None,
    done: int,
    progress: bool,
) -> None:
    """Writes the results of all texts but the first `done`."""
    from tqdm import tqdm

    read = lines = 0
    with tqdm(unit=" lines", initial=done, disable=not progress, dynamic_ncols=True) as bar:
        for chunk in source.chunks:
            read, lines = read + chunk.size, lines + len(chunk.lines)
            if resumable:
                resumable.check_read(chunk.lines)
            todo = chunk.lines[max(0, len(chunk.lines) - max(0, lines - done)) :]
            if not todo:
                continue
            results = transform(todo)
            output.write("".join(f"{as_line(text)}\n" for text in results).encode(**_UTF_8))
            output.flush()
            if resumable:
                resumable.keep_read()
            if source.size and read:
                # How many lines there are is not known before the end: these are as long as
                # those so far.
                bar.total = max(lines, round(lines * source.size / read))
            bar.update(len(todo))
    if lines < done:
        raise ValueError(
            f"expected at least {done:,} lines, as many as the stopped run read. "
            f"Received: an input of {lines:,} lines"
        )


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
