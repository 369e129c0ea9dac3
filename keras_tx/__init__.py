"""keras_tx: text classification and translation with Keras 3, from layers to a served model.

`import keras_tx` registers the layers and models with Keras, so that
`keras.models.load_model` finds them.
"""

from __future__ import annotations

import importlib
import os
import sys
from typing import Any

__version__ = "0.1.0"

_ROOMS = ("data", "decoding", "evaluation", "layers", "models", "serving", "text", "training")


def __getattr__(name: str) -> Any:
    # Rooms that are not imported yet come in at their first use.
    if name in _ROOMS:
        return importlib.import_module(f"keras_tx.{name}")
    if name == "load":
        return importlib.import_module("keras_tx.models").load
    raise AttributeError(f"module 'keras_tx' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted([*globals(), *_ROOMS, "load"])


def _is_command_line() -> bool:
    """Whether the interpreter was started as `keras-tx` or `python -m keras_tx`."""
    program = os.path.splitext(os.path.basename(sys.argv[0] if sys.argv else ""))[0]
    return program == "keras-tx" or sys.orig_argv[1:3] == ["-m", "keras_tx"]


def _register() -> None:
    """Import what Keras must know. Without TensorFlow that is the layers only."""
    import keras

    importlib.import_module("keras_tx.layers")
    if keras.backend.backend() == "tensorflow":
        importlib.import_module("keras_tx.models")


# The command line answers `--help` without waiting for TensorFlow; its commands import
# what they need.
if not _is_command_line():
    # TensorFlow uses its oneDNN kernels by default on some processors only; on the others
    # (AMD's, say) they are there too, and training takes half the time with them. Translating
    # is faster there without them, so that the command line asks for them in training only.
    os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")
    _register()
