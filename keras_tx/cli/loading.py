"""TensorFlow and models, brought in only when a command needs them."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Callable, Iterator
from typing import Any

import click

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


def start_tensorflow(
    onednn: bool | None = None, side_by_side: bool = False, frozen_weights: bool = False
) -> None:
    """Imports TensorFlow and the models, without the messages of their start.

    TensorFlow writes of missing GPU libraries before it reads how much it shall write.

    Args:
        onednn: whether to use oneDNN's kernels. They halve the time of a training, and shorten
            that of a classification; a translation, whose products are small, takes less without
            them. Default `None`: as TensorFlow does on this processor.
        side_by_side: whether batches are to run side by side, with one thread for each
            operation (see `keras_tx.models.workers`). A training takes them one by one.
            Default `False`.
        frozen_weights: whether oneDNN may keep weights in its own order, from product to
            product. Where something is trained it must not. Default `False`.
    """
    if onednn is not None:
        os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", str(int(onednn)))
    if "keras" not in sys.modules:
        os.environ["KERAS_BACKEND"] = "tensorflow"  # The text models run on no other.
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    if "keras_tx.models" in sys.modules:
        return
    if frozen_weights:
        os.environ.setdefault("TF_ONEDNN_ASSUME_FROZEN_WEIGHTS", "1")
    if side_by_side:
        os.environ.setdefault("TF_NUM_INTRAOP_THREADS", "1")
    with quiet_standard_error():
        import tensorflow as tf

        import keras_tx.models  # noqa: F401

        tf.config.list_logical_devices()  # What there is to say of devices is said here.
    tf.get_logger().setLevel("ERROR")


def precision_option(function: Callable) -> Callable:
    """Adds `--precision` to a command that runs a model."""
    return click.option(
        "--precision",
        type=click.Choice(["float32", "bfloat16"]),
        default="float32",
        show_default=True,
        help="bfloat16 is faster on many texts where the processor has instructions for it "
        "(AVX512_BF16, AMX), and less exact: a few results in a hundred differ.",
    )(function)


def load_model(name_or_path: str, kind: str | None = None, precision: str = "float32") -> Any:
    """Loads a text model, and checks what it is for.

    Args:
        name_or_path: as `keras_tx.load` takes it.
        kind: `"TextClassifier"` or `"Translator"`, or `None` (default) for any.
        precision: `"float32"` (default) or `"bfloat16"`.

    Raises:
        FileNotFoundError, ValueError: as `keras_tx.load`; and for a model of another kind.
    """
    rounded = precision == "bfloat16"
    # TensorFlow's own products know no instructions for bfloat16.
    onednn = True if rounded else ONEDNN.get(kind)
    start_tensorflow(onednn=onednn, side_by_side=True, frozen_weights=rounded)
    import keras_tx.models

    # In float32 Keras' own setting stands.
    changed = None if precision == "float32" else precision
    model = keras_tx.models.load(name_or_path, precision=changed)
    if kind and not isinstance(model, getattr(keras_tx.models, kind)):
        raise ValueError(
            f"expected a {kind}. Received: --model {name_or_path!r}, "
            f"which holds a {type(model).__name__}"
        )
    return model
