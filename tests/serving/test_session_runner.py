"""The process that stands in for the server: what it has and what it lacks."""

import base64
import json
import subprocess
import sys

import pytest
import tensorflow as tf

from keras_tx.serving.runtimes import RUNNER


def test_xla_is_off_and_neither_keras_nor_keras_tx_is_there(export_functions):
    # A compiled function runs in Python, and must not run here.
    compiled = tf.function(lambda x: x + 1, jit_compile=True)
    version = export_functions(
        serving_default=lambda text: {"n": tf.strings.length(text)},
        compiled=lambda text: {"n": compiled(tf.strings.length(text))},
    )
    inputs = {"text": [base64.b64encode(b"a").decode()]}
    runs = [["serving_default", inputs], ["compiled", inputs], ["serving_default", inputs]]
    request = {"directory": str(version), "runs": runs}
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
    one = base64.b64encode((1).to_bytes(4, "little")).decode()
    # What came before the run that failed.
    assert answer["outputs"] == [{"n": {"dtype": "<i4", "shape": [1], "data": one}}]
    assert answer["tensorflow"] == tf.__version__
    assert {"MatMul", "SentencepieceTokenizeOp", "TPUCompile"} <= set(answer["operations"])
    assert {"MatMul", "SentencepieceTokenizeOp"} <= set(answer["kernels"])
    assert "TPUCompile" not in answer["kernels"]


@pytest.mark.parametrize("name", ["export", "check", "inspection"])
def test_the_runner_finds_no_module_of_the_package(name):
    assert f"import {name}" not in RUNNER.read_text() and "keras_tx." not in RUNNER.read_text()
