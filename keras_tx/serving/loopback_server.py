"""A server for tests: it stands in for TensorFlow Serving, on the loopback interface only.

It is written in Python, guards nothing and is not for use: `tensorflow/serving` is. But it runs
a really exported graph in the session that TensorFlow Serving loads it into, behind the
official gRPC services and the documented JSON, so that a client can be tried against it.

`python -m keras_tx.serving.loopback_server DIR --name NAME` runs it in a process of its own,
which prints `{"grpc": address, "rest": address}` when it is there and ends with its standard
input.
"""

from __future__ import annotations

import argparse
import concurrent.futures
import json
import os
import pathlib
import sys
import threading
from typing import Any

import grpc
import tensorflow as tf
from tensorflow_serving.apis import (
    get_model_metadata_pb2,
    get_model_status_pb2,
    model_service_pb2_grpc,
    predict_pb2,
    prediction_service_pb2_grpc,
)

from keras_tx.serving.client_transport import ServerError
from keras_tx.serving.loopback_batching import DynamicBatching
from keras_tx.serving.loopback_model import ServedModel, check_count
from keras_tx.serving.loopback_rest import RestServer

_LARGEST_TENSOR = 1 << 20
_THREADS = 128
_VALUE_FIELDS = (
    "half_val", "float_val", "double_val", "int_val", "string_val", "scomplex_val", "int64_val",
    "bool_val", "dcomplex_val", "resource_handle_val", "variant_val", "uint32_val", "uint64_val",
)  # fmt: skip
_CODES = {code.value[0]: code for code in grpc.StatusCode}


class LoopbackServer:
    """Serves the newest version in a model's base directory over gRPC and REST. For tests.

    Args:
        directory: the base directory, as `export` writes it. It is watched for new versions.
        name: the model's name. Default: the directory's.
        batching: a `DynamicBatching`. Default `None`: each request goes alone.
        grpc_port, rest_port: ports on 127.0.0.1. Default 0: any that is free.
        max_request_bytes: larger requests are refused. Default 4 MiB.

    Attributes:
        grpc_address, rest_address: what a `Client` takes.

    Raises:
        FileNotFoundError: when the directory holds no version.
        OSError: when a port is in use.

    Example:
        >>> import tempfile, keras, tensorflow as tf
        >>> from keras_tx.serving import Client, LoopbackServer, export_saved_model
        >>> def shout(text):
        ...     return {"loud": tf.strings.upper(text)}
        >>> signatures = {"serving_default": (shout, [tf.TensorSpec([None], tf.string, "text")])}
        >>> with tempfile.TemporaryDirectory() as directory:
        ...     path = export_saved_model(signatures, directory)
        ...     with LoopbackServer(directory, "shout") as server:
        ...         Client(server.grpc_address, "shout").predict({"text": ["hey"]})
        {'loud': array([b'HEY'], dtype=object)}
    """

    def __init__(
        self,
        directory: str | os.PathLike,
        name: str | None = None,
        *,
        batching: DynamicBatching | None = None,
        grpc_port: int = 0,
        rest_port: int = 0,
        max_request_bytes: int = 4 << 20,
    ) -> None:
        directory = pathlib.Path(directory)
        self.model = ServedModel(name or directory.resolve().name, directory, batching)
        self._threads = concurrent.futures.ThreadPoolExecutor(_THREADS)
        self._grpc = grpc.server(
            self._threads,
            options=[
                ("grpc.max_receive_message_length", max_request_bytes),
                ("grpc.so_reuseport", 0),  # Another server on this port is an error.
            ],
        )
        prediction_service_pb2_grpc.add_PredictionServiceServicer_to_server(
            _PredictionService(self.model), self._grpc
        )
        model_service_pb2_grpc.add_ModelServiceServicer_to_server(
            _ModelService(self.model), self._grpc
        )
        try:
            grpc_port = self._grpc.add_insecure_port(f"127.0.0.1:{grpc_port}")
            self._rest = RestServer(self.model, rest_port, max_request_bytes)
        except (RuntimeError, OSError) as error:
            self.model.close()
            raise OSError(f"expected free ports. Received: {error}") from error
        self.grpc_address = f"grpc://127.0.0.1:{grpc_port}"
        self.rest_address = f"http://127.0.0.1:{self._rest.server_port}"
        self._grpc.start()
        threading.Thread(target=self._rest.serve_forever, args=[0.05], daemon=True).start()

    def __enter__(self) -> LoopbackServer:
        return self

    def __exit__(self, *error: object) -> None:
        self.stop()

    def stop(self, grace: float | None = None) -> None:
        """Ends it, after `grace` seconds for what is on its way. Default: at once."""
        self._grpc.stop(grace).wait()
        self._rest.shutdown()
        self._rest.server_close()
        self.model.close()
        self._threads.shutdown(wait=False)


class _PredictionService(prediction_service_pb2_grpc.PredictionServiceServicer):
    def __init__(self, model: ServedModel) -> None:
        self._model = model

    def Predict(self, request: Any, context: Any) -> Any:  # noqa: N802  # The service's name.
        response = predict_pb2.PredictResponse()
        with _errors_as_status(context):
            inputs = {name: _to_array(tensor) for name, tensor in request.inputs.items()}
            signature = request.model_spec.signature_name or "serving_default"
            version, outputs = self._model.predict(
                signature=signature, inputs=inputs, **_chosen(request.model_spec)
            )
            response.model_spec.name = self._model.name
            response.model_spec.version.value = version
            response.model_spec.signature_name = signature
            for name, values in outputs.items():
                response.outputs[name].CopyFrom(_to_message(values))
        return response

    def GetModelMetadata(self, request: Any, context: Any) -> Any:  # noqa: N802
        response = get_model_metadata_pb2.GetModelMetadataResponse()
        with _errors_as_status(context):
            if list(request.metadata_field) != ["signature_def"]:
                raise ServerError(
                    "expected 'signature_def' as metadata_field. "
                    f"Received: {list(request.metadata_field)}",
                    "INVALID_ARGUMENT",
                )
            version = self._model.find(**_chosen(request.model_spec))
            found = get_model_metadata_pb2.SignatureDefMap()
            for name, signature in version.signatures.items():
                found.signature_def[name].CopyFrom(signature)
            response.model_spec.name = self._model.name
            response.model_spec.version.value = version.number
            response.metadata["signature_def"].Pack(found)
        return response


class _ModelService(model_service_pb2_grpc.ModelServiceServicer):
    def __init__(self, model: ServedModel) -> None:
        self._model = model

    def GetModelStatus(self, request: Any, context: Any) -> Any:  # noqa: N802
        response = get_model_status_pb2.GetModelStatusResponse()
        with _errors_as_status(context):
            version = self._model.find(**_chosen(request.model_spec))
            state = get_model_status_pb2.ModelVersionStatus.AVAILABLE
            response.model_version_status.add(version=version.number, state=state)
        return response


class _errors_as_status:  # noqa: N801  # Used like a function.
    """Ends the call with a status in place of an exception."""

    def __init__(self, context: Any) -> None:
        self._context = context

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: Any, error: BaseException | None, trace: Any) -> None:
        if isinstance(error, ServerError):
            self._context.abort(grpc.StatusCode[error.code], str(error))
        if isinstance(error, tf.errors.OpError):
            self._context.abort(_CODES[error.error_code], error.message)
        if isinstance(error, Exception):  # A server lives on.
            self._context.abort(grpc.StatusCode.INTERNAL, f"{type(error).__name__}: {error}")


def _chosen(specification: Any) -> dict[str, Any]:
    return {
        "name": specification.name,
        "version": specification.version.value if specification.HasField("version") else None,
        "label": specification.version_label or None,
    }


def _to_array(message: Any) -> Any:
    """TensorFlow's own reading of a message, after a look at what it claims."""
    shape = tuple(dimension.size for dimension in message.tensor_shape.dim)
    try:
        dtype = tf.dtypes.as_dtype(message.dtype)
    except TypeError as error:
        raise ServerError(f"expected a dtype. Received: {error}", "INVALID_ARGUMENT") from error
    if message.tensor_content:
        count = len(message.tensor_content) / max(dtype.size, 1)
    else:
        count = max(len(getattr(message, field)) for field in _VALUE_FIELDS)
    check_count(shape, count, _LARGEST_TENSOR)
    try:
        return tf.make_ndarray(message)
    except (TypeError, ValueError) as error:
        raise ServerError(f"expected a tensor. Received: {error}", "INVALID_ARGUMENT") from error


def _to_message(values: Any) -> Any:
    """As TensorFlow Serving does by default: numbers one by one, not as bytes."""
    message = tf.make_tensor_proto(values)
    if message.dtype == tf.float32.as_datatype_enum:
        message.ClearField("tensor_content")
        message.ClearField("float_val")
        message.float_val.extend(values.ravel().tolist())
    return message


def main() -> None:
    """The server in a process of its own."""
    parser = argparse.ArgumentParser(description="A server for tests, on the loopback interface.")
    parser.add_argument("directory", help="base directory of the model")
    parser.add_argument("--name", help="name of the model; default: the directory's")
    parser.add_argument("--grpc-port", type=int, default=0)
    parser.add_argument("--rest-port", type=int, default=0)
    parser.add_argument("--batch-size", type=int, help="most rows of a dynamic batch")
    arguments = parser.parse_args()
    batching = arguments.batch_size and DynamicBatching(arguments.batch_size)
    with LoopbackServer(
        arguments.directory,
        arguments.name,
        batching=batching,
        grpc_port=arguments.grpc_port,
        rest_port=arguments.rest_port,
    ) as server:
        print(json.dumps({"grpc": server.grpc_address, "rest": server.rest_address}), flush=True)
        sys.stdin.read()  # Until whoever started it is gone.


if __name__ == "__main__":
    main()
    # At once: connections that clients keep have threads, and Python, when it ends, aborts the
    # process over one that is inside TensorFlow.
    os._exit(0)
