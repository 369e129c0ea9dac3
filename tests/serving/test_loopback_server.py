"""The official services, on the loopback interface and nowhere else."""

import json
import socket
import subprocess
import sys

import grpc
import pytest
import tensorflow as tf
from tensorflow_serving.apis import (
    get_model_metadata_pb2,
    inference_pb2,
    predict_pb2,
    prediction_service_pb2_grpc,
)

from keras_tx.serving import Client, LoopbackServer, export_saved_model

TEXT = [tf.TensorSpec([None], tf.string, name="text")]


@pytest.fixture(scope="module")
def directory(tmp_path_factory):
    def measure(text):
        lengths = tf.strings.length(text)
        return {"length": lengths, "half": tf.cast(lengths, tf.float32) / 2}

    def fail(text):
        checked = tf.debugging.Assert(tf.size(text) > 5, ["too few"])
        with tf.control_dependencies([checked]):
            return {"copy": tf.identity(text)}

    path = tmp_path_factory.mktemp("server") / "lengths"
    export_saved_model({"serving_default": (measure, TEXT), "fail": (fail, TEXT)}, path)
    return path


def request(text, signature=""):
    message = predict_pb2.PredictRequest()
    message.model_spec.name = "lengths"
    message.model_spec.signature_name = signature
    message.inputs["text"].CopyFrom(tf.make_tensor_proto(text))
    return message


def test_predict_as_the_official_stub_asks(directory):
    with LoopbackServer(directory) as server:
        channel = grpc.insecure_channel(server.grpc_address.removeprefix("grpc://"))
        stub = prediction_service_pb2_grpc.PredictionServiceStub(channel)
        response = stub.Predict(request(["ab", "abc"]), timeout=20)
        assert response.model_spec.version.value == 1
        assert response.model_spec.signature_name == "serving_default"
        assert tf.make_ndarray(response.outputs["length"]).tolist() == [2, 3]
        # Numbers stand one by one, as TensorFlow Serving writes them.
        assert list(response.outputs["half"].float_val) == [1.0, 1.5]
        with pytest.raises(grpc.RpcError) as caught:
            stub.Predict(request(["a"], "fail"), timeout=20)
        assert caught.value.code() == grpc.StatusCode.INVALID_ARGUMENT
        assert "too few" in caught.value.details()
        metadata = get_model_metadata_pb2.GetModelMetadataRequest(metadata_field=["other"])
        with pytest.raises(grpc.RpcError) as caught:
            stub.GetModelMetadata(metadata, timeout=20)
        assert caught.value.code() == grpc.StatusCode.INVALID_ARGUMENT
        with pytest.raises(grpc.RpcError) as caught:
            stub.MultiInference(inference_pb2.MultiInferenceRequest(), timeout=20)
        assert caught.value.code() == grpc.StatusCode.UNIMPLEMENTED
        channel.close()


def test_only_the_loopback_interface_is_listened_to(directory):
    with LoopbackServer(directory) as server:
        for address in (server.grpc_address, server.rest_address):
            host, port = address.split("://")[1].rsplit(":", 1)
            assert host == "127.0.0.1"
            socket.create_connection((host, int(port)), 5).close()
            # The whole of 127/8 is this machine, but only one address of it was bound.
            with pytest.raises(ConnectionRefusedError):
                socket.create_connection(("127.0.0.2", int(port)), 5)


def test_ports_in_use_are_told(directory):
    with LoopbackServer(directory) as server:
        for kind in ("grpc", "rest"):
            port = int(getattr(server, f"{kind}_address").rsplit(":", 1)[1])
            with pytest.raises(OSError, match="expected free ports. Received: "):
                LoopbackServer(directory, **{f"{kind}_port": port})


def test_in_a_process_of_its_own(directory):
    process = subprocess.Popen(
        [sys.executable, "-m", "keras_tx.serving.loopback_server", directory, "--batch-size", "4"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    addresses = json.loads(process.stdout.readline())
    for kind in ("grpc", "rest"):
        found = Client(addresses[kind], "lengths").predict({"text": ["abcd"]})
        assert found["length"].tolist() == [4]
    process.stdin.close()  # Who started it is gone.
    assert process.wait(30) == 0
