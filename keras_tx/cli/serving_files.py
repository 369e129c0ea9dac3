"""`keras-tx serving-files`."""

from __future__ import annotations

import click

from keras_tx.cli.loading import start_tensorflow
from keras_tx.cli.text_lines import print_line


@click.command("serving-files")
@click.argument("exports", metavar="DIR...", nargs=-1, required=True)
@click.option("--output", metavar="DIR", required=True, help="Where the files go.")
@click.option(
    "--stable",
    metavar="NAME=VERSION",
    multiple=True,
    help="The version labelled stable, if it is not the newest; may be given for each model.",
)
@click.option(
    "--max-batch-size",
    type=click.IntRange(min=1),
    default=64,
    show_default=True,
    help="Rows that run together at most.",
)
@click.option(
    "--cpus",
    type=click.IntRange(min=1),
    default=2,
    show_default=True,
    help="Processors of a server.",
)
@click.option(
    "--replicas",
    type=click.IntRange(min=1),
    default=2,
    show_default=True,
    help="Servers in the Kubernetes manifest.",
)
def serving_files(
    exports: tuple[str, ...],
    output: str,
    stable: tuple[str, ...],
    max_batch_size: int,
    cpus: int,
    replicas: int,
) -> None:
    """Write what TensorFlow Serving reads beside exported models, and print the files.

    Each DIR is a base directory that `keras-tx export` wrote. The files: models.config with
    versions and labels, batching.config, compose.yaml, docker_run.sh and kubernetes.yaml.
    """
    if not output:  # Left empty by mistake, it would be the working directory.
        raise ValueError("expected a directory. Received: --output ''")
    labelled = {}
    for setting in stable:
        name, _, version = setting.partition("=")
        if not (name and version.isascii() and version.isdecimal()):
            raise click.BadParameter(f"expected NAME=VERSION. Received: {setting!r}")
        labelled[name] = int(version)
    start_tensorflow()
    from keras_tx.serving import write_server_files
    from keras_tx.serving.server_files import unfinished_versions

    files = write_server_files(
        exports,
        output,
        stable=labelled,
        max_batch_size=max_batch_size,
        cpus=cpus,
        replicas=replicas,
    )
    for directory in exports:
        for folder in unfinished_versions(directory):
            click.echo(f"Not served, for it has no saved_model.pb: {folder}", err=True)
    for file in files:
        print_line(str(file))
