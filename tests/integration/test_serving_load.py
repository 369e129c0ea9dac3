"""The benchmark of load and faults, small: nothing lost, nothing mixed up, all errors clear."""

import argparse
import importlib
import pathlib
import sys

import pytest

from keras_tx.data import sample_reviews
from keras_tx.models import SentimentClassifier
from keras_tx.serving import LoopbackServer
from keras_tx.text import WordTokenizer

BENCHMARKS = pathlib.Path(__file__).resolve().parents[2] / "apps" / "benchmarks"


@pytest.fixture(scope="module")
def serving():
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(BENCHMARKS)
        yield importlib.import_module("serving")
        for name in ("serving", "serving_load", "serving_malformed", "from_apps"):
            sys.modules.pop(name, None)


@pytest.fixture(scope="module")
def setting(serving, tmp_path_factory):
    """What the parts of the benchmark take: model, directory, texts, answers, options."""
    tokenizer = WordTokenizer().fit(sample_reviews().texts)
    model = SentimentClassifier.from_preset("tiny", tokenizer, sequence_length=64)
    directory = str(tmp_path_factory.mktemp("served"))
    serving.export_with_texts(model, directory, "1")
    texts = serving.mixed_texts(60)
    options = argparse.Namespace(requests=1_200, clients=8, batch_size=16, malformed=70)
    return model, directory, texts, model.classify(texts, 64), options


def test_killed_restarted_and_a_new_version(serving, setting):
    row = serving.faults(*setting)
    assert row["requests"] >= 300
    assert (row["lost"], row["mixed up"]) == (0, 0)
    assert "1: " in row["versions"] and "2: " in row["versions"]


def test_a_load_that_is_over_at_once_has_its_row(serving, capsys):
    # So short that the watcher of the memory never wakes.
    load = argparse.Namespace(
        run=lambda events: 0.01,
        errors=[],
        seconds={1: 0.01},
        asked=1,
        problems={"mixed up": 0},
        versions={"1": 1},
    )
    row = serving.measured("short", load, argparse.Namespace(memory=lambda: 7.0))
    assert (row["lost"], row["memory MB"], row["at the end"]) == (0, "7", "7")
    serving.table([])  # Of no malformed requests.
    assert capsys.readouterr().out == ""


def test_malformed_requests(serving, setting):
    rows = serving.malformed(*setting)
    assert sum(row["requests"] for row in rows) == 70 and len(rows) == 35
    assert [row for row in rows if row["not clear"]] == []


def test_a_wrong_answer_is_seen(serving, setting):
    # The check itself is checked: with answers of other texts nothing is right.
    _, directory, texts, expected, _ = setting
    with LoopbackServer(directory, serving.NAME) as server:
        address = server.grpc_address
        right = serving.Load(address, texts, expected, 40, 4)
        right.run()
        assert right.problems["mixed up"] == 0 and len(right.seconds) == 40
        wrong = serving.Load(address, texts, expected[1:] + expected[:1], 40, 4)
        wrong.run()
        assert wrong.problems["mixed up"] > 0
