"""A file of results that survives a kill: the next run goes on after its last whole line."""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import json
import os
from collections.abc import Callable, Iterator, Sequence
from typing import Any, BinaryIO

import click

from keras_tx.cli.output_file import put_in_place, target_of

BLOCK_BYTES = 1 << 20
READ = "read"


class ResumableOutput:
    r"""Lines on their way to a file.

    They are kept in `FILE.part` until all are there, and what they were made from in
    `FILE.part.json`: both go away at the end, or when a run stops before its first line.

    Args:
        path: FILE.
        resume: go on with what a stopped run left, if there is something.
        settings: gives what the lines are made from, as JSON: a run may go on only with the
            same. It is called when the files are known to be fine, for it may take long.

    Raises:
        OSError: for a folder, and for a file in no folder.

    Example:
        >>> from keras_tx.cli.resumable_output import ResumableOutput
        >>> def write(lines, resume=False):
        ...     output = ResumableOutput("out.txt", resume, lambda: {"model": "en-fr"})
        ...     with output.open() as (stream, done):
        ...         for line in lines[done:]:
        ...             stream.write(f"{line}\n".encode())
        ...     return done
        >>> write(["one", "two"])
        0
        >>> open("out.txt").read()
        'one\ntwo\n'
    """

    def __init__(self, path: str, resume: bool, settings: Callable[[], dict[str, Any]]) -> None:
        self.path = path
        self.resume = resume
        self.settings = settings
        self.target = target_of(path)
        self.part = f"{self.target}.part"
        self.record = f"{self.part}.json"
        self.record_beside = f"{self.record}.new"  # A kill may leave it.
        self.known: dict[str, Any] = {}  # What the record holds.
        self.read = LinesRead()

    @contextlib.contextmanager
    def open(self, more_settings: dict[str, Any] | None = None) -> Iterator[tuple[BinaryIO, int]]:
        """Opens the part; at the end it becomes the file.

        Args:
            more_settings: what is known only now.

        Returns:
            A binary stream that stands after the last whole line, and how many lines are there
            from the stopped run. Half a line at the end has been cut off.

        Raises:
            FileExistsError: when a stopped run left lines and `resume` is `False`.
            ValueError: when the settings are not those of the stopped run.
            OSError: when the files cannot be written, or another run writes them; and when
                something else stands in the part's place.
        """
        with open(self.part, "ab+", opener=_open_no_link) as stream:
            self._lock(stream)
            lines, end = whole_lines(stream)
            self._check_leave(lines, stream)
            try:
                self.known = {**self.settings(), **(more_settings or {})}
                if lines:
                    self._check(self.known)
                else:
                    self._write_record(self.known)
            except BaseException:
                self._remove(lines)
                raise
            stream.truncate(end)
            try:
                yield stream, lines
                stream.flush()
            except BaseException:
                self._stopped(stream)
                raise
            put_in_place(self.part, self.target)
            _unlink(self.record, self.record_beside)

    def _lock(self, stream: BinaryIO) -> None:
        try:
            fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
            # Another run may just have finished: then this is its output, no longer the part.
            mine = os.path.samestat(os.fstat(stream.fileno()), os.stat(self.part))
        except (BlockingIOError, FileNotFoundError):
            mine = False
        if not mine:
            raise FileExistsError(
                f"expected no other run with this --output. Received: {self.path!r}, "
                "which one is writing"
            )

    def check_read(self, lines: Sequence[str]) -> None:
        """Takes note of the next lines of the input.

        Raises:
            ValueError: when they are others than the stopped run read.
        """
        if not self.read.add(lines):
            raise ValueError(
                "expected the input of the stopped run. Received: an input that differs in the "
                f"first {self.read.before['lines']:,} lines (to start anew, remove {self.part!r})"
            )

    def keep_read(self) -> None:
        """Records what has been read, now that its results are written."""
        self._write_record({**self.known, READ: self.read.facts()})

    def _check_leave(self, lines: int, stream: BinaryIO) -> None:
        if not lines and stream.tell() and not os.path.exists(self.record):
            raise FileExistsError(
                f"expected {self.part!r} to be of a stopped run. Received: a file without a line "
                "or a record of a run; results are kept there until all are written"
            )
        if lines and not self.resume:
            raise FileExistsError(
                f"expected --resume, or that {self.part!r} is removed to start anew. "
                f"Received: --output {self.path!r}, where a stopped run left {lines:,} lines"
            )

    def _check(self, settings: dict[str, Any]) -> None:
        """Raises unless the stopped run had the same settings."""
        anew = f"(to start anew, remove {self.part!r})"
        try:
            with open(self.record, encoding="utf-8") as file:
                before = json.load(file)
            if not isinstance(before, dict):
                raise ValueError
        except (FileNotFoundError, ValueError):
            raise ValueError(
                f"expected the settings of the stopped run in {self.record!r}. "
                f"Received: no such record {anew}"
            ) from None
        self.read = LinesRead(before.pop(READ, None))
        for key in {**before, **settings}:
            if before.get(key) != settings.get(key):
                raise ValueError(
                    f"expected the {key} of the stopped run: {before.get(key)!r}. "
                    f"Received: {settings.get(key)!r} {anew}"
                )

    def _write_record(self, content: dict[str, Any]) -> None:
        with open(self.record_beside, "w", encoding="utf-8") as file:
            json.dump(content, file, indent=2)
        os.replace(self.record_beside, self.record)

    def _stopped(self, stream: BinaryIO) -> None:
        """Says what is kept, or keeps nothing."""
        with contextlib.suppress(OSError):  # A full disk: what is there is there.
            stream.flush()
        with open(self.part, "rb") as reader:
            lines, _ = whole_lines(reader)
        if lines:
            click.echo(
                f"{lines:,} lines are kept in {self.part}: the same command with --resume goes on",
                err=True,
            )
        self._remove(lines)

    def _remove(self, lines: int) -> None:
        """Keeps nothing of a run without a line."""
        if not lines:
            _unlink(self.part, self.record, self.record_beside)


class LinesRead:
    """What has been read of an input, and whether it is what a run before read.

    Args:
        before: the `facts` of that run; `None` where there was none.

    Example:
        >>> from keras_tx.cli.resumable_output import LinesRead
        >>> first = LinesRead()
        >>> first.add(["one", "two"])
        True
        >>> LinesRead(first.facts()).add(["one", "three"])
        False
    """

    def __init__(self, before: dict[str, Any] | None = None) -> None:
        self.before = before
        self.lines, self.hash = 0, hashlib.sha256()

    def add(self, lines: Sequence[str]) -> bool:
        """Whether the input still may be the same, with these lines."""
        for line in lines:
            self.hash.update(line.encode("utf-8", errors="surrogatepass") + b"\n")
            self.lines += 1
            if self.before and self.lines == self.before["lines"] and self.facts() != self.before:
                return False
        return True

    def facts(self) -> dict[str, Any]:
        """How many lines there were, and a checksum of them, as JSON."""
        return {"lines": self.lines, "checksum": self.hash.hexdigest()[:16]}


def _unlink(*paths: str) -> None:
    for path in paths:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(path)


def _open_no_link(path: str, flags: int) -> int:
    # A link in the place of the part would end as the file of results.
    return os.open(path, flags | os.O_NOFOLLOW, 0o666)


def whole_lines(stream: BinaryIO) -> tuple[int, int]:
    r"""How many lines of a stream have their end, and where the last of them ends.

    Example:
        >>> import io
        >>> from keras_tx.cli.resumable_output import whole_lines
        >>> whole_lines(io.BytesIO(b"one\ntwo\nhal"))
        (2, 8)
    """
    stream.seek(0)
    lines, end, position = 0, 0, 0
    while block := stream.read(BLOCK_BYTES):
        lines += block.count(b"\n")
        if (last := block.rfind(b"\n")) >= 0:
            end = position + last + 1
        position += len(block)
    return lines, end
