"""What text models share: files written whole, strings checked, graphs made once."""

import json
import zipfile

import h5py
import numpy as np
import pytest
import tensorflow as tf

from keras_tx.data import LabelledTexts
from keras_tx.models import Backbone, TextClassifier, Translator
from keras_tx.text import WordTokenizer

WORDS = ["red green blue", "one two three", "un deux trois"]


@pytest.fixture(scope="module")
def tokenizer():
    return WordTokenizer().fit(WORDS)


@pytest.fixture
def classifier(tokenizer):
    return TextClassifier.from_preset("tiny", tokenizer, labels=["a", "b"], sequence_length=16)


def stored_arrays(path):
    """The weights inside a `.keras` file: name in the h5 file -> shape."""
    shapes = {}
    with zipfile.ZipFile(path) as archive, archive.open("model.weights.h5") as file:
        with h5py.File(file, "r") as weights:
            weights.visititems(
                lambda name, item: (
                    shapes.update({name: item.shape}) if isinstance(item, h5py.Dataset) else None
                )
            )
    return shapes


@pytest.mark.parametrize(
    "texts",
    [["a red", "blue"] * 1000, ("a",), [b"a"], np.array(["a"]), np.array(["a"], object),
     tf.constant(["a"]), [tf.constant(["a"])]],
)  # fmt: skip
def test_texts_where_ids_belong_give_a_short_error_that_names_the_method(classifier, texts):
    for call in (classifier, classifier.predict):
        with pytest.raises(TypeError, match=r"classify\(texts\). Received: inputs=") as error:
            call(texts)
        assert len(str(error.value)) < 200


def test_each_model_names_the_method_that_takes_texts(classifier, tokenizer):
    backbone = Backbone.from_preset("tiny", tokenizer)
    for model in (classifier, Translator.from_preset("tiny", tokenizer), backbone):
        assert callable(getattr(model, model.text_method))
        with pytest.raises(TypeError, match=model.text_method):
            model.predict(["red"])


def test_ids_are_still_predicted(classifier):
    ids = np.array([[5, 6, 3]])
    np.testing.assert_allclose(classifier.predict(ids, verbose=0), classifier(ids), atol=1e-6)


def test_lists_in_place_of_examples_give_an_error_that_says_so(classifier, tokenizer):
    with pytest.raises(TypeError, match=r"LabelledTexts. Received: list"):
        classifier.fit(["red"], ["a"])
    with pytest.raises(TypeError, match=r"SentencePairs. Received: list"):
        Translator.from_preset("tiny", tokenizer).fit(["red"], ["rouge"])


def test_no_weight_is_stored_twice_and_no_optimizer(tmp_path, tokenizer):
    # A translator after its training: tests/cli/test_train.py.
    translator = Translator.from_preset("tiny", tokenizer)
    classifier = TextClassifier.from_preset("tiny", tokenizer, labels=["a", "b"], ngram_buckets=500)
    examples = LabelledTexts(["red", "blue"], [0, 1], ("a", "b"))
    classifier.fit(examples, examples, epochs=1, progress=False)
    for model in (translator, classifier):
        path = tmp_path / f"{type(model).__name__}.keras"
        model.save(path)
        shapes = stored_arrays(path)
        assert not [name for name in shapes if "optimizer" in name]
        # Random generators keep their states; all else is a weight of the network.
        stored = sum(
            int(np.prod(shape)) for name, shape in shapes.items() if "seed_generator" not in name
        )
        assert stored == model.network.count_params()
        assert path.stat().st_size < 4 * stored + 200_000
        with zipfile.ZipFile(path) as archive:
            assert not json.loads(archive.read("config.json")).get("compile_config")


def test_saving_twice_takes_the_place_of_the_old_file(tmp_path, classifier):
    path = tmp_path / "new" / "model.keras"
    classifier.save(path)
    classifier.save(path)
    assert [entry.name for entry in path.parent.iterdir()] == ["model.keras"]
    with pytest.raises(FileExistsError, match=r"expected a new file. Received: .*model.keras"):
        classifier.save(path, overwrite=False)


def test_a_failed_save_leaves_the_old_file(tmp_path, classifier, monkeypatch):
    path = tmp_path / "model.keras"
    classifier.save(path)
    content = path.read_bytes()

    def full(directory):
        raise OSError("No space left on device")

    monkeypatch.setattr(classifier.tokenizer, "save_assets", full)
    with pytest.raises(OSError, match="No space left"):
        classifier.save(path)
    assert path.read_bytes() == content
    assert [entry.name for entry in tmp_path.iterdir()] == ["model.keras"]


@pytest.mark.parametrize("name", ["model.h5", "model", "model.keras.zip"])
def test_another_ending(tmp_path, classifier, name):
    with pytest.raises(ValueError, match=r"end in '.keras'. Received: path='.*model"):
        classifier.save(tmp_path / name)
    assert not list(tmp_path.iterdir())


def test_a_graph_is_traced_once_for_all_sizes(classifier):
    classifier.classify(["red"])
    graph = classifier._graph("serving_default")
    classifier.classify(["red green", "blue", "one"] * 30, batch_size=7)
    assert classifier._graph("serving_default") is graph
    assert graph.experimental_get_tracing_count() == 1


def test_other_weights_are_those_of_no_file(tmp_path, classifier):
    classifier.save(tmp_path / "model.keras")
    classifier.save_weights(tmp_path / "model.weights.h5")
    for change in (
        lambda: classifier.set_weights(classifier.get_weights()),
        lambda: classifier.load_weights(tmp_path / "model.weights.h5"),
    ):
        classifier.save(tmp_path / "model.keras")
        assert classifier.origin == str((tmp_path / "model.keras").resolve())
        change()
        assert classifier.origin is None
