"""The check that an export runs as TensorFlow Serving runs it."""

from __future__ import annotations

import dataclasses
import os
import pathlib
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from google.protobuf.message import Message

from keras_tx.serving import inspection
from keras_tx.serving.comparison import TOLERANCES, Comparison, Outputs, as_plain, compile_function
from keras_tx.serving.export import read_facts, versions
from keras_tx.serving.runtimes import RUNTIMES, Answer, Run, run_export
from keras_tx.serving.stored_weights import STORED_WEIGHTS, StoredWeights
from keras_tx.serving.warm_up import read_warm_up

BATCH_SIZE = 32  # Of sentences besides the probes.
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
        probes: how many texts went through the export, each in a batch and alone.
        sentences: how many sentences went through besides.
        warm_up_requests: how many of the export's own requests were replayed.
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
    sentences: int = 0
    warm_up_requests: int = 0
    max_difference: float = 0.0


def check_export(
    directory: str | os.PathLike,
    model: Any = None,
    *,
    runtime: str = "python",
    sentences: Sequence[str] = (),
    time_limit: float = 600.0,
) -> ExportReport:
    """Check that an export runs as TensorFlow Serving runs it.

    Names, shapes and stored weights are looked at first, and every operation of the graph and
    its functions must be one that TensorFlow Serving 2.20 registers. Then a process of its own
    loads the export with the C++ session loader, with XLA switched off and with no operations
    but TensorFlow's and TensorFlow Text's. It runs every signature of strings on texts of many
    kinds, one by one, all at once and none at all; on `sentences`; and the warm-up requests.

    Args:
        directory: a model's base directory, whose newest version is taken, or the directory
            of one version.
        model: an object with `signatures()` as a `TextModel` has, to whose outputs the
            export's must be equal: strings exactly, numbers within 1e-4. Default `None`.
            For an export with weights stored smaller, the model computes with these. For one
            in bfloat16 it must be loaded in bfloat16; then numbers may differ by 0.05, and a
            quarter of the texts by more, or in their strings.
        runtime: what runs the export: `"python"` (default), `"c"` (a C program, built on the
            spot) or `"tf-2.20"` (TensorFlow 2.20, downloaded when it is used first); see
            `run_export`.
        sentences: further texts, in batches of 32. Default: none.
        time_limit: seconds after which the process is ended. Default 600.

    Returns:
        An `ExportReport`; a broken export gives problems, no exception.

    Raises:
        FileNotFoundError: when there is no export at all.
        ImportError: when there are warm-up requests and the extra `serving` is missing.
        NotADirectoryError: when `directory` is a file.
        RuntimeError: when the runtime cannot be had.
        ValueError: when `time_limit` is not positive, or `runtime` unknown.

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
    if runtime not in RUNTIMES:
        raise ValueError(
            f"runtime expected one of {tuple(RUNTIMES)}. Received: runtime={runtime!r}"
        )
    version_directory = find_version(directory)
    try:
        graph = inspection.read_graph(version_directory)
        xla, precision = _kind(version_directory)
    except ValueError as error:
        return ExportReport(False, version_directory, problems=[str(error)])
    if xla and runtime not in ("python", "python-xla"):
        raise ValueError(
            "runtime expected 'python' for an export that XLA compiles. "
            f"Received: runtime={runtime!r}"
        )
    runtime = "python-xla" if xla else runtime
    problems = file_problems(graph, version_directory, model, xla)
    warm_up: list[Run] = []
    try:
        warm_up = read_warm_up(version_directory)
        problems += warm_up_problems(graph, warm_up)
    except ValueError as error:
        problems.append(inspection.first_line(error))
    texts = [sentence.encode("utf-8", errors="surrogatepass") for sentence in sentences]
    plan = _Plan(graph, texts, warm_up)
    answer, comparison = Answer(), Comparison(PROBES, texts, precision)
    if not problems:  # Otherwise the session would only tell the same in darker words.
        with ThreadPoolExecutor(1) as elsewhere:  # Meanwhile this process runs the model.
            running = elsewhere.submit(
                run_export, version_directory, plan.runs, runtime, time_limit
            )
            expected = plan.expected(version_directory, model)
            answer = running.result()
        where = f"the runtime {runtime}"
        problems += inspection.unknown_operation_problems(graph, answer.operations, where)
        problems += plan.problems(answer)
        if len(answer.outputs) == len(plan.runs):
            plan.compare(answer.outputs, comparison, expected)
    problems += comparison.problems
    complete = not problems or bool(comparison.problems)
    return ExportReport(
        passed=not problems,
        version_directory=version_directory,
        signatures=inspection.signature_names(graph),
        operations=len(inspection.used_operations(graph)),
        problems=problems,
        probes=len(PROBES) if complete else 0,
        sentences=len(texts) if complete else 0,
        warm_up_requests=len(warm_up) if complete else 0,
        max_difference=comparison.max_difference,
    )


def _kind(version_directory: pathlib.Path) -> tuple[bool, str]:
    """Whether XLA compiles an export, and the precision that it computes in."""
    facts = read_facts(version_directory)
    precision = facts.get("precision", "float32")
    known = tuple(TOLERANCES)
    if precision not in known:
        raise ValueError(f"facts expected a precision of {known}. Received: {precision!r}")
    weights = facts.get("weights", "float32")
    if weights not in STORED_WEIGHTS:
        raise ValueError(f"facts expected weights of {STORED_WEIGHTS}. Received: {weights!r}")
    return bool(facts.get("xla")), precision


def file_problems(
    graph: Message, version_directory: pathlib.Path, model: Any, xla: bool
) -> list[str]:
    """What the files alone show to be wrong."""
    problems = inspection.signature_problems(graph)
    if model is not None:
        missing = sorted(set(model.signatures()) - set(graph.signature_def))
        problems += [f"expected the model's signature {name!r}. Received: none" for name in missing]
    problems += inspection.variable_problems(graph, version_directory, model)
    problems += inspection.operation_problems(graph, xla)
    known = inspection.serving_operations()
    return problems + inspection.unknown_operation_problems(graph, known, "TensorFlow Serving 2.20")


def warm_up_problems(graph: Message, warm_up: Sequence[Run]) -> list[str]:
    """Requests that the export has no signature or not the inputs for."""
    problems = []
    for number, run in enumerate(warm_up, 1):
        signature = graph.signature_def.get(run.signature)
        if signature is None:
            problems.append(
                f"warm-up request {number} expected a signature of the export. "
                f"Received: {run.signature!r}"
            )
        elif set(signature.inputs) != set(run.inputs):
            problems.append(
                f"warm-up request {number} expected the inputs {sorted(signature.inputs)} of "
                f"{run.signature}. Received: {sorted(run.inputs)}"
            )
    return problems


class _Plan:
    """What to run, and what the outputs are good for."""

    def __init__(self, graph: Message, sentences: Sequence[bytes], warm_up: Sequence[Run]) -> None:
        self.chunks = [
            sentences[start : start + BATCH_SIZE] for start in range(0, len(sentences), BATCH_SIZE)
        ]
        self.batches = [list(PROBES), *([probe] for probe in PROBES), [], *self.chunks]
        self.names = list(inspection.signatures_of_strings(graph))
        self.warm_up = warm_up
        self.runs = [
            # All inputs of a signature get the same texts.
            Run(name, dict.fromkeys(graph.signature_def[name].inputs, texts))
            for name in self.names
            for texts in self.batches
        ]
        self.runs += warm_up

    def problems(self, answer: Answer) -> list[str]:
        """Why there are not all outputs."""
        if answer.error is None:
            return []
        reason = f"cannot be run as a server does: {inspection.first_line(answer.error)}"
        number = len(answer.outputs) - (len(self.runs) - len(self.warm_up))
        if number >= 0 and self.warm_up and answer.operations is not None:
            name = self.warm_up[number].signature
            return [f"warm-up request {number + 1} of {name} {reason}"]
        return [reason]

    def expected(self, version_directory: pathlib.Path, model: Any) -> dict[str, list[Outputs]]:
        """What the model gives for the probes and sentences, with weights as the export has them.

        Nothing for signatures that it has not.
        """
        if model is None:
            return {}
        signatures = model.signatures()
        kind = read_facts(version_directory).get("weights", "float32")
        if kind != "float32":
            signatures = StoredWeights(model.weights, kind).signatures(signatures)
        functions = {
            name: compile_function(*signatures[name]) for name in self.names if name in signatures
        }
        return {
            name: [function(texts) for texts in [PROBES, *self.chunks]]
            for name, function in functions.items()
        }

    def compare(
        self,
        outputs: Sequence[Outputs],
        comparison: Comparison,
        expected: dict[str, list[Outputs]],
    ) -> None:
        """Find what differs: alone and in a batch, in the export and the model."""
        outputs = [{name: as_plain(array) for name, array in run.items()} for run in outputs]
        for place, name in enumerate(self.names):
            found = outputs[place * len(self.batches) :][: len(self.batches)]
            everything, *singles = found[: 1 + len(PROBES)]
            comparison.check_batches(name, [everything, *singles])
            comparison.check_empty(name, found[1 + len(PROBES)])
            if name in expected:
                chunks = found[2 + len(PROBES) :]
                comparison.check_model(name, [everything, *chunks], expected[name])


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
