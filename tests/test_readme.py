"""The README's commands and listings run as they stand."""

from __future__ import annotations

import contextlib
import os
import pathlib
import pickle
import re
import shutil
import socketserver
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator

import pytest
from click.testing import CliRunner

from keras_tx.cli.main import main

ROOT = pathlib.Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"```(sh|python)\n(.*?)```", README, flags=re.DOTALL)
# Run by other means: the two commands that set up an environment (continuous integration
# runs their parts; the demo has a test below), export and check, which the demo runs, and what
# needs Docker or the real data.
ELSEWHERE = (
    *("apps/demo.sh", "python3 -m venv", "docker run", "keras-tx check-export exported"),
    *("--data ", "apps/benchmarks"),
)


class Commands(socketserver.StreamRequestHandler):
    """Runs one `keras-tx` command in this process, for the program in its place."""

    def handle(self) -> None:
        arguments, directory, given = pickle.load(self.rfile)
        with contextlib.chdir(directory):
            done = CliRunner().invoke(main, arguments, input=given)
        pickle.dump((done.exit_code, done.stdout_bytes, done.stderr_bytes), self.wfile)


# What stands in the place of `keras-tx`: it has no TensorFlow to start.
CLIENT = """
import os, pickle, socket, sys
with socket.socket(socket.AF_UNIX) as connection:
    connection.connect({address!r})
    with connection.makefile("rwb") as stream:
        given = b"" if sys.stdin.isatty() else sys.stdin.buffer.read()
        pickle.dump((sys.argv[1:], os.getcwd(), given), stream)
        stream.flush()
        code, output, errors = pickle.load(stream)
sys.stdout.buffer.write(output)
sys.stderr.buffer.write(errors)
sys.exit(code)
"""


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """An environment in which `keras-tx` is this process's, and `python` this interpreter.

    Each process of its own would start TensorFlow anew. That they do that is shown by the
    demo, which has the same commands.
    """
    folder = tmp_path_factory.mktemp("bin")
    with tempfile.TemporaryDirectory() as short:  # The name of a socket must not be long.
        address = f"{short}/socket"
        (folder / "client.py").write_text(CLIENT.format(address=address))
        (folder / "keras-tx").write_text(
            f'#!/bin/sh\nexec "{sys.executable}" -I -S "{folder}/client.py" "$@"\n'
        )
        (folder / "keras-tx").chmod(0o755)
        with socketserver.UnixStreamServer(address, Commands) as server:
            threading.Thread(target=server.serve_forever, daemon=True).start()
            yield {
                **os.environ,
                "PATH": f"{folder}{os.pathsep}{os.environ['PATH']}",
                "PYTHONPATH": str(ROOT),
                "KERAS_TX_PYTHON": sys.executable,
            }
            server.shutdown()


def run(command: list[str], directory: pathlib.Path, environment: dict[str, str]) -> str:
    done = subprocess.run(
        command,
        cwd=directory,
        env=environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=600,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return done.stdout


def test_listings_run(tmp_path: pathlib.Path, environment: dict[str, str]) -> None:
    # One process, but each listing by itself: it must import what it uses.
    listings = [code for kind, code in BLOCKS if kind == "python"]
    assert len(listings) > 1
    program = "import sys\nfor code in sys.argv[1:]:\n    exec(code, {'__name__': '__main__'})"
    run([sys.executable, "-c", program, *listings], tmp_path, environment)


@pytest.mark.parametrize(
    "commands",
    [code for kind, code in BLOCKS if kind == "sh" and not any(part in code for part in ELSEWHERE)],
)
def test_commands_run(commands: str, tmp_path: pathlib.Path, environment: dict[str, str]) -> None:
    # The working directory has the shipped models, as a clone has.
    (tmp_path / "saved_models").symlink_to(ROOT / "saved_models")
    run(["bash", "-e", "-o", "pipefail", "-c", commands], tmp_path, environment)


def test_every_block_is_run_or_named() -> None:
    shells = [code for kind, code in BLOCKS if kind == "sh"]
    for part in ELSEWHERE[:4]:
        assert any(part in code for code in shells), f"{part!r} is no longer in the README"


def test_demo_runs_the_export_and_its_check() -> None:
    demo = (ROOT / "apps" / "demo.sh").read_text(encoding="utf-8").replace('"', "")
    (block,) = [code for _, code in BLOCKS if "keras-tx check-export exported" in code]
    for command in block.splitlines():
        told = command.replace("translator_en_fr", "$model").replace("exported/", "$exported/")
        assert told.replace("keras-tx", "$python -m keras_tx") in demo


def test_demo_does_the_main_job(tmp_path: pathlib.Path, environment: dict[str, str]) -> None:
    output = run(["bash", str(ROOT / "apps/demo.sh"), str(tmp_path)], tmp_path, environment)
    lines = output.splitlines()
    sentiment, translation = lines.index("== Sentiment"), lines.index("== Translation")
    assert [line.split("\t")[0] for line in lines[sentiment + 1 : translation]] == [
        "positive",
        "negative",
    ]
    assert "rue" in lines[translation + 1] and "gare" in lines[translation + 2]
    for model in ("sentiment_imdb_fast", "translator_en_fr"):
        assert (tmp_path / model / "1" / "saved_model.pb").is_file()


def test_continuous_integration_runs_the_readmes_test_command() -> None:
    script = (ROOT / ".ci" / "run").read_text(encoding="utf-8")
    (command,) = re.findall(r"python (-m pytest.*)", README)
    assert script.endswith(f"python {command}\n")
    assert "pip install" in script and "'.[test]'" in script and "'.[test]'" in README
    assert shutil.which("bash")
