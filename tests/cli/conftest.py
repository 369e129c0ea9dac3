"""Real models with random weights: what the commands do with text does not hang on quality."""

from __future__ import annotations

import functools
import os
import subprocess
import sys

import keras
import pytest
from click.testing import CliRunner

import keras_tx.models
from keras_tx.cli.main import main
from keras_tx.data import sample_pairs, sample_reviews
from keras_tx.models import SentimentClassifier, Translator
from keras_tx.models.loading import find_model, load
from keras_tx.text import SentencePieceTokenizer


@functools.cache
def load_version(path, changed, size, precision):
    return load(path, precision)


def load_once(name_or_path, precision=None):
    path = find_model(name_or_path)
    status = path.stat()
    return load_version(path, status.st_mtime_ns, status.st_size, precision)


@pytest.fixture(scope="module", autouse=True)
def loaded_once():
    """Lets commands on the same file share one model: to load it and to trace its graph takes
    seconds. That each process loads it by itself is shown by the tests with processes."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(keras_tx.models, "load", load_once)
        yield


@pytest.fixture(scope="session")
def models(tmp_path_factory):
    """A folder with the models `sentiment_imdb` and `translator_en_fr`."""
    keras.utils.set_random_seed(0)
    folder = tmp_path_factory.mktemp("saved_models")
    pairs = sample_pairs()
    tokenizer = SentencePieceTokenizer("bpe", 400).fit(
        [*pairs.sources, *pairs.targets, *sample_reviews().texts]
    )
    classifier = SentimentClassifier.from_preset("tiny", tokenizer)
    classifier.save(folder / "sentiment_imdb" / "sentiment_imdb.keras")
    # Short translations: random weights seldom end one.
    translator = Translator.from_preset("tiny", tokenizer, sequence_length=16)
    translator.save(folder / "translator_en_fr" / "translator_en_fr.keras")
    return folder


@pytest.fixture(autouse=True)
def shipped(request, monkeypatch):
    """Lets the names of shipped models stand for these."""
    if "models" in request.fixturenames:
        monkeypatch.setenv("KERAS_TX_MODELS", str(request.getfixturevalue("models")))


@pytest.fixture
def run():
    """Runs a command line in this process; gives `exit_code`, `stdout`, `stderr`."""

    def run_command(*arguments, **options):
        return CliRunner().invoke(main, [str(argument) for argument in arguments], **options)

    return run_command


@pytest.fixture
def run_process():
    """Runs `python -m keras_tx` in a process of its own."""

    def run_command(*arguments, environment=(), **options):
        return subprocess.run(
            [sys.executable, "-m", "keras_tx", *map(str, arguments)],
            env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), **dict(environment)},
            capture_output=options.pop("capture_output", True),
            **options,
        )

    return run_command
