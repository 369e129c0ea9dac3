"""One line out for each line in, whatever is in them."""

import doctest
import io
import json
import os
import threading

import pytest

from keras_tx.cli import text_lines
from keras_tx.cli.text_lines import (
    CHUNK_LINES,
    as_line,
    open_output,
    print_json,
    read_lines,
    transform_lines,
)


def lines_of(data):
    return [line for chunk in read_lines(io.BytesIO(data)) for line in chunk]


def test_doctests():
    assert doctest.testmod(text_lines).failed == 0


@pytest.mark.parametrize(
    ("data", "lines"),
    [
        (b"", []),
        (b"\n", [""]),
        (b"\n\n", ["", ""]),
        (b"a", ["a"]),
        (b"a\nb", ["a", "b"]),
        (b"a\r\nb\r\n", ["a", "b"]),
        (b"a\rb\n", ["a\rb"]),
        (b"a\r\r\n", ["a\r"]),
        (b"a\0b\n", ["a\0b"]),
        (b"\xff\xfe\n", ["\ufffd\ufffd"]),
        (b"\xef\xbb\xbfa\n\xef\xbb\xbfb\n", ["a", "\ufeffb"]),
        ("a\u2028b\u0085c\x0bd\x0ce\x1cf\n".encode(), ["a\u2028b\u0085c\x0bd\x0ce\x1cf"]),
        (
            "\U0001f600 \U0001f469\u200d\U0001f467\n".encode(),
            ["\U0001f600 \U0001f469\u200d\U0001f467"],
        ),
        (b"x" * 100_000 + b"\ny", ["x" * 100_000, "y"]),
        (b"   \t\n", ["   \t"]),
    ],
)
def test_lines_end_at_line_feeds_only(data, lines):
    assert lines_of(data) == lines


def test_blocks_of_any_size_give_the_same_lines(monkeypatch):
    data = "één\r\n\nzwei \U0001f600\n\r\nlast".encode()
    whole = lines_of(data)
    for size in range(1, len(data) + 1):
        monkeypatch.setattr(text_lines, "BLOCK_BYTES", size)
        assert lines_of(data) == whole == ["één", "", "zwei \U0001f600", "", "last"]


def test_a_byte_order_mark_that_comes_in_pieces_is_dropped(monkeypatch):
    monkeypatch.setattr(text_lines, "BLOCK_BYTES", 2)
    assert lines_of(b"\xef\xbb\xbfa\n") == ["a"]


def test_chunks_are_bounded():
    sizes = [len(chunk) for chunk in read_lines(io.BytesIO(b"a\n" * (2 * CHUNK_LINES + 1)))]
    assert sizes == [CHUNK_LINES, CHUNK_LINES, 1]


def test_a_pipe_gives_results_before_its_end():
    reading, writing = os.pipe()
    with open(reading, "rb") as stream, open(writing, "wb", buffering=0) as pipe:
        chunks = read_lines(stream)
        pipe.write(b"one\ntw")
        assert next(chunks) == ["one"]
        pipe.write(b"o\n")
        assert next(chunks) == ["two"]


def test_line_ends_in_results_become_spaces():
    assert as_line("a\r\nb\nc\rd") == "a b c d"


def upper(path_in, path_out):
    transform_lines(
        (), str(path_in), str(path_out), lambda: lambda texts: [t.upper() for t in texts]
    )


def test_a_file_may_be_its_own_output(tmp_path):
    file = tmp_path / "text"
    file.write_text("é\n\nb\n", encoding="utf-8")
    upper(file, file)
    assert file.read_bytes() == "É\n\nB\n".encode()
    assert os.listdir(tmp_path) == ["text"]


def test_an_error_leaves_the_old_file_and_no_other(tmp_path):
    (tmp_path / "in").write_text("a\n")
    (tmp_path / "out").write_text("old")

    def fail(texts):
        raise ValueError("half way")

    with pytest.raises(ValueError, match="half way"):
        transform_lines((), str(tmp_path / "in"), str(tmp_path / "out"), lambda: fail)
    assert (tmp_path / "out").read_text() == "old"
    assert sorted(os.listdir(tmp_path)) == ["in", "out"]


def test_a_new_file_appears_only_when_it_is_whole(tmp_path):
    with open_output(str(tmp_path / "out")) as output:
        output.write(b"a")
        assert not (tmp_path / "out").exists()
    assert (tmp_path / "out").read_bytes() == b"a"


def test_a_link_stays_a_link_and_rights_stay(tmp_path):
    (tmp_path / "real").write_text("old")
    (tmp_path / "real").chmod(0o640)
    (tmp_path / "link").symlink_to(tmp_path / "real")
    with open_output(str(tmp_path / "link")) as output:
        output.write(b"new")
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "real").read_bytes() == b"new"
    assert (tmp_path / "real").stat().st_mode & 0o777 == 0o640


def test_a_named_pipe_is_written_to_not_replaced(tmp_path):
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    received = []
    reader = threading.Thread(target=lambda: received.append(pipe.read_bytes()))
    reader.start()
    with open_output(str(pipe)) as output:
        output.write(b"a\n")
    reader.join(timeout=10)
    assert received == [b"a\n"] and pipe.is_fifo()


def test_output_that_cannot_be_is_told_before_the_work(tmp_path):
    (tmp_path / "in").write_text("a\n")

    def prepare():
        raise AssertionError("the work began")

    for output, error, message in (
        (tmp_path, IsADirectoryError, "expected a file for --output. Received: .*a folder"),
        (tmp_path / "no" / "out", FileNotFoundError, "--output in an existing folder. Received"),
    ):
        with pytest.raises(error, match=message):
            transform_lines((), str(tmp_path / "in"), str(output), prepare)
    with pytest.raises(FileNotFoundError):
        transform_lines((), str(tmp_path / "missing"), str(tmp_path / "out"), prepare)
    assert os.listdir(tmp_path) == ["in"]


def test_json_is_readable(capsysbinary):
    print_json({"é": 1})
    printed = capsysbinary.readouterr().out
    assert "é".encode() in printed and json.loads(printed) == {"é": 1}
