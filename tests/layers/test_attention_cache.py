"""Caches in NumPy: what is appended, what is written, and what stays."""

from __future__ import annotations

import numpy as np
import pytest
from keras import ops

from keras_tx.layers.attention_cache import append_to_cache, write_to_cache

BATCH, HEADS, KEY, VALUE = 2, 3, 4, 5


@pytest.fixture
def make(vectors):
    def cache(length: int, seed: int):
        return {
            "key": vectors(BATCH, HEADS, KEY, length, seed=seed),
            "value": vectors(BATCH, HEADS, length, VALUE, seed=seed + 100),
        }

    return cache


def numbers(cache) -> dict[str, np.ndarray]:
    return {name: ops.convert_to_numpy(array) for name, array in cache.items()}


@pytest.mark.parametrize(("length", "count"), [(0, 1), (0, 3), (4, 1), (4, 3)])
def test_appended(length, count, make):
    old, new = make(length, seed=1), make(count, seed=2)
    got = numbers(append_to_cache(old, new))
    np.testing.assert_array_equal(got["key"][..., :length], old["key"])
    np.testing.assert_array_equal(got["key"][..., length:], new["key"])
    np.testing.assert_array_equal(got["value"][:, :, :length], old["value"])
    np.testing.assert_array_equal(got["value"][:, :, length:], new["value"])


@pytest.mark.parametrize("in_place", [False, True])
@pytest.mark.parametrize("tensor", [False, True])
@pytest.mark.parametrize(("index", "count"), [(0, 1), (5, 1), (0, 3), (2, 3), (3, 3), (0, 6)])
def test_written(index, count, tensor, in_place, make):
    old, new = make(6, seed=1), make(count, seed=2)
    expected = {name: array.copy() for name, array in old.items()}
    expected["key"][..., index : index + count] = new["key"]
    expected["value"][:, :, index : index + count] = new["value"]
    place = ops.convert_to_tensor(np.array(index, "int32")) if tensor else index
    got = numbers(write_to_cache(old, new, place, in_place))
    for name, array in expected.items():
        np.testing.assert_array_equal(got[name], array)


def test_what_does_not_fit_is_left_out(make):
    old, new = make(4, seed=1), make(3, seed=2)
    got = numbers(write_to_cache(old, new, 2))
    np.testing.assert_array_equal(got["key"][..., 2:], new["key"][..., :2])
    np.testing.assert_array_equal(got["value"][:, :, :2], old["value"][:, :, :2])
