"""Named corpora, downloaded on request, verified and kept in a cache."""

from __future__ import annotations

import dataclasses
import hashlib
import http.client
import os
import pathlib
import re
import ssl
import urllib.error
import urllib.parse
import urllib.request

from tqdm import tqdm

_DIGEST_LENGTHS = {"md5": 32, "sha1": 40, "sha256": 64, "sha512": 128}
_CHUNK = 1 << 16
# What a network does; any other OSError is the disk's. TimeoutError and a name that cannot be
# resolved come as URLError before the answer, and bare while it is read.
_NETWORK_ERRORS = (
    urllib.error.URLError,
    http.client.HTTPException,
    ConnectionError,
    TimeoutError,
    ssl.SSLError,
)


@dataclasses.dataclass(frozen=True)
class Dataset:
    """Where a corpus can be had, and what it must be.

    Args:
        url: its public address.
        checksum: its checksum as `"algorithm:hexadecimal digits"`.
        file_name: its name in the cache.
        description: what it holds, and its terms.

    Example:

    >>> DATASETS["fra-eng"].file_name
    'fra-eng.zip'
    """

    url: str
    checksum: str
    file_name: str
    description: str


DATASETS: dict[str, Dataset] = {
    "imdb": Dataset(
        url="https://ai.stanford.edu/~amaas/data/sentiment/aclImdb_v1.tar.gz",
        checksum="md5:7c2ac02c03563afcf9b574c7e56c153a",
        file_name="aclImdb_v1.tar.gz",
        description="Large Movie Review Dataset (Maas et al. 2011); for research. "
        "Read it with read_imdb.",
    ),
    "fra-eng": Dataset(
        url="https://d2l-data.s3-accelerate.amazonaws.com/fra-eng.zip",
        checksum="sha1:94646ad1522d915e7b0f9296181140edcf86a4f5",
        file_name="fra-eng.zip",
        description="English-French sentences of Tatoeba, collected by manythings.org; "
        "CC-BY 2.0. Read it with read_tab_pairs.",
    ),
}


class DownloadError(RuntimeError):
    """A download that could not be completed; the message says what to do by hand."""


def download(
    name: str,
    cache_directory: str | os.PathLike | None = None,
    url: str | None = None,
    checksum: str | None = None,
    timeout: float = 30.0,
) -> pathlib.Path:
    """Gives the path of a corpus, and downloads it only if the cache does not hold it yet.

    The file stands under its final name only once it is complete and its checksum agrees; a
    file found there is verified again. Progress goes to standard error.

    Args:
        name: a name in `DATASETS`, or any name if both `url` and `checksum` are given.
        cache_directory: the folder to keep it in; `$KERAS_TX_CACHE` if not given, and
            `~/.cache/keras_tx` if that is not set either.
        url: where to fetch it from instead (`http` or `https`).
        checksum: the checksum it must have instead, as `"algorithm:hexadecimal digits"` with
            `md5`, `sha1`, `sha256` or `sha512`.
        timeout: seconds to wait for the server to answer or to go on.

    Returns:
        The path of the verified file.

    Raises:
        ValueError: if the name is unknown, or the address or the checksum is malformed.
        DownloadError: if the file cannot be fetched or written, or its checksum differs.

    Example:

    >>> download("imbd")
    Traceback (most recent call last):
    ValueError: `name` must be one of 'fra-eng', 'imdb', or come with `url` and `checksum`. \
Received: name='imbd'
    """
    dataset = _resolve(name, url, checksum)
    directory = _cache_directory(cache_directory)
    path = directory / dataset.file_name
    try:
        directory.mkdir(parents=True, exist_ok=True)
        found = _digest(path, dataset.checksum) if path.is_file() else None
        if found != dataset.checksum:
            by_hand = f"the file can be placed by hand at {path}"
            if found is not None:
                by_hand += f" (the one there now has {found})"
            _fetch(dataset, path, by_hand, timeout)
    except OSError as error:
        raise DownloadError(f"Expected to write {path}. Received: {error}") from error
    return path


def _resolve(name: str, url: str | None, checksum: str | None) -> Dataset:
    known = DATASETS.get(name)
    if known is None and (url is None or checksum is None):
        names = ", ".join(repr(known_name) for known_name in sorted(DATASETS))
        raise ValueError(
            f"`name` must be one of {names}, or come with `url` and `checksum`. "
            f"Received: name={name!r}"
        )
    url = url if url is not None else known.url
    checksum = checksum if checksum is not None else known.checksum
    parts = urllib.parse.urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname or not url.isascii():
        raise ValueError(f"`url` must be an http or https address. Received: url={url!r}")
    algorithm, _, digits = checksum.lower().partition(":")
    length = _DIGEST_LENGTHS.get(algorithm)
    if length is None or not re.fullmatch(f"[0-9a-f]{{{length}}}", digits):
        raise ValueError(
            "`checksum` must be 'algorithm:hexadecimal digits' with md5, sha1, sha256 or sha512. "
            f"Received: checksum={checksum!r}"
        )
    # The last part of an address is no path: %2F and the like are not decoded.
    file_name = known.file_name if known else parts.path.rpartition("/")[2]
    if not re.fullmatch(r"[\w%+-][\w.%+-]*", file_name):
        raise ValueError(f"`url` must end in the name of a file. Received: url={url!r}")
    return Dataset(url, f"{algorithm}:{digits}", file_name, known.description if known else "")


def _cache_directory(directory: str | os.PathLike | None) -> pathlib.Path:
    if directory is None:
        directory = os.environ.get("KERAS_TX_CACHE") or "~/.cache/keras_tx"
    return pathlib.Path(directory).expanduser()


def _digest(path: pathlib.Path, checksum: str) -> str:
    algorithm = checksum.partition(":")[0]
    digest = hashlib.new(algorithm, usedforsecurity=False)
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK):
            digest.update(chunk)
    return f"{algorithm}:{digest.hexdigest()}"


def _fetch(dataset: Dataset, path: pathlib.Path, by_hand: str, timeout: float) -> None:
    # The process number keeps two downloads at a time from writing into one file.
    part = path.with_name(f"{path.name}.{os.getpid()}.part")
    try:
        try:
            _transfer(dataset, part, timeout)
        except _NETWORK_ERRORS as error:
            raise DownloadError(
                f"Expected to download {dataset.url}. Received: {_reason(error)}; {by_hand}"
            ) from error
        found = _digest(part, dataset.checksum)
        if found != dataset.checksum:
            raise DownloadError(
                f"Expected {dataset.url} to have the checksum {dataset.checksum}. "
                f"Received: {found}; {by_hand}"
            )
        os.replace(part, path)
    finally:
        part.unlink(missing_ok=True)


def _transfer(dataset: Dataset, part: pathlib.Path, timeout: float) -> None:
    request = urllib.request.Request(dataset.url, headers={"User-Agent": "keras-tx"})
    with _opener().open(request, timeout=timeout) as response, part.open("wb") as file:
        announced = response.headers.get("Content-Length")
        total = int(announced) if announced and announced.isdigit() else None
        with tqdm(
            total=total, desc=dataset.file_name, unit="B", unit_scale=True, unit_divisor=1024
        ) as progress:
            while chunk := response.read(_CHUNK):
                file.write(chunk)
                progress.update(len(chunk))
            received = file.tell()
    if total is not None and received != total:
        # http.client takes a connection closed too early for the end when read in pieces.
        raise http.client.HTTPException(f"only {received} of {total} bytes came")


def _opener() -> urllib.request.OpenerDirector:
    # The usual opener would follow a redirection to ftp, and open file: and data: addresses.
    opener = urllib.request.OpenerDirector()
    for handler in (
        urllib.request.ProxyHandler,
        urllib.request.HTTPHandler,
        urllib.request.HTTPSHandler,
        urllib.request.HTTPDefaultErrorHandler,
        urllib.request.HTTPRedirectHandler,
        urllib.request.HTTPErrorProcessor,
        urllib.request.UnknownHandler,
    ):
        opener.add_handler(handler())
    return opener


def _reason(error: Exception) -> str:
    if isinstance(error, urllib.error.HTTPError):
        return f"HTTP status {error.code} ({error.reason})"
    reason = getattr(error, "reason", error)
    return str(reason) or type(reason).__name__
