"""Requests that are wrong in many ways, and what must come back; a part of `serving.py`."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import grpc
import urllib3
from tensorflow.core.framework import tensor_pb2, types_pb2
from tensorflow_serving.apis import predict_pb2

from keras_tx.models import TextClassifier

SECONDS = 60
LONGEST_MESSAGE = 2_000
TOLERANCE = 1e-3
PREDICT = "/tensorflow.serving.PredictionService/Predict"
# Texts that are odd and no mistakes: bytes that are no UTF-8 are read as U+FFFD.
ODD_TEXTS = {
    "invalid UTF-8": b"caf\xe9 \xff\xfe \xed\xa0\x80 end",
    "NUL": b"a\0b \0\0 end",
    "100,000 characters": b"word " * 20_000,
    "no characters": b"",
}


class Answer(NamedTuple):
    """What came back.

    Attributes:
        code: status of gRPC or HTTP; `"OK"` for an answer.
        is_clear: whether it is the status, with a message in one line, or the right answer.
    """

    code: str
    is_clear: bool


def malformed_requests(
    addresses: Mapping[str, str], name: str, model: TextClassifier
) -> list[tuple[str, Callable[[], Answer]]]:
    """Kinds of requests, each with a function that sends one.

    Args:
        addresses: of a `LoopbackServer`, for `"grpc"` and `"rest"`.
        name: its model's name.
        model: the model that is served there.
    """
    channel = grpc.insecure_channel(
        addresses["grpc"].removeprefix("grpc://"), [("grpc.max_send_message_length", -1)]
    )
    # As bytes, so that also what is no message can be sent.
    send = channel.unary_unary(
        PREDICT, response_deserializer=predict_pb2.PredictResponse.FromString
    )
    requests = [
        (kind, lambda content=content, code=code: _refusal(send, content, code))
        for kind, content, code in _grpc_requests(name)
    ]
    for kind, text in ODD_TEXTS.items():
        expected = model.classify([text.decode("utf-8", errors="replace")])[0]
        content = _request(name, _strings([text])).SerializeToString()
        requests.append(
            (kind, lambda content=content, expected=expected: _odd(send, content, expected))
        )
    pool = urllib3.PoolManager(retries=False)
    place = f"{addresses['rest']}/v1/models/{name}:predict"
    for kind, body in _rest_bodies():
        requests.append((f"REST: {kind}", lambda body=body: _rest_refusal(pool, place, body)))
    return requests


def _strings(texts: Sequence[bytes], shape: Sequence[int] | None = None) -> tensor_pb2.TensorProto:
    tensor = tensor_pb2.TensorProto(dtype=types_pb2.DT_STRING, string_val=texts)
    for size in [len(texts)] if shape is None else shape:
        tensor.tensor_shape.dim.add().size = size
    return tensor


def _numbers(dtype: int, **values: Any) -> tensor_pb2.TensorProto:
    tensor = tensor_pb2.TensorProto(dtype=dtype, **values)
    tensor.tensor_shape.dim.add().size = 1
    return tensor


def _request(name: str, text: Any, key: str = "text", **specification: Any) -> Any:
    request = predict_pb2.PredictRequest()
    request.model_spec.name = name
    request.model_spec.signature_name = specification.pop("signature", "serving_default")
    if "version" in specification:
        request.model_spec.version.value = specification["version"]
    request.inputs[key].CopyFrom(text)
    return request


def _grpc_requests(name: str) -> list[tuple[str, bytes, str]]:
    """Kind, content, and the code that must come back."""
    good, wrong, missing = _strings([b"good"]), "INVALID_ARGUMENT", "NOT_FOUND"
    two_inputs = _request(name, good)
    two_inputs.inputs["more"].CopyFrom(good)
    no_inputs = predict_pb2.PredictRequest()
    no_inputs.model_spec.name = name
    requests = [
        ("dtype float", _request(name, _numbers(types_pb2.DT_FLOAT, float_val=[1.0])), wrong),
        ("dtype int64", _request(name, _numbers(types_pb2.DT_INT64, int64_val=[1])), wrong),
        ("no dtype", _request(name, _numbers(0)), wrong),
        ("dtype resource", _request(name, _numbers(types_pb2.DT_RESOURCE)), wrong),
        ("rank 0", _request(name, _strings([b"good"], [])), wrong),
        ("rank 2", _request(name, _strings([b"good"], [1, 1])), wrong),
        ("size below zero", _request(name, _strings([b"good"], [-1])), wrong),
        ("claims 2^40 values", _request(name, _strings([b"good"], [1 << 40])), wrong),
        ("claims 2^62 x 2^62", _request(name, _strings([b"good"], [1 << 62] * 2)), wrong),
        ("claims no values", _request(name, _strings([b"good"], [0])), wrong),
        ("signature", _request(name, good, signature="no_such"), wrong),
        ("name of an input", _request(name, good, key="sentence"), wrong),
        ("one input more", two_inputs, wrong),
        ("no inputs", no_inputs, wrong),
        ("model", _request("no_such", good), missing),
        ("version", _request(name, good, version=99), missing),
        ("5 MB", _request(name, _strings([b"x" * 5_000_000])), "RESOURCE_EXHAUSTED"),
    ]
    contents = [(kind, request.SerializeToString(), code) for kind, request, code in requests]
    return [*contents, ("no message", b"\xff\xff no message", "INTERNAL")]


def _rest_bodies() -> list[tuple[str, bytes]]:
    bodies: dict[str, Any] = {
        "numbers": {"inputs": {"text": [1, 2]}},
        "rank 2": {"inputs": {"text": [["a"]]}},
        "ragged": {"inputs": {"text": ["a", ["b"]]}},
        "base64": {"inputs": {"text": [{"b64": "***"}]}},
        "instances and inputs": {"instances": ["a"], "inputs": ["a"]},
        "nothing": {},
        "signature": {"signature_name": "no_such", "instances": ["a"]},
        "name of an input": {"inputs": {"sentence": ["a"]}},
        "a list": [1],
    }
    return [
        *((kind, json.dumps(body).encode()) for kind, body in bodies.items()),
        ("no JSON", b'{"instances": ["a"'),
        ("NaN", b'{"instances": [NaN]}'),
        ("invalid UTF-8", b'{"instances": ["caf\xe9"]}'),
        ("nested", b"[" * 100_000),
    ]


def _refusal(send: Callable, content: bytes, code: str) -> Answer:
    try:
        send(content, timeout=SECONDS)
    except grpc.RpcError as error:
        return Answer(error.code().name, error.code().name == code and _is_line(error.details()))
    return Answer("OK", False)


def _odd(send: Callable, content: bytes, expected: Any) -> Answer:
    try:
        outputs = send(content, timeout=SECONDS).outputs
    except grpc.RpcError as error:
        return Answer(error.code().name, False)
    scores = list(outputs["scores"].float_val)
    differences = (abs(a - b) for a, b in zip(scores, expected.scores.values(), strict=True))
    return Answer("OK", max(differences) < TOLERANCE)


def _rest_refusal(pool: urllib3.PoolManager, place: str, body: bytes) -> Answer:
    response = pool.request("POST", place, body=body, timeout=SECONDS)
    try:
        error = json.loads(response.data)["error"]
    except (ValueError, KeyError, TypeError):
        error = ""
    return Answer(str(response.status), response.status == 400 and _is_line(error))


def _is_line(message: str | None) -> bool:
    return bool(message) and "\n" not in message and len(message) < LONGEST_MESSAGE
