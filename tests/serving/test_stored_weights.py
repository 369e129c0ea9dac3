"""Weights stored small: worked out by hand, bounded errors, and whole exports."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_tx.models import TextClassifier
from keras_tx.serving import check_export, export_saved_model, inspection, read_facts
from keras_tx.serving.stored_weights import StoredWeights


def variable(array):
    return keras.Variable(np.asarray(array, "float32"), dtype="float32")


def read(stored, weight):
    return stored.reading(lambda: {"w": tf.convert_to_tensor(weight)})()["w"].numpy()


def test_int8_by_hand():
    row = np.zeros(1024)
    row[:5] = [127.0, -127.0, 63.6, 0.4, -0.6]  # Scale 1.
    weight = variable([row, row / 254, np.zeros(1024)])  # Scale 1/254; of zeros, any.
    before = weight.numpy()
    stored = StoredWeights([weight], "int8")
    ((numbers, scale),) = stored.parts
    assert numbers.dtype == tf.int8 and scale.shape == (3, 1)
    assert numbers.numpy()[0, :5].tolist() == [127, -127, 64, 0, -1]
    assert np.array_equal(numbers[0], numbers[1])
    assert scale.numpy()[:2, 0] == pytest.approx([1.0, 1 / 254])
    assert read(stored, weight)[0, :5].tolist() == [127.0, -127.0, 64.0, 0.0, -1.0]
    assert not read(stored, weight)[2].any()
    assert np.array_equal(weight.numpy(), before)  # The model keeps its own.


@pytest.mark.parametrize(("kind", "bound"), [("float16", 2**-11), ("int8", 0.5 / 127)])
def test_the_error_of_a_weight_is_bounded(kind, bound):
    array = np.random.default_rng(0).normal(size=(4, 16, 32)).astype("float32")
    weight = variable(array)
    error = np.abs(read(StoredWeights([weight], kind), weight) - array)
    largest = np.abs(array).max(axis=-1, keepdims=True)
    assert (error <= bound * largest * 1.001).all() and error.any()


def test_float16_stays_finite():
    weight = variable(np.full((2, 1024), 1e6))
    assert np.isfinite(read(StoredWeights([weight], "float16"), weight)).all()


@pytest.mark.parametrize("kind", ["float16", "int8"])
@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_what_is_no_number_is_refused(kind, value):
    array = np.zeros((2, 1024))
    array[1, 7] = value
    with pytest.raises(ValueError, match="weights expected finite numbers. Received: "):
        StoredWeights([variable(array)], kind)


def test_small_and_whole_weights_are_left_alone_and_shared_ones_stored_once():
    large, vector, small = variable(np.ones((2, 512))), variable(np.ones(2048)), variable([[1.0]])
    whole = keras.Variable(np.ones((2, 1024)), dtype="int32")
    assert len(StoredWeights([large, vector, small, whole, large], "int8").parts) == 1


def test_what_would_not_shrink_is_left_alone():
    def stored(shape, dtype, kind):
        return bool(StoredWeights([keras.Variable(np.ones(shape), dtype=dtype)], kind).parts)

    # A scale has four bytes, a number one.
    sizes = (1, 2, 4, 5)
    for dtype, shrink in (("float32", [2, 4, 5]), ("float16", [5])):
        assert [size for size in sizes if stored((1024, size), dtype, "int8")] == shrink
    assert stored((1024, 1), "float32", "float16") and not stored((2, 1024), "float16", "float16")


def test_scales_of_small_weights_in_float16():
    array = np.linspace(-6e-6, 6e-6, 2048).reshape(2, 1024).astype("float16")
    weight = keras.Variable(array, dtype="float16")
    stored = StoredWeights([weight], "int8")
    ((_, scale),) = stored.parts
    assert scale.dtype == tf.float32
    # Half a step, and what float16 itself rounds there.
    error = np.abs(read(stored, weight).astype("float32") - array.astype("float32"))
    assert (error <= 6e-6 / 254 + 2**-25).all()


def test_an_unknown_kind():
    with pytest.raises(ValueError, match="weights expected one of .* Received: weights='int4'"):
        StoredWeights([], "int4")


class OneSignature:
    """A text model of one signature: tracing all of a translator's takes its time."""

    def __init__(self, model):
        self.model, self.weights = model, model.network.weights

    def signatures(self):
        return {"serving_default": self.model.signatures()["serving_default"]}


@pytest.mark.parametrize(
    ("kind", "name"), [("float16", "subword_classifier"), ("int8", "translator")]
)
def test_an_export_is_smaller_and_runs_as_on_a_server(kind, name, request, tmp_path):
    model = OneSignature(request.getfixturevalue(name))
    tokenizers = [tokenizer.graph_resources for tokenizer in model.model.tokenizers()]
    version = export_saved_model(
        model.signatures(), tmp_path, tokenizers, weights=kind, variables=model.weights
    )
    assert read_facts(version) == {"weights": kind}
    # Equal to the model with weights stored like that, strings and all.
    assert check_export(version, model).problems == []
    arrays = {weight.path: weight.numpy() for weight in model.weights}.values()
    large = [array for array in arrays if array.ndim > 1 and array.size >= 1024]
    size = {"float16": lambda a: 2 * a.size, "int8": lambda a: a.size + 4 * a.size // a.shape[-1]}
    saved = sum(array.nbytes - size[kind](array) for array in large)
    stored, _ = inspection.stored_bytes(version / "variables" / "variables")
    assert stored == sum(array.nbytes for array in arrays) - saved
    assert stored < 0.6 * sum(array.nbytes for array in arrays)


@pytest.mark.parametrize(("kind", "classes"), [("float16", 2), ("int8", 2), ("int8", 12)])
def test_a_table_of_ngrams_in_float16(subwords, kind, classes, tmp_path):
    """It has one number a row for two labels; for more, one for each."""
    labels = [f"label {number}" for number in range(classes)]
    arguments = {"ngram_buckets": 2048, "ngram_dtype": "float16", "num_layers": 0}
    model = TextClassifier.from_preset("tiny", subwords, labels=labels, **arguments)
    (table,) = (weight for weight in model.weights if weight.dtype == "float16")
    assert table.shape == (2048, classes if classes > 2 else 1)
    table.assign(np.random.default_rng(1).normal(scale=0.1, size=table.shape))
    version = model.export(tmp_path, weights=kind, warm_up=False)
    assert check_export(version, model).problems == []
    reader = tf.train.load_checkpoint(str(version / "variables" / "variables"))
    dtypes, shapes = reader.get_variable_to_dtype_map(), reader.get_variable_to_shape_map()
    found = {dtypes[name] for name, shape in shapes.items() if shape == list(table.shape)}
    assert found == {tf.int8 if classes == 12 else tf.float16}


def test_other_weights_than_those_are_found(subword_classifier, tmp_path):
    version = subword_classifier.export(tmp_path, weights="float16", warm_up=False)
    (version / "assets.extra" / "keras_tx.json").write_text('{"weights": "int8"}')
    report = check_export(version, subword_classifier)
    assert any("in the export and the model differs" in line for line in report.problems)
