"""`classify`: labels and scores, one line a text, whatever the text."""

import json
import re

import pytest

import keras_tx
from keras_tx.cli.text_lines import CHUNK_LINES

BAD_LINES = [
    b"a good film",
    b"",
    b"   \t ",
    b"nul \0 inside",
    b"\xff\xfe no UTF-8 \xc3(",
    b"word " * 20_000,  # 100,000 characters
    "\U0001f600 \U0001f469\u200d\U0001f467".encode(),
    "line\u2028separator\u0085next\x0bline".encode(),
    b"carriage return\r",
    b"<s> </s> <pad>",
]
LINE = re.compile(r"(negative|positive)\t[01]\.\d{4}")


def test_arguments(models, run):
    result = run("classify", "A good film.", "")
    assert (result.exit_code, result.stderr) == (0, "")
    assert len(result.stdout.splitlines()) == 2
    assert all(LINE.fullmatch(line) for line in result.stdout.splitlines())


def test_bad_lines_give_one_line_each(models, run, tmp_path):
    (tmp_path / "in").write_bytes(b"\n".join(BAD_LINES))
    result = run("classify", "--input", tmp_path / "in", "--output", tmp_path / "out")
    assert (result.exit_code, result.output) == (0, "")
    lines = (tmp_path / "out").read_text().split("\n")
    assert len(lines) == len(BAD_LINES) + 1 and lines.pop() == ""
    assert all(LINE.fullmatch(line) for line in lines)


def test_standard_input_gives_what_the_model_gives(models, run):
    texts = ["dull", "", "a wonderful story \U0001f600"]
    result = run("classify", "--format", "jsonl", input="\n".join(texts).encode())
    found = [json.loads(line) for line in result.stdout.splitlines()]
    expected = keras_tx.load("sentiment_imdb").classify(texts)
    assert [row["label"] for row in found] == [row.label for row in expected]
    for row, other in zip(found, expected, strict=True):
        assert row["score"] == pytest.approx(other.score, abs=1e-5)
        assert row["scores"] == pytest.approx(other.scores, abs=1e-5)


def test_below_the_threshold_the_label_is_empty(models, run):
    texts = [f"film number {number}" for number in range(8)]
    plain = [line.split("\t") for line in run("classify", *texts).stdout.splitlines()]
    limit = sorted(float(score) for _, score in plain)[4]
    result = run("classify", "--threshold", limit - 0.00005, *texts)
    found = [line.split("\t") for line in result.stdout.splitlines()]
    assert [score for _, score in found] == [score for _, score in plain]
    for (label, score), (expected, _) in zip(found, plain, strict=True):
        assert label == ("" if float(score) < limit else expected)
    rows = run("classify", "--threshold", 1, "--format", "jsonl", texts[0]).stdout
    assert json.loads(rows)["label"] == "" and json.loads(rows)["score"] < 1


def test_more_lines_than_a_chunk_stay_in_order(models, run):
    texts = [f"film number {number}" for number in range(CHUNK_LINES + 5)]
    many = run("classify", "--batch-size", 256, input="\n".join(texts).encode())
    few = run("classify", *texts[-6:])
    assert len(many.stdout.splitlines()) == len(texts)
    assert many.stdout.splitlines()[-6:] == few.stdout.splitlines()


def test_no_input_gives_no_output(models, run):
    result = run("classify", input=b"")
    assert (result.exit_code, result.output) == (0, "")


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["--input", "file", "text"], 2, "either TEXT or --input. Received: 1 TEXT and --input"),
        (["--input", "no such file"], 1, "Received: 'no such file' (No such file or directory)"),
        (["--input", "."], 1, "Received: '.' (Is a directory)"),
        (["--model", "no such model", "x"], 1, "Received: 'no such model'"),
        (["--model", "translator_en_fr", "x"], 1, "expected a TextClassifier. Received"),
        (["--format", "xml", "x"], 2, "'xml' is not one of"),
        (["--batch-size", "0", "x"], 2, "0 is not in the range"),
        (["--threshold", "1.5", "x"], 2, "1.5 is not in the range"),
        (["--threshold", "nan", "x"], 2, "expected a number. Received: nan"),
        (["--threshold", "0.9", "--explain", "x"], 2, "--explain or --threshold. Received: both"),
        (["--no-such-option", "x"], 2, "No such option"),
        (["--output", "no/such/folder/out", "x"], 1, "--output in an existing folder. Received"),
    ],
)
def test_errors_are_one_line(models, run, arguments, code, message):
    result = run("classify", *arguments)
    assert (result.exit_code, result.stdout) == (code, "")
    assert message in result.stderr and result.stderr.count("\n") == 1


@pytest.mark.parametrize("content", [b"", b"no archive", b"PK\x03\x04 cut short"])
def test_a_damaged_model_is_told(models, run, tmp_path, content):
    (tmp_path / "x.keras").write_bytes(content)
    result = run("classify", "--model", tmp_path / "x.keras", "x")
    assert result.exit_code == 1
    assert result.stderr.startswith("Error: expected a .keras file")
    assert "x.keras" in result.stderr and result.stderr.count("\n") == 1


def test_a_cut_model_is_told(models, run, tmp_path):
    whole = (models / "sentiment_imdb" / "sentiment_imdb.keras").read_bytes()
    # The archive's table of contents stands at the end: this one is there, and damaged bytes.
    damaged = whole[:2000] + bytes(len(whole) // 2) + whole[2000 + len(whole) // 2 :]
    (tmp_path / "x.keras").write_bytes(damaged)
    result = run("classify", "--model", tmp_path / "x.keras", "--output", tmp_path / "out", "x")
    assert result.exit_code == 1
    assert result.stderr.startswith("Error: expected") and result.stderr.count("\n") == 1
    assert not (tmp_path / "out").exists()


def test_nothing_is_no_separator(run):
    result = run("classify", "--separator", "", "good")
    assert (result.exit_code, result.stdout) == (2, "")
    assert "one or more characters for --separator. Received: ''" in result.stderr
