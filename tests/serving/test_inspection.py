"""What the files alone tell: real exports with one thing wrong each."""

import keras
import pytest
import tensorflow as tf
from tensorflow.core.framework import types_pb2
from tensorflow.core.protobuf import meta_graph_pb2, saved_model_pb2

from keras_tx.serving import inspection


def lengths(text):
    return tf.cast(tf.strings.length(text), tf.float32)


def graph_of(export_functions, **functions):
    return inspection.read_graph(export_functions(**functions))


@pytest.fixture(scope="module")
def good_graph(export_functions):
    return graph_of(export_functions, serving_default=lambda text: {"n": lengths(text)})


def changed(graph, change):
    copy = type(graph)()
    copy.CopyFrom(graph)
    change(copy)
    return copy


def test_a_good_export_has_no_problem(good_graph, tmp_path):
    assert inspection.signature_problems(good_graph) == []
    assert inspection.operation_problems(good_graph) == []
    assert inspection.unknown_operation_problems(good_graph, None, "a server") == []
    known = inspection.serving_operations()
    assert inspection.unknown_operation_problems(good_graph, known, "a server") == []
    assert inspection.variable_problems(good_graph, tmp_path) == []  # It has no variables.
    assert inspection.signature_names(good_graph) == ("serving_default",)
    assert {"StringLength", "Cast"} <= inspection.used_operations(good_graph)
    functions = {f.signature.name for f in good_graph.graph_def.library.function}
    assert functions and not functions & inspection.used_operations(good_graph)


def test_a_dtype_that_is_none():
    tensor = meta_graph_pb2.TensorInfo()
    tensor.dtype = 99  # As a file of a later TensorFlow may have it.
    tensor.tensor_shape.dim.add(size=-1)
    assert inspection.describe(tensor) == "unknown[?]"


def test_operations_that_no_server_has(good_graph):
    known = inspection.used_operations(good_graph) - {"StringLength"}
    assert inspection.unknown_operation_problems(good_graph, known, "TensorFlow Serving") == [
        "operations ['StringLength'] are unknown to TensorFlow Serving"
    ]


def test_an_operation_in_a_nested_function_that_no_server_has(export_functions):
    """A real one: this TensorFlow's, for which it has no kernel on a processor."""

    @tf.function
    def inner(text):
        sizes = tf.raw_ops.GlobalIterId() * tf.ones_like(text, tf.int64)
        return tf.cond(tf.size(text) > 3, lambda: sizes, lambda: sizes + 1)

    graph = graph_of(
        export_functions,
        serving_default=lambda text: {"n": inner(tf.strings.length(text))},
    )
    known = inspection.serving_operations()
    assert inspection.unknown_operation_problems(graph, known, "TensorFlow Serving 2.20") == [
        "operations ['GlobalIterId'] are unknown to TensorFlow Serving 2.20"
    ]


def test_the_operations_of_a_server():
    names = inspection.serving_operations()
    assert {"MatMul", "StatelessWhile", "SentencepieceTokenizeOp", "RegexSplitWithOffsets"} <= names
    assert not names & set(inspection.PYTHON_OPERATIONS)
    assert not [name for name in names if name.startswith(("Xla", "TPU", "#"))]


@pytest.mark.parametrize(
    ("function", "received"),
    [(tf.strings.split, "a ragged"), (lambda text: tf.sparse.from_dense(text), "a sparse")],
)
def test_outputs_that_are_not_dense(export_functions, function, received):
    graph = graph_of(
        export_functions,
        serving_default=lambda text: {"words": function(text), "n": lengths(text)},
    )
    assert inspection.signature_problems(graph) == [
        f"output words of serving_default expected a dense tensor. Received: {received} tensor"
    ]


@pytest.mark.parametrize(
    ("call", "operation"), [(tf.numpy_function, "PyFunc"), (tf.py_function, "EagerPyFunc")]
)
def test_python_in_the_graph(export_functions, call, operation):
    def shout(text):
        return {"loud": tf.ensure_shape(call(lambda array: array, [text], tf.string), [None])}

    problems = inspection.operation_problems(graph_of(export_functions, serving_default=shout))
    assert problems == [f"operations ['{operation}'] call Python, which a server has not"]


def test_operations_of_xla(export_functions):
    def update(text):
        return {"n": keras.ops.slice_update(lengths(text), [0], tf.ones([1]))}

    problems = inspection.operation_problems(graph_of(export_functions, serving_default=update))
    assert len(problems) == 1
    assert "'XlaDynamicUpdateSlice'] need XLA, which a server has switched off" in problems[0]


def test_functions_compiled_by_xla(export_functions):
    compiled = tf.function(lambda x: x + 1, jit_compile=True)
    graph = graph_of(export_functions, serving_default=lambda text: {"n": compiled(lengths(text))})
    problems = inspection.operation_problems(graph)
    assert len(problems) == 1 and "jit_compile=True (1, such as __inference" in problems[0]


def test_outputs_without_the_batch_and_with_a_name_for_base64(export_functions):
    def outputs(text):
        return {"copy_bytes": text, "two": tf.constant([1.0, 2.0]), "n_bytes": lengths(text)}

    problems = inspection.signature_problems(graph_of(export_functions, serving_default=outputs))
    assert problems == [
        "output copy_bytes of serving_default expected a name without '_bytes' at its end, "
        "which the REST interface reads as base64",
        "output two of serving_default expected the batch as dimension 0. Received: float32[2]",
    ]


def test_a_signature_by_another_name(good_graph):
    def rename(graph):
        signatures = graph.signature_def
        signatures["classify"].CopyFrom(signatures.pop("serving_default"))

    assert inspection.signature_problems(changed(good_graph, rename)) == [
        "expected a signature 'serving_default'. Received: ['classify']"
    ]


def rename_input(graph):
    inputs = graph.signature_def["serving_default"].inputs
    inputs["texts"].CopyFrom(inputs.pop("text"))


def number_input(graph):
    graph.signature_def["serving_default"].inputs["text"].dtype = types_pb2.DT_INT64


def fixed_batch(graph):
    graph.signature_def["serving_default"].inputs["text"].tensor_shape.dim[0].size = 8


def second_input(graph):
    inputs = graph.signature_def["serving_default"].inputs
    inputs["beams"].dtype = types_pb2.DT_INT32


@pytest.mark.parametrize(
    ("change", "received"),
    [
        (rename_input, "texts string[?]"),
        (number_input, "text int64[?]"),
        (fixed_batch, "text string[8]"),
        (second_input, "beams int32[], text string[?]"),
        (lambda graph: graph.signature_def["serving_default"].inputs.clear(), "none"),
    ],
)
def test_another_input_than_one_text(good_graph, change, received):
    assert inspection.signature_problems(changed(good_graph, change)) == [
        f"serving_default expected one input, text string[?]. Received: {received}"
    ]


def test_a_graph_file_that_is_missing_empty_damaged_or_without_the_tag(export_functions):
    version = export_functions(serving_default=lambda text: {"n": lengths(text)})
    file = version / "saved_model.pb"
    content = file.read_bytes()
    saved_model = saved_model_pb2.SavedModel.FromString(content)
    saved_model.meta_graphs[0].meta_info_def.tags[:] = ["train"]
    for broken, message in [
        (saved_model.SerializeToString(), r"a graph tagged 'serve'. Received: \[\['train'\]\]"),
        (b"", r"a graph tagged 'serve'. Received: \[\]"),
        (content[: len(content) // 2], "saved_model.pb is damaged"),
        (b"\xff" * 100, "saved_model.pb is damaged"),
    ]:
        file.write_bytes(broken)
        with pytest.raises(ValueError, match=message):
            inspection.read_graph(version)
    file.unlink()
    with pytest.raises(ValueError, match="saved_model.pb is missing"):
        inspection.read_graph(version)


def test_missing_damaged_and_another_models_variables(export_functions, dense):
    def outputs(text):
        return {"x": dense(tf.tile(lengths(text)[:, None], [1, 3]))}

    version = export_functions(serving_default=outputs)
    graph = inspection.read_graph(version)
    (data,) = version.glob("variables/variables.data-*")
    index = version / "variables" / "variables.index"
    assert inspection.variable_problems(graph, version) == []
    smaller = keras.Sequential([keras.Input((3,)), keras.layers.Dense(3)])
    assert inspection.variable_problems(graph, version, smaller) == [
        "variables/ expected the model's 48 bytes of weights. Received: 64"
    ]
    content = data.read_bytes()
    data.write_bytes(content[:20])
    (problem,) = inspection.variable_problems(graph, version)
    assert problem.startswith("variables/ is damaged: ") and "\n" not in problem
    data.unlink()
    (problem,) = inspection.variable_problems(graph, version)
    assert problem == "variables/variables.data-* is missing"
    data.write_bytes(content)
    index.unlink()
    (problem,) = inspection.variable_problems(graph, version)
    assert problem == "variables/variables.index is missing"


def test_weights_stored_twice(dense, tmp_path):
    inputs = keras.Input((3,))
    network = keras.Model(inputs, dense(inputs))
    archive = keras.export.ExportArchive()
    archive.track(network)  # Which stores its weights besides those of the endpoint.
    archive.add_endpoint("serving_default", network.call, [tf.TensorSpec([None, 3])])
    archive.write_out(str(tmp_path / "1"), verbose=False)
    graph = inspection.read_graph(tmp_path / "1")
    # The kernel has 3 x 4 numbers; the bias, all zeros, tells nothing without the model.
    assert inspection.variable_problems(graph, tmp_path / "1") == [
        "weights are stored twice: 48 of 128 bytes are too many: variables/0 is _all_variables/0"
    ]
    assert inspection.variable_problems(graph, tmp_path / "1", network) == [
        "weights are stored twice: 64 of 128 bytes are too many: variables/0 is _all_variables/0"
    ]


def test_text_models_store_each_weight_once(request, exported):
    for name in ("translator", "word_classifier"):
        model, version = request.getfixturevalue(name), exported(name)
        graph = inspection.read_graph(version)
        assert inspection.variable_problems(graph, version) == []
        assert inspection.variable_problems(graph, version, model) == []
        stored, copies = inspection.stored_bytes(version / "variables" / "variables")
        assert (stored, copies) == (4 * model.network.count_params(), [])


def test_first_line():
    assert inspection.first_line("\n  one  \ntwo") == "one"
    assert inspection.first_line(KeyError()) == "KeyError"
    assert inspection.first_line("x" * 999) == "x" * 300
