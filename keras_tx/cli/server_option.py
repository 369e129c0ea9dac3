"""`--server`: a command's texts go to a model on a server, not to one that is loaded here."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import click

# Asked first whether it is there at all: whoever typed the address does not wait for long.
FIRST_ATTEMPTS = 4


def server_option(function: Callable) -> Callable:
    """Adds `--server` to a command."""
    return click.option(
        "--server",
        metavar="HOST:PORT",
        help="Ask a model server such as TensorFlow Serving, whose model --model names (with "
        "NAME/VERSION for one version). Port 8501 is REST, any other one gRPC, unless grpc://, "
        "grpcs://, http:// or https:// stands in front.",
    )(function)


def open_client(server: str, model: str, batch_size: int) -> Any:
    """A client of a server that is there.

    Args:
        server: its address.
        model: the model's name there, or `NAME/VERSION`.
        batch_size: the most texts in a request.

    Raises:
        ServerError: when the server is not there, or has no such model.
        ValueError: when the address is none.
        click.ClickException: without the packages of the extra `serving`.
    """
    from keras_tx.serving import Client

    name, slash, version = model.rpartition("/")
    numbered = slash and version.isascii() and version.isdecimal()
    try:
        client = Client(
            server,
            name if numbered else model,
            version=int(version) if numbered else None,
            batch_size=batch_size,
        )
    except ImportError as error:  # A package of an extra: the message says which.
        raise click.ClickException(str(error)) from error
    client.metadata(attempts=FIRST_ATTEMPTS)
    return client


def server_facts(client: Any) -> str:
    """What tells a served model from another one: where it is, its name and its version."""
    return f"{client.model.name} at {client.address}, version {client.metadata().version}"
