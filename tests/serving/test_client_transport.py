"""Addresses, errors, and what is said of tensors."""

import pytest

from keras_tx.serving import ServerError
from keras_tx.serving.client_transport import TensorDescription, parse_address


@pytest.mark.parametrize(
    ("text", "scheme", "host", "port", "path"),
    [
        ("localhost", "grpc", "localhost", 8500, ""),
        ("localhost:8500", "grpc", "localhost", 8500, ""),
        ("localhost:8501", "http", "localhost", 8501, ""),
        ("127.0.0.1:9000", "grpc", "127.0.0.1", 9000, ""),
        ("http://localhost:9000", "http", "localhost", 9000, ""),
        ("http://models.example/serving/", "http", "models.example", 80, "/serving"),
        ("https://models.example", "https", "models.example", 443, ""),
        ("grpcs://models.example", "grpcs", "models.example", 443, ""),
        ("grpc://[::1]:8501", "grpc", "::1", 8501, ""),
        ("[::1]:8501", "http", "::1", 8501, ""),
        ("my_models-2:1", "grpc", "my_models-2", 1, ""),
    ],
)
def test_addresses(text, scheme, host, port, path):
    address = parse_address(text)
    assert address == (scheme, host, port, path)
    assert address.is_rest == (scheme in ("http", "https"))
    assert parse_address(str(address)) == address


@pytest.mark.parametrize(
    "text",
    ["", ":8500", "localhost:http", "localhost:99999", "ftp://localhost", "http://", "a b:1",
     "[::1:8500", "http://user:word@host", "http://host?x=1", "http://host#x", "host:1\n", "x\0:1"],
)  # fmt: skip
def test_what_is_no_address(text):
    with pytest.raises(ValueError, match="expected a server as HOST:PORT or with one of grpc://"):
        parse_address(text)


def test_grpc_has_no_path():
    with pytest.raises(ValueError, match="expected no path behind the port of gRPC"):
        parse_address("localhost:8500/v1/models")


def test_errors_are_one_line_and_say_whether_they_pass():
    error = ServerError("one\n  two\r\nthree", "UNAVAILABLE")
    assert str(error) == "one two three" and error.may_pass
    assert isinstance(error, RuntimeError)
    assert not ServerError("x", "INVALID_ARGUMENT").may_pass
    assert not ServerError("x").may_pass


def test_descriptions():
    assert str(TensorDescription("object", (None,))) == "string[?]"
    assert str(TensorDescription("float32", (None, 4))) == "float32[?, 4]"
    assert str(TensorDescription("int64", ())) == "int64[]"
    assert str(TensorDescription("int64", None)) == "int64[...]"
