"""Strict reading of text files."""

import gzip

import pytest

from keras_tx.data.text_files import (
    decode_text,
    existing_path,
    read_text,
    split_lines,
    texts_in_folder,
)


def test_a_byte_order_mark_is_dropped_at_the_start_only():
    assert decode_text(b"\xef\xbb\xbfa\xef\xbb\xbfb", "x") == "a\ufeffb"


def test_plain_and_compressed_files_read_the_same(tmp_path):
    content = "Où ?\r\nIci.\n"
    (tmp_path / "a.txt").write_bytes(content.encode())
    (tmp_path / "a.txt.gz").write_bytes(gzip.compress(content.encode()))
    assert read_text(tmp_path / "a.txt") == read_text(str(tmp_path / "a.txt.gz")) == content


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"one\ntwo\xe9\n", "a.txt, line 2, with the byte 0xe9 at offset 7"),
        ("one".encode("utf-16"), "a.txt, line 1, with the byte 0xff at offset 0"),
        (b"one\n\ntwo\0", "a.txt, line 3, with the byte 0x00 at offset 8"),
        (b"\xef\xbb\xbfone\xff", "a.txt, line 1, with the byte 0xff at offset 6"),
    ],
)
def test_what_is_not_utf8_is_named(tmp_path, data, message):
    (tmp_path / "a.txt").write_bytes(data)
    with pytest.raises(ValueError, match=message):
        read_text(tmp_path / "a.txt")


def test_damaged_gzip_files_are_named(tmp_path):
    path = tmp_path / "a.gz"
    whole = gzip.compress(b"some text " * 100)
    flipped = bytearray(whole)
    flipped[-6] ^= 1  # in the checksum
    for damaged in (whole[:-5], whole[:15], bytes(flipped), b"no gzip at all", b""):
        path.write_bytes(damaged)
        with pytest.raises(ValueError, match="whole gzip file. Received: .*a.gz") as caught:
            read_text(path)
        assert "\n" not in str(caught.value)


def test_missing_files_and_folders_are_named(tmp_path):
    with pytest.raises(FileNotFoundError, match="Received: path='.*none.txt', which does not"):
        read_text(tmp_path / "none.txt")
    with pytest.raises(IsADirectoryError, match="Expected a file. Received: .* a folder"):
        read_text(tmp_path)
    with pytest.raises(FileNotFoundError, match="a file or a folder. Received: path=''"):
        existing_path("")


@pytest.mark.parametrize(
    ("text", "lines"),
    [
        ("", []),
        ("a", ["a"]),
        ("a\n", ["a"]),
        ("a\n\n", ["a", ""]),
        ("\na", ["", "a"]),
        ("a\r\nb\r\n", ["a", "b"]),
        ("a\rb\n", ["a\rb"]),
        ("a\u2028b\u0085c\x0cd\x1ee", ["a\u2028b\u0085c\x0cd\x1ee"]),
    ],
)
def test_lines_end_at_line_feeds_only(text, lines):
    assert split_lines(text) == lines


def test_texts_in_a_folder_are_sorted_and_others_passed_over(tmp_path):
    for name in ("b.txt", "a.txt", ".hidden.txt", "readme.md"):
        (tmp_path / name).write_text(name)
    (tmp_path / "folder.txt").mkdir()
    assert texts_in_folder(tmp_path) == ["a.txt", "b.txt"]
