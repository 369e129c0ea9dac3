"""The C program that runs an export as TensorFlow Serving does: building it, speaking with it."""

from __future__ import annotations

import atexit
import functools
import importlib.util
import io
import os
import pathlib
import shutil
import struct
import subprocess
import tempfile
from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import tensorflow as tf
from tensorflow.core.framework import kernel_def_pb2, op_def_pb2

from keras_tx.serving import inspection

if TYPE_CHECKING:
    from keras_tx.serving.runtimes import Run

SOURCE = pathlib.Path(__file__).with_name("session_loader.c")
COMPILERS = ("cc", "gcc", "clang")
LIBRARY = "python/ops/_*.so"


def find_compiler() -> str | None:
    """The C compiler: what the variable `CC` names, or one of `COMPILERS`."""
    names = [os.environ["CC"]] if os.environ.get("CC") else COMPILERS
    return next((found for name in names if (found := shutil.which(name))), None)


@functools.cache
def build_loader() -> pathlib.Path:
    """The program, built against the installed TensorFlow: once in a process, gone at its end.

    Raises:
        RuntimeError: when there is no C compiler, or it cannot build the program.
    """
    compiler = find_compiler()
    if compiler is None:
        raise RuntimeError(
            "the runtime c expected a C compiler, such as gcc. "
            f"Received: none of {', '.join(COMPILERS)} on the path"
        )
    root = pathlib.Path(tf.__file__).parent
    folder = pathlib.Path(tempfile.mkdtemp(prefix="keras_tx_"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    libraries = [f"-l:libtensorflow_{name}.so.2" for name in ("cc", "framework")]
    command = [compiler, "-std=c11", "-O1", f"-I{root / 'include'}", str(SOURCE)]
    command += ["-o", str(folder / "session_loader"), f"-L{root}", *libraries]
    command.append(f"-Wl,-rpath,{root}")
    process = subprocess.run(command, capture_output=True, text=True, errors="replace")
    if process.returncode != 0:
        lines = [line for line in process.stderr.splitlines() if "error" in line]
        raise RuntimeError(
            f"the runtime c expected {compiler} to build {SOURCE.name}. "
            f"Received: {inspection.first_line('; '.join(lines) or 'no message')}"
        )
    return folder / "session_loader"


def text_libraries() -> list[str]:
    """The paths of the libraries with TensorFlow Text's operations."""
    text = importlib.util.find_spec("tensorflow_text")  # Not imported: a server has no Python.
    folders = text.submodule_search_locations if text else []
    return [str(file) for folder in folders for file in sorted(pathlib.Path(folder).glob(LIBRARY))]


class Outputs(NamedTuple):
    """The names of a run's outputs, in the order of the answer."""

    names: tuple[str, ...]


def write_request(
    version_directory: pathlib.Path, runs: Sequence[Run]
) -> tuple[bytes, list[Outputs]]:
    """The request, as `session_loader.c` reads it, and how to read the answer.

    Raises:
        KeyError: for a signature or an input that the export has not.
        ValueError: when `saved_model.pb` cannot be read.
    """
    signatures = inspection.read_graph(version_directory).signature_def
    libraries = [os.fsencode(library) for library in text_libraries()]
    parts = [_number(len(libraries)), *map(_string, libraries)]
    parts += [_string(os.fsencode(version_directory)), _number(len(runs))]
    plan = []
    for run in runs:
        if run.signature not in signatures:
            raise KeyError(f"expected a signature of the export. Received: {run.signature!r}")
        signature = signatures[run.signature]
        parts.append(_number(len(run.inputs)))
        for name, texts in run.inputs.items():
            parts.append(_place(signature.inputs[name].name))
            parts += [_number(len(texts)), *map(_string, texts)]
        names = tuple(sorted(signature.outputs))
        parts.append(_number(len(names)))
        parts += [_place(signature.outputs[name].name) for name in names]
        plan.append(Outputs(names))
    return b"".join(parts), plan


def _number(number: int) -> bytes:
    return struct.pack("<I", number)


def _string(content: bytes) -> bytes:
    return _number(len(content)) + content


def _place(tensor: str) -> bytes:
    operation, _, place = tensor.partition(":")
    return _string(operation.encode()) + _number(int(place or 0))


def read_answer(
    content: bytes, plan: Sequence[Outputs]
) -> tuple[list[dict[str, np.ndarray]], list[str], list[str], str | None]:
    """The outputs of the runs, operations, kernels, and what went wrong, as of an `Answer`."""
    stream = io.BytesIO(content)
    operations = op_def_pb2.OpList.FromString(_read_string(stream)).op
    kernels = kernel_def_pb2.KernelList.FromString(_read_string(stream)).kernel
    error = _read_string(stream).decode("utf-8", errors="replace")
    outputs: list[dict[str, np.ndarray]] = []
    for run in plan:
        if error or (error := _read_string(stream).decode("utf-8", errors="replace")):
            break
        outputs.append({name: _read_array(stream) for name in run.names})
    return (
        outputs,
        sorted(operation.name for operation in operations),
        sorted({kernel.op for kernel in kernels if kernel.device_type in ("CPU", "DEFAULT")}),
        error or None,
    )


def _read_number(stream: io.BytesIO, form: str = "<I") -> int:
    return struct.unpack(form, stream.read(struct.calcsize(form)))[0]


def _read_string(stream: io.BytesIO) -> bytes:
    return stream.read(_read_number(stream))


def _read_array(stream: io.BytesIO) -> np.ndarray:
    dtype = tf.dtypes.as_dtype(_read_number(stream))
    shape = [_read_number(stream, "<q") for _ in range(_read_number(stream))]
    if dtype == tf.string:
        array = np.empty(int(np.prod(shape)), object)
        array[:] = [_read_string(stream) for _ in range(len(array))]
    else:
        array = np.frombuffer(_read_string(stream), dtype.as_numpy_dtype)
    return array.reshape(shape)
