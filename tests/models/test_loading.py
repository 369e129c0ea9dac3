"""Models by name and path, in a fresh process, and what is no model."""

import json
import os
import subprocess
import sys
import zipfile
from pathlib import Path

import keras
import numpy as np
import pytest

import keras_tx
from keras_tx.models import SentimentClassifier, TextClassifier, Translator, load, loading
from keras_tx.text import SentencePieceTokenizer, WordTokenizer

ROOT = Path(__file__).resolve().parents[2]
TEXTS = ["The heron waits.", "", "a reed, a pond", "naïve 🙂", "the heron waits by the pond"]


def randomized(model):
    generator = np.random.default_rng(0)
    for weight in model.network.trainable_variables:
        weight.assign(generator.normal(scale=0.3, size=weight.shape))
    return model


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    """A directory of models as `saved_models/` is one, and the models in it."""
    directory = tmp_path_factory.mktemp("models")
    subwords = SentencePieceTokenizer("bpe", vocabulary_size=320).fit(TEXTS)
    words = WordTokenizer().fit(["le héron attend", "un roseau, un étang"])
    classifier = SentimentClassifier.from_preset("tiny", subwords, ngram_buckets=100)
    shared = Translator.from_preset("tiny", subwords, sequence_length=20)
    separate = Translator.from_preset(
        "tiny", subwords, target_tokenizer=words, sequence_length=20, positions="learned",
        source_language="en", target_language="it",
    )  # fmt: skip
    known = {"classifier": classifier, "shared": shared, "separate": separate}
    for name, model in known.items():
        randomized(model).save(directory / name / f"{name}.keras")
    return directory, known


@pytest.fixture
def by_name(models, monkeypatch):
    monkeypatch.setenv("KERAS_TX_MODELS", str(models[0]))
    return models


FRESH = """
import json
import sys
import zipfile
from pathlib import Path
import keras
import keras_tx

directory, texts = Path(sys.argv[1]), json.loads(sys.argv[2])
classifier = keras.models.load_model(directory / "classifier" / "classifier.keras")
results = {"classifier": [result._asdict() for result in classifier.classify(texts)]}
separate = keras.models.load_model(directory / "separate" / "separate.keras")
results["separate"] = separate.translate(texts)
results["shared"] = keras_tx.load("shared").translate(texts)
print("\\n" + json.dumps(results))
"""


def test_equal_outputs_in_a_fresh_process(models):
    directory, known = models
    process = subprocess.run(
        [sys.executable, "-c", FRESH, str(directory), json.dumps(TEXTS)],
        cwd=ROOT,
        env={**os.environ, "KERAS_TX_MODELS": str(directory)},
        capture_output=True,
        text=True,
    )
    assert process.returncode == 0, process.stderr[-3000:]
    found = json.loads(process.stdout.splitlines()[-1])
    for result, expected in zip(
        found["classifier"], known["classifier"].classify(TEXTS), strict=True
    ):
        assert result["label"] == expected.label
        assert result["scores"] == pytest.approx(expected.scores, abs=1e-6)
    for name in ("shared", "separate"):
        assert found[name] == known[name].translate(TEXTS)
    assert len(set(found["shared"])) > 2


def test_settings_come_back(by_name):
    translator = load("separate")
    assert isinstance(translator, Translator)
    assert (translator.source_language, translator.target_language) == ("en", "it")
    assert translator.sequence_length == 20
    assert translator.get_config() == by_name[1]["separate"].get_config()
    classifier = load("classifier")
    assert type(classifier) is SentimentClassifier and isinstance(classifier, TextClassifier)
    assert classifier.labels == ("negative", "positive")
    assert classifier.get_config() == by_name[1]["classifier"].get_config()


def test_a_loaded_model_is_saved_again(by_name, tmp_path):
    model = keras_tx.load("shared")
    model.save(tmp_path / "again.keras")
    assert load(tmp_path / "again.keras").translate(TEXTS) == model.translate(TEXTS)


def test_name_directory_and_path_are_the_same_file(by_name):
    directory, _ = by_name
    file = directory / "shared" / "shared.keras"
    for name in ("shared", directory / "shared", file, str(file)):
        assert loading.find_model(name) == file


def test_the_only_file_of_a_directory_may_have_another_name(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "run").mkdir()
    best = tmp_path / "run" / "best.keras"
    best.touch()
    (tmp_path / "run" / ".best.77.keras").touch()  # A save that was killed.
    assert loading.find_model("run") == Path("run/best.keras")
    (tmp_path / "run" / "other.keras").touch()
    for name in ("run", ""):
        with pytest.raises(FileNotFoundError):
            loading.find_model(name)
    (tmp_path / "run" / "run.keras").touch()
    assert loading.find_model("run") == Path("run/run.keras")


def test_models_in_the_working_directory(models, tmp_path, monkeypatch):
    (tmp_path / "saved_models").symlink_to(models[0])
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("KERAS_TX_MODELS", raising=False)
    assert loading.find_model("shared") == Path("saved_models/shared/shared.keras")


@pytest.mark.parametrize("name", ["missing", "missing/file.keras", ""])
def test_an_unknown_name_lists_the_known_ones(by_name, name):
    with pytest.raises(FileNotFoundError) as caught:
        load(name)
    message = str(caught.value)
    assert message.endswith(f"Received: {name!r}")
    assert all(repr(known) in message for known in ("classifier", "separate", "shared"))


def test_no_archive(tmp_path):
    path = tmp_path / "model.keras"
    path.write_text("hello")
    with pytest.raises(ValueError, match=r".keras file \(a zip archive\). Received: .*model.keras"):
        load(path)


@pytest.mark.parametrize("share", [0.3, 0.9, 0.999])
def test_a_truncated_file(models, tmp_path, share):
    content = (models[0] / "shared" / "shared.keras").read_bytes()
    path = tmp_path / "model.keras"
    path.write_bytes(content[: int(len(content) * share)])
    with pytest.raises(ValueError, match=r"Received: .*model.keras"):
        load(path)


def test_a_damaged_member(models, tmp_path):
    content = bytearray((models[0] / "shared" / "shared.keras").read_bytes())
    middle = len(content) // 2
    content[middle : middle + 4000] = bytes(4000)
    path = tmp_path / "model.keras"
    path.write_bytes(content)
    with pytest.raises(ValueError, match=r"saved by keras_tx. Received: .*cannot be loaded"):
        load(path)


@pytest.mark.parametrize("vocabulary", [None, b"", b"no model"])
def test_a_tokenizer_without_its_vocabulary(models, tmp_path, vocabulary):
    path = tmp_path / "model.keras"
    whole = models[0] / "classifier" / "classifier.keras"
    with zipfile.ZipFile(whole) as old, zipfile.ZipFile(path, "w") as new:
        for name in old.namelist():
            content = vocabulary if name.endswith("sentencepiece.model") else old.read(name)
            if content is not None:
                new.writestr(name, content)
    with pytest.raises(ValueError, match=r"Received: .*model.keras', in which a tokenizer's voc"):
        load(path)


def test_a_model_of_another_kind(tmp_path):
    path = tmp_path / "plain.keras"
    keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)]).save(path)
    with pytest.raises(ValueError, match=r"plain.keras.*a text model of keras_tx. Received: a Seq"):
        load(path)


def test_another_backend_is_named(models, monkeypatch):
    monkeypatch.setattr(keras.backend, "backend", lambda: "jax")
    with pytest.raises(RuntimeError, match="Keras on TensorFlow, .* Received: backend 'jax'"):
        load("missing")
