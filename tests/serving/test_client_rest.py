"""JSON both ways, and what odd servers answer."""

import contextlib
import http.server
import json
import socket
import threading
import time

import numpy as np
import pytest

from keras_tx.serving import Client, ServerError
from keras_tx.serving.client_rest import RestTransport, from_json, to_json
from keras_tx.serving.client_transport import (
    ModelChoice,
    Signature,
    TensorDescription,
    parse_address,
)

STRINGS = TensorDescription("object", (None,))


def test_strings():
    array = np.array([["é", "nul \0"]], object)
    array = np.array([[text.encode() for text in row] for row in array] + [[b"\xff", b""]], object)
    content = json.loads(json.dumps(to_json(array)))
    assert content == [["é", "nul \0"], [{"b64": "/w=="}, ""]]
    assert from_json(content, TensorDescription("object", (None, 2))).tolist() == array.tolist()


def test_numbers():
    for array in (np.array([[1.5, 2]], "float32"), np.array([1, 2]), np.array([True])):
        found = from_json(
            json.loads(json.dumps(to_json(array))), TensorDescription(str(array.dtype), None)
        )
        assert found.dtype == array.dtype and found.tolist() == array.tolist()
    assert np.isnan(from_json([float("nan")], TensorDescription("float32", (None,)))).all()


@pytest.mark.parametrize(
    ("content", "dtype"),
    [([1], "object"), (["x"], "float32"), ([[1], [1, 2]], "float32"), (["a", ["b"]], "object"),
     ([300], "uint8"), ([{"b64": "*"}], "object"),
     # Of these NumPy would make NaN, truth and a number.
     ([None], "float32"), ([None], "bool"), (["x"], "bool"), (["1"], "int64"), (None, "float32"),
     # Of another rank.
     (1.5, "float32"), ([[1.5]], "float32"), ([["a"]], "object"), ("a", "object"),
     ([[], []], "float32"), ([[]], "object"),
     ([{"other": "x"}], "object"), ([None], "object")],
)  # fmt: skip
def test_what_is_no_tensor(content, dtype):
    with pytest.raises(ServerError, match=r"expected a tensor [a-z0-9]+\[\?\]. Received: "):
        from_json(content, TensorDescription(dtype, (None,)))


def test_numbers_beyond_64_bits():
    found = from_json([100000000000000000000, 0.5], TensorDescription("float32", (None,)))
    np.testing.assert_array_equal(found, np.array([1e20, 0.5], "float32"))


def test_lists_in_lists_without_end():
    content = []
    for _ in range(10_000):
        content = [content]
    for dtype in ("float32", "object"):
        with pytest.raises(ServerError, match="expected a tensor "):
            from_json(content, TensorDescription(dtype, None))


@pytest.mark.parametrize(
    ("content", "sizes", "shape"),
    [
        ([], (None, 4), (0, 4)),
        ([[], []], (None, None, 3), (2, 0, 3)),
        ([[], []], (None, None), (2, 0)),
        ([[1.5]], None, (1, 1)),
    ],
)
def test_lists_of_nothing_and_an_unknown_rank(content, sizes, shape):
    for dtype in ("float32", "object") if shape[-1] != 1 else ("float32",):
        found = from_json(content, TensorDescription(dtype, sizes))
        assert (found.shape, str(found.dtype)) == (shape, dtype)


@pytest.fixture
def odd_server():
    """A server that answers everything with `server.answer`: status, body."""

    class Handler(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self):
            self.rfile.read(int(self.headers.get("Content-Length", 0)))
            self.server.asked.append(self.path)
            status, body = self.server.answer
            if status is None:  # It hangs up.
                self.close_connection = True
                return
            time.sleep(self.server.pause)
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.server.send(self.wfile, body)

        do_POST = do_GET

        def log_message(self, *arguments):
            pass

    class Server(http.server.ThreadingHTTPServer):
        daemon_threads = True

        def handle_error(self, request, client_address):
            pass

    server = Server(("127.0.0.1", 0), Handler)
    server.asked, server.pause, server.answer = [], 0, (200, b"{}")
    server.send = lambda stream, body: stream.write(body)
    threading.Thread(target=server.serve_forever, args=[0.02], daemon=True).start()
    yield server
    server.shutdown()
    server.server_close()


def ask(server, timeout=10, model="m"):
    transport = RestTransport(parse_address(f"http://127.0.0.1:{server.server_port}/base"))
    signature = Signature({"text": STRINGS}, {"translation": STRINGS})
    inputs = {"text": np.array([b"x"], object)}
    return transport.predict(ModelChoice(model), "serving_default", signature, inputs, timeout)


@pytest.mark.parametrize(
    ("answer", "code", "message"),
    [
        ((400, b'{"error": "wrong\\n dtype"}'), "INVALID_ARGUMENT", "(HTTP 400): wrong dtype"),
        ((404, b'{"error": "no model"}'), "NOT_FOUND", "(HTTP 404): no model"),
        ((503, b"<html>busy</html>"), "UNAVAILABLE", "(HTTP 503): '<html>busy</html>'"),
        ((429, b'{"error": "slow"}'), "UNAVAILABLE", "(HTTP 429): slow"),
        ((302, b""), "UNKNOWN", "(HTTP 302): ''"),
        ((200, b"no JSON \xff"), "UNKNOWN", "expected a JSON object"),
        ((200, b'["list"]'), "UNKNOWN", "expected a JSON object"),
        ((200, b"[" * 200_000), "UNKNOWN", "expected a JSON object"),
        ((500, b"[" * 200_000), "INTERNAL", "(HTTP 500): '[[["),
        ((200, b'{"outputs": [["a"]]}'), "UNKNOWN", "string[?]. Received: one of shape (1, 1)"),
        ((200, b'{"error": "late"}'), "UNKNOWN", "expected a JSON object"),
        ((200, b'{"outputs": [1]}'), "UNKNOWN", "expected a tensor string[?]. Received: 1"),
        ((None, b""), "UNAVAILABLE", ": Connection aborted. Remote end closed connection"),
    ],
)
def test_errors(odd_server, answer, code, message):
    odd_server.answer = answer
    with pytest.raises(ServerError) as caught:
        ask(odd_server)
    assert caught.value.code == code and message in str(caught.value)


def test_a_server_that_is_too_slow(odd_server):
    odd_server.pause = 6.0
    start = time.monotonic()
    with pytest.raises(ServerError) as caught:
        ask(odd_server, timeout=0.2)
    assert caught.value.code == "DEADLINE_EXCEEDED" and time.monotonic() - start < 5
    assert ": DEADLINE_EXCEEDED: Read timed out. " in str(caught.value)


def test_a_server_that_takes_no_connection():
    with contextlib.ExitStack() as stack:
        listening = stack.enter_context(socket.socket())
        listening.bind(("127.0.0.1", 0))
        listening.listen(0)
        for _ in range(3):  # More than it keeps waiting.
            waiting = stack.enter_context(socket.socket())
            waiting.setblocking(False)
            waiting.connect_ex(listening.getsockname())
        host, port = listening.getsockname()
        with pytest.raises(ServerError) as caught:
            RestTransport(parse_address(f"http://{host}:{port}")).states(ModelChoice("m"), 0.3)
    assert "Received: DEADLINE_EXCEEDED: Connection to 127.0.0.1 timed out. " in str(caught.value)


def test_a_server_whose_answer_never_ends(odd_server):
    class Drops(bytes):
        """Sent one by one."""

        def __len__(self):
            return 1000

    def send(stream, body):
        for _ in range(1000):
            stream.write(b" ")
            stream.flush()
            time.sleep(0.05)

    odd_server.send, odd_server.answer = send, (200, Drops())
    start = time.monotonic()
    with pytest.raises(ServerError, match=r"DEADLINE_EXCEEDED: \d+ bytes in time") as caught:
        ask(odd_server, timeout=0.4)
    assert caught.value.code == "DEADLINE_EXCEEDED" and time.monotonic() - start < 5


def test_places(odd_server):
    odd_server.answer = (200, b'{"outputs": ["un"]}')
    assert ask(odd_server, model="a/b ü")["translation"].tolist() == [b"un"]
    assert odd_server.asked == ["/base/v1/models/a%2Fb%20%C3%BC:predict"]
    address = f"http://127.0.0.1:{odd_server.server_port}"
    odd_server.answer = (200, b'{"model_version_status": [{"version": "7", "state": "START"}]}')
    assert Client(address, "m", version=7).states() == {7: "START"}
    assert Client(address, "m", label="stable").states() == {7: "START"}
    assert odd_server.asked[1:] == ["/v1/models/m/versions/7", "/v1/models/m/labels/stable"]


def test_a_strange_description_of_a_model(odd_server):
    client = Client(f"http://127.0.0.1:{odd_server.server_port}", "m")
    odd_server.answer = (200, b'{"metadata": {}}')
    with pytest.raises(ServerError, match="expected a model's metadata from http"):
        client.translate(["x"])
    for status in (b"{}", b'{"version": Infinity, "state": "START"}'):
        odd_server.answer = (200, b'{"model_version_status": [%s]}' % status)
        with pytest.raises(ServerError, match="expected a model's status from http"):
            client.states()
