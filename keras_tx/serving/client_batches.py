"""Lists of strings -> batches of bytes for a server, and several requests at a time."""

from __future__ import annotations

import concurrent.futures
from collections.abc import Callable, Iterator, Sequence
from typing import Any, TypeVar

import numpy as np

from keras_tx.text import SplitText, encoded_texts, split_texts

Item = TypeVar("Item")
Result = TypeVar("Result")
REQUEST_BYTES = 1 << 20


def length_batches(
    lengths: Sequence[int], batch_size: int, most_bytes: float = REQUEST_BYTES
) -> Iterator[list[int]]:
    """Numbers of rows: rows of similar length together, not too many, not too long.

    Args:
        lengths: bytes of each row.
        batch_size: the most rows in a batch.
        most_bytes: the most bytes in a batch. Default: `REQUEST_BYTES`.

    Returns:
        Each row in one batch, from short ones to long ones; a row of more bytes than there may
        be has a batch of its own.

    Example:
        >>> from keras_tx.serving.client_batches import length_batches
        >>> list(length_batches([5, 1, 1 << 21, 4], batch_size=2))
        [[1, 3], [0], [2]]
    """
    batch: list[int] = []
    size = 0
    for row in sorted(range(len(lengths)), key=lengths.__getitem__):
        if batch and (len(batch) >= batch_size or size + lengths[row] > most_bytes):
            yield batch
            batch, size = [], 0
        batch.append(row)
        size += lengths[row]
    if batch:
        yield batch


def side_by_side(
    function: Callable[[Item], Result], items: Sequence[Item], threads: int
) -> list[Result]:
    """A function of each item, a few at a time; after an error no more are begun.

    Example:
        >>> from keras_tx.serving.client_batches import side_by_side
        >>> side_by_side(str, [1, 2, 3], threads=2)
        ['1', '2', '3']
    """
    if len(items) < 2 or threads == 1:
        return [function(item) for item in items]
    with concurrent.futures.ThreadPoolExecutor(threads) as executor:
        futures = [executor.submit(function, item) for item in items]
        try:
            return [future.result() for future in futures]
        except BaseException:
            executor.shutdown(wait=False, cancel_futures=True)
            raise


def bytes_array(items: Sequence[bytes]) -> np.ndarray:
    """An array of strings."""
    array = np.empty(len(items), object)
    array[:] = items
    return array


def as_array(values: Any, dtype: str) -> np.ndarray:
    """An array of the dtype that a server asks for; strings become bytes.

    Raises:
        TypeError, ValueError: for values that have no such array.
    """
    if dtype != "object":
        return np.asarray(values, dtype)
    array = np.array(values, object)
    items = [
        item.encode("utf-8", errors="surrogatepass") if isinstance(item, str) else item
        for item in array.ravel()
    ]
    for item in items:
        if not isinstance(item, bytes):
            raise TypeError(f"expected str or bytes as values of a string. Received: {item!r}")
    return bytes_array(items).reshape(array.shape)


def split_all(texts: Sequence[str], piece_characters: int) -> tuple[list[SplitText], list[str]]:
    """The texts in pieces, and the pieces of all.

    Raises:
        TypeError, ValueError: as `encoded_texts` and `split_texts`.
    """
    encoded_texts(texts)
    splits = split_texts(texts, piece_characters)
    return splits, [piece for split in splits for piece in split.pieces]
