"""The official messages of TensorFlow Serving, without starting TensorFlow.

They come from the package `tensorflow-serving-api`. Its modules import those of TensorFlow's
own messages, and with them, as Python has it, all of TensorFlow: seconds, and hundreds of
megabytes, for a client that computes nothing. So the folder `tensorflow` stands in for the
package while they are imported.
"""

from __future__ import annotations

import contextlib
import functools
import importlib
import importlib.util
import sys
import threading
import types
from collections.abc import Iterator

_MODULES = {
    "metadata": "tensorflow_serving.apis.get_model_metadata_pb2",
    "models": "tensorflow_serving.apis.model_service_pb2_grpc",
    "predict": "tensorflow_serving.apis.predict_pb2",
    "predictions": "tensorflow_serving.apis.prediction_service_pb2_grpc",
    "status": "tensorflow_serving.apis.get_model_status_pb2",
    "tensor": "tensorflow.core.framework.tensor_pb2",
    "types": "tensorflow.core.framework.types_pb2",
}
_LOCK = threading.Lock()


@functools.cache
def serving_messages() -> types.SimpleNamespace:
    """The modules with the messages and stubs: `predict`, `predictions` (its service),
    `metadata`, `status`, `models` (its service), `tensor`, `types`.

    Raises:
        ImportError: without the packages of the extra `serving`.

    Example:
        >>> from keras_tx.serving.serving_messages import serving_messages
        >>> serving_messages().predict.PredictRequest().DESCRIPTOR.full_name
        'tensorflow.serving.PredictRequest'
    """
    try:
        with _LOCK, _tensorflow_as_folder():
            found = {name: importlib.import_module(path) for name, path in _MODULES.items()}
    except ImportError as error:
        needed = "expected the extra serving: pip install 'keras_tx[serving]'"
        raise ImportError(f"{needed}. Received: {error}") from error
    return types.SimpleNamespace(**found)


@contextlib.contextmanager
def _tensorflow_as_folder() -> Iterator[None]:
    """Lets modules of TensorFlow be imported without its `__init__`, unless it is there."""
    if "tensorflow" in sys.modules:
        yield
        return
    place = importlib.util.find_spec("tensorflow")
    if place is None:
        raise ModuleNotFoundError("No module named 'tensorflow'")
    folder = types.ModuleType("tensorflow")
    folder.__path__ = list(place.submodule_search_locations)
    sys.modules["tensorflow"] = folder
    try:
        yield
    finally:
        # The messages stay: there can be one of each only. The folders make way for the
        # packages, in case TensorFlow is wanted after all.
        for name in list(sys.modules):
            if name.split(".")[0] == "tensorflow" and not name.endswith("_pb2"):
                del sys.modules[name]
