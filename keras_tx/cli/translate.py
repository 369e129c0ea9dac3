"""`keras-tx translate`."""

from __future__ import annotations

import functools
import hashlib
import json
from collections.abc import Callable
from typing import Any

import click

from keras_tx.cli.loading import load_model, precision_option, start_tensorflow
from keras_tx.cli.output_file import is_file_to_make
from keras_tx.cli.resumable_output import ResumableOutput
from keras_tx.cli.server_option import open_client, server_facts, server_option
from keras_tx.cli.text_lines import text_options, transform_lines


@click.command()
@click.option(
    "--model",
    metavar="NAME|PATH",
    default="translator_en_fr",
    show_default=True,
    help="A shipped model, a .keras file, or a directory of `train`.",
)
@click.option(
    "--beam-size",
    type=click.IntRange(min=1),
    help="How many translations are followed at a time; 1 is greedy. Default: the model's.",
)
@click.option(
    "--length-penalty",
    type=click.FloatRange(min=0),
    help="More favours longer translations, 0 the shortest. Default: the model's.",
)
@click.option(
    "--xla/--no-xla",
    default=None,
    help="Compile the search, which takes seconds for each size of batches. Default: where that "
    "is seen to pay.",
)
@click.option(
    "--format",
    "line_format",
    type=click.Choice(["text", "jsonl"]),
    default="text",
    show_default=True,
    help="text: the translation. jsonl: a JSON object with its score and its hypotheses.",
)
@click.option(
    "--n-best",
    type=click.IntRange(min=1),
    default=1,
    show_default=True,
    help="How many hypotheses a JSON object holds at most, the best one first.",
)
@click.option(
    "--resume",
    is_flag=True,
    help="Go on where a run of the same command stopped: its lines are in FILE.part.",
)
@precision_option
@server_option
@text_options
def translate(
    model: str,
    server: str | None,
    beam_size: int | None,
    length_penalty: float | None,
    xla: bool | None,
    line_format: str,
    n_best: int,
    resume: bool,
    precision: str,
    input_path: str | None,
    output_path: str | None,
    batch_size: int,
    texts: tuple[str, ...],
) -> None:
    """Translate each TEXT, or each line of the input.

    Exactly one line comes out for each line that goes in. Texts that begin with a dash come
    after `--`.

    --output FILE appears when it is whole. A run that is interrupted or killed leaves FILE.part
    and FILE.part.json beside it: the same command with --resume goes on after the last line in
    it; without --resume it asks you to remove them first.
    """
    _check_choices(texts, output_path, resume, line_format, n_best)
    # What is not given is the model's to choose.
    choices = {"beam_size": beam_size, "length_penalty": length_penalty}
    choices = {name: value for name, value in choices.items() if value is not None}
    others = {"xla": xla is not None, "precision": precision != "float32"}
    others = [name for name, is_given in others.items() if is_given]
    if server is not None and (choices or others):
        raise click.UsageError(
            "expected no search options with --server, where the export has decided them. "
            f"Received: {', '.join([*choices, *others])}",
            click.get_current_context(),
        )
    if xla is not None:
        choices["jit_compile"] = xla

    @functools.cache
    def client() -> Any:
        return open_client(server, model, batch_size)

    def prepare() -> Callable[[list[str]], list[str]]:
        if server is not None:
            return _through(client(), line_format, n_best)
        translator = load_model(model, "Translator", precision)
        search = {"jit_compile": translator.decoding.jit_compile or "auto", **choices}
        if line_format == "text":
            return lambda chunk: translator.translate(chunk, batch_size=batch_size, **search)
        return lambda chunk: [
            _json_line(found)
            for found in translator.translate_n_best(chunk, n_best, batch_size=batch_size, **search)
        ]

    def settings() -> dict[str, Any]:
        # Not the batch size: it changes no translation, and less may be what a retry needs.
        facts = _model_facts(model, precision) if server is None else server_facts(client())
        rounded = {} if precision == "float32" else {"precision": precision}
        return {"model": facts, **choices, **rounded, "format": line_format, "n-best": n_best}

    resumable = None
    if not texts and is_file_to_make(output_path):
        resumable = ResumableOutput(output_path, resume, settings)
    transform_lines(texts, input_path, output_path, prepare, resumable)


def _through(client: Any, line_format: str, n_best: int) -> Callable[[list[str]], list[str]]:
    """What a server does with texts."""
    if line_format == "text":
        return client.translate
    return lambda chunk: [_json_line(found) for found in client.translate_n_best(chunk, n_best)]


def _check_choices(
    texts: tuple[str, ...],
    output_path: str | None,
    resume: bool,
    line_format: str,
    n_best: int,
) -> None:
    context = click.get_current_context()
    if resume and (texts or not is_file_to_make(output_path)):
        received = f"{len(texts)} TEXT" if texts else f"--output {output_path or '-'}"
        raise click.UsageError(
            f"expected --input and --output FILE with --resume. Received: {received}", context
        )
    if n_best > 1 and line_format != "jsonl":
        raise click.UsageError(
            f"expected --format jsonl with --n-best. Received: --n-best {n_best} "
            f"--format {line_format}",
            context,
        )


def _model_facts(name_or_path: str, precision: str) -> str:
    """What tells a model from another one, also from one trained anew in its place."""
    start_tensorflow(onednn=precision != "float32", side_by_side=True)
    from keras_tx.models.loading import find_model

    path = find_model(name_or_path)
    with open(path, "rb") as file:
        checksum = hashlib.file_digest(file, "sha256").hexdigest()
    return f"{path.name}, checksum {checksum[:16]}"


def _json_line(hypotheses: list[Any]) -> str:
    found = [
        {
            "translation": hypothesis.text,
            "score": round(hypothesis.score, 6),
            "log_probability": round(hypothesis.log_probability, 6),
        }
        for hypothesis in hypotheses
    ]
    content = {"translation": found[0]["translation"], "score": found[0]["score"]}
    return json.dumps({**content, "hypotheses": found}, ensure_ascii=False)
