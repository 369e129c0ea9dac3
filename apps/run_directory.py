"""The folder of a recipe's run: no earlier run is lost by mistake, or gone on with as another."""

from __future__ import annotations

import argparse
import json
import os
import pathlib
import shutil
from typing import Any

CHECKPOINT, SETTINGS = "state.npz", "settings.json"
TOKENIZERS = ("tokenizer", "target_tokenizer")
# What may change when a run goes on: where its files are, and how long it takes.
NO_SETTINGS = {"data", "output", "epochs", "minutes", "resume", "overwrite"}
PATHS = {"also", "backbone", "start_from", "tokenizer_of"}


def add_run_options(parser: argparse.ArgumentParser) -> None:
    """`--output`, `--resume` and `--overwrite`."""
    parser.add_argument("--output", type=pathlib.Path, required=True)
    choice = parser.add_mutually_exclusive_group()
    choice.add_argument("--resume", action="store_true", help="go on with the run in --output")
    choice.add_argument("--overwrite", action="store_true", help="lose the run in --output")


def begin_run(arguments: argparse.Namespace) -> None:
    """Keep the options of a new run, or compare them with those of the run that goes on.

    To be called when the data has been read.

    Raises:
        FileExistsError: when there is a run, and neither `--resume` nor `--overwrite` is given.
        ValueError: when the run that goes on had other options.
    """
    checkpoint, record = arguments.output / CHECKPOINT, arguments.output / SETTINGS
    settings = _settings(arguments)
    if arguments.resume and checkpoint.exists():
        if record.exists():
            _compare(settings, record)
        else:  # Of a run before there were settings.
            write_json(record, settings)
        return
    if checkpoint.exists() and not arguments.overwrite:
        raise FileExistsError(
            "expected a new folder for --output, or --resume or --overwrite. "
            f"Received: {str(arguments.output)!r}, which has a run ({CHECKPOINT})"
        )
    # Before there is a new vocabulary: with that, the old run would go on as nonsense.
    checkpoint.unlink(missing_ok=True)
    if record.exists() and not (arguments.resume and _read(record) == settings):
        for name in TOKENIZERS:
            shutil.rmtree(arguments.output / name, ignore_errors=True)
    arguments.output.mkdir(parents=True, exist_ok=True)
    write_json(record, settings)


def _settings(arguments: argparse.Namespace) -> dict[str, Any]:
    """The options that a run keeps; of a path its name, for folders may be moved."""
    kept = {name: value for name, value in vars(arguments).items() if name not in NO_SETTINGS}
    for name in PATHS.intersection(kept):
        if isinstance(kept[name], list):
            kept[name] = [pathlib.PurePath(path).name for path in kept[name]]
        elif kept[name] is not None:
            kept[name] = pathlib.PurePath(kept[name]).name
    return json.loads(json.dumps(kept, default=str))  # Tuples are lists there.


def _compare(settings: dict[str, Any], record: pathlib.Path) -> None:
    before = _read(record)
    if before is None:
        raise ValueError(f"{record} expected the options of a run. Received: none")
    for name, value in settings.items():
        # An option that came later has no value there.
        if before.get(name, value) != value:
            raise ValueError(
                f"--{name.replace('_', '-')} expected {before[name]!r}, as the run to resume has "
                f"it. Received: {value!r} (--overwrite starts anew)"
            )


def _read(record: pathlib.Path) -> dict[str, Any] | None:
    try:
        return dict(json.loads(record.read_text(encoding="utf-8")))
    except (TypeError, ValueError):
        return None


def require_a_round(history: list[dict[str, Any]], arguments: argparse.Namespace) -> None:
    """Raises ValueError when the minutes were over before anything was learned."""
    if not history:
        raise ValueError(
            f"--minutes expected time for one round at least. Received: {arguments.minutes}"
        )


def write_json(path: pathlib.Path, content: Any) -> None:
    """Beside it first, so that a stop leaves no half of a file."""
    beside = path.with_name(path.name + ".part")
    beside.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")
    os.replace(beside, path)
