"""The commands together, and the quick answers that need no TensorFlow."""

import subprocess
import sys

import pytest

import keras_tx
from keras_tx.cli.main import main


def test_all_commands_are_there(run):
    help_text = run("--help").stdout
    for name in (
        "classify",
        "translate",
        "train",
        "evaluate",
        "export",
        "check-export",
        "info",
        "serving-files",
    ):
        assert f"  {name} " in help_text
    assert set(main.commands["train"].commands) == {"classifier", "sentiment", "translator"}


@pytest.mark.parametrize(
    "arguments",
    [["--help"], ["--version"], ["translate", "--help"], ["train", "sentiment", "--help"]],
)
def test_help_needs_no_tensorflow(arguments):
    program = (
        "import atexit, runpy, sys\n"
        "sys.orig_argv = [sys.executable, '-m', 'keras_tx']\n"
        f"sys.argv = ['keras_tx', *{arguments!r}]\n"
        "heavy = ('tensorflow', 'keras', 'numpy', 'sentencepiece')\n"
        "atexit.register(lambda: print([name for name in heavy if name in sys.modules]))\n"
        "runpy.run_module('keras_tx', run_name='__main__', alter_sys=True)\n"
    )
    process = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert (process.returncode, process.stderr) == (0, "")
    assert process.stdout.endswith("[]\n") and len(process.stdout.splitlines()) > 1


def test_as_a_module(run_process):
    process = run_process("--version")
    assert (process.returncode, process.stderr) == (0, b"")
    assert process.stdout.decode().strip() == f"keras-tx, version {keras_tx.__version__}"


def test_traceback_by_environment(run, monkeypatch, tmp_path):
    arguments = ("classify", "--input", tmp_path / "missing")
    assert run(*arguments).stderr.startswith("Error: ")
    monkeypatch.setenv("KERAS_TX_TRACEBACK", "1")
    assert isinstance(run(*arguments).exception, FileNotFoundError)
