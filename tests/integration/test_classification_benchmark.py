"""The benchmark of classification, small: the same network in each library, right counts.

And what the benchmark of decoding has in common with it.
"""

import argparse
import importlib
import json
import os
import pathlib
import subprocess
import sys

import numpy as np
import pytest

from keras_tx.data import sample_reviews
from keras_tx.text import WordTokenizer

BENCHMARKS = pathlib.Path(__file__).resolve().parents[2] / "apps" / "benchmarks"
MODULES = (
    "from_apps",  # It makes the path once.
    "decoding",
    "unseen_names",
    "classification",
    "classification_table",
    "classification_encoders",
    "classification_pytorch",
    "classification_training",
)
SIZES = {"num_layers": 2, "embed_dim": 16, "dense_dim": 24, "num_heads": 2, "sequence_length": 12}
IDS = np.array([[5, 6, 7, 8, 9, 3], [8, 3, 0, 0, 0, 0], [4, 4, 4, 3, 0, 0]], "int32")


@pytest.fixture(scope="module")
def benchmark():
    """Imports a module of the benchmark."""
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(BENCHMARKS)
        yield importlib.import_module
        for name in MODULES:
            sys.modules.pop(name, None)


@pytest.fixture(scope="module")
def encoders(benchmark):
    return benchmark("classification_encoders")


@pytest.fixture(scope="module")
def classifier(encoders):
    """Ours, with every weight moved, so that none can stand in another's place unnoticed."""
    tokenizer = WordTokenizer().fit(sample_reviews().texts)
    classifier = encoders.reference_classifier(tokenizer, encoders.Shape(**SIZES))
    generator = np.random.default_rng(0)
    weights = classifier.network.get_weights()
    moved = [array + generator.normal(0, 0.1, array.shape) for array in weights]
    classifier.network.set_weights(moved)
    return classifier


def test_operations_by_hand(encoders):
    shape = encoders.Shape(num_layers=3, embed_dim=2, dense_dim=5, num_heads=1)
    # A token: 4 products of 2 x 2 and 2 of 2 x 5, 36 multiplications; of a text with n
    # tokens, 2 products of n x 2 and 2 x n: 4 n² more. An addition with each, 3 layers.
    assert shape.operations([1]) == 3 * 2 * (36 + 4)
    assert shape.operations([3, 1]) == 3 * 2 * (3 * 36 + 4 * 9 + 36 + 4)


def test_keras_hub_has_the_same_network(encoders, classifier):
    ours = encoders.OurEncoder(classifier)
    theirs = encoders.KerasHubEncoder(classifier, encoders.Shape(**SIZES))
    assert theirs.network.count_params() == ours.network.count_params()
    scores = ours.scores(IDS)
    assert np.ptp(scores, axis=0).min() > 1e-2  # The texts differ, so equal scores say something.
    np.testing.assert_allclose(theirs.scores(IDS), scores, atol=1e-4)


def test_keras_hub_drops_what_ours_drops(encoders, classifier):
    theirs = encoders.KerasHubEncoder(classifier, encoders.Shape(**SIZES)).network
    vectors = np.random.default_rng(0).normal(size=(1, 6, 16)).astype("float32")
    for number in range(SIZES["num_layers"]):
        encoder = theirs.get_layer(f"encoder_{number}")
        attention = encoder._self_attention_layer
        found, plain = (attention(vectors, vectors, training=each) for each in (True, False))
        np.testing.assert_array_equal(found, plain)
        assert encoder._feedforward_dropout.rate == encoders.Shape().dropout


def test_pytorch_has_the_same_network(benchmark, encoders, classifier):
    pytest.importorskip("torch")
    pytorch = benchmark("classification_pytorch")
    theirs = pytorch.PyTorchEncoder(classifier.network, encoders.Shape(**SIZES), "float32")
    scores = encoders.OurEncoder(classifier).scores(IDS)
    np.testing.assert_allclose(theirs.scores(IDS), scores, atol=1e-4)
    assert theirs.network.encoder.use_nested_tensor


def test_one_system_is_measured_from_strings_to_training(benchmark, encoders):
    classification = benchmark("classification")
    texts = sample_reviews().texts[:12]
    arguments = classification.parsed(["--quick", "--tokens-per-batch", "64", "--system", "ours"])
    arguments.shape, arguments.steps = (1, 8, 8, 2), 2
    result = classification.run_encoder(arguments, {"texts": texts, "labels": [0, 1] * 6})
    assert [column for column in classification.COLUMNS if not result[column] > 0] == []
    assert np.shape(result["scores"]) == (12, 2)
    assert result["gigaflops"] > 0


def test_each_turn_of_training_is_compared_to_both_beside_it(benchmark):
    ratios = benchmark("classification_training").ratios
    assert ratios([30.0, 45.0], [10.0, 20.0, 10.0]) == [2.0, 3.0]


def test_the_faster_way_counts_in_each_cell(benchmark):
    columns = benchmark("classification_table").COLUMNS
    slow, fast = {columns[0]: 5.0, columns[3]: 9.0, "gigaflops": 2.0}, {columns[0]: 7.0}
    merged = benchmark("classification_table").faster(slow, fast)
    assert merged == {columns[0]: 7.0, columns[3]: 9.0, "gigaflops": 2.0}
    assert benchmark("classification_table").faster(fast, slow) == fast


def test_table_and_remarks(benchmark):
    classification = benchmark("classification")
    columns = classification.COLUMNS
    theirs = dict(zip(columns, (100, 200, 50, 10_000), strict=True))
    ours = dict(zip(columns, (150, 300, 100, 13_000), strict=True))
    same = {"tokens": 600, "operations": 4e6, "scores": [[0.0, 1.0]]}
    results = {
        "peak": {"peak": 200.0},
        "ours": {**ours, **same, "gigaflops": 120.0},
        "pytorch": {**theirs, **same, "gigaflops": 80.0, "scores": [[0.25, 1.0]]},
    }
    *_, ours_row, pytorch_row = classification.table(results)
    assert ours_row == (
        "| ours | 150 (1.50) | 300 (1.50) | 100 (2.00) | 13,000 (1.30) | 120 | 60% |"
    )
    assert pytorch_row == "| pytorch | 100 | 200 | 50 | 10,000 | 80 | 40% |"
    measured, apart = classification.remarks(results, 2, "float32")
    assert "300 tokens" in measured and "2 MFLOP a review" in measured
    assert apart == "pytorch: scores at most 0.2 from ours, which span 1"


def stubbed_processes(monkeypatch, results):
    """Processes that print a result, or fail where the system has none."""

    def run(command, **options):
        result = results.get(command[command.index("--system") + 1])
        return argparse.Namespace(returncode=0 if result else 1, stdout=json.dumps(result).encode())

    monkeypatch.setattr(subprocess, "run", run)


def test_one_system_that_fails_costs_only_its_row(benchmark, monkeypatch, capsys):
    classification = benchmark("classification")
    monkeypatch.setattr(classification, "write_reviews", lambda arguments, path: None)
    stubbed_processes(monkeypatch, {"peak": {"peak": 200.0}})
    with pytest.raises(SystemExit) as end:
        classification.main(["--systems", "peak,pytorch,scikit-learn"])
    out, err = capsys.readouterr()
    assert end.value.code == 1
    assert "| peak |" in out and "pytorch" not in out
    assert "peak measured" in err and "pytorch failed" in err and "scikit-learn failed" in err


def test_decoding_goes_on_without_its_reference(benchmark, monkeypatch, capsys):
    decoding = benchmark("decoding")
    speeds = {"beam 1, batch 1": 5.0}
    stubbed_processes(
        monkeypatch, {"graph": {"speeds": speeds, "megabytes": 7.0, "translations": {}}}
    )
    with pytest.raises(SystemExit) as end:
        decoding.main(["--systems", "graph,book"])
    out, err = capsys.readouterr()
    assert end.value.code == 1 and "book failed" in err
    assert out.splitlines()[-1].split("|")[1:3] == [" graph ", " 5.0 "]


@pytest.mark.parametrize("name", ["classification", "decoding"])
def test_an_unknown_system_is_refused_at_once(benchmark, capsys, name):
    with pytest.raises(SystemExit) as end:
        benchmark(name).main(["--systems", "book,nosuch"])
    assert end.value.code == 2
    assert "nosuch" in capsys.readouterr().err


def test_a_system_gets_as_many_processors_as_threads(benchmark, monkeypatch):
    given = []
    monkeypatch.setattr(os, "sched_getaffinity", lambda process: {6, 1, 4}, raising=False)
    monkeypatch.setattr(
        os, "sched_setaffinity", lambda process, numbers: given.append(numbers), raising=False
    )
    benchmark("decoding").bind(2)
    assert given == [[1, 4]]


def test_the_sample_sentences_are_counted_too(benchmark):
    arguments = argparse.Namespace(sentences=None, count=3)
    assert len(benchmark("decoding").read_sentences(arguments)) == 3


def test_unseen_names_are_of_none_of_the_training_corpora(benchmark):
    corpora = benchmark("unseen_names").TRAINING_CORPORA
    assert {"tatoeba", "news", "government", "multi30k", "novels", "tales"} <= set(corpora)
