"""Runs an export the way TensorFlow Serving does; started by `run_export`, by its path.

TensorFlow Serving loads a SavedModel with the C++ session loader, has TensorFlow's own
operations and those of TensorFlow Text, and has XLA switched off. This process has no more
than that: it imports neither Keras nor keras_tx, whose presence would hide what an export
lacks. So this file must not import anything of the package, and it runs under TensorFlow 2.20.
With `--xla` XLA stays on.

Standard input holds one JSON object, `{"directory": path, "runs": [[signature, {input:
[base64]}]]}`. Standard output gets one, with `tensorflow` (its version), `operations` (all that
exist here), `kernels` (those that a processor can run), `outputs` (a dictionary of arrays for
each run) and, when a run failed, which ends the work, `error`.
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

    def content(self) -> bytes:
        return ctypes.string_at(self.data, self.length)


def prepare(tf: Any) -> dict[str, Any]:
    """Make this process like the server, and return what it has."""
    library = ctypes.CDLL(os.path.join(os.path.dirname(tf.__file__), "libtensorflow_cc.so.2"))
    if "--xla" not in sys.argv:
        library._ZN10tensorflow21DisableXlaCompilationEv()
    text = importlib.util.find_spec("tensorflow_text")
    if text is not None:
        # Not imported: that would run Python which a server does not have.
        for package in text.submodule_search_locations:
            for file in sorted(pathlib.Path(package).glob("python/ops/_*.so")):
                tf.load_op_library(str(file))
    from tensorflow.core.framework import kernel_def_pb2, op_def_pb2

    library.TF_GetAllOpList.restype = ctypes.POINTER(Buffer)
    library.TF_GetAllRegisteredKernels.restype = ctypes.POINTER(Buffer)
    library.TF_NewStatus.restype = ctypes.c_void_p
    status = ctypes.c_void_p(library.TF_NewStatus())
    operations = op_def_pb2.OpList.FromString(library.TF_GetAllOpList().contents.content())
    kernels = kernel_def_pb2.KernelList.FromString(
        library.TF_GetAllRegisteredKernels(status).contents.content()
    )
    return {
        "tensorflow": tf.__version__,
        "operations": sorted(operation.name for operation in operations.op),
        # "DEFAULT" stands for every kind of device.
        "kernels": sorted({k.op for k in kernels.kernel if k.device_type in ("CPU", "DEFAULT")}),
    }


def run(tf: Any, directory: str, runs: list, outputs: list[dict[str, Any]]) -> None:
    """Load the export into a session and run its signatures; append to `outputs`."""
    with tf.Graph().as_default(), tf.compat.v1.Session() as session:
        graph = tf.compat.v1.saved_model.load(session, ["serve"], directory)
        for name, inputs in runs:
            signature = graph.signature_def[name]
            fetches = {key: tensor.name for key, tensor in signature.outputs.items()}
            feeds = {
                signature.inputs[key].name: [base64.b64decode(text) for text in texts]
                for key, texts in inputs.items()
            }
            found = session.run(fetches, feeds)
            outputs.append({key: as_json(value) for key, value in found.items()})


def as_json(value: Any) -> dict[str, Any]:
    """An array as JSON takes it: dtype, shape, and bytes in base64 (of strings one by one)."""
    import numpy as np

    array = np.asarray(value)
    if array.dtype.kind == "O":
        data: Any = [base64.b64encode(item).decode("ascii") for item in array.ravel()]
    else:
        if array.dtype.kind not in "biuf":  # Such as bfloat16, which NumPy alone has not.
            array = array.astype("float64")
        data = base64.b64encode(array.tobytes()).decode("ascii")
    return {"dtype": array.dtype.str, "shape": list(array.shape), "data": data}


def main() -> None:
    request = json.loads(sys.stdin.read())
    # Nothing but the answer may get to standard output.
    answer_stream, sys.stdout = sys.stdout, sys.stderr
    # TensorFlow imports Keras where it can. It does without.
    sys.modules["keras"] = None
    import tensorflow as tf

    tf.compat.v1.logging.set_verbosity(tf.compat.v1.logging.ERROR)
    answer: dict[str, Any] = {**prepare(tf), "outputs": []}
    try:
        if request["runs"]:
            run(tf, request["directory"], request["runs"], answer["outputs"])
    except Exception as error:  # Whatever the damage happens to hit is the answer.
        # Python's session wraps the server's own message in a stack trace of the export.
        inner = error.__context__
        error = inner if isinstance(inner, tf.errors.OpError) else error
        answer["error"] = str(error) or type(error).__name__
    answer_stream.write(json.dumps(answer))


if __name__ == "__main__":
    main()
