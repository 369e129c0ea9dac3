"""Lists of strings on their way into a graph."""

import pytest

from keras_tx.models.text_tensors import as_strings, check_paired


def test_some_of_the_texts_in_utf_8():
    found = as_strings(["a", "é", "c"], [2, 1])
    assert found.dtype == "string" and found.numpy().tolist() == [b"c", "é".encode()]
    assert as_strings([], []).shape == (0,)


def test_as_many_as_there_are_texts():
    check_paired("prefixes", ["x"], ["a"])
    with pytest.raises(ValueError, match=r"prefixes expected one .* 2 texts. Received: 1"):
        check_paired("prefixes", ["x"], ["a", "b"])
    with pytest.raises(TypeError, match="prefixes expected a list of str"):
        check_paired("prefixes", "x", ["a"])
