"""Environments with another TensorFlow, made when one is asked for and kept for the next time."""

from __future__ import annotations

import contextlib
import fcntl
import os
import pathlib
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence

# What the newest released TensorFlow Serving is built with.
REQUIREMENTS = {"tf-2.20": ("tensorflow==2.20.*", "tensorflow-text==2.20.*")}
COMPLETE = "keras_tx_requirements.txt"  # Written last: without it the rest counts for nothing.


def environments_directory() -> pathlib.Path:
    """Where environments are kept: `KERAS_TX_CACHE`, or `keras_tx` in the user's cache."""
    if chosen := os.environ.get("KERAS_TX_CACHE"):
        return pathlib.Path(chosen) / "environments"
    cache = os.environ.get("XDG_CACHE_HOME") or pathlib.Path.home() / ".cache"
    return pathlib.Path(cache) / "keras_tx" / "environments"


def is_made(name: str) -> bool:
    """Whether there is an environment with the packages of `name`."""
    file = environments_directory() / name / COMPLETE
    return file.is_file() and file.read_text() == "\n".join(REQUIREMENTS[name])


def environment_python(name: str) -> pathlib.Path:
    """The Python of an environment; makes the environment if there is none.

    It takes about 2 GB under the user's cache and some minutes, and says on standard error that
    it downloads. pip reads the user's own settings.

    Raises:
        RuntimeError: when it cannot be made.
    """
    directory = environments_directory() / name
    with _only_one(directory):
        if not is_made(name):
            print(
                f"Making an environment of its own with {' and '.join(REQUIREMENTS[name])} in "
                f"{directory}: downloads about 700 MB, once.",
                file=sys.stderr,
            )
            make_environment(directory, REQUIREMENTS[name])
    return directory / "bin" / "python"


def make_environment(directory: pathlib.Path, requirements: Sequence[str]) -> None:
    """Make a virtual environment with packages, in place of whatever is there.

    Raises:
        RuntimeError: when that fails; then nothing is left.
    """
    shutil.rmtree(directory, ignore_errors=True)
    python = directory / "bin" / "python"
    # Its own interpreter, not one that is itself an environment's, and none of its packages.
    commands = [[sys.executable, "-m", "venv", str(directory)]]
    if requirements:
        commands.append([str(python), "-m", "pip", "install", "--quiet", *requirements])
    settings = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    try:
        for command in commands:
            process = subprocess.run(
                command, capture_output=True, text=True, errors="replace", env=settings
            )
            if process.returncode != 0:
                lines = [line for line in process.stderr.splitlines() if "ERROR" in line]
                reason = (lines or process.stderr.split("\n") or ["no message"])[-1].strip()
                raise RuntimeError(
                    f"expected an environment with {' '.join(requirements)}. Received: "
                    f"{reason or 'no message'} ({' '.join(command[1:3])})"
                )
        (directory / COMPLETE).write_text("\n".join(requirements))
    except BaseException:
        shutil.rmtree(directory, ignore_errors=True)
        raise


@contextlib.contextmanager
def _only_one(directory: pathlib.Path) -> Iterator[None]:
    """Keeps another process from making the same environment at the same time."""
    directory.parent.mkdir(parents=True, exist_ok=True)
    with open(directory.with_name(f"{directory.name}.lock"), "w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
