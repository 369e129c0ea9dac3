"""`translate`: one line a text, through the same function as in Python; and as a process."""

import subprocess
import sys

import pytest

import keras_tx

TEXTS = [
    "The cat is sleeping.",
    "",
    "nul \0 inside",
    "\U0001f600 \u2028 separators \u0085",
    "word " * 20_000,
    "last",
]


def test_one_line_for_each_line(models, run):
    result = run("translate", input="\r\n".join(TEXTS).encode())
    assert (result.exit_code, result.stderr) == (0, "")
    lines = result.stdout_bytes.decode().split("\n")
    assert len(lines) == len(TEXTS) + 1 and lines.pop() == ""
    expected = keras_tx.load("translator_en_fr").translate(TEXTS)
    ends_to_spaces = str.maketrans("\r\n", "  ")
    assert lines == [text.translate(ends_to_spaces) for text in expected]
    assert lines[1] == ""


def test_line_ends_inside_a_translation_become_spaces(models, run, monkeypatch):
    from keras_tx.models import Translator

    def three_lines(self, texts, batch_size):
        return ["un\ndeux\r\ntrois"] * len(texts)

    # A trained model seldom writes one: this one thing is put there.
    monkeypatch.setattr(Translator, "translate", three_lines)
    assert run("translate", "one", "two").stdout == "un deux trois\n" * 2


def test_arguments_that_are_not_utf_8(models, run):
    result = run("translate", "caf\udce9", "--batch-size", 1)
    assert (result.exit_code, result.stderr) == (0, "")
    assert result.stdout_bytes.decode("utf-8").count("\n") == 1


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--model", "sentiment_imdb", "x"], "expected a Translator. Received: --model"),
        (["--model", "nothing", "x"], "['sentiment_imdb', 'translator_en_fr']. Received"),
    ],
)
def test_errors_are_one_line(models, run, arguments, message):
    result = run("translate", *arguments)
    assert (result.exit_code, result.stdout) == (1, "")
    assert message in result.stderr and result.stderr.count("\n") == 1


def test_as_a_process(models, run_process):
    # The locale is not UTF-8, standard error says nothing.
    process = run_process(
        "translate",
        input="one\n\ntwo \U0001f600".encode(),
        environment={"LC_ALL": "C", "PYTHONIOENCODING": "ascii"},
    )
    assert (process.returncode, process.stderr) == (0, b"")
    assert len(process.stdout.decode("utf-8").split("\n")) == 4


def test_a_pipe_whose_reader_left(models, tmp_path):
    command = [sys.executable, "-m", "keras_tx", "classify"]
    (tmp_path / "in").write_bytes(b"a film\n" * 20_000)
    with open(tmp_path / "in", "rb") as lines:
        process = subprocess.Popen(
            command, stdin=lines, stdout=subprocess.PIPE, stderr=subprocess.PIPE
        )
    assert process.stdout.readline().startswith((b"negative\t", b"positive\t"))
    process.stdout.close()
    assert process.stderr.read() == b""
    assert process.wait() == 141


@pytest.mark.skipif(sys.platform != "linux", reason="needs /dev/full")
def test_a_full_disk(models, run_process):
    with open("/dev/full", "wb") as full:
        process = run_process(
            "translate", "x", stdout=full, stderr=subprocess.PIPE, capture_output=False
        )
    assert process.returncode == 1
    assert process.stderr.startswith(b"Error: ") and process.stderr.count(b"\n") == 1
    assert b"No space left on device" in process.stderr
