"""Vocabularies, a token a line."""

import pytest

from keras_tx.text.vocabulary_file import VOCABULARY_FILE, read_vocabulary, write_vocabulary

FIRST = ("[PAD]", "[UNK]")


def test_tokens_come_back(tmp_path):
    # Line breaks of Unicode, and one that only looks like the end of a line.
    tokens = ["a", "b\u2028c", "\x85", "\r", " ", ""]
    write_vocabulary(str(tmp_path), [*FIRST, *tokens])
    assert read_vocabulary(str(tmp_path), FIRST, "T") == tokens
    assert [file.name for file in tmp_path.iterdir()] == [VOCABULARY_FILE]


def test_there_may_be_none(tmp_path):
    assert read_vocabulary(str(tmp_path), FIRST, "T") is None
    assert read_vocabulary("", FIRST, "T") is None


def test_other_first_tokens(tmp_path):
    write_vocabulary(str(tmp_path), ["a", "b", "c"])
    with pytest.raises(ValueError, match="T expected vocabulary.txt to start with .*: \\['a', 'b'"):
        read_vocabulary(str(tmp_path), FIRST, "T")
