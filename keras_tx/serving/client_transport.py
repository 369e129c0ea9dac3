"""What the client's two ways to a server, REST and gRPC, have in common."""

from __future__ import annotations

import dataclasses
import urllib.parse
from collections.abc import Mapping
from typing import NamedTuple, Protocol

import numpy as np

# The names that TensorFlow gives to types of numbers, in messages and in JSON.
DTYPES = {
    "DT_FLOAT": "float32",
    "DT_DOUBLE": "float64",
    "DT_HALF": "float16",
    "DT_INT8": "int8",
    "DT_INT16": "int16",
    "DT_INT32": "int32",
    "DT_INT64": "int64",
    "DT_UINT8": "uint8",
    "DT_BOOL": "bool",
    "DT_STRING": "object",
}
SCHEMES = {"grpc": 8500, "grpcs": 443, "http": 80, "https": 443}
REST_PORT = 8501  # Where TensorFlow Serving speaks REST, unless told otherwise.
UNAVAILABLE = "UNAVAILABLE"


class ServerError(RuntimeError):
    """A server that cannot be reached, or that answers with an error, in one line.

    Args:
        message: what is wrong.
        code: the name of a gRPC status, also for REST: `"UNAVAILABLE"`, `"NOT_FOUND"`,
            `"INVALID_ARGUMENT"`, `"DEADLINE_EXCEEDED"`…

    Example:
        >>> from keras_tx.serving import ServerError
        >>> error = ServerError("expected a model.\\n Received: none", "NOT_FOUND")
        >>> str(error), error.code
        ('expected a model. Received: none', 'NOT_FOUND')
    """

    def __init__(self, message: str, code: str = "UNKNOWN") -> None:
        super().__init__(" ".join(message.split()))
        self.code = code

    @property
    def may_pass(self) -> bool:
        """Whether the same request may get an answer later."""
        return self.code == UNAVAILABLE


class Address(NamedTuple):
    """Where a server listens, and how it is spoken to.

    Attributes:
        scheme: `"grpc"`, `"grpcs"`, `"http"` or `"https"`; those with an s are encrypted.
        host: name or number; one of IPv6 without its brackets.
        port: its number.
        path: what stands before `/v1/models` in the addresses of REST.
    """

    scheme: str
    host: str
    port: int
    path: str = ""

    @property
    def is_rest(self) -> bool:
        return self.scheme.startswith("http")

    @property
    def host_and_port(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"

    def __str__(self) -> str:
        return f"{self.scheme}://{self.host_and_port}{self.path}"


def parse_address(text: str) -> Address:
    """Reads an address.

    `HOST:PORT` is REST for port 8501 and gRPC for any other; `HOST` is gRPC on port 8500. With
    a scheme in front (`grpc://`, `grpcs://`, `http://`, `https://`) it is what the scheme says.

    Raises:
        ValueError: when it is no address.

    Example:
        >>> from keras_tx.serving.client_transport import parse_address
        >>> for text in ("localhost:8500", "localhost:8501", "grpc://[::1]:9000", "https://x/y"):
        ...     print(parse_address(text))
        grpc://localhost:8500
        http://localhost:8501
        grpc://[::1]:9000
        https://x:443/y
    """
    try:
        parts = urllib.parse.urlsplit(text if "://" in text else f"//{text}")
        host, port = parts.hostname, parts.port
    except ValueError:  # A bracket that is not closed, a port that is no number.
        host = None
    known = host and (not parts.scheme or parts.scheme in SCHEMES)
    odd = any(character.isspace() or not character.isprintable() for character in text)
    if not known or odd or "@" in parts.netloc or parts.query or parts.fragment:
        raise ValueError(
            "expected a server as HOST:PORT or with one of "
            f"{', '.join(f'{scheme}://' for scheme in SCHEMES)} in front. Received: {text!r}"
        )
    scheme = parts.scheme or ("http" if port == REST_PORT else "grpc")
    path = parts.path.rstrip("/")
    if path and scheme.startswith("grpc"):
        raise ValueError(f"expected no path behind the port of gRPC. Received: {text!r}")
    return Address(scheme, host, SCHEMES[scheme] if port is None else port, path)


class ModelChoice(NamedTuple):
    """Which model of a server, and which version of it: by number, by label, or the newest."""

    name: str
    version: int | None = None
    label: str | None = None


class TensorDescription(NamedTuple):
    """What a server says of an input or output.

    Attributes:
        dtype: NumPy's name; `"object"` for strings, which are `bytes`.
        shape: sizes, `None` where any is fine; `None` in place of them when not even the
            number of dimensions is known.
    """

    dtype: str
    shape: tuple[int | None, ...] | None

    def __str__(self) -> str:
        sizes = ("?" if size is None else str(size) for size in self.shape or ())
        shape = "..." if self.shape is None else ", ".join(sizes)
        return f"{'string' if self.dtype == 'object' else self.dtype}[{shape}]"


@dataclasses.dataclass(frozen=True)
class Signature:
    """The names and kinds of what goes into one of a model's functions, and what comes out."""

    inputs: Mapping[str, TensorDescription]
    outputs: Mapping[str, TensorDescription]


@dataclasses.dataclass(frozen=True)
class ModelMetadata:
    """What a server says of a model.

    Attributes:
        version: the version that answered; `None` where the server does not say.
        signatures: name -> `Signature`.
    """

    version: int | None
    signatures: Mapping[str, Signature]


class Transport(Protocol):
    """A way to a server. Each method sends one request and raises `ServerError`."""

    def predict(
        self,
        model: ModelChoice,
        name: str,
        signature: Signature,
        inputs: Mapping[str, np.ndarray],
        timeout: float,
    ) -> dict[str, np.ndarray]:
        """The outputs of a signature; `timeout` in seconds."""

    def metadata(self, model: ModelChoice, timeout: float) -> ModelMetadata:
        """What the server says of the model."""

    def states(self, model: ModelChoice, timeout: float) -> dict[int, str]:
        """Version -> its state, such as `"AVAILABLE"`."""

    def close(self) -> None:
        """Gives back the connections."""


def open_transport(address: Address) -> Transport:
    """The way to an address.

    Raises:
        ImportError: without the packages of the extra `serving`.
    """
    # Each brings in only the packages that it needs.
    if address.is_rest:
        from keras_tx.serving.client_rest import RestTransport

        return RestTransport(address)
    from keras_tx.serving.client_grpc import GrpcTransport

    return GrpcTransport(address)
