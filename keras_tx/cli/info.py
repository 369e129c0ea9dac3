"""`keras-tx info`."""

from __future__ import annotations

import dataclasses
import json
import zipfile
from typing import Any

import click

from keras_tx.cli.loading import load_model
from keras_tx.cli.text_lines import print_json


@click.command()
@click.argument("model")
def info(model: str) -> None:
    """Tell what MODEL (a name or a path) is, as one JSON object."""
    print_json(_facts(load_model(model), model))


def _facts(model: Any, name_or_path: str) -> dict[str, Any]:
    from keras_tx.models import TextClassifier, Translator
    from keras_tx.models.loading import find_model

    path = find_model(name_or_path)
    facts: dict[str, Any] = {"path": str(path), "kind": type(model).__name__}
    if isinstance(model, Translator):
        facts["source_language"] = model.source_language
        facts["target_language"] = model.target_language
        facts["decoding"] = dataclasses.asdict(model.decoding)
    elif isinstance(model, TextClassifier):
        facts["labels"] = list(model.labels)
        facts["multi_label"], facts["temperature"] = model.multi_label, model.temperature
    if isinstance(model, Translator | TextClassifier):
        network = model.network_arguments
        facts["sequence_length"] = model.sequence_length
    else:
        settings = model.get_config().items()
        network = {name: value for name, value in settings if name not in ("name", "tokenizer")}
    return {
        **facts,
        "parameters": model.network.count_params(),
        "tokenizers": [
            {"kind": type(tokenizer).__name__, "vocabulary_size": tokenizer.vocabulary_size}
            for tokenizer in model.tokenizers()
        ],
        "network": network,
        "file_bytes": path.stat().st_size,
        "keras_version": _keras_version(path),
    }


def _keras_version(path: Any) -> str | None:
    with zipfile.ZipFile(path) as archive:
        return json.loads(archive.read("metadata.json")).get("keras_version")
