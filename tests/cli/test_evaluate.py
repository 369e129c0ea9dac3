"""`evaluate`: one JSON object."""

import json
import sys

import pytest

from keras_tx.models import Translator


@pytest.fixture
def table(tmp_path):
    path = tmp_path / "reviews.csv"
    path.write_text("text,label\nGood film.,positive\nBad film.,negative\nGood.,positive\n")
    return path


def test_a_classifier_on_a_table(models, run, table):
    result = run("evaluate", "--model", "sentiment_imdb", "--data", table)
    scores = json.loads(result.stdout)
    assert (result.exit_code, result.stderr, scores["count"]) == (0, "", 3)
    assert {"accuracy", "f1", "roc_auc", "calibration_error"} <= set(scores)
    assert sum(map(sum, scores["confusion_matrix"])) == 3
    numbers = table.with_name("numbers.csv")
    numbers.write_text("text,label\nGood film.,1\nBad film.,0\nGood.,1\n")
    again = run("evaluate", "--model", "sentiment_imdb", "--data", numbers)
    assert json.loads(again.stdout) == scores


def test_a_table_may_lack_a_label(models, run, tmp_path):
    (tmp_path / "x.tsv").write_text("opinion\ttext\npositive\tGood.\n")
    arguments = ("--data", tmp_path / "x.tsv", "--label-column", "opinion")
    result = run("evaluate", "--model", "sentiment_imdb", *arguments)
    assert json.loads(result.stdout)["count"] == 1


def test_the_splits_of_the_reviews(models, run, tmp_path):
    for split, count in (("train", 2), ("test", 1)):
        for label in ("pos", "neg"):
            folder = tmp_path / "aclImdb" / split / label
            folder.mkdir(parents=True)
            for number in range(count):
                (folder / f"{number}_1.txt").write_text("A film.")
    for options, count in (((), 2), (("--split", "train"), 4)):
        result = run("evaluate", "--model", "sentiment_imdb", "--data", tmp_path, *options)
        assert json.loads(result.stdout)["count"] == count


def test_a_translator_on_pairs(models, run, tmp_path):
    (tmp_path / "x.en").write_text("A dog.\nA cat.\n")
    (tmp_path / "x.fr").write_text("Un chien.\nUn chat.\n")
    result = run("evaluate", "--model", "translator_en_fr", "--data", tmp_path / "x")
    scores = json.loads(result.stdout)
    assert (result.exit_code, result.stderr, scores["count"]) == (0, "", 2)
    assert "version:" in scores["bleu_signature"] and 0 <= scores["chrf"] <= 100


def test_a_translator_by_the_papers_protocol(models, run, tmp_path):
    pytest.importorskip("sacremoses")
    (tmp_path / "x.tsv").write_text("A dog.\tUn chien.\n")
    arguments = ("--data", tmp_path / "x.tsv", "--protocol", "moses_lowercased")
    result = run("evaluate", "--model", "translator_en_fr", *arguments)
    assert (result.exit_code, result.stderr) == (0, "")
    assert "tok:none" in json.loads(result.stdout)["bleu_signature"]


def test_a_protocol_without_its_package(models, run, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "sacremoses", None)  # what an absent package looks like

    def translate(*arguments, **options):  # It must not begin.
        raise AssertionError

    monkeypatch.setattr(Translator, "translate", translate)
    (tmp_path / "x.tsv").write_text("A dog.\tUn chien.\n")
    arguments = ("--data", tmp_path / "x.tsv", "--protocol", "moses_lowercased")
    result = run("evaluate", "--model", "translator_en_fr", *arguments)
    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr.startswith("Error: the protocol 'moses_lowercased' expected the package")
    assert result.stderr.count("\n") == 1


@pytest.mark.parametrize(
    ("model", "name", "content", "message"),
    [
        ("sentiment_imdb", "missing.csv", None, "which does not exist"),
        ("sentiment_imdb", "x.csv", b"", "with no examples"),
        ("sentiment_imdb", "x.csv", b"a,b\n1,2\n", "Expected one column 'text'"),
        ("sentiment_imdb", "x.csv", b"text,label\nGood.,fine\n", "line 2, with 'fine'"),
        ("sentiment_imdb", "x.csv", b"text,label\nG\0od.,positive\n", "with the byte 0x00"),
        ("sentiment_imdb", "x.csv", b"text,label\nG\xff,positive\n", "with the byte 0xff"),
        ("sentiment_imdb", "x.csv.gz", b"no gzip", "corrupt or cut short"),
        ("sentiment_imdb", "x.tar.gz", b"\x1f\x8b no archive", "x.tar.gz"),
        ("translator_en_fr", "x.tsv", b"one column\n", "Expected two columns"),
        ("translator_en_fr", "x.zip", b"PK no archive", "x.zip"),
        ("translator_en_fr", "missing", None, "which is no file"),
    ],
)
def test_errors_are_one_line(models, run, tmp_path, model, name, content, message):
    if content is not None:
        (tmp_path / name).write_bytes(content)
    result = run("evaluate", "--model", model, "--data", tmp_path / name)
    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr.startswith("Error: ") and result.stderr.count("\n") == 1
    assert message in result.stderr and "Received: " in result.stderr


def test_another_kind_of_labels(models, run, tmp_path):
    for name in ("sport", "art"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "1.txt").write_text("A text.")
    result = run("evaluate", "--model", "sentiment_imdb", "--data", tmp_path)
    assert (result.exit_code, result.stdout) == (1, "")
    assert "Received: ['art', 'sport']" in result.stderr
