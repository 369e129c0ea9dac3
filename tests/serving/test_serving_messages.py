"""The official messages come without TensorFlow, and TensorFlow can come after them."""

import importlib
import subprocess
import sys

import pytest

from keras_tx.serving import serving_messages as module
from keras_tx.serving.serving_messages import serving_messages

# As the command line: `import keras_tx` itself brings in nothing then.
FRESH = """
import sys
sys.argv = ["keras-tx"]
import keras_tx.cli.translate, keras_tx.cli.classify
from keras_tx.serving import Client
clients = [Client(f"{scheme}://127.0.0.1:9", "m") for scheme in ("grpc", "http")]
assert "tensorflow" not in sys.modules and "keras" not in sys.modules
from keras_tx.serving.client_grpc import from_tensor_message, to_tensor_message
import numpy as np
message = to_tensor_message(np.array([[1, 2]]))
assert not [name for name in sys.modules if name.startswith("tensorflow.python")]

import tensorflow as tf
from tensorflow.core.framework import tensor_pb2
assert type(message) is tensor_pb2.TensorProto
assert tf.make_ndarray(message).tolist() == [[1, 2]]
assert from_tensor_message(tf.make_tensor_proto(["x"])).tolist() == [b"x"]
assert float(tf.function(lambda x: 2 * x)(tf.constant(2.0))) == 4.0
print("fine")
"""


def test_without_tensorflow_and_with_it_afterwards():
    process = subprocess.run([sys.executable, "-c", FRESH], capture_output=True, text=True)
    assert process.stdout == "fine\n", process.stderr[-3000:]


def test_services_are_the_official_ones():
    importlib.import_module("tensorflow_serving.apis.prediction_service_pb2")
    messages = serving_messages()
    service = messages.predict.DESCRIPTOR.pool.FindServiceByName(
        "tensorflow.serving.PredictionService"
    )
    assert {"Predict", "GetModelMetadata"} <= {method.name for method in service.methods}
    assert hasattr(messages.models, "ModelServiceStub")


def test_what_is_missing_is_told(monkeypatch):
    monkeypatch.setattr(module, "_MODULES", {"predict": "tensorflow_serving.apis.no_such_pb2"})
    with pytest.raises(ImportError, match=r"keras_tx\[serving\]'. Received: No module named"):
        serving_messages.__wrapped__()
