"""What text models share: files written whole, strings checked, graphs made once."""

import json
import zipfile

import h5py
import numpy as np
import pytest
import tensorflow as tf

from keras_tx.data import LabelledTexts
from keras_tx.models import Backbone, RegionBackbone, TextClassifier, Translator
from keras_tx.text import WordTokenizer
from keras_tx.training import TokenCrossentropy

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


LAYERS = ["embedding", "encoder_0"]


@pytest.mark.parametrize("frozen", [LAYERS, LAYERS[:1], ["logits"]])
def test_what_is_frozen_is_not_trained(classifier, frozen):
    examples = LabelledTexts(["red blue", "one two"] * 8, [0, 1] * 8, ("a", "b"))
    for name in frozen:
        classifier.network.get_layer(name).trainable = False
    before = {weight.path: np.array(weight) for weight in classifier.network.weights}
    classifier.fit(examples, examples, epochs=2, progress=False)
    for weight in classifier.network.weights:
        same = np.array_equal(np.array(weight), before[weight.path])
        assert same == any(weight.path.startswith(name) for name in frozen), weight.path
    assert not classifier.network.get_layer(frozen[0]).trainable


@pytest.mark.parametrize("ngram_buckets", [0, 16])
def test_where_all_is_frozen_there_is_nothing_to_train(tokenizer, ngram_buckets):
    classifier = TextClassifier.from_preset(
        "tiny", tokenizer, labels=["a", "b"], sequence_length=16, ngram_buckets=ngram_buckets
    )
    examples = LabelledTexts(["red blue", "one two"], [0, 1], ("a", "b"))
    classifier.trainable = False
    before = classifier.get_weights()
    with pytest.raises(ValueError, match="layers that are trainable. Received: .*all are frozen"):
        classifier.fit(examples, examples, epochs=1, progress=False)
    for old, new in zip(before, classifier.get_weights(), strict=True):
        np.testing.assert_array_equal(old, new)


def test_what_is_never_trained_is_not_when_all_is_thawed(tokenizer):
    backbone = RegionBackbone(tokenizer, embed_dim=8)
    classifier = TextClassifier.from_backbone(backbone, labels=["a", "b"], ngram_buckets=0)
    classifier.network.trainable = False
    classifier.network.trainable = True
    known = [weight for weight in classifier.network.weights if "known_regions" in weight.path]
    before = [np.array(weight) for weight in known]
    examples = LabelledTexts(["red blue", "one two"] * 8, [0, 1] * 8, ("a", "b"))
    classifier.fit(examples, examples, epochs=3, progress=False, learning_rate=1e-2)
    assert known
    for old, new in zip(before, known, strict=True):
        np.testing.assert_array_equal(old, np.array(new))


@pytest.mark.parametrize("change", ["set", "load", "network", "fit", "train_on_batch", "variable"])
def test_a_model_that_was_changed_has_no_origin(classifier, tmp_path, change):
    classifier.save(tmp_path / "model.keras")
    assert classifier.origin == str(tmp_path / "model.keras")
    ids, labels = np.array([[4, 5, 3], [6, 7, 3]]), np.array([0, 1])
    loss = TokenCrossentropy()
    if change == "set":
        classifier.set_weights([weight + 1 for weight in classifier.get_weights()])
    elif change == "load":
        classifier.set_weights([weight + 1 for weight in classifier.get_weights()])
        classifier.save_weights(tmp_path / "other.weights.h5")
        classifier.set_weights([weight - 1 for weight in classifier.get_weights()])
        classifier.save(tmp_path / "model.keras")
        classifier.load_weights(tmp_path / "other.weights.h5")
    elif change == "network":
        classifier.network.compile("adam", loss)
        classifier.network.fit(ids, labels, verbose=0)
    elif change == "fit":
        examples = LabelledTexts(["red blue", "one two"], [0, 1], ("a", "b"))
        classifier.fit(examples, examples, epochs=1, progress=False)
    elif change == "train_on_batch":
        classifier.compile("adam", loss)
        classifier.train_on_batch(ids, labels)
    else:
        classifier.network.get_layer("logits").bias.assign([0.0, 1e-3])
    assert classifier.origin is None
    classifier.save(tmp_path / "model.keras")
    classifier.set_weights(classifier.get_weights())  # The same ones.
    assert classifier.origin == str(tmp_path / "model.keras")


def test_what_was_quantized_is_not_saved(classifier, tmp_path):
    classifier.save(tmp_path / "model.keras")
    before = (tmp_path / "model.keras").read_bytes()
    classifier.network.quantize("int8")
    with pytest.raises(ValueError, match="save expected .* float32. Received: one in int8"):
        classifier.save(tmp_path / "model.keras")
    assert (tmp_path / "model.keras").read_bytes() == before


def test_a_format_without_options(tokenizer, tmp_path):
    translator = Translator.from_preset("tiny", tokenizer)
    with pytest.raises(TypeError, match="options of 'ctranslate2' among none. Received: weights"):
        translator.export(tmp_path / "export", "ctranslate2", weights="float16")


@pytest.mark.parametrize("option", ["weigths", "precision", "model", "facts", "xla"])
def test_options_that_an_export_does_not_have(classifier, tmp_path, option):
    with pytest.raises(TypeError, match=f"among warm_up, weights. Received: {option}"):
        classifier.export(tmp_path / "export", **{option: "bfloat16"})
    assert not list(tmp_path.iterdir())
