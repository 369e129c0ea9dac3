"""`train`: models that the other commands take; stops, refusals, wrong data."""

import json
import zipfile

import h5py
import pytest

import keras_tx
from keras_tx.cli.train import training_options
from keras_tx.models import CLASSIFIER_PRESETS, TRANSLATOR_PRESETS, SentimentClassifier

QUICK = ("--epochs", 1, "--vocabulary-size", 400)


def test_a_classifier_from_the_sample(run, tmp_path):
    output = tmp_path / "reviews"
    result = run("train", "sentiment", "--output", output, *QUICK)
    assert result.exit_code == 0, result.output
    assert result.stderr.startswith("No --data: training on the sample reviews")
    assert "round 1: " in result.stderr and "val_accuracy" in result.stderr
    metrics = json.loads(result.stdout)
    assert metrics["count"] == 40 and metrics == json.loads((output / "metrics.json").read_text())
    assert isinstance(keras_tx.load(output), SentimentClassifier)
    answer = run("classify", "--model", output, "A wonderful film.")
    assert answer.exit_code == 0 and answer.stdout.count("\n") == 1
    again = run("train", "sentiment", "--output", output, *QUICK)
    assert (again.exit_code, again.stdout) == (1, "")
    assert "which holds the model reviews.keras" in again.stderr


def test_any_labels(run, tmp_path):
    rows = [
        f"{label},a text about {label} {n}" for n in range(6) for label in ("art", "law", "war")
    ]
    (tmp_path / "x.csv").write_text("\n".join(["label,text", *rows]))
    arguments = ("--data", tmp_path / "x.csv", "--preset", "tiny", "--output", tmp_path / "topics")
    # No time to learn anything: the labels are what is looked at.
    result = run("train", "sentiment", *arguments, "--max-minutes", 1e-9, "--vocabulary-size", 280)
    assert result.exit_code == 0, result.output
    assert keras_tx.load(tmp_path / "topics").labels == ("art", "law", "war")


def test_a_translator_learns_and_goes_on_after_a_stop(run, tmp_path):
    pairs = [("a dog", "un chien"), ("a cat", "un chat"), ("the dog", "le chien")] * 10
    for language, lines in zip(("en", "de"), zip(*pairs, strict=True), strict=True):
        (tmp_path / f"x.{language}").write_text("\n".join(lines) + "\n")
    (tmp_path / "dev.tsv").write_text("a cat\tun chat\na dog\tun chien\n")
    output = tmp_path / "en_de"
    arguments = (
        *("train", "translator", "--train", tmp_path / "x", "--dev", tmp_path / "dev.tsv"),
        *("--target-language", "de", "--output", output, "--preset", "tiny"),
        *("--vocabulary-size", 280),
    )
    # `--resume` where there is nothing yet just starts.
    first = run(*arguments, "--epochs", 30, "--resume", "--max-minutes", 1e-6)
    assert first.exit_code == 0, first.output
    assert (output / "tokenizer" / "sentencepiece.model").is_file()
    assert run(*arguments, "--epochs", 30).exit_code == 1
    second = run(*arguments, "--epochs", 30, "--resume")
    assert second.exit_code == 0, second.output
    metrics = json.loads(second.stdout)
    assert (metrics["count"], metrics["chrf"]) == (2, 100.0)
    assert keras_tx.load(output).target_language == "de"
    with zipfile.ZipFile(output / "en_de.keras") as archive:
        with archive.open("model.weights.h5") as file, h5py.File(file, "r") as weights:
            names: list[str] = []
            weights.visit(names.append)
    assert any("decoder" in name for name in names)
    assert not [name for name in names if "optimizer" in name]


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["sentiment", "--data", "missing"], 1, "which does not exist"),
        (["sentiment", "--data", ""], 1, "Expected a file or a folder. Received: path=''"),
        (["sentiment", "--data", "file.txt"], 1, "Expected a .csv or .tsv table, a tar archive"),
        (["sentiment", "--data", "one.csv"], 1, "two or more labels in --data. Received: ['x']"),
        (["sentiment", "--data", "cut.tar.gz"], 1, "cut.tar.gz"),
        (["sentiment", "--preset", "huge"], 1, "Received: preset='huge'"),
        (["sentiment", "--epochs", "0"], 2, "0 is not in the range"),
        (["sentiment", "--vocabulary-size", "3"], 1, "Received: vocabulary_size=3"),
        (["sentiment", "--dev", "one.csv"], 2, "expected --data with --dev"),
        (["translator", "--preset", "book"], 1, "Received: preset='book'"),
        (["translator", "--train", "missing"], 1, "which is no file"),
        (["translator", "--train", "file.txt"], 1, "Expected two columns"),
        (["translator", "--train", "uneven"], 1, "Expected as many lines in both files"),
        (["translator", "--source-language", "de"], 2, "Received: de and fr"),
        (["translator", "--max-minutes", "nan"], 2, "expected a number. Received: nan"),
        (["translator", "--max-minutes", "0"], 2, "0.0 is not in the range"),
        (["translator", "--precision", "int8"], 2, "'int8' is not one of"),
    ],
)
def test_errors_are_one_line(run, tmp_path, monkeypatch, arguments, code, message):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "file.txt").write_text("one column\n")
    (tmp_path / "one.csv").write_text("text,label\n" + "".join(f"a {n},x\n" for n in range(20)))
    (tmp_path / "cut.tar.gz").write_bytes(b"\x1f\x8b\x08 cut short")
    (tmp_path / "uneven.en").write_text("a\nb\n")
    (tmp_path / "uneven.fr").write_text("a\n")
    result = run("train", *arguments, "--output", "out")
    assert (result.exit_code, result.stdout) == (code, "")
    *_, line = result.stderr.splitlines()
    assert line.startswith("Error: ") and message in line
    assert not list(tmp_path.rglob("*.keras"))


def test_the_help_names_every_preset():
    for presets, names in (
        (CLASSIFIER_PRESETS, "tiny, small or book"),
        (TRANSLATOR_PRESETS, "tiny, small or base"),
    ):
        command = training_options(names)(lambda: None)
        (option,) = [one for one in command.__click_params__ if one.name == "preset"]
        assert all(name in option.help for name in presets)
