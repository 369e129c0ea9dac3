"""The process that stands in for the server: what it has, what it lacks, how it ends."""

import base64
import json
import subprocess
import sys

import pytest
import tensorflow as tf

from keras_tx.serving.check import RUNNER, run_session


def test_xla_is_off_and_neither_keras_nor_keras_tx_is_there(export_functions):
    # A compiled function runs in Python, and must not run here.
    compiled = tf.function(lambda x: x + 1, jit_compile=True)
    version = export_functions(
        serving_default=lambda text: {"n": compiled(tf.strings.length(text))},
    )
    request = {"directory": str(version), "texts": [], "batches": [[]]}
    request["texts"] = [base64.b64encode(b"a").decode()]
    request["batches"] = [[0]]
    code = (
        "import runpy, sys; runpy.run_path(sys.argv[1], run_name='__main__'); "
        "names = {name.partition('.')[0] for name in sys.modules if sys.modules[name]}; "
        "print(sorted(names & {'keras', 'keras_tx', 'tensorflow_text', 'tf_keras'}))"
    )
    process = subprocess.run(
        [sys.executable, "-P", "-c", code, str(RUNNER)],
        input=json.dumps(request).encode(),
        capture_output=True,
        timeout=300,
    )
    assert process.returncode == 0, process.stderr.decode()[-2000:]
    # What is printed at the end went to standard error, as all but the answer does.
    assert process.stderr.decode().splitlines()[-1] == "[]"
    answer = json.loads(process.stdout)
    assert answer["error"].startswith("XLA compilation disabled")
    assert {"MatMul", "LookupTableFindV2", "SentencepieceTokenizeOp"} <= set(answer["operations"])


def test_a_process_that_cannot_start_gives_its_last_line(tmp_path, monkeypatch):
    monkeypatch.setenv("PYTHONHOME", str(tmp_path))
    (error,) = run_session(tmp_path, [b"a"], 60.0).values()
    assert error.startswith("the process ended with code 1: ") and "\n" not in error


def test_the_process_is_ended_at_the_time_limit(tmp_path):
    assert run_session(tmp_path, [b"a"], 0.05) == {"error": "no result within 0.05 seconds"}


@pytest.mark.parametrize("name", ["export", "check", "inspection"])
def test_the_runner_finds_no_module_of_the_package(name):
    assert f"import {name}" not in RUNNER.read_text() and "keras_tx." not in RUNNER.read_text()
