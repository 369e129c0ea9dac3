"""`train classifier`, `train sentiment`: models that the other commands take."""

import json

import pytest

import keras_tx
from keras_tx.models import RegionBackbone, SentimentClassifier

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


def test_several_labels_in_a_cell(run, tmp_path):
    rows = [f"{n},{'art;' * (n % 2)}{'law' * (n % 3 == 0)},about {n}" for n in range(60)]
    (tmp_path / "x.csv").write_text("\n".join(["id,topics,body", *rows]))
    output = tmp_path / "topics"
    result = run(
        *("train", "classifier", "--data", tmp_path / "x.csv", "--multi-label"),
        *("--separator", ";", "--text-column", "body", "--label-column", "topics"),
        *("--class-weights", "balanced", "--preset", "tiny", "--output", output),
        *("--epochs", 1, "--vocabulary-size", 280),
    )
    assert result.exit_code == 0, result.output
    metrics = json.loads(result.stdout)
    assert metrics["count"] == 6 and set(metrics["confusion_matrix"]) == {"art", "law"}
    model = keras_tx.load(output)
    assert model.labels == ("art", "law") and model.multi_label
    (line,) = run("classify", "--model", output, "--threshold", 0, "about 3").stdout.splitlines()
    labels, scores = line.split("\t")
    assert sorted(labels.split("|")) == ["art", "law"] and len(scores.split("|")) == 2
    first, second = map(float, scores.split("|"))
    assert first >= second
    lines = run("classify", "--model", output, "--threshold", 1, "--format", "jsonl", "a").stdout
    assert json.loads(lines)["labels"] == [] and json.loads(lines)["label"] == ""
    arguments = ("--text-column", "body", "--label-column", "topics", "--separator", ";")
    again = run("evaluate", "--model", output, "--data", tmp_path / "x.csv", *arguments)
    assert json.loads(again.stdout)["count"] == 60


def test_class_weights_by_name(run, tmp_path):
    rows = [f"{'=art' if n % 4 else 'law'}\tabout {n}" for n in range(40)]
    (tmp_path / "x.tsv").write_text("\n".join(["label\ttext", *rows]))
    arguments = ("--data", tmp_path / "x.tsv", "--preset", "tiny", "--output", tmp_path / "topics")
    weights = ("--class-weights", "law=9", "--class-weights", "=art=0.1")
    quick = ("--epochs", 1, "--vocabulary-size", 280)
    result = run("train", "classifier", *arguments, *weights, *quick)
    assert result.exit_code == 0, result.output
    # Nothing but the weights tells the labels apart: they decide.
    assert json.loads(result.stdout)["confusion_matrix"] == [[0, 3], [0, 1]]


def test_it_begins_with_a_classifier(run, models, tmp_path):
    rows = [f"{label},{label} number {n}" for n in range(12) for label in ("art", "law", "war")]
    (tmp_path / "x.csv").write_text("\n".join(["label,text", *rows]))
    arguments = ("--data", tmp_path / "x.csv", "--output", tmp_path / "topics")
    begun = ("--backbone", "sentiment_imdb")
    result = run("train", "classifier", *arguments, *begun, "--max-minutes", 1e-9)
    assert result.exit_code == 0, result.output
    model, backbone = keras_tx.load(tmp_path / "topics"), keras_tx.load(models / "sentiment_imdb")
    assert model.labels == ("art", "law", "war")
    assert model.tokenizer.vocabulary == backbone.tokenizer.vocabulary
    RegionBackbone(backbone.tokenizer, embed_dim=8).save(tmp_path / "regions.keras")
    arguments = ("--data", tmp_path / "x.csv", "--output", tmp_path / "regional")
    regions = ("--backbone", tmp_path / "regions.keras")
    result = run("train", "classifier", *arguments, *regions, "--max-minutes", 1e-9)
    assert result.exit_code == 0, result.output
    encoder = keras_tx.load(tmp_path / "regional").network.get_layer("encoder").encoder
    assert encoder.settings["token_dropout"] == 0.1  # As the command line has it for few texts.
    arguments = ("--data", tmp_path / "x.csv", "--output", tmp_path / "other")
    result = run("train", "classifier", *arguments, *begun, "--preset", "tiny")
    assert (result.exit_code, result.stdout) == (2, "")
    assert "expected --preset or --backbone, which has its own. Received: both" in result.stderr
    result = run("train", "classifier", *arguments, "--backbone", "translator_en_fr")
    assert (result.exit_code, result.stdout) == (1, "") and not (tmp_path / "other").exists()
    assert "which holds a Translator" in result.stderr


def test_texts_without_labels_and_a_shift_count(run, tmp_path):
    rows = [f"{label},{label} number {n}" for n in range(12) for label in ("art", "law")]
    (tmp_path / "x.csv").write_text("\n".join(["label,body", *rows]))
    (tmp_path / "others.csv").write_text("body\nabout law and art\nsomething, else\n", "utf-8")
    (tmp_path / "others.txt").write_text("about law and art\n\nanother one\n", "utf-8")
    data = ("--data", tmp_path / "x.csv", "--text-column", "body", "--preset", "tiny")
    quick = ("--epochs", 1, "--vocabulary-size", 300)

    def weights(name, *options):
        result = run("train", "classifier", *data, *quick, "--output", tmp_path / name, *options)
        assert result.exit_code == 0, result.output
        return keras_tx.load(tmp_path / name).network.get_layer("embedding").get_weights()[0]

    others = ("--unlabelled", tmp_path / "others.txt")
    # The shift is 5 in both: what differs is what else was learned from.
    assert (weights("alone", "--adversarial-shift", 5) != weights("others", *others)).any()
    bad = ("--output", tmp_path / "bad")
    result = run("train", "classifier", *data, "--adversarial-shift", "inf", *bad)
    assert (result.exit_code, result.stdout) == (1, "") and not (tmp_path / "bad").exists()
    assert "shift expected a positive number. Received: shift=inf" in result.stderr
    # A row that is no row of two fields is told before anything is written.
    result = run("train", "classifier", *data, "--unlabelled", tmp_path / "others.csv", *bad)
    assert (result.exit_code, result.stdout) == (1, "") and not (tmp_path / "bad").exists()
    assert "others.csv, line 3, with 2" in result.stderr
    result = run("train", "classifier", *data, *others, "--multi-label", *bad)
    assert (result.exit_code, result.stdout) == (2, "")
    assert "expected --unlabelled or --multi-label. Received: both" in result.stderr


def test_other_labels_do_not_go_on(run, tmp_path):
    for name, labels in (("a.csv", ("art", "law")), ("b.csv", ("zoo", "law"))):
        rows = [f"{label},number {n}{label[1]}" for n in range(9) for label in labels]
        (tmp_path / name).write_text("\n".join(["label,text", *rows]))
    arguments = ("train", "classifier", "--preset", "tiny", "--output", tmp_path / "out")
    assert run(*arguments, *QUICK, "--data", tmp_path / "a.csv").exit_code == 0
    result = run(*arguments, *QUICK, "--data", tmp_path / "b.csv", "--resume")
    assert (result.exit_code, result.stdout) == (1, "")
    assert "the labels of the stopped training: ['art', 'law']. Received: ['law'" in result.stderr
    assert result.stderr.count("\n") == 1


def test_other_tokens_or_weights_do_not_go_on(run, tmp_path):
    for name in ("one", "two"):
        rows = [f"{label},{name} {n}{label[1]}" for n in range(9) for label in ("art", "law")]
        (tmp_path / f"{name}.csv").write_text("\n".join(["label,text", *rows]))
        arguments = ("--data", tmp_path / f"{name}.csv", *QUICK, "--output", tmp_path / name)
        assert run("train", "classifier", "--preset", "tiny", *arguments).exit_code == 0
    begin = ("train", "classifier", "--data", tmp_path / "one.csv", "--output", tmp_path / "out")
    begun = ("--backbone", tmp_path / "one", "--epochs", 1, "--class-weights", "art=5")
    assert run(*begin, *begun, "--class-weights", "law=1").exit_code == 0
    for change, named in (
        (("--backbone", tmp_path / "two", *begun[2:], "--class-weights", "law=1"), "backbone"),
        (begun[:4], "class weights of the stopped training: {'art': 5.0, 'law': 1.0}. Received: N"),
    ):
        result = run(*begin, *change, "--resume")
        assert (result.exit_code, result.stdout) == (1, "") and named in result.stderr


@pytest.mark.parametrize("separator", ["", None])
def test_an_empty_separator(run, tmp_path, separator):
    rows = [f"{label},number {n}" for n, label in enumerate(["a|b", "b", "a", ""] * 3)]
    (tmp_path / "a.csv").write_text("\n".join(["label,text", *rows]))
    arguments = ("train", "classifier", "--multi-label", "--data", tmp_path / "a.csv", *QUICK)
    more = () if separator is None else ("--separator", separator)
    result = run(*arguments, "--output", tmp_path / "out", *more)
    if separator is None:
        assert result.exit_code == 0, result.stderr
    else:
        assert (result.exit_code, result.stdout) == (1, "")
        assert "separator expected one or more characters" in result.stderr
