"""`translate`: one line a text, through the same function as in Python; stopped and resumed."""

import json
import os
import pathlib
import signal
import subprocess
import sys
import threading
import time

import pytest

import keras_tx

TEXTS = [
    "The cat is sleeping.",
    "",
    "nul \0 inside",
    "\U0001f600 \u2028 separators \u0085",
    "word " * 500,
    "last",
]
# Random weights may write line ends, of which one line has none.
ENDS_TO_SPACES = str.maketrans("\r\n", "  ")


def test_one_line_for_each_line(models, run):
    result = run("translate", input="\r\n".join(TEXTS).encode())
    assert (result.exit_code, result.stderr) == (0, "")
    lines = result.stdout_bytes.decode().split("\n")
    assert len(lines) == len(TEXTS) + 1 and lines.pop() == ""
    expected = keras_tx.load("translator_en_fr").translate(TEXTS)
    assert lines == [text.translate(ENDS_TO_SPACES) for text in expected]
    assert lines[1] == ""


def test_line_ends_inside_a_translation_become_spaces(models, run, monkeypatch):
    from keras_tx.models import Translator

    def three_lines(self, texts, **options):
        return ["un\ndeux\r\ntrois"] * len(texts)

    # A trained model seldom writes one: this one thing is put there.
    monkeypatch.setattr(Translator, "translate", three_lines)
    assert run("translate", "one", "two").stdout == "un deux trois\n" * 2


def test_arguments_that_are_not_utf_8(models, run):
    result = run("translate", "caf\udce9", "--batch-size", 1)
    assert (result.exit_code, result.stderr) == (0, "")
    assert result.stdout_bytes.decode("utf-8").count("\n") == 1


def test_options_are_those_of_python(models, run):
    translator = keras_tx.load("translator_en_fr")
    texts = TEXTS[:4]
    options = {"beam_size": 2, "length_penalty": 0.5}
    arguments = ["--beam-size", 2, "--length-penalty", 0.5]
    lines = run("translate", *arguments, input="\n".join(texts).encode()).stdout_bytes
    expected = [text.translate(ENDS_TO_SPACES) for text in translator.translate(texts, **options)]
    assert lines.decode().split("\n")[:-1] == expected


def test_json_lines(models, run):
    translator = keras_tx.load("translator_en_fr")
    texts = TEXTS[:4]
    result = run(
        "translate", "--format", "jsonl", "--n-best", 3, "--beam-size", 4, input="\n".join(texts)
    )
    assert (result.exit_code, result.stderr) == (0, "")
    found = [json.loads(line) for line in result.stdout_bytes.decode().split("\n")[:-1]]
    expected = translator.translate_n_best(texts, 3, beam_size=4)
    assert len(found) == len(expected) and len(expected[0]) == 3
    for content, hypotheses in zip(found, expected, strict=True):
        assert [h["translation"] for h in content["hypotheses"]] == [h.text for h in hypotheses]
        for name in ("score", "log_probability"):
            assert [h[name] for h in content["hypotheses"]] == pytest.approx(
                [getattr(h, name) for h in hypotheses], abs=1e-4
            )
        assert content["translation"] == hypotheses[0].text
        assert content["score"] == content["hypotheses"][0]["score"]
    assert found[1]["translation"] == ""


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--n-best", 2, "x"], "expected --format jsonl with --n-best. Received: --n-best 2"),
        (["--resume"], "--output FILE with --resume. Received: --output -"),
        (["--resume", "--output", "-"], "--output FILE with --resume. Received: --output -"),
        (["--resume", "--output", "out", "x"], "--output FILE with --resume. Received: 1 TEXT"),
        (["--beam-size", 0, "x"], "0 is not in the range"),
    ],
)
def test_options_that_do_not_fit(run, arguments, message):
    result = run("translate", *arguments)
    assert (result.exit_code, result.stdout) == (2, "")
    assert message in result.stderr and result.stderr.count("\n") == 1


def wait_for_lines(file, seconds=120):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if file.exists() and b"\n" in file.read_bytes():
            return
        time.sleep(0.02)
    raise TimeoutError(f"no line in {file}")


def test_a_killed_run_goes_on_without_loss_or_duplicate(models, run, tmp_path):
    lines = [f"number {number} of many" for number in range(30)]
    output, part = tmp_path / "out", tmp_path / "out.part"
    process = subprocess.Popen(
        [sys.executable, "-m", "keras_tx", "translate", "--output", output],
        stdin=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    )
    process.stdin.write("".join(f"{line}\n" for line in lines[:20]).encode())
    process.stdin.flush()  # More is to come: it waits.
    wait_for_lines(part)
    process.kill()
    process.wait()
    process.stdin.close()
    # The third only when the kill came while the record was written.
    assert set(os.listdir(tmp_path)) - {"out.part.json.new"} == {"out.part", "out.part.json"}

    kept = part.read_bytes().splitlines(keepends=True)
    assert 1 <= len(kept) <= 20
    kept[0] = b"first\n"  # Shows that it is not made again.
    part.write_bytes(b"".join(kept) + b"half a li")
    text = "\n".join(lines)
    refused = run("translate", "--output", output, input=text)
    assert refused.exit_code == 1 and "expected --resume" in refused.stderr
    other = run("translate", "--output", output, "--resume", "--beam-size", 1, input=text)
    assert other.exit_code == 1 and "expected the beam_size of the stopped run" in other.stderr

    result = run("translate", "--output", output, "--resume", input=text)
    assert (result.exit_code, result.stdout, result.stderr) == (0, "", "")
    whole = run("translate", input=text).stdout_bytes.split(b"\n", 1)[1]
    assert output.read_bytes() == b"first\n" + whole
    assert os.listdir(tmp_path) == ["out"]


def test_a_name_that_is_not_utf_8(models, run, tmp_path):
    source, output = os.path.join(os.fsencode(tmp_path), b"caf\xe9.txt"), tmp_path / "out"
    with open(source, "wb") as file:
        file.write(b"one\n")
    result = run("translate", "--input", os.fsdecode(source), "--output", output)
    assert (result.exit_code, result.stderr) == (0, "") and output.read_bytes().count(b"\n") == 1


def test_an_interrupted_run_says_how_to_go_on(models, run, tmp_path):
    source, output = tmp_path / "in", tmp_path / "out"
    os.mkfifo(source)
    lines = b"one\ntwo\nthree\n"

    def interrupt():
        with open(source, "wb") as pipe:
            pipe.write(lines[:8])
            pipe.flush()
            wait_for_lines(pathlib.Path(f"{output}.part"))
            signal.pthread_kill(threading.main_thread().ident, signal.SIGINT)
            interrupted.wait(30)

    interrupted = threading.Event()
    thread = threading.Thread(target=interrupt)
    thread.start()
    # A job in the background starts with the signal ignored.
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        result = run("translate", "--input", source, "--output", output)
    finally:
        signal.signal(signal.SIGINT, before)
    interrupted.set()
    thread.join()
    assert (result.exit_code, result.stdout) == (130, "")
    kept, error = result.stderr.splitlines()
    assert kept.startswith("2 lines are kept in ") and kept.endswith("with --resume goes on")
    assert error == "Error: interrupted" and not output.exists()

    thread = threading.Thread(target=source.write_bytes, args=[lines])
    thread.start()
    assert run("translate", "--input", source, "--output", output, "--resume").exit_code == 0
    thread.join()
    assert output.read_bytes() == run("translate", input=lines).stdout_bytes


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--model", "sentiment_imdb", "x"], "expected a Translator. Received: --model"),
        (["--model", "nothing", "x"], "'translator_en_fr'], of saved_models/ here"),
        (["--output", ""], "expected a file. Received: --output ''"),
    ],
)
def test_errors_are_one_line(models, run, arguments, message):
    result = run("translate", *arguments)
    assert (result.exit_code, result.stdout) == (1, "")
    assert message in result.stderr and result.stderr.count("\n") == 1


def test_as_a_process(models, run_process):
    # The locale is not UTF-8, standard error says nothing.
    process = run_process(
        "translate",
        input="one\n\ntwo \U0001f600".encode(),
        environment={"LC_ALL": "C", "PYTHONIOENCODING": "ascii"},
    )
    assert (process.returncode, process.stderr) == (0, b"")
    assert len(process.stdout.decode("utf-8").split("\n")) == 4


def test_a_pipe_whose_reader_left(models, tmp_path):
    command = [sys.executable, "-m", "keras_tx", "classify"]
    (tmp_path / "in").write_bytes(b"a film\n" * 20_000)
    with open(tmp_path / "in", "rb") as lines:
        process = subprocess.Popen(
            command, stdin=lines, stdout=subprocess.PIPE, stderr=subprocess.PIPE
        )
    assert process.stdout.readline().startswith((b"negative\t", b"positive\t"))
    process.stdout.close()
    assert process.stderr.read() == b""
    assert process.wait() == 141


@pytest.mark.skipif(sys.platform != "linux", reason="needs /dev/full")
def test_a_full_disk(models, run_process):
    with open("/dev/full", "wb") as full:
        process = run_process(
            "translate", "x", stdout=full, stderr=subprocess.PIPE, capture_output=False
        )
    assert process.returncode == 1
    assert process.stderr.startswith(b"Error: ") and process.stderr.count(b"\n") == 1
    assert b"No space left on device" in process.stderr
