"""Warm-up requests: what TensorFlow Serving runs before a version takes its first request."""

from __future__ import annotations

import importlib.util
import os
import pathlib
from collections.abc import Iterable, Mapping, Sequence

import numpy as np
import tensorflow as tf

from keras_tx.data import sample_pairs, sample_reviews
from keras_tx.serving.runtimes import Run

# The server looks for it there, under this name.
WARM_UP_PATH = pathlib.PurePath("assets.extra", "tf_serving_warmup_requests")
MOST_REQUESTS = 1000  # The server refuses a version with more.
BATCH_SIZES = (1, 4, 16)


def can_warm_up() -> bool:
    """Whether the package with the server's messages, of the extra `serving`, is installed.

    Example:
        >>> from keras_tx.serving import can_warm_up
        >>> can_warm_up() in (True, False)
        True
    """
    return importlib.util.find_spec("tensorflow_serving") is not None


def warm_up_runs(specifications: Mapping[str, Sequence[tf.TensorSpec]]) -> list[Run]:
    """Requests for each signature, of one and of more real sentences, short and long ones.

    Sentences come from the sample inside the package: reviews for signatures of a `text`
    alone; English sentences with their translations where there is a `translation`.

    Args:
        specifications: signature -> its inputs. Signatures with inputs that are no strings
            get no request.

    Example:
        >>> import tensorflow as tf
        >>> from keras_tx.serving.warm_up import warm_up_runs
        >>> runs = warm_up_runs({"serving_default": [tf.TensorSpec([None], tf.string, "text")]})
        >>> [len(run.inputs["text"]) for run in runs]
        [1, 4, 16]
    """
    inputs = [tensor for tensors in specifications.values() for tensor in tensors]
    if any(tensor.name == "translation" for tensor in inputs):
        pairs = sample_pairs()
        columns = {"translation": pairs.targets}
        texts = pairs.sources
    else:
        columns, texts = {}, sample_reviews().texts
    by_length = sorted(range(len(texts)), key=lambda number: len(texts[number]))
    runs = []
    for name, tensors in specifications.items():
        if any(tensor.dtype != tf.string for tensor in tensors):
            continue
        for size in BATCH_SIZES:
            rows = [by_length[len(texts) * (2 * place + 1) // (2 * size)] for place in range(size)]
            chosen = {
                tensor.name: [columns.get(tensor.name, texts)[row].encode() for row in rows]
                for tensor in tensors
            }
            runs.append(Run(name, chosen))
    return runs


def write_warm_up(file: str | os.PathLike, runs: Iterable[Run], model: str) -> None:
    """Write requests as the server reads them: a TFRecord file of `PredictionLog` messages.

    Args:
        file: where; its folder is made.
        runs: at most 1000.
        model: the name under which the model is served.

    Raises:
        ImportError: when the package `tensorflow-serving-api` is missing.
        ValueError: for more than 1000 requests.
    """
    log_pb2 = _messages()
    runs = list(runs)
    if len(runs) > MOST_REQUESTS:
        raise ValueError(
            f"warm-up expected at most {MOST_REQUESTS} requests. Received: {len(runs)}"
        )
    pathlib.Path(file).parent.mkdir(parents=True, exist_ok=True)
    with tf.io.TFRecordWriter(str(file)) as writer:
        for run in runs:
            log = log_pb2.PredictionLog()
            request = log.predict_log.request
            request.model_spec.name = model
            request.model_spec.signature_name = run.signature
            for name, texts in run.inputs.items():
                tensor = tf.make_tensor_proto(list(texts), tf.string, [len(texts)])
                request.inputs[name].CopyFrom(tensor)
            writer.write(log.SerializeToString())


def read_warm_up(version_directory: str | os.PathLike) -> list[Run]:
    """The warm-up requests of an export; none where it has no file with them.

    Raises:
        ImportError: when there is such a file and the package `tensorflow-serving-api` is
            missing.
        ValueError: when the file is damaged, has no or more than 1000 requests, or requests that
            are no predictions for strings.
    """
    file = pathlib.Path(version_directory) / WARM_UP_PATH
    if not file.is_file():
        return []
    log_pb2 = _messages()
    try:
        records = list(tf.data.TFRecordDataset(str(file)).as_numpy_iterator())
        logs = [log_pb2.PredictionLog.FromString(record) for record in records]
    except Exception as error:  # The readers raise whatever the damage happens to hit.
        raise ValueError(f"{WARM_UP_PATH} is damaged: {error}") from error
    if not logs:  # The reader takes a beginning of a record for the end of the file.
        raise ValueError(f"{WARM_UP_PATH} is damaged: it holds no request")
    if len(logs) > MOST_REQUESTS:
        raise ValueError(
            f"{WARM_UP_PATH} expected at most {MOST_REQUESTS} requests. Received: {len(logs)}"
        )
    runs = []
    for number, log in enumerate(logs, 1):
        request = log.predict_log.request
        inputs = {name: tf.make_ndarray(tensor) for name, tensor in request.inputs.items()}
        strings = all(array.dtype == object and array.ndim == 1 for array in inputs.values())
        if not inputs or not strings:
            raise ValueError(
                f"{WARM_UP_PATH} expected predictions for lists of strings. Received: another "
                f"request, number {number}"
            )
        name = request.model_spec.signature_name or "serving_default"
        runs.append(Run(name, {key: _bytes(array) for key, array in inputs.items()}))
    return runs


def _bytes(array: np.ndarray) -> list[bytes]:
    return [bytes(text) for text in array]


def _messages():
    try:
        from tensorflow_serving.apis import prediction_log_pb2
    except ImportError as error:
        raise ImportError(
            "expected the extra serving: pip install 'keras_tx[serving]'. Received: no package "
            "tensorflow-serving-api, which has the messages of TensorFlow Serving"
        ) from error
    return prediction_log_pb2
