"""What the files of an export say, before anything is run."""

from __future__ import annotations

import functools
import hashlib
import pathlib
from collections.abc import Collection, Iterator
from typing import Any

import tensorflow as tf
from google.protobuf.message import DecodeError
from tensorflow.core.framework import types_pb2
from tensorflow.core.protobuf import meta_graph_pb2, saved_model_pb2

TAG = "serve"
SIGNATURE = "serving_default"
INPUT = "text"
PYTHON_OPERATIONS = ("PyFunc", "PyFuncStateless", "EagerPyFunc")
XLA = ("Xla", "_Xla")
SERVING_OPERATIONS = pathlib.Path(__file__).with_name("serving_operations.txt")


def read_graph(version_directory: pathlib.Path) -> meta_graph_pb2.MetaGraphDef:
    """The graph that a server loads.

    Raises:
        ValueError: when `saved_model.pb` is missing, damaged, or holds no such graph.
    """
    file = version_directory / "saved_model.pb"
    if not file.is_file():
        raise ValueError("saved_model.pb is missing")
    try:
        saved_model = saved_model_pb2.SavedModel.FromString(file.read_bytes())
    except DecodeError as error:
        raise ValueError("saved_model.pb is damaged: it is no SavedModel") from error
    for graph in saved_model.meta_graphs:
        if TAG in graph.meta_info_def.tags:
            return graph
    tags = [list(graph.meta_info_def.tags) for graph in saved_model.meta_graphs]
    raise ValueError(f"saved_model.pb expected to hold a graph tagged {TAG!r}. Received: {tags}")


def signature_names(graph: meta_graph_pb2.MetaGraphDef) -> tuple[str, ...]:
    """The names of the signatures for users."""
    return tuple(sorted(name for name in graph.signature_def if not name.startswith("__")))


def signatures_of_strings(graph: meta_graph_pb2.MetaGraphDef) -> list[str]:
    """The names of the signatures all of whose inputs are strings."""
    return [
        name
        for name in signature_names(graph)
        if {tensor.dtype for tensor in graph.signature_def[name].inputs.values()}
        == {types_pb2.DT_STRING}
    ]


def signature_problems(graph: meta_graph_pb2.MetaGraphDef) -> list[str]:
    """What is wrong with the names, types and shapes of inputs and outputs."""
    names = signature_names(graph)
    if SIGNATURE not in names:
        return [f"expected a signature {SIGNATURE!r}. Received: {list(names)}"]
    problems = []
    inputs = graph.signature_def[SIGNATURE].inputs
    received = ", ".join(f"{name} {describe(tensor)}" for name, tensor in sorted(inputs.items()))
    # Any number of texts, or a number that nobody knows.
    is_text = set(inputs) == {INPUT} and describe(inputs[INPUT]) in ("string[?]", "string[...]")
    if not is_text:
        problems.append(
            f"{SIGNATURE} expected one input, {INPUT} string[?]. Received: {received or 'none'}"
        )
    for name in names:
        outputs = graph.signature_def[name].outputs
        if not outputs:
            problems.append(f"{name} expected outputs. Received: none")
        for output, tensor in sorted(outputs.items()):
            if (encoding := tensor.WhichOneof("encoding")) != "name":
                kinds = {"composite_tensor": "a ragged", "coo_sparse": "a sparse"}
                problems.append(
                    f"output {output} of {name} expected a dense tensor. "
                    f"Received: {kinds.get(encoding, 'no')} tensor"
                )
                continue
            unknown_rank = tensor.tensor_shape.unknown_rank
            first = [dimension.size for dimension in tensor.tensor_shape.dim[:1]]
            if not unknown_rank and first != [-1]:
                problems.append(
                    f"output {output} of {name} expected the batch as dimension 0. "
                    f"Received: {describe(tensor)}"
                )
            if tensor.dtype == types_pb2.DT_STRING and output.endswith("_bytes"):
                problems.append(
                    f"output {output} of {name} expected a name without '_bytes' at its end, "
                    "which the REST interface reads as base64"
                )
    return problems


def describe(tensor: meta_graph_pb2.TensorInfo) -> str:
    """Dtype and shape, such as `string[?, 7]`."""
    try:
        name = tf.dtypes.as_dtype(tensor.dtype).name
    except TypeError:  # A number that stands for none.
        name = "unknown"
    if tensor.tensor_shape.unknown_rank:
        return f"{name}[...]"
    sizes = [dimension.size for dimension in tensor.tensor_shape.dim]
    return f"{name}[{', '.join('?' if size < 0 else str(size) for size in sizes)}]"


def nodes(graph: meta_graph_pb2.MetaGraphDef) -> Iterator[Any]:
    """All nodes, those of the functions too."""
    yield from graph.graph_def.node
    for function in graph.graph_def.library.function:
        yield from function.node_def


def used_operations(graph: meta_graph_pb2.MetaGraphDef) -> set[str]:
    """The names of the operations, without the graph's own functions."""
    functions = {function.signature.name for function in graph.graph_def.library.function}
    return {node.op for node in nodes(graph)} - functions


def operation_problems(graph: meta_graph_pb2.MetaGraphDef, xla: bool = False) -> list[str]:
    """What TensorFlow Serving cannot run, though TensorFlow in Python may.

    `xla` says that it has been told to use XLA.
    """
    used = used_operations(graph)
    problems = []
    if python := used & set(PYTHON_OPERATIONS):
        problems.append(f"operations {sorted(python)} call Python, which a server has not")
    if xla:
        return problems
    if needing := {name for name in used if name.startswith(XLA)}:
        problems.append(f"operations {sorted(needing)} need XLA, which a server has switched off")
    functions = graph.graph_def.library.function
    compiled = [f.signature.name for f in functions if f.attr["_XlaMustCompile"].b]
    if compiled:
        problems.append(
            f"functions with jit_compile=True ({len(compiled)}, such as {compiled[0]}) need XLA, "
            "which a server has switched off"
        )
    return problems


@functools.cache
def serving_operations() -> frozenset[str]:
    """What TensorFlow Serving 2.20 registers: TensorFlow's operations and TensorFlow Text's."""
    lines = SERVING_OPERATIONS.read_text(encoding="utf-8").splitlines()
    return frozenset(line for line in lines if not line.startswith("#"))


def unknown_operation_problems(
    graph: meta_graph_pb2.MetaGraphDef, known: Collection[str] | None, where: str
) -> list[str]:
    """Operations that are not among those known `where` (`None`: it could not be asked)."""
    strange = set() if known is None else used_operations(graph) - set(known)
    # Those for which there is a better reason have had it.
    strange -= {name for name in strange if name.startswith(XLA)} | set(PYTHON_OPERATIONS)
    return [f"operations {sorted(strange)} are unknown to {where}"] if strange else []


def variable_problems(
    graph: meta_graph_pb2.MetaGraphDef, version_directory: pathlib.Path, model: Any = None
) -> list[str]:
    """What is wrong with the stored weights: missing, damaged, or stored twice.

    Args:
        graph: from `read_graph`.
        version_directory: where `variables/` is.
        model: an object that may have `weights`, as the number of bytes to expect. Default
            `None`: equal weights count as stored twice unless they are constant.
            More bytes without a copy among them are another model's.
    """
    if not any(node.op == "VarHandleOp" for node in nodes(graph)):
        return []
    prefix = version_directory / "variables" / "variables"
    if not prefix.with_suffix(".index").is_file():
        return ["variables/variables.index is missing"]
    if not list(prefix.parent.glob("variables.data-*")):
        return ["variables/variables.data-* is missing"]
    try:
        stored, twins = stored_bytes(prefix)
    except Exception as error:  # The reader raises whatever the damage happens to hit.
        return [f"variables/ is damaged: {first_line(error)}"]
    copies = sum(size for _, _, size in twins)
    weights = getattr(model, "weights", None)
    if weights is not None:
        expected = sum(weight.numpy().nbytes for weight in unique(weights))
        if stored > expected and not copies and stored % max(expected, 1):
            return [
                f"variables/ expected the model's {expected:,} bytes of weights. "
                f"Received: {stored:,}"
            ]
        copies = max(stored - expected, 0)
    if copies:
        names = f": {twins[0][0]} is {twins[0][1]}" if twins else ""
        return [f"weights are stored twice: {copies:,} of {stored:,} bytes are too many{names}"]
    return []


def stored_bytes(prefix: pathlib.Path) -> tuple[int, list[tuple[str, str, int]]]:
    """The number of bytes of all stored weights, and which of them are copies.

    A copy is its name, the name of the weight that it is equal to, and its number of bytes.
    """
    reader = tf.train.load_checkpoint(str(prefix))
    stored, copies = 0, []
    seen: dict[tuple, str] = {}
    for name, dtype in sorted(reader.get_variable_to_dtype_map().items()):
        if not (dtype.is_floating or dtype == tf.int8):  # Tables, counters, the objects' graph.
            continue
        tensor = reader.get_tensor(name)
        stored += tensor.nbytes
        content = tensor.tobytes()
        # Biases and scales that were never trained are equal by nature.
        if tensor.size > 1 and content != content[: tensor.itemsize] * tensor.size:
            short = name.removesuffix("/.ATTRIBUTES/VARIABLE_VALUE")
            first = seen.setdefault((tensor.shape, hashlib.sha256(content).digest()), short)
            if first != short:
                copies.append((short, first, tensor.nbytes))
    return stored, copies


def unique(weights: Any) -> list[Any]:
    """Weights without repetitions."""
    return list({id(weight): weight for weight in weights}.values())


def first_line(error: object) -> str:
    """The first line of an error's message, cut to a readable length."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[0][:300] if lines else type(error).__name__
