"""Runs an export the way TensorFlow Serving does; started by `check_export`, by its path.

TensorFlow Serving loads a SavedModel with the C++ session loader, has TensorFlow's own
operations and those of TensorFlow Text, and has XLA switched off. This process has no more
than that: it imports neither Keras nor keras_tx, whose presence would hide what an export
lacks. So this file must not import anything of the package.

Standard input holds one JSON object, `{"directory": path, "texts": [base64], "batches":
[[number of a text]]}`. Standard output gets one, with `operations` (all that exist here) and
either `outputs` (signature -> a dictionary of arrays a batch) or `error`.
"""

from __future__ import annotations

import base64
import ctypes
import importlib.util
import json
import os
import pathlib
import sys
from typing import Any


class Buffer(ctypes.Structure):
    """`TF_Buffer` of TensorFlow's C API."""

    _fields_ = [
        ("data", ctypes.c_void_p),
        ("length", ctypes.c_size_t),
        ("deallocator", ctypes.c_void_p),
    ]


def prepare(tf: Any) -> list[str]:
    """Make this process like the server, and return the names of the operations it has."""
    library = ctypes.CDLL(os.path.join(os.path.dirname(tf.__file__), "libtensorflow_cc.so.2"))
    library._ZN10tensorflow21DisableXlaCompilationEv()
    text = importlib.util.find_spec("tensorflow_text")
    if text is not None:
        # Not imported: that would run Python which a server does not have.
        for package in text.submodule_search_locations:
            for file in sorted(pathlib.Path(package).glob("python/ops/_*.so")):
                tf.load_op_library(str(file))
    from tensorflow.core.framework import op_def_pb2

    library.TF_GetAllOpList.restype = ctypes.POINTER(Buffer)
    buffer = library.TF_GetAllOpList().contents
    listed = op_def_pb2.OpList.FromString(ctypes.string_at(buffer.data, buffer.length))
    return sorted(operation.name for operation in listed.op)


def run(tf: Any, directory: str, texts: list[bytes], batches: list[list[int]]) -> dict[str, Any]:
    """Load the export into a session, and run each signature of strings on batches.

    All inputs of a signature get the same texts.
    """
    results: dict[str, Any] = {}
    with tf.Graph().as_default(), tf.compat.v1.Session() as session:
        graph = tf.compat.v1.saved_model.load(session, ["serve"], directory)
        for name, signature in graph.signature_def.items():
            inputs = list(signature.inputs.values())
            if {value.dtype for value in inputs} != {tf.string.as_datatype_enum}:
                continue
            fetches = {key: tensor.name for key, tensor in signature.outputs.items()}
            results[name] = [
                session.run(
                    fetches,
                    {value.name: [texts[number] for number in batch] for value in inputs},
                )
                for batch in batches
            ]
    return results


def as_json(array: Any) -> dict[str, Any]:
    """An array as JSON takes it: the dtype's kind, the shape, the values in a row."""
    values = array.ravel().tolist()
    if array.dtype.kind == "O":
        values = [base64.b64encode(value).decode("ascii") for value in values]
    return {"kind": array.dtype.kind, "shape": list(array.shape), "values": values}


def main() -> None:
    request = json.loads(sys.stdin.read())
    # Nothing but the answer may get to standard output.
    answer_stream, sys.stdout = sys.stdout, sys.stderr
    # TensorFlow imports Keras where it can. It does without.
    sys.modules["keras"] = None
    import numpy as np
    import tensorflow as tf

    tf.compat.v1.logging.set_verbosity(tf.compat.v1.logging.ERROR)
    answer: dict[str, Any] = {"operations": prepare(tf)}
    texts = [base64.b64decode(text) for text in request["texts"]]
    try:
        results = run(tf, request["directory"], texts, request["batches"])
        answer["outputs"] = {
            name: [
                {key: as_json(np.asarray(value)) for key, value in outputs.items()}
                for outputs in batches
            ]
            for name, batches in results.items()
        }
    except Exception as error:  # Whatever the damage happens to hit is the answer.
        # Python's session wraps the server's own message in a stack trace of the export.
        inner = error.__context__
        error = inner if isinstance(inner, tf.errors.OpError) else error
        answer["error"] = str(error) or type(error).__name__
    answer_stream.write(json.dumps(answer))


if __name__ == "__main__":
    main()
