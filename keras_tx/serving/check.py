"""The check that an export runs as TensorFlow Serving runs it."""

from __future__ import annotations

import base64
import dataclasses
import json
import os
import pathlib
import subprocess
import sys
from collections.abc import Sequence
from typing import Any

import numpy as np

from keras_tx.serving import inspection
from keras_tx.serving.comparison import Comparison
from keras_tx.serving.export import versions

RUNNER = pathlib.Path(__file__).with_name("session_runner.py")
PROBES = (
    b"A dog runs along the beach.",
    b"I did not expect much, but this film is wonderful!",
    b"Two children and their grandmother are eating apples in a small garden, 10:30 a.m.",
    b"",
    b"   \t ",
    "\U0001f600 \U0001f469\u200d\U0001f467 \u2764\ufe0f".encode(),
    "na\u00efve \u65e5\u672c\u8a9e \u0627\u0644\u0639\u0631\u0628\u064a\u0629".encode(),
    (b"one word after another, " * 125),  # 3,000 characters.
    b"first line\nsecond line\r\nthird line",
    b"before\x00after",
    b"\xff\xfe no UTF-8 \xc3(",
    b"[START] [END] [PAD] <s> </s>",
)


@dataclasses.dataclass(frozen=True)
class ExportReport:
    """The result of `check_export`.

    Attributes:
        passed: whether there is no problem.
        version_directory: what was checked.
        signatures: the names of the export's signatures.
        operations: how many different operations the graph has.
        problems: one line for each thing that is wrong.
        probes: how many texts went through the export.
        max_difference: the largest difference between two numbers that should be equal,
            relative for numbers above 1.

    Example:
        >>> from keras_tx.serving import ExportReport
        >>> ExportReport(False, "model/1", problems=["saved_model.pb is missing"]).problems
        ['saved_model.pb is missing']
    """

    passed: bool
    version_directory: pathlib.Path
    signatures: tuple[str, ...] = ()
    operations: int = 0
    problems: list[str] = dataclasses.field(default_factory=list)
    probes: int = 0
    max_difference: float = 0.0


def check_export(
    directory: str | os.PathLike, model: Any = None, *, time_limit: float = 600.0
) -> ExportReport:
    """Check that an export runs as TensorFlow Serving runs it.

    A process of its own loads it with the C++ session loader, with XLA switched off and
    with no operations but TensorFlow's and TensorFlow Text's, and runs every signature that
    takes one string input on texts of many kinds, one by one and all at once. Before that,
    names, shapes, operations and stored weights are looked at.

    Args:
        directory: a model's base directory, whose newest version is taken, or the directory
            of one version.
        model: an object with `signatures()` as a `TextModel` has, to whose outputs the
            export's must be equal: strings exactly, numbers within 1e-4. Default `None`.
        time_limit: seconds after which the process is ended. Default 600.

    Returns:
        An `ExportReport`; a broken export gives problems, no exception.

    Raises:
        FileNotFoundError: when there is no export at all.
        NotADirectoryError: when `directory` is a file.
        ValueError: when `time_limit` is not positive.

    Example:
        >>> from keras_tx.serving import check_export
        >>> check_export("no/such/export")
        Traceback (most recent call last):
        FileNotFoundError: expected an exported model. Received: no/such/export, ...
    """
    if not time_limit > 0:
        raise ValueError(
            f"time_limit expected a positive number. Received: time_limit={time_limit!r}"
        )
    version_directory = find_version(directory)
    try:
        graph = inspection.read_graph(version_directory)
    except ValueError as error:
        return ExportReport(False, version_directory, problems=[str(error)])
    problems = inspection.signature_problems(graph)
    if model is not None:
        missing = sorted(set(model.signatures()) - set(graph.signature_def))
        problems += [f"expected the model's signature {name!r}. Received: none" for name in missing]
    problems += inspection.variable_problems(graph, version_directory, model)
    problems += inspection.operation_problems(graph)
    answer: dict[str, Any] = {}
    if not problems:  # Otherwise the session would only tell the same in darker words.
        answer = run_session(version_directory, PROBES, time_limit)
        problems += inspection.unknown_operation_problems(graph, answer.get("operations"))
    if "error" in answer:
        reason = inspection.first_line(answer["error"])
        problems.append(f"cannot be run as a server does: {reason}")
    comparison = Comparison(PROBES)
    for name, batches in answer.get("outputs", {}).items():
        comparison.check_batches(name, batches)
        if model is not None:
            comparison.check_model(name, batches[0], model)
    problems += comparison.problems
    return ExportReport(
        passed=not problems,
        version_directory=version_directory,
        signatures=inspection.signature_names(graph),
        operations=len(inspection.used_operations(graph)),
        problems=problems,
        probes=len(PROBES) if "outputs" in answer else 0,
        max_difference=comparison.max_difference,
    )


def find_version(directory: str | os.PathLike) -> pathlib.Path:
    """The directory of a version: `directory` itself, or the newest one in it.

    Raises:
        FileNotFoundError: when there is none.
        NotADirectoryError: when `directory` is a file.
    """
    directory = pathlib.Path(directory)
    wanted = f"expected an exported model. Received: {directory}, "
    if not directory.exists():
        raise FileNotFoundError(f"{wanted}which does not exist")
    if not directory.is_dir():
        raise NotADirectoryError(f"{wanted}which is a file")
    if (directory / "saved_model.pb").is_file():
        return directory
    found = [version for version in versions(directory) if version.is_dir()]
    if not found:
        raise FileNotFoundError(f"{wanted}which has neither saved_model.pb nor a version's number")
    return found[-1]


def run_session(
    version_directory: pathlib.Path, texts: Sequence[bytes], time_limit: float
) -> dict[str, Any]:
    """Run texts through an export in a process of its own: all at once, then one by one.

    Returns:
        `operations`: the names a server knows, and `outputs`: signature -> a dictionary of
        arrays for each batch; or `error`: the reason why there are none.
    """
    request = {
        "directory": str(version_directory),
        "texts": [base64.b64encode(text).decode("ascii") for text in texts],
        "batches": [list(range(len(texts))), *([number] for number in range(len(texts)))],
    }
    environment = {**os.environ, "TF_CPP_MIN_LOG_LEVEL": "2"}
    # A server has neither these settings nor, here, the accelerator: this process may hold it.
    environment.pop("TF_XLA_FLAGS", None)
    environment["CUDA_VISIBLE_DEVICES"] = "-1"
    try:
        process = subprocess.run(
            # -P: the files beside the runner are no modules that it may find.
            [sys.executable, "-P", str(RUNNER)],
            input=json.dumps(request).encode(),
            capture_output=True,
            env=environment,
            timeout=time_limit,
        )
    except subprocess.TimeoutExpired:
        return {"error": f"no result within {time_limit:g} seconds"}
    if process.returncode != 0:
        lines = process.stderr.decode("utf-8", errors="replace").splitlines()
        reason = next((line.strip() for line in reversed(lines) if line.strip()), "no message")
        return {"error": f"the process ended with code {process.returncode}: {reason}"}
    answer = json.loads(process.stdout)
    for batches in answer.get("outputs", {}).values():
        batches[:] = [{key: _array(value) for key, value in batch.items()} for batch in batches]
    return answer


def _array(stored: dict[str, Any]) -> np.ndarray:
    if stored["kind"] == "O":
        array = np.empty(len(stored["values"]), object)
        array[:] = [base64.b64decode(value) for value in stored["values"]]
    else:
        kinds = {"b": bool, "i": "int64", "u": "uint64"}
        array = np.asarray(stored["values"], kinds.get(stored["kind"], "float64"))
    return array.reshape(stored["shape"])
