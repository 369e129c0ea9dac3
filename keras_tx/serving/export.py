"""Export of graph functions as a SavedModel for TensorFlow Serving."""

from __future__ import annotations

import contextlib
import json
import os
import pathlib
import re
import shutil
import time
import uuid
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import keras
import tensorflow as tf

from keras_tx.serving import warm_up as warm_up_requests
from keras_tx.serving.stored_weights import STORED_WEIGHTS, StoredWeights

# TensorFlow Serving leaves this folder of a SavedModel to others.
FACTS_PATH = pathlib.PurePath("assets.extra", "keras_tx.json")
LARGEST_VERSION = 2**63 - 1  # A server's numbers have 64 bits.
# What a path library makes of `gs://bucket` has one slash.
_ADDRESS = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+:/")
# TensorFlow takes a path for a pattern. Those of `*` and `?` match themselves.
_PATTERN = re.compile(r"\\|\[.+\]", re.DOTALL)
_UNFINISHED = re.compile(r"\.export\.[0-9a-f]+")
_DAY = 86_400


def versions(directory: str | os.PathLike) -> list[pathlib.Path]:
    """What has a number as its name in a model's base directory, the newest version last.

    Numbers that a server cannot read, from 2⁶³ on, are none.
    """
    directory = pathlib.Path(directory)
    entries = list(directory.iterdir()) if directory.is_dir() else []
    numbered = [entry for entry in entries if entry.name.isascii() and entry.name.isdecimal()]
    known = [entry for entry in numbered if int(entry.name) <= LARGEST_VERSION]
    return sorted(known, key=lambda entry: int(entry.name))


def export_saved_model(
    signatures: Mapping[str, tuple[Callable, list[tf.TensorSpec]]],
    directory: str | os.PathLike,
    resources: Sequence[Any] = (),
    facts: Mapping[str, Any] | None = None,
    *,
    warm_up: bool = False,
    weights: str = "float32",
    variables: Sequence[keras.Variable] = (),
) -> pathlib.Path:
    """Write graph functions to `directory/<version>/` as a SavedModel.

    The version is one more than the highest there. The files are written beside and renamed:
    a server that watches the directory never sees half a model.

    Args:
        signatures: name -> (function, input signature). Each function returns a
            dictionary of tensors whose dimension 0 is the batch.
        directory: the model's base directory.
        resources: trackable objects that the functions use besides their variables, such
            as the resources of tokenizers.
        facts: what JSON can hold about the model, for `read_facts`. Default `None`: nothing.
        warm_up: whether to add requests that the server runs before it takes others, made of
            sample sentences for each signature; needs the extra `serving`. Default `False`.
        weights: how `variables` are stored: `"float32"` (default), as they are; `"float16"` or
            `"int8"`, smaller and less exact (see `StoredWeights`).
        variables: the weights that the functions read. Default: none.

    Returns:
        The version's directory.

    Raises:
        ImportError: when a package for warm-up requests is missing.
        NotADirectoryError: when `directory` is a file.
        ValueError: for an unknown kind of weights, a directory that is not on this machine or
            from whose path TensorFlow could not load, and after the largest version.

    Example:
        >>> import tempfile, keras, tensorflow as tf
        >>> from keras_tx.serving import export_saved_model, read_facts
        >>> weight = keras.Variable(2.0)
        >>> def double(x):
        ...     return {"twice": weight * x}
        >>> with tempfile.TemporaryDirectory() as directory:
        ...     path = export_saved_model(
        ...         {"serving_default": (double, [tf.TensorSpec([None], name="x")])},
        ...         directory, facts={"model": "double"})
        ...     path.name, read_facts(path)
        ('1', {'model': 'double'})
    """
    directory = _base_directory(directory)
    if weights not in STORED_WEIGHTS:
        raise ValueError(f"weights expected one of {STORED_WEIGHTS}. Received: weights={weights!r}")
    held = tf.Module()
    held.resources = list(resources)
    if weights != "float32":
        stored = StoredWeights(variables, weights)
        held.weights = stored.parts
        signatures = stored.signatures(signatures)
        facts = {**(facts or {}), "weights": weights}
    is_new = not directory.exists()
    directory.mkdir(parents=True, exist_ok=True)
    _remove_leftovers(directory)
    # The name is no number, so a server does not take it for a version.
    beside = directory / f".export.{uuid.uuid4().hex}"
    try:
        _write(beside, signatures, held)
        if facts is not None:
            facts_file = beside / FACTS_PATH
            facts_file.parent.mkdir(exist_ok=True)
            facts_file.write_text(json.dumps(dict(facts), indent=2) + "\n", encoding="utf-8")
        if warm_up:
            inputs = {name: specification for name, (_, specification) in signatures.items()}
            runs = warm_up_requests.warm_up_runs(inputs)
            file = beside / warm_up_requests.WARM_UP_PATH
            warm_up_requests.write_warm_up(file, runs, directory.resolve().name)
        target = _put_in_place(beside, directory)
    finally:
        shutil.rmtree(beside, ignore_errors=True)
        if is_new and not any(directory.iterdir()):
            directory.rmdir()
    return target


def _base_directory(directory: str | os.PathLike) -> pathlib.Path:
    """The directory, if a version can be written there and loaded from there."""
    if _ADDRESS.match(os.fspath(directory)):
        raise ValueError(f"expected a directory on this machine. Received: {str(directory)!r}")
    directory = pathlib.Path(directory)
    if directory.exists() and not directory.is_dir():
        raise NotADirectoryError(f"expected a directory. Received: {directory}, which is a file")
    if _PATTERN.search(str(directory)):
        raise ValueError(
            "expected a path without backslashes and [brackets], from which TensorFlow could "
            f"not load. Received: {str(directory)!r}"
        )
    _next_version(directory)
    return directory


def _remove_leftovers(directory: pathlib.Path) -> None:
    """Remove what exports that were killed have left; one under way is not a day old."""
    with contextlib.suppress(OSError):  # They are in nobody's way.
        for entry in directory.iterdir():
            old = time.time() - entry.lstat().st_mtime > _DAY
            if old and _UNFINISHED.fullmatch(entry.name) and entry.is_dir():
                shutil.rmtree(entry, ignore_errors=True)


def _next_version(directory: pathlib.Path) -> int:
    number = max((int(old.name) for old in versions(directory)), default=0) + 1
    if number > LARGEST_VERSION:
        raise ValueError(
            f"expected a version below {LARGEST_VERSION}, the largest one of a server. "
            f"Received: {directory}, which has it"
        )
    return number


def _put_in_place(beside: pathlib.Path, directory: pathlib.Path) -> pathlib.Path:
    """Make a finished export the next version, also when others are exporting."""
    while True:
        target = directory / str(_next_version(directory))
        try:
            os.rename(beside, target)
        except OSError:
            if not target.exists():
                raise
        else:
            return target


def _write(
    directory: pathlib.Path,
    signatures: Mapping[str, tuple[Callable, list[tf.TensorSpec]]],
    held: tf.Module,
) -> None:
    archive = keras.export.ExportArchive()
    archive.track(held)
    for name, (function, specification) in signatures.items():
        # Saving traces an endpoint twice, which takes seconds. What it calls is a graph by then.
        compiled = tf.function(function, input_signature=specification, autograph=False)
        graph = compiled.get_concrete_function()
        archive.add_endpoint(name, _calling(graph), input_signature=specification)
    archive.write_out(str(directory), verbose=False)


def _calling(graph: Callable) -> Callable:
    return lambda *inputs: graph(*inputs)


def read_facts(version_directory: str | os.PathLike) -> dict[str, Any]:
    """The facts that `export_saved_model` wrote into a version's directory.

    Args:
        version_directory: the directory that holds `saved_model.pb`.

    Returns:
        The facts; `{}` for an export without any.

    Raises:
        ValueError: when the file with the facts is damaged.

    Example:
        >>> from keras_tx.serving import read_facts
        >>> read_facts("no/such/export/1")
        {}
    """
    file = pathlib.Path(version_directory) / FACTS_PATH
    if not file.is_file():
        return {}
    try:
        facts = json.loads(file.read_text(encoding="utf-8"))
    except ValueError as error:  # Also of UnicodeDecodeError, JSON's own.
        raise ValueError(f"expected JSON. Received: {file}, which has none ({error})") from error
    if not isinstance(facts, dict):
        raise ValueError(f"expected a JSON object. Received: {file}, with {facts!r}")
    return facts
