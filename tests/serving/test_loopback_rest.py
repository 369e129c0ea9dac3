"""The JSON that TensorFlow Serving documents: rows, columns, errors, metadata, status."""

import http.client
import json
import socket
import time
import urllib.parse

import pytest
import tensorflow as tf
import urllib3

from keras_tx.serving import LoopbackServer, export_saved_model

TEXT = tf.TensorSpec([None], tf.string, name="text")


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    def measure(text):
        return {"length": tf.strings.length(text), "upper": tf.strings.upper(text)}

    def join(text, other):
        return {"both": tf.strings.join([text, other])}

    def raw(text):
        return {"copy_bytes": text}

    other = tf.TensorSpec([None], tf.string, name="other")
    directory = tmp_path_factory.mktemp("rest")
    signatures = {
        "serving_default": (measure, [TEXT]), "join": (join, [TEXT, other]), "raw": (raw, [TEXT])
    }  # fmt: skip
    export_saved_model(signatures, directory)
    with LoopbackServer(directory, "m", max_request_bytes=10_000) as running:
        yield running


@pytest.fixture
def ask(server):
    pool = urllib3.PoolManager(retries=False)

    def request(place, body=None):
        method = "GET" if body is None else "POST"
        if body is not None and not isinstance(body, bytes):
            body = json.dumps(body).encode()
        response = pool.request(method, f"{server.rest_address}{place}", body=body)
        return response.status, json.loads(response.data)

    return request


PREDICT = "/v1/models/m:predict"


def test_rows(ask):
    status, answer = ask(PREDICT, {"instances": ["ab", {"b64": "YQ=="}]})
    assert (status, answer) == (
        200, {"predictions": [{"length": 2, "upper": "AB"}, {"length": 1, "upper": "A"}]}
    )  # fmt: skip
    assert ask(PREDICT, {"instances": [{"text": "ab"}]})[1]["predictions"][0]["length"] == 2
    rows = [{"text": "a", "other": "b"}, {"text": "c", "other": "d"}]
    answer = ask("/v1/models/m/versions/1:predict", {"signature_name": "join", "instances": rows})
    assert answer == (200, {"predictions": ["ab", "cd"]})  # The only output has no name.


def test_columns(ask):
    for inputs in ({"text": ["ab", "é"]}, ["ab", "é"]):
        answer = {"outputs": {"length": [2, 2], "upper": ["AB", "é"]}}
        assert ask(PREDICT, {"inputs": inputs}) == (200, answer)
    body = {"signature_name": "join", "inputs": {"text": ["a"], "other": ["b"]}}
    assert ask(PREDICT, body) == (200, {"outputs": ["ab"]})
    body = {"signature_name": "raw", "inputs": [{"b64": "/w=="}]}
    assert ask(PREDICT, body) == (200, {"outputs": [{"b64": "/w=="}]})


def test_metadata_and_status(ask):
    status, answer = ask("/v1/models/m/metadata")
    assert status == 200
    assert answer["model_spec"] == {"name": "m", "signature_name": "", "version": "1"}
    signatures = answer["metadata"]["signature_def"]["signature_def"]
    text = signatures["join"]["inputs"]["other"]
    assert text["dtype"] == "DT_STRING" and text["tensor_shape"]["dim"][0]["size"] == "-1"
    assert text["tensor_shape"]["unknown_rank"] is False
    state = {
        "version": "1", "state": "AVAILABLE", "status": {"error_code": "OK", "error_message": ""}
    }  # fmt: skip
    for place in ("/v1/models/m", "/v1/models/m/versions/1"):
        assert ask(place) == (200, {"model_version_status": [state]})


@pytest.mark.parametrize(
    ("place", "body", "status", "message"),
    [
        ("/v1/models/other", None, 404, "Servable not found"),
        ("/v1/models/m/versions/9:predict", {"instances": ["a"]}, 404, "Servable not found"),
        ("/v1/models/m/labels/x", None, 404, "Servable not found"),
        ("/v1/models", None, 400, "Malformed request: GET /v1/models"),
        ("/v1/models/m", {"instances": ["a"]}, 400, "Malformed request: POST /v1/models/m"),
        (PREDICT, None, 400, "Malformed request: GET"),
        (PREDICT, b"{", 400, "JSON Parse error"),
        (PREDICT, b"\xff", 400, "JSON Parse error"),
        (PREDICT, b'{"instances": [NaN]}', 400, "NaN is no number of JSON"),
        (PREDICT, b"[" * 9_000, 400, "JSON Parse error"),
        (PREDICT, [], 400, "either 'instances' or 'inputs'"),
        (PREDICT, {"instances": []}, 400, "expected a list of instances"),
        (PREDICT, {"instances": "a"}, 400, "expected a list of instances"),
        (PREDICT, {"instances": [1]}, 400, "which is no string"),
        (PREDICT, {"instances": [["a"]]}, 400, "Received: string of shape (1, 1)"),
        (PREDICT, {"instances": ["a"], "inputs": ["a"]}, 400, "either 'instances' or 'inputs'"),
        (PREDICT, {"inputs": {"txt": ["a"]}}, 400, "expected the inputs ['text']"),
        (PREDICT, {"inputs": {"text": [{"b64": "*"}]}}, 400, "expected a tensor"),
        (PREDICT, {"inputs": {"text": "a"}}, 400, "Received: string of shape ()"),
        (PREDICT, {"signature_name": "x", "instances": ["a"]}, 400, "Received: 'x'"),
        (PREDICT, {"signature_name": ["x"], "instances": ["a"]}, 400, "Received: ['x']"),
        (PREDICT, b"x" * 20_000, 413, "at most 10,000 bytes. Received: 20000"),
    ],
)
def test_errors(ask, place, body, status, message):
    found, answer = ask(place, body)
    assert set(answer) == {"error"} and message in answer["error"]
    assert found == status
    assert ask(PREDICT, {"instances": ["fine"]})[0] == 200


@pytest.mark.parametrize("length", [20_000, 5_000_000])
def test_a_refused_body_is_read_before_the_announced_end(server, length):
    address = urllib.parse.urlsplit(server.rest_address)
    with socket.create_connection((address.hostname, address.port), timeout=30) as connection:
        head = f"POST {PREDICT} HTTP/1.1\r\nHost: m\r\nContent-Length: {length}\r\n\r\n"
        connection.sendall(head.encode())
        time.sleep(0.2)  # The server has answered: what comes now must not reset the connection.
        connection.sendall(b"x" * length)
        connection.shutdown(socket.SHUT_WR)
        response = http.client.HTTPResponse(connection)
        response.begin()
        assert (response.status, response.getheader("Connection")) == (413, "close")
        assert f"Received: {length}" in json.load(response)["error"]


def test_a_server_that_has_stopped_answers_nobody(tmp_path):
    def same(text):
        return {"same": text}

    export_saved_model({"serving_default": (same, [TEXT])}, tmp_path)
    with LoopbackServer(tmp_path, "m") as running:
        address = urllib.parse.urlsplit(running.rest_address).netloc
        kept = http.client.HTTPConnection(address, timeout=10)
        kept.request("GET", "/v1/models/m")
        assert kept.getresponse().read()
        connection = kept.sock
    assert connection is not None
    with pytest.raises((http.client.HTTPException, OSError)):
        kept.request("GET", "/v1/models/m")
        kept.getresponse()
