"""gRPC: the client's way to a server with the official messages."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from keras_tx.serving.client_transport import (
    DTYPES,
    UNAVAILABLE,
    Address,
    ModelChoice,
    ModelMetadata,
    ServerError,
    Signature,
    TensorDescription,
)
from keras_tx.serving.serving_messages import serving_messages

_NAMES = {dtype: name for name, dtype in DTYPES.items()}
# Where a tensor keeps values that are not packed into bytes.
_FIELDS = {
    "DT_FLOAT": "float_val",
    "DT_DOUBLE": "double_val",
    "DT_HALF": "half_val",
    "DT_INT64": "int64_val",
    "DT_BOOL": "bool_val",
    "DT_STRING": "string_val",
}
_LARGEST_ANSWER = 1 << 30
_CHANNEL_OPTIONS = [
    ("grpc.max_send_message_length", -1),
    ("grpc.max_receive_message_length", _LARGEST_ANSWER),
    # Trying again is the client's, which counts the tries; the channel shall not wait minutes
    # before it looks whether the server is back.
    ("grpc.enable_retries", 0),
    ("grpc.initial_reconnect_backoff_ms", 100),
    ("grpc.min_reconnect_backoff_ms", 100),
    ("grpc.max_reconnect_backoff_ms", 2000),
]


class GrpcTransport:
    """One channel to a server; see `Transport`.

    Args:
        address: of scheme `grpc` or `grpcs`.

    Raises:
        ImportError: without the packages of the extra `serving`.
    """

    def __init__(self, address: Address) -> None:
        messages = serving_messages()
        import grpc

        self.address = address
        if address.scheme == "grpcs":
            credentials = grpc.ssl_channel_credentials()
            self._channel = grpc.secure_channel(
                address.host_and_port, credentials, _CHANNEL_OPTIONS
            )
        else:
            self._channel = grpc.insecure_channel(address.host_and_port, _CHANNEL_OPTIONS)
        self._predictions = messages.predictions.PredictionServiceStub(self._channel)
        self._models = messages.models.ModelServiceStub(self._channel)

    def predict(
        self,
        model: ModelChoice,
        name: str,
        signature: Signature,
        inputs: Mapping[str, np.ndarray],
        timeout: float,
    ) -> dict[str, np.ndarray]:
        request = serving_messages().predict.PredictRequest()
        _fill(request.model_spec, model)
        request.model_spec.signature_name = name
        for key, array in inputs.items():
            request.inputs[key].CopyFrom(to_tensor_message(array))
        response = self._send(self._predictions.Predict, request, timeout)
        return {key: from_tensor_message(tensor) for key, tensor in response.outputs.items()}

    def metadata(self, model: ModelChoice, timeout: float) -> ModelMetadata:
        messages = serving_messages().metadata
        request = messages.GetModelMetadataRequest(metadata_field=["signature_def"])
        _fill(request.model_spec, model)
        response = self._send(self._predictions.GetModelMetadata, request, timeout)
        signatures = messages.SignatureDefMap()
        response.metadata["signature_def"].Unpack(signatures)
        version = response.model_spec.version
        return ModelMetadata(
            version.value if response.model_spec.HasField("version") else None,
            {
                name: Signature(_describe(found.inputs), _describe(found.outputs))
                for name, found in signatures.signature_def.items()
            },
        )

    def states(self, model: ModelChoice, timeout: float) -> dict[int, str]:
        messages = serving_messages().status
        request = messages.GetModelStatusRequest()
        _fill(request.model_spec, model)
        response = self._send(self._models.GetModelStatus, request, timeout)
        names = messages.ModelVersionStatus.State
        return {
            status.version: names.Name(status.state) for status in response.model_version_status
        }

    def close(self) -> None:
        self._channel.close()

    def _send(self, method: Callable, request: Any, timeout: float) -> Any:
        import grpc

        try:
            return method(request, timeout=timeout)
        except grpc.RpcError as error:
            code = error.code().name
            # A call that nobody here cancelled: the server is going down.
            code = UNAVAILABLE if code == "CANCELLED" else code
            raise ServerError(
                f"expected an answer from {self.address}. Received: {code}: {error.details()}",
                code,
            ) from error
        except ValueError as error:  # A channel that was closed.
            raise ServerError(f"expected an open client. Received: {error}") from error


def _fill(specification: Any, model: ModelChoice) -> None:
    specification.name = model.name
    if model.version is not None:
        specification.version.value = model.version
    elif model.label is not None:
        specification.version_label = model.label


def _describe(tensors: Mapping[str, Any]) -> dict[str, TensorDescription]:
    described = {}
    for name, tensor in tensors.items():
        shape = tensor.tensor_shape
        sizes = tuple(None if dimension.size < 0 else dimension.size for dimension in shape.dim)
        described[name] = TensorDescription(
            _dtype(tensor.dtype), None if shape.unknown_rank else sizes
        )
    return described


@functools.cache
def _type_name(number: int) -> str:
    types = serving_messages().types.DataType
    return types.Name(number) if number in types.values() else f"type {number}"


def _dtype(number: int) -> str:
    return DTYPES.get(_type_name(number), _type_name(number))


def to_tensor_message(array: np.ndarray) -> Any:
    """A `TensorProto` of an array; one of dtype `object` holds `bytes`.

    Raises:
        TypeError: for a dtype that has no place in it.

    Example:
        >>> import numpy as np
        >>> from keras_tx.serving.client_grpc import to_tensor_message
        >>> to_tensor_message(np.array([b"one", b"two"], object)).string_val
        [b'one', b'two']
    """
    messages = serving_messages()
    if str(array.dtype) not in _NAMES:
        raise TypeError(f"expected one of {sorted(_NAMES)} as dtype. Received: {array.dtype}")
    message = messages.tensor.TensorProto()
    message.dtype = messages.types.DataType.Value(_NAMES[str(array.dtype)])
    for size in array.shape:
        message.tensor_shape.dim.add().size = size
    if array.dtype == object:
        message.string_val.extend(array.ravel().tolist())
    else:
        message.tensor_content = np.ascontiguousarray(array).tobytes()
    return message


def from_tensor_message(message: Any) -> np.ndarray:
    """The array in a `TensorProto`; strings are `bytes` in one of dtype `object`.

    Raises:
        ServerError: for a dtype that is not known here, and for a shape that the values do
            not fill.

    Example:
        >>> import numpy as np
        >>> from keras_tx.serving.client_grpc import from_tensor_message, to_tensor_message
        >>> from_tensor_message(to_tensor_message(np.array([[1.0, 2.0]], "float32")))
        array([[1., 2.]], dtype=float32)
    """
    name = _type_name(message.dtype)
    if name not in DTYPES:
        raise ServerError(f"expected a tensor of one of {sorted(DTYPES)}. Received: {name}")
    shape = [dimension.size for dimension in message.tensor_shape.dim]
    if message.tensor_content:
        size = np.dtype(DTYPES[name]).itemsize
        if name == "DT_STRING" or len(message.tensor_content) % size:
            raise ServerError(
                f"expected the bytes of a tensor of {name}. Received: {len(message.tensor_content)}"
            )
        values = np.frombuffer(message.tensor_content, DTYPES[name]).copy()
    else:
        field = list(getattr(message, _FIELDS.get(name, "int_val")))
        if name == "DT_HALF":  # Its bits, in numbers.
            values = np.array(field, "uint16").view("float16")
        else:
            values = np.empty(len(field), DTYPES[name])
            values[:] = field
    count = math.prod(shape)
    # Equal values at the end may be left out, of which there is one then.
    if 0 < len(values) < count and count <= _LARGEST_ANSWER // 8:
        values = np.concatenate([values, np.repeat(values[-1:], count - len(values))])
    if len(values) != count or any(size < 0 for size in shape):
        raise ServerError(
            f"expected the values of a tensor of shape {tuple(shape)}. Received: {len(values)}"
        )
    return values.reshape(shape)
