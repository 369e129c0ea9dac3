"""The directory of a training: what may be written over, and what goes on after a stop."""

from __future__ import annotations

import json
import os
import pathlib
from collections.abc import Callable, Iterable
from typing import Any

CHECKPOINT = "state.npz"
TOKENIZER = "tokenizer"
METRICS = "metrics.json"


class TrainingDirectory:
    """The files of one training.

    Args:
        path: the directory; made by `prepare`.
        resume: go on with a training that stopped here.
        overwrite: what stands here may be lost.

    Raises:
        ValueError: when `path` is empty.
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
        # Resolved, so that `.` has a name too: a model is found by its directory's name.
        self.path = pathlib.Path(path).resolve()
        self.resume = resume
        self.model_path = self.path / f"{self.path.name}.keras"
        if self.path.exists() and not self.path.is_dir():
            raise NotADirectoryError(f"expected a directory. Received: --output {path!r}, a file")
        if resume or overwrite:
            return
        for file, what in ((self.model_path, "model"), (self.path / CHECKPOINT, "training")):
            if file.exists():
                raise FileExistsError(
                    "expected a new directory for --output, or --resume or --overwrite. "
                    f"Received: {path!r}, which holds the {what} {file.name}"
                )

    def prepare(self) -> None:
        """Make the directory, before any work is done."""
        self.path.mkdir(parents=True, exist_ok=True)

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
        beside = self.path / f".{METRICS}.{os.getpid()}.part"
        try:
            content = json.dumps(metrics, indent=2, ensure_ascii=False) + "\n"
            beside.write_text(content, encoding="utf-8")
            os.replace(beside, self.path / METRICS)
        finally:
            beside.unlink(missing_ok=True)
