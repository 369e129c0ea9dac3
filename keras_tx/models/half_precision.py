"""Model files with weights in half precision."""

from __future__ import annotations

import io
import os
import zipfile

import h5py
import numpy as np

WEIGHTS = "model.weights.h5"
LARGEST = float(np.finfo("float16").max)


def halve_weights(path: str | os.PathLike) -> None:
    """Store the float32 weights of a `.keras` file in float16: half of the bytes.

    The model that is loaded from it computes in the precision that it is built in, as ever; its
    weights are those numbers of half precision. Other weights stay as they are.

    Args:
        path: a file that Keras has written; it is written anew.

    Raises:
        ValueError: when a weight is not a number, or too large for half precision.

    Example:
        >>> import keras
        >>> from keras_tx.models.half_precision import halve_weights
        >>> model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(3)])
        >>> model.save("model.keras")
        >>> halve_weights("model.keras")
        >>> keras.models.load_model("model.keras").dtype
        'float32'
    """
    with zipfile.ZipFile(path) as archive:
        members = [(member, archive.read(member)) for member in archive.infolist()]
    with zipfile.ZipFile(path, "w") as archive:
        for member, content in members:
            archive.writestr(member, _halved(content) if member.filename == WEIGHTS else content)


def _halved(content: bytes) -> bytes:
    halved = io.BytesIO()
    with h5py.File(io.BytesIO(content), "r") as old, h5py.File(halved, "w") as new:
        _copy(old, new)
    return halved.getvalue()


def _copy(old: h5py.Group, new: h5py.Group) -> None:
    new.attrs.update(old.attrs)
    for name, found in old.items():
        if isinstance(found, h5py.Group):
            _copy(found, new.create_group(name))
            continue
        values = found[()]
        if found.dtype == "float32":
            # Also false of NaN.
            if not np.all(np.abs(values) <= LARGEST):
                raise ValueError(
                    f"weights expected numbers up to {LARGEST:.0f} in half precision. "
                    f"Received: {found.name!r} with others"
                )
            values = values.astype("float16")
        new.create_dataset(name, data=values).attrs.update(found.attrs)
