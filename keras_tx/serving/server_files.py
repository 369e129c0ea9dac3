"""The files around an export that whoever runs TensorFlow Serving would write next."""

from __future__ import annotations

import dataclasses
import numbers
import os
import pathlib
import re
from collections.abc import Mapping, Sequence

from keras_tx.serving import server_manifests
from keras_tx.serving.export import read_facts, versions

IMAGE = "tensorflow/serving:2.20.0"
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
# A reference of Docker's: registry, path, tag, digest.
IMAGE_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._/:@-]*")
GRAPH = "saved_model.pb"


@dataclasses.dataclass(frozen=True)
class ServedModel:
    """A model to serve.

    Attributes:
        name: by which clients ask for it: the name of its base directory.
        directory: the base directory, with a folder for each version.
        labels: label -> version; the versions that have a label are served.
        size: the number of bytes of the served versions.
        precisions: in which these compute: `"float32"`, `"bfloat16"`.
        xla: whether XLA compiles one of them.
    """

    name: str
    directory: pathlib.Path
    labels: Mapping[str, int]
    size: int
    precisions: frozenset[str]
    xla: bool


def unfinished_versions(directory: str | os.PathLike) -> list[pathlib.Path]:
    """The folders of newer versions than can be served, which are empty or half copied."""
    folders = [path for path in versions(directory) if path.is_dir()]
    finished = [place for place, path in enumerate(folders, 1) if (path / GRAPH).is_file()]
    return folders[max(finished, default=0) :]


def served_model(directory: str | os.PathLike, stable: int | None = None) -> ServedModel:
    """What to serve of a base directory.

    The version labelled `stable` is the newest unless told otherwise. A newer one than that is
    served too, as `canary`; where there is none, the one before, as `previous`. A folder without
    `saved_model.pb` is no version yet (see `unfinished_versions`).

    Raises:
        FileNotFoundError: when there is no version.
        ValueError: when there is no version `stable`, the directory's name is none that a
            server and a path can have in common, or the facts of a version are damaged.
    """
    directory = pathlib.Path(directory).resolve()
    if (directory / GRAPH).is_file():
        raise ValueError(
            "expected a model's base directory, which holds its versions. "
            f"Received: {directory}, a version"
        )
    folders = {int(path.name): path for path in versions(directory) if (path / GRAPH).is_file()}
    known = list(folders)
    if not known:
        raise FileNotFoundError(f"expected an exported model. Received: {directory}, without any")
    if not NAME.fullmatch(directory.name):
        raise ValueError(
            "expected a base directory named with letters, digits, dots, hyphens and "
            f"underscores. Received: {directory.name!r}"
        )
    stable = known[-1] if stable is None else stable
    if stable not in known:
        raise ValueError(
            f"stable expected a version of {directory.name}, of {known}. "
            f"Received: stable={stable!r}"
        )
    labels = {"stable": stable}
    older = [number for number in known if number < stable]
    if stable < known[-1]:
        labels["canary"] = known[-1]
    elif older:
        labels["previous"] = older[-1]
    served = [folders[number] for number in sorted(set(labels.values()))]
    files = [file for version in served for file in version.rglob("*")]
    size = sum(file.stat().st_size for file in files if file.is_file())
    facts = [read_facts(version) for version in served]
    precisions = frozenset(str(fact.get("precision", "float32")) for fact in facts)
    xla = any(fact.get("xla") for fact in facts)
    return ServedModel(directory.name, directory, labels, size, precisions, xla)


def allowed_batch_sizes(largest: int) -> list[int]:
    """The powers of two up to `largest`, and `largest`.

    A batch is filled up to the next of these with copies of its first row: at most as many rows
    again, and few different shapes.
    """
    return [*(2**power for power in range(largest.bit_length()) if 2**power < largest), largest]


def models_config(models: Sequence[ServedModel]) -> str:
    """`--model_config_file`, a `ModelServerConfig` in text form."""
    lines = [
        "# Which models and versions are served. A version is served when it stands here; the",
        "# server reads this file again every minute.",
        "model_config_list {",
    ]
    for model in models:
        lines += [
            "  config {",
            f'    name: "{model.name}"',
            f'    base_path: "/models/{model.name}"',
            '    model_platform: "tensorflow"',
            "    model_version_policy {",
            "      specific {",
            *(f"        versions: {number}" for number in sorted(set(model.labels.values()))),
            "      }",
            "    }",
            *(
                f'    version_labels {{ key: "{label}" value: {number} }}'
                for label, number in model.labels.items()
            ),
            "  }",
        ]
    return "\n".join([*lines, "}", ""])


def batching_config(max_batch_size: int, cpus: int) -> str:
    """`--batching_parameters_file`, a `BatchingParameters` in text form."""
    sizes = allowed_batch_sizes(max_batch_size)
    allowed = "\n".join(f"allowed_batch_sizes: {size}" for size in sizes)
    return f"""\
# How requests that arrive together become one batch.
# A request may have this many texts; it is split into batches of the size below.
max_batch_size {{ value: {max(1024, max_batch_size)} }}
enable_large_batch_splitting {{ value: true }}
max_execution_batch_size {{ value: {max_batch_size} }}
# How long the first request of a batch waits for others: little beside a translation's time.
batch_timeout_micros {{ value: 5000 }}
# Requests beyond that are refused at once (UNAVAILABLE), so that nobody waits for ever.
max_enqueued_batches {{ value: 64 }}
# As many as processors.
num_batch_threads {{ value: {cpus} }}
# A batch is filled up to the next of these sizes with copies of its first row.
{allowed}
"""


def write_server_files(
    exports: Sequence[str | os.PathLike],
    directory: str | os.PathLike,
    *,
    stable: Mapping[str, int] | None = None,
    max_batch_size: int = 64,
    cpus: int = 2,
    replicas: int = 2,
    image: str = IMAGE,
) -> list[pathlib.Path]:
    """Write all that TensorFlow Serving reads beside the exports, and what starts it.

    `models.config` (models, versions, labels), `batching.config`, `compose.yaml`,
    `docker_run.sh` (one line) and `kubernetes.yaml` (readiness, resources). Files of these names
    are replaced. The server gets XLA where an export needs it, and keeps the weights in its
    kernels' own order where all of them compute in bfloat16.

    Args:
        exports: the base directories of exported models, each with a name of its own.
        directory: where the files go.
        stable: model -> the version labelled `stable`. Default: the newest. A newer one is
            served as `canary`; where there is none, the one before as `previous`.
        max_batch_size: rows that run together at most. Default 64.
        cpus: processors of a server. Default 2.
        replicas: servers in the Kubernetes manifest. Default 2.
        image: the server's image. Default `"tensorflow/serving:2.20.0"`.

    Returns:
        The files.

    Raises:
        FileNotFoundError: for an export without a version.
        ValueError: for numbers that are not whole or below 1, names that are used twice or that
            do not fit, an image that has no name of Docker's, or a version that there is not.

    Example:
        >>> from keras_tx.serving import write_server_files
        >>> write_server_files([], "deploy")
        Traceback (most recent call last):
        ValueError: expected one or more exports. Received: none
    """
    max_batch_size = _whole_number("max_batch_size", max_batch_size)
    cpus, replicas = _whole_number("cpus", cpus), _whole_number("replicas", replicas)
    if not isinstance(image, str) or not IMAGE_NAME.fullmatch(image):
        raise ValueError(
            "image expected letters, digits and ._-/:@ after a letter or digit. "
            f"Received: image={image!r}"
        )
    if not exports:
        raise ValueError("expected one or more exports. Received: none")
    stable = dict(stable or {})
    names = [pathlib.Path(export).resolve().name for export in exports]
    if len(set(names)) < len(names):
        raise ValueError(f"expected exports with different names. Received: {names}")
    if strange := sorted(set(stable) - set(names)):
        raise ValueError(f"stable expected names of {names}. Received: {strange}")
    models = [
        served_model(export, stable.get(name)) for name, export in zip(names, exports, strict=True)
    ]
    directory = pathlib.Path(directory).resolve()
    contents = {
        "models.config": models_config(models),
        "batching.config": batching_config(max_batch_size, cpus),
    }
    volumes = {model.name: os.path.relpath(model.directory, directory) for model in models}
    server = server_manifests.Server(
        image,
        cpus,
        size=sum(model.size for model in models),
        xla=any(model.xla for model in models),
        # In float32 that costs speed.
        frozen_weights=all(model.precisions == {"bfloat16"} for model in models),
    )
    contents["compose.yaml"] = server_manifests.compose(volumes, server)
    contents["docker_run.sh"] = server_manifests.docker_run(volumes, server)
    contents["kubernetes.yaml"] = server_manifests.kubernetes(
        dict(contents), names, server, replicas
    )
    directory.mkdir(parents=True, exist_ok=True)
    return [_write(directory / name, content) for name, content in contents.items()]


def _whole_number(name: str, number: int) -> int:
    if not isinstance(number, numbers.Integral) or isinstance(number, bool) or number < 1:
        raise ValueError(f"{name} expected a whole number from 1. Received: {name}={number!r}")
    return int(number)


def _write(file: pathlib.Path, content: str) -> pathlib.Path:
    beside = file.with_name(f".{file.name}.{os.getpid()}")
    try:
        beside.write_text(content, encoding="utf-8")
        if file.suffix == ".sh":
            beside.chmod(0o755)
        os.replace(beside, file)
    finally:
        beside.unlink(missing_ok=True)
    return file
