"""The versions of an exported model, loaded and run as TensorFlow Serving runs them.

A part of `LoopbackServer`, which is for tests.
"""

from __future__ import annotations

import math
import pathlib
import threading
from collections.abc import Mapping
from typing import Any

import numpy as np
import tensorflow as tf
import tensorflow_text  # noqa: F401  # Its operations.

from keras_tx.serving.client_transport import ServerError
from keras_tx.serving.export import versions
from keras_tx.serving.loopback_batching import Arrays, Batcher, DynamicBatching


class ServedVersion:
    """One version of a model, in a session of its own.

    Args:
        directory: the version's; its name is the number.
        batching: how requests are put together. Default `None`: each by itself.
    """

    def __init__(self, directory: pathlib.Path, batching: DynamicBatching | None = None) -> None:
        self.number = int(directory.name)
        with tf.Graph().as_default() as graph:
            session = tf.compat.v1.Session(graph=graph)
            meta_graph = _load(session, directory)
            self.signatures = {
                name: signature
                for name, signature in meta_graph.signature_def.items()
                if not name.startswith("__")
            }
            self._functions = {
                name: _Function(session, signature) for name, signature in self.signatures.items()
            }
        self._batchers = {}
        if batching:
            self._batchers = {
                name: Batcher(function, batching) for name, function in self._functions.items()
            }

    def predict(self, signature: str, inputs: Arrays) -> Arrays:
        """The outputs of a signature, after a check of the inputs.

        Raises:
            ServerError: with the code `INVALID_ARGUMENT`, for what does not fit.
            tf.errors.OpError: what the graph raises.
        """
        if signature not in self._functions:
            raise ServerError(
                f"expected one of the signatures {sorted(self.signatures)}. "
                f"Received: {signature!r}",
                "INVALID_ARGUMENT",
            )
        check_inputs(self.signatures[signature], inputs)
        batcher = self._batchers.get(signature)
        rows = {array.shape[0] if array.ndim else None for array in inputs.values()}
        if batcher is None or len(rows) != 1 or None in rows:
            return self._functions[signature](inputs)
        return batcher(inputs)

    def close(self) -> None:
        """Answers what waits. The session goes when nothing uses it any more."""
        for batcher in self._batchers.values():
            batcher.close()


def _load(session: tf.compat.v1.Session, directory: pathlib.Path) -> Any:
    logger = tf.get_logger()
    level = logger.level
    logger.setLevel("ERROR")  # It would say that sessions are a thing of the past.
    try:
        return tf.compat.v1.saved_model.load(session, ["serve"], str(directory))
    finally:
        logger.setLevel(level)


class _Function:
    """A signature, made callable once."""

    def __init__(self, session: tf.compat.v1.Session, signature: Any) -> None:
        self._inputs = list(signature.inputs)
        self._outputs = list(signature.outputs)
        graph = session.graph
        self._call = session.make_callable(
            [graph.get_tensor_by_name(signature.outputs[name].name) for name in self._outputs],
            [graph.get_tensor_by_name(signature.inputs[name].name) for name in self._inputs],
        )

    def __call__(self, inputs: Arrays) -> Arrays:
        values = self._call(*(inputs[name] for name in self._inputs))
        return dict(zip(self._outputs, map(np.asarray, values), strict=True))


def check_inputs(signature: Any, inputs: Arrays) -> None:
    """Raises `ServerError` unless the inputs are those of a `SignatureDef`."""
    if set(inputs) != set(signature.inputs):
        raise ServerError(
            f"expected the inputs {sorted(signature.inputs)}. Received: {sorted(inputs)}",
            "INVALID_ARGUMENT",
        )
    for name, tensor in signature.inputs.items():
        array = inputs[name]
        dtype = tf.dtypes.as_dtype(tensor.dtype)
        shape = tf.TensorShape(tensor.tensor_shape)
        if dtype.as_numpy_dtype != array.dtype or not shape.is_compatible_with(array.shape):
            kind = "string" if array.dtype == object else array.dtype
            raise ServerError(
                f"expected {dtype.name} of shape {shape} as input {name}. "
                f"Received: {kind} of shape {array.shape}",
                "INVALID_ARGUMENT",
            )


class ServedModel:
    """A model's base directory, watched: the newest version in it is served.

    A new version is loaded beside the old one, which is then let go; requests that are on
    their way end with the version that they began with.

    Args:
        name: the model's.
        directory: its base directory, with a version in it.
        batching: how requests are put together. Default `None`: each by itself.
        poll_seconds: how often to look for a new version. Default 0.2.

    Raises:
        FileNotFoundError: when there is no version.
    """

    def __init__(
        self,
        name: str,
        directory: pathlib.Path,
        batching: DynamicBatching | None = None,
        poll_seconds: float = 0.2,
    ) -> None:
        self.name = name
        self._directory = directory
        self._batching = batching
        newest = versions(directory)[-1:]
        if not newest:
            raise FileNotFoundError(f"expected a version of a model. Received: {directory}")
        self._current = ServedVersion(newest[0], batching)
        self._stopped = threading.Event()
        self._watcher = threading.Thread(target=self._watch, args=[poll_seconds], daemon=True)
        self._watcher.start()

    @property
    def current(self) -> ServedVersion:
        """The version that is served."""
        return self._current

    def find(self, name: str, version: int | None = None, label: str | None = None) -> Any:
        """The served version, if it is what a request asks for.

        Raises:
            ServerError: with the code `NOT_FOUND` for another model or version.
        """
        current = self._current
        wrong = name != self.name or version not in (None, current.number)
        if wrong or label:  # No labels are set here.
            wanted = f"label {label!r}" if label else f"version {version or 'latest'}"
            raise ServerError(f"Servable not found for request: {name!r}, {wanted}", "NOT_FOUND")
        return current

    def predict(
        self,
        name: str,
        signature: str,
        inputs: Mapping[str, np.ndarray],
        version: int | None = None,
        label: str | None = None,
    ) -> tuple[int, Arrays]:
        """The number of the version that answers, and its outputs."""
        while True:
            found = self.find(name, version, label)
            try:
                return found.number, found.predict(signature, inputs)
            except ServerError as error:
                # The old version closed between the two lines above: ask the new one.
                if not error.may_pass or found is self._current:
                    raise

    def close(self) -> None:
        self._stopped.set()
        self._watcher.join()
        self._current.close()

    def _watch(self, poll_seconds: float) -> None:
        failed: set[str] = set()
        while not self._stopped.wait(poll_seconds):
            newest = versions(self._directory)[-1:]
            if not newest or newest[0].name in failed:
                continue
            if int(newest[0].name) > self._current.number:
                try:
                    version = ServedVersion(newest[0], self._batching)
                except Exception:  # It does not load: the one before stays, until there is another.
                    failed.add(newest[0].name)
                    continue
                old, self._current = self._current, version
                old.close()


def check_count(shape: tuple[int, ...], count: int, largest: int) -> None:
    """Raises `ServerError` unless so many values fill a tensor of this shape.

    A message may claim a huge tensor and hold one value of it: nothing is allocated for that.
    """
    size = math.prod(shape)
    if any(extent < 0 for extent in shape) or size != count or size > largest:
        raise ServerError(
            f"expected the values of a tensor of shape {shape}, at most {largest:,}. "
            f"Received: {count:,}",
            "INVALID_ARGUMENT",
        )
