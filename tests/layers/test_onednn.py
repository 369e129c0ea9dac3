"""oneDNN's kernels: put in where they are, and the same numbers as without them."""

import contextlib
import json
import os
import subprocess
import sys

import keras
import numpy as np
import pytest

from keras_tx.layers.layer_normalization import LayerNormalization
from keras_tx.layers.onednn import (
    has_onednn_kernels,
    onednn_normalization,
    portable_operations,
)

tensorflow_only = pytest.mark.skipif(
    keras.backend.backend() != "tensorflow", reason="they are kernels of TensorFlow"
)
SHAPES = [(1, 8), (5, 8), (0, 8), (2, 3, 8), (1, 1, 8), (0, 3, 8), (2, 0, 8)]


def weights():
    random = np.random.default_rng(3)
    return random.normal(1, 0.3, 8).astype("float32"), random.normal(0, 0.3, 8).astype("float32")


def formula(inputs, epsilon):
    gamma, beta = weights()
    inputs = np.asarray(inputs, "float64")
    centered = inputs - inputs.mean(-1, keepdims=True)
    return centered / np.sqrt(inputs.var(-1, keepdims=True) + epsilon) * gamma + beta


def test_not_outside_of_graphs_nor_where_they_are_to_be_portable():
    assert not has_onednn_kernels()
    if keras.backend.backend() != "tensorflow":
        return
    import tensorflow as tf

    found = []

    @tf.function
    def traced():
        found.append(has_onednn_kernels())
        with pytest.raises(KeyError), portable_operations():
            found.append(has_onednn_kernels())
            raise KeyError
        found.append(has_onednn_kernels())

    traced()
    assert found[0] == found[2] and not found[1]


ASKED = """
import json, keras_tx, numpy as np, tensorflow as tf
from keras_tx.layers.layer_normalization import LayerNormalization
from keras_tx.layers.onednn import has_onednn_kernels

layer = LayerNormalization(1e-5)
layer.build((None, None, 8))
kernels = []

@tf.function(input_signature=[tf.TensorSpec([None, None, 8])])
def normalized(inputs):
    kernels.append(has_onednn_kernels())
    return layer(inputs)

names = {node.op for node in normalized.get_concrete_function().graph.as_graph_def().node}
inputs = np.random.default_rng(0).normal(size=(2, 5, 8)).astype("float32")
print(json.dumps([kernels[0], "FusedBatchNormV3" in names, normalized(inputs).numpy().tolist()]))
"""


@tensorflow_only
def test_what_tensorflow_was_told_decides():
    found = []
    for told in ("0", "1"):
        process = subprocess.run(
            [sys.executable, "-c", ASKED], capture_output=True, text=True,
            env={**os.environ, "TF_ENABLE_ONEDNN_OPTS": told, "KERAS_BACKEND": "tensorflow"},
        )  # fmt: skip
        assert process.returncode == 0, process.stderr[-500:]
        found.append(json.loads(process.stdout.splitlines()[-1]))
    assert found[0][:2] == [False, False]
    assert found[1][0] == found[1][1]  # On a processor for which there is no oneDNN: false.
    np.testing.assert_allclose(found[0][2], found[1][2], atol=1e-5)


@tensorflow_only
@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
@pytest.mark.parametrize("way", ["eager", "graph", "XLA"])
def test_the_normalization_is_the_formula(shape, dtype, way):
    import tensorflow as tf

    def normalized(x):
        return onednn_normalization(x, *(tf.cast(w, dtype) for w in weights()), 1e-5)

    inputs = tf.cast(np.random.default_rng(1).normal(2, 3, shape), dtype)
    if way == "graph":  # Its sizes are not known.
        specification = tf.TensorSpec([None] * (len(shape) - 1) + [8], dtype)
        normalized = tf.function(normalized, input_signature=[specification])
    elif way == "XLA":
        normalized = tf.function(normalized, jit_compile=True)
    outputs = normalized(inputs)
    assert outputs.shape == shape and outputs.dtype == dtype
    expected = formula(tf.cast(inputs, "float32"), 1e-5)
    tolerance = 1e-5 if dtype == "float32" else 3e-2
    np.testing.assert_allclose(tf.cast(outputs, "float32"), expected, atol=tolerance)


@tensorflow_only
@pytest.mark.parametrize("dtype", ["float32", "bfloat16", "mixed_bfloat16"])
@pytest.mark.parametrize("epsilon", [1e-5, 1e-2])
def test_the_layer_is_one_kernel_in_an_optimized_graph(dtype, epsilon):
    """And that knows the layer's own epsilon: TensorFlow loses it in other forms of the graph."""
    import tensorflow as tf

    layer = LayerNormalization(epsilon, dtype=dtype)
    layer.build((None, None, 8))
    layer.set_weights(weights())
    kind = layer.compute_dtype
    values = tf.cast(np.random.default_rng(2).normal(0, 0.1, (4, 6, 8)), kind).numpy()
    graph = tf.Graph()
    with graph.as_default():
        place = tf.compat.v1.placeholder(kind, [None, None, 8])
        with keras.StatelessScope(
            state_mapping=[
                (variable, tf.constant(value))
                for variable, value in zip(layer.weights, weights(), strict=True)
            ]
        ):
            outputs = tf.cast(layer(place), "float32")
        has_kernels = has_onednn_kernels()
    options = tf.compat.v1.RunOptions(output_partition_graphs=True)
    told = tf.compat.v1.RunMetadata()
    with tf.compat.v1.Session(graph=graph) as session:
        found = session.run(outputs, {place: values}, options=options, run_metadata=told)
    run = {node.op for partition in told.partition_graphs for node in partition.node}
    assert ("_MklLayerNorm" in run) == has_kernels
    assert not run & {"FusedBatchNormV3", "_MklNativeFusedBatchNormV3"}
    expected = formula(values.astype("float32"), epsilon)
    np.testing.assert_allclose(found, expected, atol=1e-5 if kind == "float32" else 3e-2)


@tensorflow_only
def test_gradients_through_the_kernel_are_those_of_the_formula():
    import tensorflow as tf

    layer = LayerNormalization(1e-5)
    layer.build((None, None, 8))
    layer.set_weights(weights())
    random = np.random.default_rng(4)
    inputs, slopes = (tf.constant(random.normal(size=(2, 3, 8)), tf.float32) for _ in "xy")

    def gradients(x):
        with tf.GradientTape() as tape:
            tape.watch(x)
            loss = tf.reduce_sum(layer(x) * slopes)
        return tape.gradient(loss, [x, *(weight.value for weight in layer.weights)])

    for ours, expected in zip(tf.function(gradients)(inputs), gradients(inputs), strict=True):
        np.testing.assert_allclose(ours, expected, atol=1e-5)


@tensorflow_only
def test_an_export_can_do_without(tmp_path):
    import tensorflow as tf
    from tensorflow.core.protobuf.saved_model_pb2 import SavedModel

    inputs = keras.Input((None, 8))
    model = keras.Model(inputs, LayerNormalization(1e-5)(inputs))
    rows = np.random.default_rng(6).normal(size=(2, 3, 8)).astype("float32")
    found = {}
    for name, way in (("portable", portable_operations), ("here", contextlib.nullcontext)):
        with way():
            model.export(str(tmp_path / name), verbose=False)
        saved = SavedModel.FromString((tmp_path / name / "saved_model.pb").read_bytes())
        functions = saved.meta_graphs[0].graph_def.library.function
        found[name] = {node.op for function in functions for node in function.node_def}
        loaded = tf.saved_model.load(str(tmp_path / name))
        np.testing.assert_allclose(loaded.serve(rows), model(rows), atol=1e-5)
    assert "FusedBatchNormV3" not in found["portable"]
    assert ("FusedBatchNormV3" in found["here"]) == tf.function(has_onednn_kernels)().numpy()
