"""TensorFlow and models, brought in only when a command needs them."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Iterator
from typing import Any

# Whether its kernels pay, by kind of model: see `start_tensorflow`.
ONEDNN = {"Translator": False, "TextClassifier": True}


@contextlib.contextmanager
def quiet_standard_error() -> Iterator[None]:
    """Keeps away what is written to the process's standard error, also by C++ code."""
    try:
        kept = os.dup(2)
    except OSError:  # There is none: nothing can be written.
        yield
        return
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 2)
    os.close(nowhere)
    try:
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)


def start_tensorflow(onednn: bool | None = None, side_by_side: bool = False) -> None:
    """Imports TensorFlow and the models, without the messages of their start.

    TensorFlow writes of missing GPU libraries before it reads how much it shall write.

    Args:
        onednn: whether to use oneDNN's kernels. They halve the time of a training, and shorten
            that of a classification; a translation, whose products are small, takes less without
            them. Default `None`: as TensorFlow does on this processor.
        side_by_side: whether batches are to run side by side, with one thread for each
            operation (see `keras_tx.models.workers`). A training takes them one by one.
            Default `False`.
    """
    if onednn is not None:
        os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", str(int(onednn)))
    if "keras" not in sys.modules:
        os.environ["KERAS_BACKEND"] = "tensorflow"  # The text models run on no other.
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    if "keras_tx.models" in sys.modules:
        return
    if side_by_side:
        os.environ.setdefault("TF_NUM_INTRAOP_THREADS", "1")
    with quiet_standard_error():
        import tensorflow as tf

        import keras_tx.models  # noqa: F401

        tf.config.list_logical_devices()  # What there is to say of devices is said here.
    tf.get_logger().setLevel("ERROR")


def load_model(name_or_path: str, kind: str | None = None) -> Any:
    """Loads a text model, and checks what it is for.

    Args:
        name_or_path: as `keras_tx.load` takes it.
        kind: `"TextClassifier"` or `"Translator"`, or `None` (default) for any.

    Raises:
        FileNotFoundError, ValueError: as `keras_tx.load`; and for a model of another kind.
    """
    start_tensorflow(onednn=ONEDNN.get(kind), side_by_side=True)
    import keras_tx.models

    model = keras_tx.models.load(name_or_path)
    if kind and not isinstance(model, getattr(keras_tx.models, kind)):
        raise ValueError(
            f"expected a {kind}. Received: --model {name_or_path!r}, "
            f"which holds a {type(model).__name__}"
        )
    return model
