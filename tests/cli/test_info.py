"""`info`: what a model is."""

import dataclasses
import json

import keras

import keras_tx
from keras_tx.models import Backbone, RegionBackbone


def test_a_classifier(models, run):
    result = run("info", "sentiment_imdb")
    facts = json.loads(result.stdout)
    file = models / "sentiment_imdb" / "sentiment_imdb.keras"
    assert (result.exit_code, result.stderr) == (0, "")
    assert facts["kind"] == "SentimentClassifier"
    assert facts["labels"] == ["negative", "positive"]
    assert (facts["path"], facts["file_bytes"]) == (str(file), file.stat().st_size)
    assert facts["keras_version"] == keras.__version__
    network = keras_tx.load("sentiment_imdb").network
    assert facts["parameters"] == sum(int(keras.ops.size(weight)) for weight in network.weights)


def test_a_translator(models, run):
    facts = json.loads(run("info", models / "translator_en_fr").stdout)
    assert (facts["source_language"], facts["target_language"]) == ("en", "fr")
    assert facts["tokenizers"] == [{"kind": "SentencePieceTokenizer", "vocabulary_size": 400}]
    decoding = keras_tx.load("translator_en_fr").decoding
    assert facts["decoding"] == dataclasses.asdict(decoding)
    assert facts["decoding"]["beam_size"] == decoding.beam_size
    assert facts["sequence_length"] == 16 and facts["network"]["embed_dim"] == 64


def test_a_backbone(models, run, tmp_path):
    tokenizer = keras_tx.load("translator_en_fr").tokenizer
    for kind in (Backbone, RegionBackbone):
        kind(tokenizer, embed_dim=8).save(tmp_path / "x.keras")
        result = run("info", tmp_path / "x.keras")
        assert (result.exit_code, result.stderr) == (0, "")
        facts = json.loads(result.stdout)
        assert facts["kind"] == kind.__name__ and "labels" not in facts
        (tmp_path / "x.csv").write_text("text,label\nGood.,positive\n")
        arguments = ("--model", tmp_path / "x.keras", "--data", tmp_path / "x.csv")
        result = run("evaluate", *arguments)
        expected = "expected a classifier or a translator. Received: a model that is a"
        assert (result.exit_code, result.stdout) == (1, "")
        assert result.stderr == f"Error: {expected} {kind.__name__}\n"


def test_no_model(models, run, tmp_path):
    result = run("info", tmp_path)
    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr.startswith("Error: expected a .keras file or one of the models")
