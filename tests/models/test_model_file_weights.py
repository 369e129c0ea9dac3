"""Weights of `.keras` files from strangers: none, or such as lead elsewhere or do not fit."""

import io
import json
import pathlib
import zipfile

import h5py
import keras
import numpy as np
import pytest

from keras_tx.models import SentimentClassifier
from keras_tx.models.model_file import check_config, check_weights
from keras_tx.text import SentencePieceTokenizer, WordTokenizer

TEXTS = ["The heron waits.", "a reed, a pond", "the heron waits by the pond"]


def weights_file(write):
    file = io.BytesIO()
    with h5py.File(file, "w") as weights:
        write(weights)
    return file


def external_link(weights):
    weights["x"] = h5py.ExternalLink("/etc/hostname", "/")


def soft_link(weights):
    weights["x"] = h5py.SoftLink("/y")


def circle(weights):
    weights.create_group("a")["b"] = weights


def external_storage(weights):
    weights.create_dataset("x", (100,), "uint8", external=[("/etc/passwd", 0, 100)])


def virtual(weights):
    layout = h5py.VirtualLayout((5,), "float32")
    layout[:] = h5py.VirtualSource("other.h5", "x", (5,))
    weights.create_virtual_dataset("x", layout)


def claimed(weights):
    weights.create_dataset("x", (1 << 40,), "float32", chunks=(1 << 16,))


def packed(weights):
    weights.create_dataset("x", data=np.zeros(1 << 22, "float32"), compression="gzip")


def strings(weights):
    weights.create_dataset("x", data=[b"a", b"b"], dtype=h5py.string_dtype())


def references(weights):
    weights.create_dataset("x", data=[weights.ref], dtype=h5py.ref_dtype)


def compound(weights):
    weights.create_dataset("x", data=np.zeros(2, [("a", "f4"), ("b", "f4")]))


def a_type(weights):
    weights["x"] = np.dtype("float32")


@pytest.mark.parametrize(
    ("write", "message"),
    [
        (external_link, "expected no links among the weights. Received: 'x'"),
        (soft_link, "expected no links among the weights. Received: 'x'"),
        (circle, "expected each of the weights once"),
        (external_storage, "expected weights in the file. Received: '/x', elsewhere"),
        (virtual, "expected weights in the file. Received: '/x', elsewhere"),
        (claimed, "which claims 4,398,046,511,104 bytes and has 0"),
        (packed, "expected weights stored in full. Received: '/x', which claims 16,777,216"),
        (strings, "expected numbers as weights. Received: '/x', object"),
        (references, "expected numbers as weights. Received: '/x', object"),
        (compound, "expected numbers as weights"),
        (a_type, "expected arrays as weights. Received: 'x', a type"),
    ],
)
def test_odd_weights(write, message, remade, refused):
    file = weights_file(write)
    with pytest.raises(ValueError, match=message):
        check_weights(file)
    refused(remade({"model.weights.h5": file.getvalue()}), message)


def test_the_bytes_of_weights():
    def some(weights):
        weights.create_dataset("a/b/x", data=np.ones((3, 5), "float32"))
        weights.create_dataset("a/y", data=np.ones(7, "int8"))
        weights.create_dataset("a/half", data=np.ones(5, "float16"))
        weights.create_dataset("scalar", data=1.0)
        weights.create_group("empty")

    assert check_weights(weights_file(some)) == (60 + 7 + 20 + 8, 4)


@pytest.mark.parametrize("content", [b"", b"no weights", b"\x89HDF\r\n\x1a\n", bytes(10_000)])
def test_weights_that_are_none(remade, refused, content):
    refused(remade({"model.weights.h5": content}), "which cannot be loaded")


@pytest.mark.filterwarnings("ignore:Skipping nested container")
def test_weights_of_another_model(remade, refused):
    file = weights_file(lambda weights: weights.create_dataset("x", data=np.ones(300_000)))
    refused(remade({"model.weights.h5": file.getvalue()}), "which cannot be loaded")


def test_a_vocabulary_larger_than_the_network(remade, refused):
    larger = SentencePieceTokenizer("bpe", vocabulary_size=310).fit(TEXTS)
    with zipfile.ZipFile(remade()) as archive:
        name = next(name for name in archive.namelist() if name.endswith(".model"))
    directory = pathlib.Path(remade().parent, "assets")
    directory.mkdir()
    larger.save_assets(str(directory))
    content = (directory / "sentencepiece.model").read_bytes()
    refused(remade({name: content}), "a tokenizer has 310 tokens and the network 300")


def test_settings_of_a_model_say_which():
    tokenizer = WordTokenizer().fit(TEXTS)
    model = SentimentClassifier.from_preset("tiny", tokenizer)
    settings = json.loads(json.dumps(keras.saving.serialize_keras_object(model)))
    assert check_config(settings) is SentimentClassifier
    tokenizer_alone = keras.saving.serialize_keras_object(tokenizer)
    with pytest.raises(ValueError, match="a text model of keras_tx. Received: a WordTokenizer"):
        check_config(tokenizer_alone)


def test_renamed_files(model_file_bytes, refused, tmp_path):
    (tmp_path / "model.zip").write_bytes(model_file_bytes)
    refused(tmp_path / "model.zip", "expected a .keras file")
    with zipfile.ZipFile(tmp_path / "text.keras", "w") as archive:
        archive.writestr("fra.txt", "hello")
    refused(tmp_path / "text.keras", "expected config.json in it. Received: ")
    file = weights_file(lambda weights: weights.create_dataset("x", data=np.ones(3)))
    (tmp_path / "weights.keras").write_bytes(file.getvalue())
    refused(tmp_path / "weights.keras", "expected a .keras file")
