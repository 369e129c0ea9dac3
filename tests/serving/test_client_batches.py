"""Rows to batches, and several requests at a time."""

import threading
import time

import numpy as np
import pytest

from keras_tx.serving.client_batches import (
    REQUEST_BYTES,
    as_array,
    bytes_array,
    length_batches,
    side_by_side,
    split_all,
)


def test_each_row_is_in_one_batch_and_rows_of_like_length_are_together():
    generator = np.random.default_rng(0)
    lengths = generator.integers(0, 500, 300).tolist()
    batches = list(length_batches(lengths, 16))
    assert sorted(row for batch in batches for row in batch) == list(range(300))
    assert all(len(batch) <= 16 for batch in batches) and len(batches) == 19
    flat = [lengths[row] for batch in batches for row in batch]
    assert flat == sorted(flat)


def test_batches_are_bounded_in_bytes():
    half = REQUEST_BYTES // 2
    batches = list(length_batches([half, half, half, 3 * REQUEST_BYTES, 1], 100))
    assert batches == [[4, 0], [1, 2], [3]]
    assert list(length_batches([3, 4, 2, 9], 100, most_bytes=5)) == [[2, 0], [1], [3]]
    assert list(length_batches([], 100)) == []


def test_side_by_side_keeps_the_order():
    def slow_first(number):
        time.sleep(0.05 if number == 0 else 0)
        return number, threading.get_ident()

    found = side_by_side(slow_first, range(6), 3)
    assert [number for number, _ in found] == list(range(6))
    assert len({thread for _, thread in found}) > 1
    assert {thread for _, thread in side_by_side(slow_first, range(3), 1)} == {
        threading.get_ident()
    }


def test_after_an_error_no_more_are_begun():
    begun = []

    def fail(number):
        begun.append(number)
        time.sleep(0.02)
        raise ValueError(f"number {number}")

    with pytest.raises(ValueError, match="number 0"):
        side_by_side(fail, range(100), 2)
    assert len(begun) < 50


def test_arrays():
    assert bytes_array([b"a", b"bcd"]).tolist() == [b"a", b"bcd"]
    strings = as_array([["a", b"\xff"]], "object")
    assert strings.dtype == object and strings.tolist() == [[b"a", b"\xff"]]
    assert as_array("a", "object").shape == ()
    assert as_array([1, 2], "float32").dtype == np.float32
    with pytest.raises(TypeError, match="expected str or bytes as values of a string. Received: 1"):
        as_array([1], "object")


def test_texts_are_split_together():
    splits, pieces = split_all(["One.\nTwo.", "", "three"], 100)
    assert pieces == ["One.", "Two.", "three"]
    assert [len(split.pieces) for split in splits] == [2, 0, 1]
    with pytest.raises(TypeError, match="texts expected a list of str"):
        split_all("one", 100)
