"""One line out for each line in, whatever is in them."""

import io
import json
import os
import threading
import time
import tracemalloc

import pytest

from keras_tx.cli import text_lines
from keras_tx.cli.resumable_output import LinesRead, ResumableOutput
from keras_tx.cli.text_lines import (
    CHUNK_LINES,
    as_line,
    open_texts,
    print_json,
    read_lines,
    transform_lines,
)


def lines_of(data):
    chunks = list(read_lines(io.BytesIO(data)))
    assert sum(chunk.size for chunk in chunks) == len(data)
    return [line for chunk in chunks for line in chunk.lines]


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
    sizes = [len(chunk.lines) for chunk in read_lines(io.BytesIO(b"a\n" * (2 * CHUNK_LINES + 1)))]
    assert sizes == [CHUNK_LINES, CHUNK_LINES, 1]


def test_a_pipe_gives_results_before_its_end():
    reading, writing = os.pipe()
    with open(reading, "rb") as stream, open(writing, "wb", buffering=0) as pipe:
        chunks = read_lines(stream)
        pipe.write(b"one\ntw")
        assert next(chunks).lines == ["one"]
        pipe.write(b"o\n")
        assert next(chunks).lines == ["two"]


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


def test_memory_does_not_grow_with_the_file(tmp_path, monkeypatch):
    monkeypatch.setattr(text_lines, "BLOCK_BYTES", 1 << 14)

    def peak(lines):
        with open(tmp_path / "in", "w") as file:
            file.writelines(f"line {number} of many\n" for number in range(lines))
        upper(tmp_path / "in", tmp_path / "out")  # What is made once is made now.
        tracemalloc.start()
        upper(tmp_path / "in", tmp_path / "out")
        _, highest = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        assert (tmp_path / "out").stat().st_size == (tmp_path / "in").stat().st_size
        return highest

    few, many = peak(2_000), peak(40_000)
    assert many < 1.2 * few
    assert many < (tmp_path / "in").stat().st_size


def described(path):
    with open_texts((), str(path)) as texts:
        return texts.description


def test_a_description_tells_files_apart(tmp_path):
    file, other = tmp_path / "in", tmp_path / "folder" / "in"
    other.parent.mkdir()
    file.write_bytes(b"a" * 200_000)
    first = described(file)
    assert first.startswith("in, 200,000 bytes, ") and described(file) == first
    for content, same in (
        (b"a" * 200_000, True),
        (b"a" * 200_001, False),
        (b"b" + b"a" * 199_999, False),
        (b"a" * 199_999 + b"b", False),
    ):
        other.write_bytes(content)
        assert (described(other) == first) == same


def test_describing_reads_nothing_away(tmp_path):
    (tmp_path / "in").write_bytes(b"a\nb\n")
    with open_texts((), str(tmp_path / "in")) as texts:
        assert [chunk.lines for chunk in texts.chunks] == [["a", "b"]]
        assert texts.size == 4


def test_progress_has_the_time_left(tmp_path, monkeypatch, capsys):
    # A real bar draws ten times a second at most, and only on a terminal.
    monkeypatch.setattr(text_lines, "CHUNK_LINES", 2)
    monkeypatch.setattr(text_lines, "_shows_progress", lambda path: True)
    (tmp_path / "in").write_text("aaa\nbbb\nccc\nddd\neee\n")

    def slowly(texts):
        time.sleep(0.12)
        return texts

    transform_lines((), str(tmp_path / "in"), str(tmp_path / "out"), lambda: slowly)
    printed = capsys.readouterr()
    assert printed.out == ""
    for part in ("2/5", "4/5", "5/5", " 40%", "lines/s"):
        assert part in printed.err


def test_a_resumed_run_leaves_out_what_is_done(tmp_path, monkeypatch):
    monkeypatch.setattr(text_lines, "CHUNK_LINES", 4)
    lines = [f"line {number}" for number in range(11)]
    (tmp_path / "in").write_text("\n".join(lines))
    out = tmp_path / "out"
    for stop in (1, 3, 4, 7, 8, 11):  # Inside a chunk and at its end.
        # As a run leaves it that was killed while it wrote.
        content = "".join(f"{line} first\n" for line in lines[:stop])
        (tmp_path / "out.part").write_text(f"{content}half a li")
        settings = {"input": described(tmp_path / "in")}
        (tmp_path / "out.part.json").write_text(json.dumps(settings))
        transform_lines(
            (),
            str(tmp_path / "in"),
            str(out),
            lambda: lambda texts: [f"{text} resumed" for text in texts],
            ResumableOutput(str(out), True, dict),
        )
        expected = [f"{line} first" for line in lines[:stop]]
        expected += [f"{line} resumed" for line in lines[stop:]]
        assert out.read_text() == "".join(f"{line}\n" for line in expected)
    assert sorted(os.listdir(tmp_path)) == ["in", "out"]


def test_an_input_shorter_than_what_was_read(tmp_path):
    os.mkfifo(tmp_path / "in")  # Of a pipe nothing is known before.
    (tmp_path / "out.part").write_text("1\n2\n3\n")
    (tmp_path / "out.part.json").write_text('{"input": "in"}')
    writer = threading.Thread(target=(tmp_path / "in").write_text, args=["a\nb\n"])
    writer.start()
    resumable = ResumableOutput(str(tmp_path / "out"), True, dict)
    with pytest.raises(ValueError, match="at least 3 lines, .* Received: an input of 2 lines"):
        transform_lines((), str(tmp_path / "in"), str(tmp_path / "out"), lambda: list, resumable)
    writer.join(timeout=10)
    assert (tmp_path / "out.part").exists() and not (tmp_path / "out").exists()


def test_json_is_readable(capsysbinary):
    print_json({"é": 1})
    printed = capsysbinary.readouterr().out
    assert "é".encode() in printed and json.loads(printed) == {"é": 1}


def test_a_chunk_is_on_disk_with_its_record_before_the_next_one(tmp_path, monkeypatch):
    monkeypatch.setattr(text_lines, "CHUNK_LINES", 2)
    (tmp_path / "in").write_text("a\nb\nc\nd\n")
    seen = []

    def look(texts):
        record = json.loads((tmp_path / "out.part.json").read_text())
        lines = record["read"]["lines"] if "read" in record else 0
        seen.append(((tmp_path / "out.part").read_text(), lines))
        return texts

    resumable = ResumableOutput(str(tmp_path / "out"), False, dict)
    transform_lines((), str(tmp_path / "in"), str(tmp_path / "out"), lambda: look, resumable)
    assert seen == [("", 0), ("a\nb\n", 2)]


def test_a_pipe_with_other_lines_than_the_stopped_run_read(tmp_path):
    read = LinesRead()
    read.add(["a", "b"])
    os.mkfifo(tmp_path / "in")
    (tmp_path / "out.part").write_text("A\nB\n")
    (tmp_path / "out.part.json").write_text(json.dumps({"input": "in", "read": read.facts()}))
    writer = threading.Thread(target=(tmp_path / "in").write_text, args=["a\nx\nc\n"])
    writer.start()
    resumable = ResumableOutput(str(tmp_path / "out"), True, dict)
    with pytest.raises(ValueError, match="an input that differs in the first 2 lines"):
        transform_lines((), str(tmp_path / "in"), str(tmp_path / "out"), lambda: list, resumable)
    writer.join(timeout=10)
    assert (tmp_path / "out.part").read_text() == "A\nB\n"


def test_only_the_first_chunk_may_begin_with_a_mark(monkeypatch):
    monkeypatch.setattr(text_lines, "CHUNK_LINES", 1)
    assert lines_of(b"\xef\xbb\xbfa\n\xef\xbb\xbfb\n") == ["a", "\ufeffb"]


def test_half_a_character_in_a_result_stops_nothing(tmp_path):
    (tmp_path / "in").write_text("a\n")
    transform_lines(
        (), str(tmp_path / "in"), str(tmp_path / "out"), lambda: lambda texts: ["x\ud83d"]
    )
    assert (tmp_path / "out").read_bytes() == b"x?\n"
