"""Errors at the command line: one line each, and an exit code that tells them apart."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from typing import Any, NoReturn

import click

FAILED, BROKEN_PIPE, INTERRUPTED = 1, 141, 130  # The last two: 128 + number of the signal.
# What the library raises on purpose. Others are named, to make a report of them useful.
EXPECTED_ERRORS = (ValueError, TypeError, OSError, RuntimeError)
LONGEST_MESSAGE = 1000


def describe(error: BaseException) -> str:
    """What an error says, in one line of bounded length.

    Args:
        error: any exception.

    Returns:
        The message; for an error of the operating system one that names file and reason;
        for one that is not of the library's own kinds, with the name of its kind.

    Example:
        >>> from keras_tx.cli.errors import describe
        >>> describe(ValueError("expected a number.\\n  Received: 'x'"))
        "expected a number. Received: 'x'"
        >>> describe(KeyError("x"))
        "KeyError: 'x' (--traceback before the command shows where)"
    """
    text = str(error)
    if isinstance(error, OSError) and error.strerror:
        place = f"{error.filename!r} (" if error.filename is not None else "("
        text = f"expected a file that can be read or written. Received: {place}{error.strerror})"
    text = " ".join(filter(None, (line.strip() for line in text.splitlines())))
    if len(text) > LONGEST_MESSAGE:
        text = text[:LONGEST_MESSAGE] + " …"
    # By name, for TensorFlow is not imported here: its errors are no RuntimeErrors.
    if not isinstance(error, EXPECTED_ERRORS) or not text:
        text = f"{type(error).__name__}: {text} (--traceback before the command shows where)"
    return text


class CommandGroup(click.Group):
    """A group whose commands end with one line `Error: …` instead of a traceback.

    Exit codes: 0 for success, 1 for an error, 2 for a wrong call, 130 when interrupted, 141
    when the reader of the results went away.

    Example:
        >>> import click
        >>> from click.testing import CliRunner
        >>> from keras_tx.cli.errors import CommandGroup
        >>> @click.group(cls=CommandGroup)
        ... def program():
        ...     pass
        >>> @program.command()
        ... def fail():
        ...     raise ValueError("expected luck. Received: none")
        >>> result = CliRunner().invoke(program, ["fail"])
        >>> result.exit_code, result.output
        (1, 'Error: expected luck. Received: none\\n')
    """

    def make_context(self, *arguments: Any, **options: Any) -> click.Context:
        try:
            return super().make_context(*arguments, **options)
        except OSError as error:  # Of `--help` and `--version`, which write already here.
            drop_standard_output()
            if isinstance(error, BrokenPipeError):
                raise click.exceptions.Exit(BROKEN_PIPE) from error
            click.echo(f"Error: {describe(error)}", err=True)
            raise click.exceptions.Exit(FAILED) from error

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except (click.exceptions.Exit, click.ClickException, click.Abort):
            raise
        except BrokenPipeError:
            drop_standard_output()
            ctx.exit(BROKEN_PIPE)
        except KeyboardInterrupt:
            click.echo("Error: interrupted", err=True)
            ctx.exit(INTERRUPTED)
        except Exception as error:
            if ctx.params.get("traceback"):
                raise
            if isinstance(error, OSError):
                drop_standard_output()
            click.echo(f"Error: {describe(error)}", err=True)
            ctx.exit(FAILED)

    def main(
        self,
        args: Sequence[str] | None = None,
        prog_name: str | None = None,
        standalone_mode: bool = True,
        **extra: Any,
    ) -> NoReturn:
        """Run the command line and leave the process with its exit code."""
        open_standard_streams()
        try:
            # Not standalone, for click itself would print the whole usage with each error.
            code = super().main(args, prog_name, standalone_mode=False, **extra)
        except click.UsageError as error:
            code = error.exit_code
            if type(error).__name__ == "NoArgsIsHelpError":  # From click 8.2 on; shows the help.
                error.show()
                sys.exit(code)
            where = f" (see {error.ctx.command_path} --help)" if error.ctx else ""
            message = " ".join(error.format_message().split())
            click.echo(f"Error: {message}{where}", err=True)
        except click.ClickException as error:
            error.show()
            code = error.exit_code
        except click.Abort:
            code = INTERRUPTED
        sys.exit(code if isinstance(code, int) else 0)


def open_standard_streams() -> None:
    """Let closed standard streams lead nowhere.

    Else the next file that is opened takes the number of one, and what libraries write to
    standard error gets into the results.
    """
    for number in (0, 1, 2):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # Takes the lowest number that is free.
    # Python has none where the stream was closed before it began.
    if sys.stdin is None:
        sys.stdin = open(0, closefd=False)
    if sys.stdout is None:
        sys.stdout = open(1, "w", closefd=False)
    if sys.stderr is None:
        sys.stderr = open(2, "w", closefd=False)


def drop_standard_output() -> None:
    """Let what is still buffered for standard output go nowhere, without a second error."""
    if sys.stdout is not None and sys.stdout is sys.__stdout__:
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, sys.stdout.fileno())
        os.close(nowhere)
