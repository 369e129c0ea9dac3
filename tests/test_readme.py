"""The README's commands and listings run as they stand."""

from __future__ import annotations

import os
import pathlib
import re
import shutil
import subprocess
import sys

import pytest

ROOT = pathlib.Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"```(sh|python)\n(.*?)```", README, flags=re.DOTALL)
# Run by other means: the two commands that set up an environment (continuous integration
# runs their parts; the demo has a test below), and what needs Docker or the real data.
ELSEWHERE = ("apps/demo.sh", "python3 -m venv", "docker run", "--data ", "apps/benchmarks")


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """An environment in which `keras-tx` and `python` are this interpreter's."""
    commands = tmp_path_factory.mktemp("bin")
    script = f'#!/bin/sh\nexec "{sys.executable}" -m keras_tx "$@"\n'
    (commands / "keras-tx").write_text(script)
    (commands / "keras-tx").chmod(0o755)
    return {
        **os.environ,
        "PATH": f"{commands}{os.pathsep}{os.environ['PATH']}",
        "PYTHONPATH": str(ROOT),
        "KERAS_TX_PYTHON": sys.executable,
    }


def run(command: list[str], directory: pathlib.Path, environment: dict[str, str]) -> str:
    done = subprocess.run(
        command, cwd=directory, env=environment, capture_output=True, text=True, timeout=600
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return done.stdout


@pytest.mark.parametrize("code", [code for kind, code in BLOCKS if kind == "python"])
def test_listing_runs(code: str, tmp_path: pathlib.Path, environment: dict[str, str]) -> None:
    run([sys.executable, "-c", code], tmp_path, environment)


@pytest.mark.parametrize(
    "commands",
    [
        code
        for kind, code in BLOCKS
        if kind == "sh" and not any(part in code for part in ELSEWHERE)
    ],
)
def test_commands_run(commands: str, tmp_path: pathlib.Path, environment: dict[str, str]) -> None:
    # The working directory has the shipped models, as a clone has.
    (tmp_path / "saved_models").symlink_to(ROOT / "saved_models")
    run(["bash", "-e", "-c", commands], tmp_path, environment)


def test_every_block_is_run_or_named() -> None:
    shells = [code for kind, code in BLOCKS if kind == "sh"]
    for part in ELSEWHERE[:3]:
        assert any(part in code for code in shells), f"{part!r} is no longer in the README"


def test_demo_does_the_main_job(tmp_path: pathlib.Path, environment: dict[str, str]) -> None:
    output = run(["bash", str(ROOT / "apps/demo.sh"), str(tmp_path)], tmp_path, environment)
    lines = output.splitlines()
    sentiment, translation = lines.index("== Sentiment"), lines.index("== Translation")
    assert [line.split("\t")[0] for line in lines[sentiment + 1 : translation]] == [
        "positive",
        "negative",
    ]
    assert "rue" in lines[translation + 1] and "gare" in lines[translation + 2]
    for model in ("sentiment_imdb", "translator_en_fr"):
        assert (tmp_path / model / "1" / "saved_model.pb").is_file()


def test_continuous_integration_runs_the_readmes_test_command() -> None:
    script = (ROOT / ".ci" / "run").read_text(encoding="utf-8")
    assert "python -m pytest" in script and "python -m pytest" in README
    assert "pip install" in script and "'.[test]'" in script and "'.[test]'" in README
    assert shutil.which("bash")
