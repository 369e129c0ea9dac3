"""The REST side of `LoopbackServer`, which is for tests: TensorFlow Serving's documented JSON."""

from __future__ import annotations

import base64
import contextlib
import http.server
import json
import re
import socket
import time
import urllib.parse
from typing import Any

import numpy as np
import tensorflow as tf
from google.protobuf import json_format
from tensorflow_serving.apis import get_model_metadata_pb2

from keras_tx.serving.client_transport import ServerError
from keras_tx.serving.loopback_batching import Arrays
from keras_tx.serving.loopback_model import ServedModel

_STATUS = {
    "INVALID_ARGUMENT": 400,
    "NOT_FOUND": 404,
    "RESOURCE_EXHAUSTED": 429,
    "UNAVAILABLE": 503,
    "DEADLINE_EXCEEDED": 504,
}
_PLACE = re.compile(
    r"/v1/models/(?P<name>[^/:]+)(?:/versions/(?P<version>\d+)|/labels/(?P<label>[^/:]+))?"
    r"(?P<what>:predict|/metadata)?"
)


class RestServer(http.server.ThreadingHTTPServer):
    """Listens on the loopback interface.

    Args:
        model: what is served.
        port: 0 for one that is free.
        max_request_bytes: larger bodies are refused.
    """

    daemon_threads = True
    request_queue_size = 128

    def __init__(self, model: ServedModel, port: int, max_request_bytes: int) -> None:
        self._connections: set[socket.socket] = set()
        super().__init__(("127.0.0.1", port), _Handler)  # Closes itself when the port is taken.
        self.model = model
        self.max_request_bytes = max_request_bytes

    def process_request(self, request: Any, client_address: Any) -> None:
        """Takes note of each connection, which clients keep for further requests."""
        self._connections.add(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        """Ends one connection."""
        self._connections.discard(request)
        super().shutdown_request(request)

    def server_close(self) -> None:
        """Ends all, those that are kept too: a server that has stopped answers nobody."""
        super().server_close()
        for connection in list(self._connections):
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Says nothing of clients that went away."""


class _Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    timeout = 60
    server: RestServer

    def do_GET(self) -> None:  # noqa: N802  # The name that Python's server calls.
        self._respond(None)

    def do_POST(self) -> None:  # noqa: N802
        length = self.headers.get("Content-Length", "")
        if not length.isdecimal() or int(length) > self.server.max_request_bytes:
            message = f"expected a body of at most {self.server.max_request_bytes:,} bytes"
            self._refuse({"error": f"{message}. Received: {length or 'no length'}"})
            return
        self._respond(self.rfile.read(int(length)))

    def _refuse(self, answer: dict[str, Any]) -> None:
        """Ends the connection, said beforehand, so that no client asks again over it.

        What is still coming is read first, for a while: closing before that resets the
        connection, and the client may lose the answer.
        """
        self._send(413, answer, {"Connection": "close"})
        self.connection.shutdown(socket.SHUT_WR)
        self.connection.settimeout(1)
        end = time.monotonic() + 5
        with contextlib.suppress(OSError):
            while time.monotonic() < end and self.rfile.read1(1 << 16):
                pass

    def _respond(self, body: bytes | None) -> None:
        try:
            status, answer = 200, self._answer(body)
        except ServerError as error:
            status, answer = _STATUS.get(error.code, 500), {"error": str(error)}
        except tf.errors.InvalidArgumentError as error:
            status, answer = 400, {"error": error.message}
        except Exception as error:  # A server lives on.
            status, answer = 500, {"error": f"{type(error).__name__}: {error}"}
        self._send(status, answer)

    def _answer(self, body: bytes | None) -> dict[str, Any]:
        place = _PLACE.fullmatch(self.path)
        is_predict = place is not None and place["what"] == ":predict"
        if place is None or is_predict != (body is not None):
            raise ServerError(f"Malformed request: {self.command} {self.path}", "INVALID_ARGUMENT")
        chosen = {
            "name": urllib.parse.unquote(place["name"]),
            "version": place["version"] and int(place["version"]),
            "label": place["label"],
        }
        model = self.server.model
        if is_predict:
            return predict(model, chosen, body)
        version = model.find(**chosen)
        if place["what"]:
            return metadata(model.name, version)
        state = {
            "version": str(version.number),
            "state": "AVAILABLE",
            "status": {"error_code": "OK", "error_message": ""},
        }
        return {"model_version_status": [state]}

    def _send(
        self, status: int, answer: dict[str, Any], headers: dict[str, str] | None = None
    ) -> None:
        content = json.dumps(answer, ensure_ascii=False).encode("utf-8", errors="replace")
        self.send_response(status)
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *arguments: Any) -> None:
        """Nothing: standard error is the tests'."""


def metadata(name: str, version: Any) -> dict[str, Any]:
    """The answer of `/metadata`: the official message, as JSON."""
    found = get_model_metadata_pb2.SignatureDefMap()
    for key, signature in version.signatures.items():
        found.signature_def[key].CopyFrom(signature)
    content = json_format.MessageToDict(
        found, preserving_proto_field_name=True, always_print_fields_with_no_presence=True
    )
    return {
        "model_spec": {"name": name, "signature_name": "", "version": str(version.number)},
        "metadata": {"signature_def": content},
    }


def predict(model: ServedModel, chosen: dict[str, Any], body: bytes) -> dict[str, Any]:
    """The answer of `:predict`, for `instances` (rows) and for `inputs` (columns)."""
    try:
        request = json.loads(body.decode("utf-8"), parse_constant=_no_number)
    except (ValueError, RecursionError) as error:
        raise ServerError(f"JSON Parse error: {error}", "INVALID_ARGUMENT") from error
    if not isinstance(request, dict) or ("instances" in request) == ("inputs" in request):
        raise ServerError(
            "expected a JSON object with either 'instances' or 'inputs'", "INVALID_ARGUMENT"
        )
    name = request.get("signature_name", "serving_default")
    known = model.find(**chosen).signatures
    if not isinstance(name, str) or name not in known:
        raise ServerError(
            f"expected one of the signatures {sorted(known)}. Received: {name!r}",
            "INVALID_ARGUMENT",
        )
    inputs = known[name].inputs
    by_rows = "instances" in request
    columns = _columns(request["instances"], inputs) if by_rows else request["inputs"]
    if not isinstance(columns, dict):
        columns = dict.fromkeys(inputs, columns) if len(inputs) == 1 else {}
    arrays = {
        key: _array(columns[key], tf.dtypes.as_dtype(inputs[key].dtype).as_numpy_dtype)
        for key in columns
        if key in inputs
    }
    if set(columns) != set(inputs):
        raise ServerError(
            f"expected the inputs {sorted(inputs)}. Received: {sorted(columns)}",
            "INVALID_ARGUMENT",
        )
    _, outputs = model.predict(signature=name, inputs=arrays, **chosen)
    return {"predictions": _rows(outputs)} if by_rows else {"outputs": _whole(outputs)}


def _no_number(name: str) -> Any:
    raise ValueError(f"{name} is no number of JSON")


def _columns(rows: Any, inputs: Any) -> dict[str, list]:
    if not isinstance(rows, list) or not rows:
        raise ServerError("expected a list of instances", "INVALID_ARGUMENT")
    if len(inputs) == 1:
        only = next(iter(inputs))
        rows = [row if _is_named(row, only) else {only: row} for row in rows]
    if not all(isinstance(row, dict) and set(row) == set(inputs) for row in rows):
        raise ServerError(
            f"expected the inputs {sorted(inputs)} in each instance", "INVALID_ARGUMENT"
        )
    return {name: [row[name] for row in rows] for name in inputs}


def _is_named(row: Any, name: str) -> bool:
    return isinstance(row, dict) and set(row) == {name} and name != "b64"


def _array(content: Any, dtype: Any) -> np.ndarray:
    try:
        if dtype is not object and dtype is not np.object_:
            return np.array(content, dtype)
        array = np.array(content, object)
        items = np.empty(array.size, object)
        items[:] = [_string(item) for item in array.ravel()]
        return items.reshape(array.shape)
    except (TypeError, ValueError, KeyError) as error:
        raise ServerError(f"expected a tensor. Received: {error}", "INVALID_ARGUMENT") from error


def _string(item: Any) -> bytes:
    if isinstance(item, dict) and set(item) == {"b64"}:
        return base64.b64decode(item["b64"], validate=True)
    if not isinstance(item, str):
        raise TypeError(f"{item!r}, which is no string")
    return item.encode("utf-8")


def _json(name: str, values: np.ndarray) -> Any:
    if values.dtype != object:
        return values.tolist()
    # By the name of the output it is decided, not by what is in it.
    to_json = _as_base64 if name.endswith("_bytes") else _as_text
    items = np.empty(values.size, object)
    items[:] = [to_json(item) for item in values.ravel()]
    return items.reshape(values.shape).tolist()


def _as_text(item: bytes) -> str:
    return item.decode("utf-8", errors="replace")


def _as_base64(item: bytes) -> dict[str, str]:
    return {"b64": base64.b64encode(item).decode("ascii")}


def _whole(outputs: Arrays) -> Any:
    content = {name: _json(name, values) for name, values in outputs.items()}
    return content if len(content) > 1 else next(iter(content.values()))


def _rows(outputs: Arrays) -> list:
    content = {name: _json(name, values) for name, values in outputs.items()}
    if len(content) == 1:
        return next(iter(content.values()))
    columns = zip(*content.values(), strict=True)
    return [dict(zip(content, row, strict=True)) for row in columns]
