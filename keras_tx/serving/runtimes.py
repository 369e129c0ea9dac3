"""What runs an export: processes that have what a server has, and no more."""

from __future__ import annotations

import base64
import dataclasses
import json
import os
import pathlib
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from keras_tx.serving import session_loader
from keras_tx.serving.runtime_environment import environment_python

RUNNER = pathlib.Path(__file__).with_name("session_runner.py")


class Run(NamedTuple):
    """One run of a signature: its name, and the texts of each input by the input's name."""

    signature: str
    inputs: Mapping[str, Sequence[bytes]]


@dataclasses.dataclass
class Answer:
    """What came of running an export.

    Attributes:
        outputs: for each run that ended well, in order, output name -> array.
        operations: the names of the operations that exist there; `None` when it did not start.
        kernels: those of them that a processor can run.
        error: why there are fewer outputs than runs; `None` when there are not.
    """

    outputs: list[dict[str, np.ndarray]] = dataclasses.field(default_factory=list)
    operations: list[str] | None = None
    kernels: list[str] | None = None
    error: str | None = None


def run_export(
    version_directory: str | os.PathLike,
    runs: Sequence[Run],
    runtime: str = "python",
    time_limit: float = 600.0,
) -> Answer:
    """Run signatures of an export in a process of its own, as TensorFlow Serving would.

    Args:
        version_directory: the directory that holds `saved_model.pb`.
        runs: what to run, in order. The first that fails ends the work.
        runtime: one of `RUNTIMES`: `"python"` (default) is this TensorFlow's session loader
            behind a small Python program without Keras, `"c"` the same behind a C program
            (which is built by the C compiler of this machine), `"tf-2.20"` the Python program
            under TensorFlow 2.20, which a released TensorFlow Serving is built with, in an
            environment of its own (made at the first use); `"python-xla"` the first one with
            XLA left on, as a server has it with `--xla_cpu_compilation_enabled`.
        time_limit: seconds after which the process is ended. Default 600.

    Returns:
        An `Answer`; what the export does wrong is its `error`, and no exception.

    Raises:
        RuntimeError: when the runtime cannot be had: no C compiler, no download.
        ValueError: for an unknown runtime.

    Example:
        >>> from keras_tx.serving.runtimes import run_export
        >>> run_export("no/such/export/1", [], runtime="serving")
        Traceback (most recent call last):
        ValueError: runtime expected one of ('python', 'c', 'tf-2.20', 'python-xla'). Received: ...
    """
    if runtime not in RUNTIMES:
        raise ValueError(
            f"runtime expected one of {tuple(RUNTIMES)}. Received: runtime={runtime!r}"
        )
    return RUNTIMES[runtime](pathlib.Path(version_directory), runs, time_limit)


def _run_python(directory: pathlib.Path, runs: Sequence[Run], time_limit: float) -> Answer:
    return _run_session_runner(sys.executable, directory, runs, time_limit)


def _run_tensorflow_2_20(directory: pathlib.Path, runs: Sequence[Run], time_limit: float) -> Answer:
    return _run_session_runner(environment_python("tf-2.20"), directory, runs, time_limit)


def _run_python_xla(directory: pathlib.Path, runs: Sequence[Run], time_limit: float) -> Answer:
    return _run_session_runner(sys.executable, directory, runs, time_limit, "--xla")


def _run_session_runner(
    python: str | os.PathLike,
    directory: pathlib.Path,
    runs: Sequence[Run],
    time_limit: float,
    *options: str,
) -> Answer:
    request = {
        "directory": str(directory),
        "runs": [
            [run.signature, {name: _base64(texts) for name, texts in run.inputs.items()}]
            for run in runs
        ],
    }
    # -P: the files beside the runner are no modules that it may find.
    content, error = _output_of(
        [str(python), "-P", str(RUNNER), *options], json.dumps(request).encode(), time_limit
    )
    if error:
        return Answer(error=error)
    answer = json.loads(content)
    return Answer(
        [{key: _array(**value) for key, value in run.items()} for run in answer["outputs"]],
        answer["operations"],
        answer["kernels"],
        answer.get("error"),
    )


def _run_c(directory: pathlib.Path, runs: Sequence[Run], time_limit: float) -> Answer:
    try:
        request, plan = session_loader.write_request(directory, runs)
    except (KeyError, ValueError) as error:
        return Answer(error=str(error))
    program = session_loader.build_loader()
    content, error = _output_of([str(program)], request, time_limit)
    return Answer(error=error) if error else Answer(*session_loader.read_answer(content, plan))


RUNTIMES: dict[str, Callable[[pathlib.Path, Sequence[Run], float], Answer]] = {
    "python": _run_python,
    "c": _run_c,
    "tf-2.20": _run_tensorflow_2_20,
    "python-xla": _run_python_xla,
}


def _output_of(command: list[str], content: bytes, time_limit: float) -> tuple[bytes, str | None]:
    """What a program answers, or the reason why it does not."""
    environment = {**os.environ, "TF_CPP_MIN_LOG_LEVEL": "2"}
    # A server has neither these settings nor, here, the accelerator: this process may hold it.
    environment.pop("TF_XLA_FLAGS", None)
    environment["CUDA_VISIBLE_DEVICES"] = "-1"
    try:
        process = subprocess.run(
            command, input=content, capture_output=True, env=environment, timeout=time_limit
        )
    except subprocess.TimeoutExpired:
        return b"", f"no result within {time_limit:g} seconds"
    if process.returncode != 0:
        lines = process.stderr.decode("utf-8", errors="replace").splitlines()
        reason = next((line.strip() for line in reversed(lines) if line.strip()), "no message")
        return b"", f"the process ended with code {process.returncode}: {reason}"
    return process.stdout, None


def _base64(texts: Sequence[bytes]) -> list[str]:
    return [base64.b64encode(text).decode("ascii") for text in texts]


def _array(dtype: str, shape: list[int], data: Any) -> np.ndarray:
    if np.dtype(dtype).kind == "O":
        array = np.empty(len(data), object)
        array[:] = [base64.b64decode(item) for item in data]
    else:
        array = np.frombuffer(base64.b64decode(data), dtype)
    return array.reshape(shape)
