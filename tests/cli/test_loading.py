"""TensorFlow's start is silent, and models are of the kind that the command needs."""

import json
import os
import subprocess
import sys

import pytest

from keras_tx.cli.loading import load_model, quiet_standard_error, start_tensorflow
from keras_tx.data import sample_reviews
from keras_tx.models import SentimentClassifier, Translator


def test_standard_error_is_quiet_only_inside(capfd):
    with quiet_standard_error():
        os.write(2, b"inside")
    os.write(2, b"outside")
    assert capfd.readouterr().err == "outside"


def test_standard_error_comes_back_after_an_error(capfd):
    with pytest.raises(ValueError, match="inside"), quiet_standard_error():
        raise ValueError("inside")
    os.write(2, b"outside")
    assert capfd.readouterr().err == "outside"


@pytest.mark.parametrize(("asked", "given", "expected"), [
    (True, None, "1"), (False, None, "0"), (None, None, None), (False, "1", "1"),
])  # fmt: skip
def test_kernels_are_what_the_command_asks_for_unless_the_user_has_said(
    monkeypatch, asked, given, expected
):
    monkeypatch.setenv("TF_ENABLE_ONEDNN_OPTS", given or "")
    if given is None:
        monkeypatch.delenv("TF_ENABLE_ONEDNN_OPTS")
    start_tensorflow(onednn=asked)
    assert os.environ.get("TF_ENABLE_ONEDNN_OPTS") == expected


STARTED = """
import os, keras_tx.cli.loading as loading
loading.start_tensorflow({arguments})
from keras_tx.models.workers import worker_count
print(os.environ.get("TF_NUM_INTRAOP_THREADS"), worker_count() == len(os.sched_getaffinity(0)))
"""


@pytest.mark.parametrize(("arguments", "given", "expected"), [
    ("side_by_side=True", None, "1 True"), ("side_by_side=True", "1000", "1000 False"),
    ("onednn=True", "1", "1 True"),
])  # fmt: skip
def test_a_thread_for_each_batch_unless_the_user_has_said(arguments, given, expected):
    environment = {name: value for name, value in os.environ.items() if "NUM_INTRA" not in name}
    if given:
        environment["TF_NUM_INTRAOP_THREADS"] = given
    if len(os.sched_getaffinity(0)) == 1:
        expected = expected.replace("False", "True")
    # As the command line starts: `import keras_tx` brings in the models at once otherwise.
    code = f"import sys; sys.orig_argv[1:3] = ['-m', 'keras_tx']; {STARTED}"
    command = [sys.executable, "-c", code.format(arguments=arguments)]
    process = subprocess.run(command, env=environment, capture_output=True, text=True)
    assert process.stdout.split("\n")[0] == expected, process.stderr[-300:]


def test_kinds(models):
    assert isinstance(load_model("sentiment_imdb"), SentimentClassifier)
    assert isinstance(load_model("translator_en_fr", "Translator"), Translator)
    with pytest.raises(ValueError, match="expected a Translator.*which holds a SentimentClass"):
        load_model("sentiment_imdb", "Translator")


KERNELS = """
import os, keras_tx.cli.loading as loading
model = loading.load_model({arguments})
kinds = {{weight.dtype for weight in model.network.weights}}
settings = ("TF_ENABLE_ONEDNN_OPTS", "TF_ONEDNN_ASSUME_FROZEN_WEIGHTS")
print(*map(os.environ.get, settings), "bfloat16" in kinds)
"""


@pytest.mark.parametrize(("arguments", "expected"), [
    ("'translator_en_fr', 'Translator'", "0 None False"),
    ("'translator_en_fr', 'Translator', 'bfloat16'", "1 1 True"),
    ("'sentiment_imdb', precision='bfloat16'", "1 1 True"),
])  # fmt: skip
def test_kernels_follow_the_precision(models, arguments, expected):
    environment = {name: value for name, value in os.environ.items() if "ONEDNN" not in name}
    code = f"import sys; sys.orig_argv[1:3] = ['-m', 'keras_tx']; {KERNELS}"
    command = [sys.executable, "-c", code.format(arguments=arguments)]
    process = subprocess.run(command, env=environment, capture_output=True, text=True)
    assert process.stdout.split("\n")[0] == expected, process.stderr[-300:]


@pytest.mark.parametrize("command", ["classify", "translate"])
def test_precision_of_a_command(models, run, command):
    whole, rounded = (
        run(command, *options, "--format", "jsonl", "A dog.")
        for options in ((), ("--precision", "bfloat16"))
    )
    assert (rounded.exit_code, rounded.stderr) == (0, "")
    found = [json.loads(result.stdout)["score"] for result in (whole, rounded)]
    assert found[0] != found[1] and abs(found[0] - found[1]) < 0.1 * max(1, abs(found[0]))
    result = run(command, "--precision", "float16", "A dog.")
    assert (
        result.exit_code == 2 and "'float16' is not one of 'float32', 'bfloat16'" in result.stderr
    )


def test_precision_of_an_evaluation(models, run, tmp_path):
    rows = [f"{text}\t{('negative', 'positive')[label]}" for text, label in zip(
        sample_reviews().texts, sample_reviews().labels, strict=True)]  # fmt: skip
    (tmp_path / "x.tsv").write_text("\n".join(["text\tlabel", *rows]), encoding="utf-8")
    arguments = ("evaluate", "--model", "sentiment_imdb", "--data", tmp_path / "x.tsv")
    whole, rounded = (
        json.loads(run(*arguments, *options).stdout)
        for options in ((), ("--precision", "bfloat16"))
    )
    assert whole != rounded and whole["count"] == rounded["count"] == len(rows)
