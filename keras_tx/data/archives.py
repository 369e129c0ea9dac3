"""Archives read member by member; nothing is ever unpacked to disk.

An archive may come from a stranger: what it claims is compared with what it holds.
"""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import os
import pathlib
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterator
from typing import IO

from keras_tx.data.text_files import decode_text, existing_file

_TAR_SUFFIXES = (".tar", ".tar.gz", ".tgz", ".tar.xz", ".txz", ".tar.bz2")
_OPENERS = ((b"\x1f\x8b", gzip.open), (b"\xfd7zXZ\0", lzma.open), (b"BZh", bz2.open))
_DAMAGE = (tarfile.TarError, OSError, EOFError, zlib.error, lzma.LZMAError, ValueError)
_DAMAGE += (RecursionError,)  # Of a tar archive whose headers lead to thousands of others.
_CHUNK = 1 << 20
# Text shrinks to a tenth, seldom to a fiftieth: what unpacks to much more was made to.
_LARGEST_RATIO, _ALWAYS_FINE = 200, 256 << 20


def is_tar_name(name: str) -> bool:
    """Whether this is the name of a tar archive, perhaps a compressed one.

    Args:
        name: a file name.

    Returns:
        Whether `read_tar_members` is its reader.

    Example:

    >>> is_tar_name("reviews.TGZ"), is_tar_name("reviews.gz")
    (True, False)
    """
    return name.lower().endswith(_TAR_SUFFIXES)


def read_tar_members(
    path: str | os.PathLike, wanted: Callable[[str], bool]
) -> Iterator[tuple[str, bytes]]:
    """Streams the wanted files out of a tar archive, plain or compressed (gz, xz, bz2).

    The archive is read to its end and its checksums are verified on the way, so that one cut
    short is an error and not a smaller corpus. One that unpacks to more than 200 times its size
    (and more than 256 MiB) is an error too, before it fills the memory.

    Args:
        path: the archive; its compression is recognised by content, not by name.
        wanted: says by the name of a member whether to read it.

    Yields:
        The name and the content of each wanted file, in the order of the archive.

    Raises:
        FileNotFoundError, IsADirectoryError: if the path names no file.
        ValueError: if the archive is damaged or is none.

    Example:

    >>> import io, tempfile
    >>> path = pathlib.Path(tempfile.mkdtemp()) / "a.tar.gz"
    >>> with tarfile.open(path, "w:gz") as tar:
    ...     member = tarfile.TarInfo("pos/1.txt")
    ...     member.size = 5
    ...     tar.addfile(member, io.BytesIO(b"Nice!"))
    >>> list(read_tar_members(path, lambda name: name.endswith(".txt")))
    [('pos/1.txt', b'Nice!')]
    """
    path = existing_file(path)
    with path.open("rb") as file:
        members = _tar_members(file, wanted)
        while True:
            # Only the reading stands in the `try`: an error of the caller is not the archive's.
            try:
                member = next(members, None)
            except _DAMAGE as error:
                raise ValueError(
                    f"Expected a whole tar archive. Received: {path}, corrupt or cut short "
                    f"({error})"
                ) from error
            if member is None:
                return
            yield member


def _tar_members(file: IO[bytes], wanted: Callable[[str], bool]) -> Iterator[tuple[str, bytes]]:
    with (
        _decompressed(file) as unpacked,
        _Bounded(unpacked, _most_bytes(os.fstat(file.fileno()).st_size)) as stream,
        tarfile.open(fileobj=stream, mode="r:") as tar,
    ):
        offset = -1
        while (member := tar.next()) is not None:
            tar.members.clear()  # tarfile would keep the headers of all members in memory
            if tar.offset <= offset:
                raise tarfile.ReadError(f"a size below zero at offset {offset}")
            offset = tar.offset
            if member.issparse():
                raise tarfile.ReadError(f"a sparse file, {member.name!r}")
            if member.isfile() and wanted(member.name):
                yield member.name, tar.extractfile(member).read()
        _check_tar_end(stream, tar.offset)


def _most_bytes(size: int) -> int:
    """To how much an archive of this size may unpack."""
    return max(_ALWAYS_FINE, _LARGEST_RATIO * size)


class _Bounded(io.RawIOBase):
    """A stream of which no more than a number of bytes is read."""

    def __init__(self, stream: IO[bytes], most: int) -> None:
        super().__init__()
        self._stream = stream
        self._most = most

    def read(self, size: int = -1) -> bytes:
        self._check(self._stream.tell() + max(size, 0))
        return self._stream.read(size)

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        if whence == io.SEEK_SET:
            self._check(offset)
        return self._stream.seek(offset, whence)

    def tell(self) -> int:
        return self._stream.tell()

    def _check(self, position: int) -> None:
        if position > self._most:
            raise tarfile.ReadError(f"more than {self._most:,} bytes when unpacked")


def _decompressed(file: IO[bytes]) -> IO[bytes]:
    start = file.read(8)
    file.seek(0)
    for magic, opener in _OPENERS:
        if start.startswith(magic):
            return opener(file, "rb")
    return file


def _check_tar_end(stream: IO[bytes], offset: int) -> None:
    # tarfile takes a damaged or missing header for the end of the archive. A real end is at
    # least one block of zeros, with nothing else after it; reading on to the end of the
    # compressed stream also makes it verify its checksum.
    stream.seek(offset)
    length = 0
    while chunk := stream.read(_CHUNK):
        if chunk.strip(b"\0"):
            raise tarfile.ReadError(f"no valid header at offset {offset}")
        length += len(chunk)
    if length < tarfile.BLOCKSIZE:
        raise tarfile.ReadError("the end-of-archive mark is missing")


def read_zip_text(path: str | os.PathLike) -> str:
    """Reads the one text file that a zip archive holds.

    Files that are not `.txt` or `.tsv`, and those whose name starts with `_` or `.` (such as
    the `_about.txt` of manythings.org's archives), are passed over.

    Args:
        path: the archive.

    Returns:
        The text, without a byte order mark.

    Raises:
        FileNotFoundError, IsADirectoryError: if the path names no file.
        ValueError: if the archive is damaged, or holds no text file or several.

    Example:

    >>> import tempfile
    >>> path = pathlib.Path(tempfile.mkdtemp()) / "fra-eng.zip"
    >>> with zipfile.ZipFile(path, "w") as archive:
    ...     archive.writestr("_about.txt", "Who made it")
    ...     archive.writestr("fra.txt", "Hello.")
    >>> read_zip_text(path)
    'Hello.'
    """
    path = existing_file(path)
    with path.open("rb") as file:
        try:
            with zipfile.ZipFile(file) as archive:
                names = [name for name in archive.namelist() if _is_text_member(name)]
                data = _read_member(archive, names[0]) if len(names) == 1 else b""
        except (zipfile.BadZipFile, RuntimeError, *_DAMAGE) as error:
            # RuntimeError: the archive is encrypted or compressed in a way unknown to Python.
            raise ValueError(
                f"Expected a whole zip archive. Received: {path}, corrupt or unreadable ({error})"
            ) from error
    if len(names) != 1:
        raise ValueError(
            f"Expected a zip archive with one .txt or .tsv file. Received: {path} with "
            f"{len(names)}: {names[:5]!r}"
        )
    return decode_text(data, f"{path}/{names[0]}")


def _read_member(archive: zipfile.ZipFile, name: str) -> bytes:
    member = archive.getinfo(name)
    if member.file_size > _most_bytes(member.compress_size):
        raise zipfile.BadZipFile(
            f"{name!r}, {member.compress_size:,} bytes, unpacks to {member.file_size:,}"
        )
    return archive.read(member)


def _is_text_member(name: str) -> bool:
    parts = pathlib.PurePosixPath(name).parts
    return (
        name.lower().endswith((".txt", ".tsv"))
        and parts[0] != "__MACOSX"
        and not parts[-1].startswith(("_", "."))
    )
