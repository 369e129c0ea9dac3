"""The directory of a training: what may be written over, and what goes on after a stop."""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import pathlib
import shutil
from collections.abc import Callable, Iterable
from typing import Any

CHECKPOINT = "state.npz"
TOKENIZER = "tokenizer"
METRICS = "metrics.json"
SETTINGS = "settings.json"


class TrainingDirectory:
    """The files of one training.

    In a `with` block no other training may `prepare` the same directory.

    Args:
        path: the directory; made by `prepare`.
        resume: go on with a training that stopped here.
        overwrite: what stands here may be lost.

    Raises:
        ValueError: when `path` is empty, and for `resume` with `overwrite`.
        NotADirectoryError: when `path` is a file.
        FileExistsError: when there is a model or a stopped training, and neither `resume` nor
            `overwrite` is given.

    Example:
        >>> from keras_tx.cli.training_directory import TrainingDirectory
        >>> TrainingDirectory("runs/en_fr").model_path.name
        'en_fr.keras'
    """

    def __init__(self, path: str, resume: bool = False, overwrite: bool = False) -> None:
        if not path:  # Left empty by mistake, it would be the working directory.
            raise ValueError("expected a directory. Received: --output ''")
        if resume and overwrite:
            raise ValueError("expected --resume or --overwrite. Received: both")
        # Resolved, so that `.` has a name too: a model is found by its directory's name.
        self.given, self.path = path, pathlib.Path(path).resolve()
        self.resume, self.overwrite = resume, overwrite
        self.model_path = self.path / f"{self.path.name}.keras"
        self._lock: int | None = None
        if self.path.exists() and not self.path.is_dir():
            raise NotADirectoryError(f"expected a directory. Received: --output {path!r}, a file")
        self._require_new()

    def __enter__(self) -> TrainingDirectory:
        return self

    def __exit__(self, *details: object) -> None:
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    def _require_new(self) -> None:
        if self.resume or self.overwrite:
            return
        for file, what in ((self.model_path, "model"), (self.path / CHECKPOINT, "training")):
            if file.exists():
                raise FileExistsError(
                    "expected a new directory for --output, or --resume or --overwrite. "
                    f"Received: {self.given!r}, which holds the {what} {file.name}"
                )

    def prepare(self, settings: dict[str, Any]) -> None:
        """Make the directory, and keep others from it, before any work is done.

        Args:
            settings: what decides how the training goes, as JSON. A training that stopped goes on
                only with the same.

        Raises:
            ValueError: when the training to resume had other settings.
            FileExistsError: when another training is under way here, or has just ended.
        """
        self.path.mkdir(parents=True, exist_ok=True)
        if self._lock is None:
            self._take_lock()
        self._require_new()
        record = self.path / SETTINGS
        if self.resume and (self.path / CHECKPOINT).exists():
            self._check(settings, record)
            return
        # Before there is a new tokenizer: with that, the old checkpoint would go on as nonsense.
        (self.path / CHECKPOINT).unlink(missing_ok=True)
        shutil.rmtree(self.path / TOKENIZER, ignore_errors=True)
        _write_json(record, settings)

    def _take_lock(self) -> None:
        """Of the directory itself, which leaves no file behind, not even after a kill."""
        self._lock = os.open(self.path, os.O_RDONLY)
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise FileExistsError(
                "expected a directory of its own for each training. Received: --output "
                f"{self.given!r}, where another one is under way"
            ) from None
        except OSError:
            pass  # A file system without locks, as some are of networks.

    def _check(self, settings: dict[str, Any], record: pathlib.Path) -> None:
        """Raises unless the stopped training had the same settings, as far as they are known."""
        try:
            before = json.loads(record.read_text(encoding="utf-8"))
        except FileNotFoundError:
            return
        except ValueError:  # Also of UnicodeDecodeError, JSON's own.
            before = None
        if not isinstance(before, dict):
            raise ValueError(
                f"expected the settings of the stopped training. Received: {str(record)!r}, which "
                "has none (--overwrite starts anew)"
            )
        for name, value in before.items():  # An earlier version knew fewer.
            if settings.get(name) != value:
                raise ValueError(
                    f"expected the {name} of the stopped training: {value!r}. "
                    f"Received: {settings.get(name)!r} (--overwrite starts anew)"
                )

    def tokenizer(self, new: Any, texts: Callable[[], Iterable[str]]) -> Any:
        """The tokenizer of the stopped training, or else `new`, fitted on `texts()` and saved."""
        folder = self.path / TOKENIZER
        if self.resume:
            new.load_assets(str(folder))
        if not new.is_fitted:
            new.fit(texts())
            folder.mkdir(exist_ok=True)
            new.save_assets(str(folder))
        return new

    def write_metrics(self, metrics: dict[str, Any]) -> None:
        """Write `metrics.json`."""
        _write_json(self.path / METRICS, metrics)


def _write_json(path: pathlib.Path, content: dict[str, Any]) -> None:
    beside = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        text = json.dumps(content, indent=2, ensure_ascii=False) + "\n"
        beside.write_text(text, encoding="utf-8", errors="backslashreplace")
        os.replace(beside, path)
    finally:
        beside.unlink(missing_ok=True)


def checksum(parts: Iterable[Any]) -> str:
    """What tells examples from others: of all that they hold, in their order.

    Args:
        parts: texts, labels, or what holds them.

    Example:
        >>> from keras_tx.cli.training_directory import checksum
        >>> checksum(["a", "b"]) == checksum(["ab", ""])
        False
    """
    found = hashlib.sha256()
    for part in parts:
        found.update(json.dumps(part, default=int).encode() + b"\n")
    return found.hexdigest()[:16]
