"""Errors: one line, no traceback, exit codes."""

import errno
import os
import subprocess
import sys

import click
import pytest
from click.testing import CliRunner

from keras_tx.cli.errors import CommandGroup, describe
from keras_tx.data import DownloadError


def failing(error):
    @click.group(cls=CommandGroup)
    @click.option("--traceback", is_flag=True)
    def program(traceback):
        pass

    @program.command()
    @click.option("--number", type=int)
    def fail(number):
        raise error

    return program


@pytest.mark.parametrize(
    "error",
    [
        ValueError("expected a word. Received: 3"),
        TypeError("expected a list. Received: 'x'"),
        FileNotFoundError("expected a file. Received: x"),
        DownloadError("expected a network. Received: none"),
        RuntimeError("expected a fitted tokenizer. Received: none"),
    ],
)
def test_an_error_of_the_library_is_one_line_with_its_message(error):
    result = CliRunner().invoke(failing(error), ["fail"])
    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr == f"Error: {error}\n"


def test_an_error_of_the_system_names_file_and_reason():
    error = OSError(errno.ENOSPC, "No space left on device", "out.txt")
    assert describe(error) == (
        "expected a file that can be read or written. Received: 'out.txt' (No space left on device)"
    )


def test_several_lines_become_one_and_a_long_message_is_cut():
    assert describe(ValueError("one\n\n  two\u2028three")) == "one two three"
    assert len(describe(ValueError("x" * 100_000))) < 1100


def test_an_unexpected_error_is_named():
    result = CliRunner().invoke(failing(ZeroDivisionError("division by zero")), ["fail"])
    assert result.exit_code == 1
    assert result.stderr.startswith("Error: ZeroDivisionError: division by zero")
    assert result.stderr.count("\n") == 1


def test_an_interruption_has_its_own_code():
    result = CliRunner().invoke(failing(KeyboardInterrupt()), ["fail"])
    assert (result.exit_code, result.stderr) == (130, "Error: interrupted\n")


def test_a_reader_that_left_is_no_error_to_speak_of():
    result = CliRunner().invoke(failing(BrokenPipeError(errno.EPIPE, "Broken pipe")), ["fail"])
    assert (result.exit_code, result.stderr) == (141, "")


def test_help_for_a_full_disk(run_process):
    for option in ("--help", "--version"):
        with open("/dev/full", "wb") as full:
            result = run_process(
                option, stdout=full, stderr=subprocess.PIPE, capture_output=False, text=True
            )
        assert result.returncode == 1
        assert result.stderr.startswith("Error: expected a file that can be read or written.")
        assert result.stderr.count("\n") == 1


def test_closed_streams_do_not_get_another_file(tmp_path):
    program = "import os; from keras_tx.cli.errors import open_standard_streams as f; f(); f()\n"
    program += "number = os.open('results', os.O_WRONLY | os.O_CREAT); assert number > 2, number\n"
    program += "os.write(2, b'a message of a library')"
    for closed in ("2>&-", "0<&- 2>&-", "0<&- 1>&- 2>&-", ""):
        command = ["bash", "-c", f'"$0" -c "$1" {closed}', sys.executable, program]
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
        assert subprocess.run(command, cwd=tmp_path, env=environment).returncode == 0, closed
        assert (tmp_path / "results").read_bytes() == b""


def test_closed_streams_are_there_for_what_asks_for_them(tmp_path):
    program = "from keras_tx.cli.errors import open_standard_streams as f; f(); f()\n"
    program += "import click; assert click.get_binary_stream('stdin').read() == b''\n"
    program += "click.get_binary_stream('stdout').write(b'x'); click.echo('a message', err=True)"
    command = ["bash", "-c", '"$0" -c "$1" <&- >&- 2>&-', sys.executable, program]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    assert subprocess.run(command, cwd=tmp_path, env=environment).returncode == 0


def test_traceback_on_request():
    result = CliRunner().invoke(failing(ValueError("where")), ["--traceback", "fail"])
    assert isinstance(result.exception, ValueError)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["nothing"], "No such command 'nothing'"),
        (["fail", "--numer", "3"], "No such option"),
        (["fail", "--number", "three"], "'three' is not a valid integer"),
        (["fail", "more"], "unexpected extra argument (more)"),
    ],
)
def test_a_wrong_call_is_one_line_too(arguments, message):
    result = CliRunner().invoke(failing(ValueError()), arguments)
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr.startswith("Error: ") and message in result.stderr
    assert "--help" in result.stderr and result.stderr.count("\n") == 1


def test_without_a_command_the_help_shows():
    result = CliRunner().invoke(failing(ValueError()), [])
    assert "Usage:" in result.output and "Error" not in result.output
