"""Lists of strings, and what is none."""

import numpy as np
import pytest

from keras_tx.text import encoded_texts


def test_texts_become_bytes():
    assert encoded_texts(["né", "", "\x00", "🙂"]) == [b"n\xc3\xa9", b"", b"\x00", "🙂".encode()]
    assert encoded_texts(("\ud800",)) == [b"\xed\xa0\x80"]
    assert encoded_texts(np.array(["a", "b"])) == [b"a", b"b"]


@pytest.mark.parametrize(
    "texts, received",
    [("one", "texts='one'"), (b"one", "texts=b'one'"), (["a", None], "an item None"), ([1], "1")],
)
def test_no_list_of_str(texts, received):
    with pytest.raises(TypeError, match=f"texts expected a list of str. Received: .*{received}"):
        encoded_texts(texts)


def test_an_error_has_the_name_that_it_was_given():
    with pytest.raises(TypeError, match="prefixes expected a list of str. Received: prefixes=3"):
        encoded_texts(3, "prefixes")
