"""`--server`: the same lines as from the model itself, and errors in one line."""

import json
import subprocess
import sys

import pytest

import keras_tx
from keras_tx.serving import LoopbackServer

TEXTS = ["The cat is sleeping.", "", "nul \0 inside", "word " * 60, "\U0001f600 last"]


CALLED = {
    "translator_en_fr": ("serving_default", "n_best"),
    "sentiment_imdb": ("serving_default",),
}


@pytest.fixture(scope="module")
def servers(models, tmp_path_factory):
    directory = tmp_path_factory.mktemp("exports")
    running = {}
    for name, signatures in CALLED.items():
        model = keras_tx.load(models / name)
        called = {key: model.signatures()[key] for key in signatures}
        with pytest.MonkeyPatch.context() as patch:  # The others would only take time.
            patch.setattr(model, "signatures", lambda called=called: called)
            model.export(directory / name)
        running[name] = LoopbackServer(directory / name)
    yield running
    for server in running.values():
        server.stop()


@pytest.fixture(params=["grpc", "rest"])
def address(servers, request):
    return lambda name: getattr(servers[name], f"{request.param}_address")


def test_translate(address, run):
    # Where no text is longer than the model takes, for only the model can count tokens.
    text = "\r\n".join(TEXTS[:3]).encode()
    result = run("translate", "--server", address("translator_en_fr"), input=text)
    assert (result.exit_code, result.stderr) == (0, "")
    assert result.stdout_bytes == run("translate", input=text).stdout_bytes


def test_one_line_for_each_line(address, run, tmp_path):
    lines = [*TEXTS, *(f"number {number}" for number in range(1100))]
    (tmp_path / "in").write_bytes("\n".join(lines).encode() + b"\n\xff\xfe no UTF-8")
    arguments = ["--input", tmp_path / "in", "--output", tmp_path / "out"]
    server = ["--server", address("sentiment_imdb")]
    result = run("classify", *server, "--batch-size", 200, *arguments)
    assert (result.exit_code, result.output) == (0, "")
    assert len((tmp_path / "out").read_text().splitlines()) == len(lines) + 1
    few = run("classify", *server, *lines[:3]).stdout
    assert few == "".join((tmp_path / "out").open().readlines()[:3])
    assert few == run("classify", *lines[:3]).stdout


def test_json_lines(address, run):
    for command, name, more in (
        ("translate", "translator_en_fr", ["--n-best", 3]),
        ("classify", "sentiment_imdb", []),
    ):
        arguments = [command, "--format", "jsonl", *more, *TEXTS[:2]]
        there = run(*arguments, "--server", address(name))
        assert (there.exit_code, there.stderr) == (0, "")
        found, expected = there.stdout.split("\n")[:-1], run(*arguments).stdout.split("\n")[:-1]
        assert len(found) == 2
        for one, other in zip(found, expected, strict=True):
            assert_like(json.loads(one), json.loads(other))


def assert_like(one, other):
    """Equal but for the last digits of numbers."""
    if isinstance(one, dict):
        assert set(one) == set(other)
        for key in one:
            assert_like(one[key], other[key])
    elif isinstance(one, list):
        for first, second in zip(one, other, strict=True):
            assert_like(first, second)
    else:
        assert one == (pytest.approx(other, abs=1e-4) if isinstance(one, float) else other)


def test_a_stopped_run_goes_on_only_with_the_same_version(servers, run, tmp_path):
    output = tmp_path / "out"
    part = tmp_path / "out.part"
    address = servers["translator_en_fr"].grpc_address
    arguments = ["translate", "--server", address, "--output", output]
    text = b"one\ntwo\nthree\n"
    # A model of another name on the same server stands for another version.
    part.write_bytes(b"un\n")
    record = {"model": f"translator_en_fr at {address}, version 1", "format": "text", "n-best": 1}
    (tmp_path / "out.part.json").write_text(json.dumps({**record, "input": "standard input"}))
    assert run(*arguments, "--resume", input=text).exit_code == 0
    lines = output.read_bytes().splitlines()
    assert lines[0] == b"un" and len(lines) == 3
    part.write_bytes(b"un\n")
    record["model"] = record["model"].replace("version 1", "version 2")
    (tmp_path / "out.part.json").write_text(json.dumps({**record, "input": "standard input"}))
    result = run(*arguments, "--resume", input=text)
    assert result.exit_code == 1
    assert "version 2'. Received: 'translator_en_fr at" in result.stderr


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["translate", "--server", "127.0.0.1:9", "x"], 1, "from grpc://127.0.0.1:9. Received: U"),
        (["classify", "--server", "http://127.0.0.1:9", "x"], 1, "UNAVAILABLE: HTTPConnection"),
        (["translate", "--server", "ftp://x", "x"], 1, "expected a server as HOST:PORT"),
        (["translate", "--server", "x", "--beam-size", 2, "x"], 2, "no search options with --serv"),
        (["translate", "--server", "x", "--precision", "bfloat16", "x"], 2, "Received: precision"),
        (["classify", "--server", "x", "--precision", "bfloat16", "x"], 1,
         "--precision expected a model of this machine. Received: --server 'x', where the export"),
        (["translate", "--server", "{sentiment_imdb}", "x"], 1, "NOT_FOUND: Servable not found"),
        (["translate", "--server", "{translator_en_fr}", "--model", "translator_en_fr/3", "x"], 1,
         "Servable not found for request: 'translator_en_fr', version 3"),
        (["translate", "--server", "{sentiment_imdb}", "--model", "sentiment_imdb", "x"], 1,
         "expected a signature with text -> translation for translate. Received: sentiment_imdb"),
        (["translate", "--server", "{translator_en_fr}", "--format", "jsonl", "--n-best", 9, "x"],
         1, "n_best expected at most 4, the beam that was exported. Received: n_best=9"),
    ],
)  # fmt: skip
def test_errors_are_one_line(servers, run, arguments, code, message):
    addresses = {name: server.grpc_address for name, server in servers.items()}
    result = run(*(str(argument).format(**addresses) for argument in arguments))
    assert (result.exit_code, result.stdout) == (code, "")
    assert message in result.stderr and result.stderr.count("\n") == 1


def test_one_version_can_be_asked_for(address, run):
    arguments = ["classify", "--server", address("sentiment_imdb"), "x"]
    assert run(*arguments, "--model", "sentiment_imdb/1").stdout == run(*arguments).stdout


PROCESS = """
import sys
sys.argv = ["keras-tx", "translate", "--server", sys.argv[1], "The cat is sleeping."]
from keras_tx.cli.main import main
try:
    main()
finally:
    assert "keras" not in sys.modules and "tensorflow" not in sys.modules
"""


def test_no_tensorflow_is_started(servers, run):
    address = servers["translator_en_fr"].grpc_address
    command = [sys.executable, "-c", PROCESS, address]
    process = subprocess.run(command, capture_output=True, text=True)
    assert (process.returncode, process.stderr) == (0, "")
    assert process.stdout == run("translate", "The cat is sleeping.").stdout
