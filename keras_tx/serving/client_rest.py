"""REST: the client's way to a server with the JSON that TensorFlow Serving documents."""

from __future__ import annotations

import base64
import json
import re
import time
import urllib.parse
from collections.abc import Mapping
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

_CODES = {
    400: "INVALID_ARGUMENT",
    401: "UNAUTHENTICATED",
    403: "PERMISSION_DENIED",
    404: "NOT_FOUND",
    409: "ABORTED",
    413: "RESOURCE_EXHAUSTED",
    # Too many requests for now; a gateway whose server is away; a server that is busy.
    429: UNAVAILABLE,
    502: UNAVAILABLE,
    503: UNAVAILABLE,
    504: "DEADLINE_EXCEEDED",
    500: "INTERNAL",
    501: "UNIMPLEMENTED",
}
_CONNECT_SECONDS = 10.0
_CONNECTIONS = 64
_LONGEST_MESSAGE = 500
# A connection, or a pool of them, before what happened to it.
_OBJECT = re.compile(r"^(<.*?>|HTTPS?ConnectionPool\(.*?\)): ", re.DOTALL)


class RestTransport:
    """Kept connections to a server; see `Transport`.

    Args:
        address: of scheme `http` or `https`.

    Raises:
        ImportError: without the packages of the extra `serving`.
    """

    def __init__(self, address: Address) -> None:
        try:
            import urllib3
        except ImportError as error:
            needed = "expected the extra serving: pip install 'keras_tx[serving]'"
            raise ImportError(f"{needed}. Received: {error}") from error
        self.address = address
        # Trying again is the client's, which counts the tries.
        self._pool = urllib3.PoolManager(maxsize=_CONNECTIONS, retries=False)
        self._is_closed = False

    def predict(
        self,
        model: ModelChoice,
        name: str,
        signature: Signature,
        inputs: Mapping[str, np.ndarray],
        timeout: float,
    ) -> dict[str, np.ndarray]:
        body = {
            "signature_name": name,
            "inputs": {key: to_json(array) for key, array in inputs.items()},
        }
        answer = self._send("POST", f"{_place(model)}:predict", timeout, json.dumps(body))
        outputs = answer.get("outputs")
        if len(signature.outputs) == 1:  # It comes without its name.
            outputs = dict.fromkeys(signature.outputs, outputs)
        if not isinstance(outputs, dict) or set(outputs) != set(signature.outputs):
            raise ServerError(
                f"expected the outputs {sorted(signature.outputs)} from {self.address}. "
                f"Received: {sorted(outputs) if isinstance(outputs, dict) else type(outputs)}"
            )
        return {key: from_json(outputs[key], output) for key, output in signature.outputs.items()}

    def metadata(self, model: ModelChoice, timeout: float) -> ModelMetadata:
        answer = self._send("GET", f"{_place(model)}/metadata", timeout)
        try:
            version = answer["model_spec"].get("version")
            found = answer["metadata"]["signature_def"]["signature_def"]
            signatures = {
                name: Signature(
                    _describe(signature.get("inputs", {})), _describe(signature.get("outputs", {}))
                )
                for name, signature in found.items()
            }
            return ModelMetadata(None if version is None else int(version), signatures)
        except (KeyError, TypeError, ValueError, AttributeError, OverflowError) as error:
            raise self._strange("a model's metadata", repr(error)) from error

    def states(self, model: ModelChoice, timeout: float) -> dict[int, str]:
        answer = self._send("GET", _place(model), timeout)
        try:
            found = answer["model_version_status"]
            return {int(status["version"]): str(status["state"]) for status in found}
        except (KeyError, TypeError, ValueError, OverflowError) as error:
            raise self._strange("a model's status", repr(error)) from error

    def close(self) -> None:
        self._is_closed = True
        self._pool.clear()

    def _send(self, method: str, place: str, timeout: float, body: str | None = None) -> dict:
        import urllib3

        if self._is_closed:  # The pool itself would open connections again.
            raise ServerError("expected an open client. Received: one that is closed")
        end = time.monotonic() + timeout
        connect = min(timeout, _CONNECT_SECONDS)
        try:
            response = self._pool.request(
                method,
                f"{self.address}{place}",
                body=body,
                headers={"Content-Type": "application/json", "Accept": "application/json"},
                timeout=urllib3.Timeout(connect=connect, total=timeout),
                redirect=False,
                preload_content=False,
            )
            content = self._content(response, end)
        except urllib3.exceptions.HTTPError as error:
            late = time.monotonic() >= end
            code = "DEADLINE_EXCEEDED" if late else UNAVAILABLE
            if isinstance(error, urllib3.exceptions.SSLError):
                code = "UNAUTHENTICATED"
            raise ServerError(
                f"expected an answer from {self.address}. Received: {code}: {_reason(error)}", code
            ) from error
        return self._read(response.status, content)

    def _content(self, response: Any, end: float) -> bytes:
        """The whole body, if it is there in time: the library's own limit is for each piece."""
        parts = []
        while part := response.read1(1 << 20):
            parts.append(part)
            if time.monotonic() >= end:
                response.close()
                raise ServerError(
                    f"expected a whole answer from {self.address}. Received: DEADLINE_EXCEEDED: "
                    f"{sum(map(len, parts)):,} bytes in time",
                    "DEADLINE_EXCEEDED",
                )
        response.release_conn()
        return b"".join(parts)

    def _read(self, status: int, content: bytes) -> dict:
        try:
            answer = json.loads(content)
        # The first is also of bytes that are not UTF-8, the second of brackets without end.
        except (ValueError, RecursionError):  # A gateway's page, say.
            answer = None
        if status == 200 and isinstance(answer, dict) and "error" not in answer:
            return answer
        if status == 200:
            raise self._strange("a JSON object", _start_of(content))
        code = _CODES.get(status, "UNKNOWN")
        told = answer.get("error") if isinstance(answer, dict) else None
        reason = str(told)[:_LONGEST_MESSAGE] if told else _start_of(content)
        raise ServerError(
            f"expected an answer from {self.address}. Received: {code} (HTTP {status}): {reason}",
            code,
        )

    def _strange(self, expected: str, received: str) -> ServerError:
        return ServerError(
            f"expected {expected} from {self.address}. Received: {received[:_LONGEST_MESSAGE]}"
        )


def _place(model: ModelChoice) -> str:
    name = urllib.parse.quote(model.name, safe="")
    if model.version is not None:
        return f"/v1/models/{name}/versions/{model.version}"
    if model.label is not None:
        return f"/v1/models/{name}/labels/{urllib.parse.quote(model.label, safe='')}"
    return f"/v1/models/{name}"


def _reason(error: Exception) -> str:
    """What an error says, without the objects of Python that it names."""
    said = ""
    for part in error.args:
        # An error within often stands in the text before it.
        if isinstance(part, str | Exception) and str(part) not in said:
            said = f"{said} {part}".strip()
    return _OBJECT.sub("", said) or type(error).__name__


def _start_of(data: bytes) -> str:
    return repr(data[:80].decode("utf-8", errors="replace"))


def _describe(tensors: Mapping[str, Any]) -> dict[str, TensorDescription]:
    described = {}
    for name, tensor in tensors.items():
        shape = tensor.get("tensor_shape", {})
        sizes = [int(dimension["size"]) for dimension in shape.get("dim", [])]
        described[name] = TensorDescription(
            DTYPES.get(tensor["dtype"], tensor["dtype"]),
            None
            if shape.get("unknown_rank")
            else tuple(None if size < 0 else size for size in sizes),
        )
    return described


def to_json(array: np.ndarray) -> Any:
    r"""Nested lists of an array. Bytes that JSON cannot hold become `{"b64": …}`.

    Example:
        >>> import numpy as np
        >>> from keras_tx.serving.client_rest import to_json
        >>> to_json(np.array([b"one", b"\xff"], object))
        ['one', {'b64': '/w=='}]
    """
    if array.dtype != object:
        return array.tolist()
    items = np.empty(array.size, object)
    items[:] = [_string_to_json(item) for item in array.ravel()]
    return items.reshape(array.shape).tolist()


def _string_to_json(item: bytes) -> str | dict[str, str]:
    try:
        text = item.decode("utf-8")
    except UnicodeDecodeError:
        return {"b64": base64.b64encode(item).decode("ascii")}
    return text


def from_json(content: Any, description: TensorDescription) -> np.ndarray:
    """The array of nested lists, of the dtype that the server has named.

    Raises:
        ServerError: for what is no such array.

    Example:
        >>> from keras_tx.serving.client_rest import from_json
        >>> from keras_tx.serving.client_transport import TensorDescription
        >>> from_json(["one", {"b64": "/w=="}], TensorDescription("object", (None,)))
        array([b'one', b'\\xff'], dtype=object)
    """
    try:
        if description.dtype != "object":
            return _of_rank(_numbers(content, description.dtype), description)
        array = _of_rank(np.array(content, object), description)
        items = np.empty(array.size, object)
        items[:] = [_json_to_string(item) for item in array.ravel()]
        return items.reshape(array.shape)
    except (TypeError, ValueError, KeyError, OverflowError, RecursionError) as error:
        reason = str(error)[:_LONGEST_MESSAGE]
        raise ServerError(f"expected a tensor {description}. Received: {reason}") from error


def _numbers(content: Any, dtype: str) -> np.ndarray:
    # Asked for numbers, NumPy would make NaN of null, and truth of any text.
    array = np.array(content)  # Of numbers beyond 64 bits, which a float may be, of objects.
    if array.dtype.kind not in "biuf" and not all(
        isinstance(number, int | float) for number in array.ravel()
    ):
        raise TypeError("null, texts or others that are no numbers")
    return np.array(content, dtype)


def _of_rank(array: np.ndarray, description: TensorDescription) -> np.ndarray:
    sizes = description.shape
    if sizes is None or array.ndim == len(sizes):
        return array
    if array.size or array.ndim > len(sizes):
        raise ValueError(f"one of shape {array.shape}")
    # Lists of nothing do not tell how long those in them would be.
    return array.reshape([*array.shape, *(size or 0 for size in sizes[array.ndim :])])


def _json_to_string(item: str | dict[str, str]) -> bytes:
    if isinstance(item, dict):
        return base64.b64decode(item["b64"], validate=True)
    if not isinstance(item, str):
        raise TypeError(f"{item!r}")
    return item.encode("utf-8", errors="surrogatepass")
