"""`keras-tx train translator`."""

from __future__ import annotations

import functools
import operator
from typing import Any

import click

from keras_tx.cli.loading import start_tensorflow
from keras_tx.cli.training_directory import TrainingDirectory, checksum
from keras_tx.cli.training_options import (
    SMALL_DATA,
    finish,
    fit_model,
    held_out_count,
    training_options,
)

_SMALL_TRANSLATOR = {
    "epochs": 40,
    "tokens_per_batch": 256,
    "learning_rate": 4e-3,
    "warmup_steps": 100,
    "steps_per_round": 100,
}


@click.command()
@click.option(
    "--train",
    "train_paths",
    metavar="PREFIX_OR_TSV",
    multiple=True,
    help="A file of tab-separated pairs, or the PREFIX of PREFIX.en and PREFIX.fr. May be given "
    "several times. Default: the sample sentences.",
)
@click.option(
    "--dev",
    "dev_paths",
    metavar="PREFIX_OR_TSV",
    multiple=True,
    help="To validate on; like --train. Default: a tenth of the data.",
)
@click.option("--source-language", default="en", show_default=True)
@click.option("--target-language", default="fr", show_default=True)
@training_options("tiny, small or base")
def translator(
    train_paths: tuple[str, ...],
    dev_paths: tuple[str, ...],
    source_language: str,
    target_language: str,
    output: str,
    resume: bool,
    overwrite: bool,
    **choices: Any,
) -> None:
    """Train a translator."""
    languages = (source_language, target_language)
    if dev_paths and not train_paths:
        raise click.UsageError("expected --train with --dev. Received: --dev alone")
    if not train_paths and languages != ("en", "fr"):
        raise click.UsageError(
            "expected --train for languages other than en and fr. "
            f"Received: {' and '.join(languages)}"
        )
    directory = TrainingDirectory(output, resume, overwrite)
    start_tensorflow(onednn=True)
    from keras_tx.data import read_pairs, sample_pairs, split_pairs
    from keras_tx.models.presets import TRANSLATOR_PRESETS, preset_arguments

    preset = choices["preset"] or ("small" if train_paths else "tiny")
    preset_arguments(TRANSLATOR_PRESETS, preset, {})

    def read_all(paths: tuple[str, ...]) -> Any:
        return functools.reduce(operator.add, [read_pairs(path, *languages) for path in paths])

    if train_paths:
        pairs = read_all(train_paths)
    else:
        click.echo("No --train: training on the sample sentences of the package.", err=True)
        pairs = sample_pairs()
    if dev_paths:
        parts = pairs, read_all(dev_paths)
    else:
        parts = split_pairs(pairs, held_out_count(len(pairs)), choices["seed"])
    with directory:
        _train_translator(directory, languages, *parts, **{**choices, "preset": preset})


def _train_translator(
    directory: TrainingDirectory,
    languages: tuple[str, str],
    pairs: Any,
    held_out: Any,
    *,
    preset: str,
    vocabulary_size: int | None,
    epochs: int | None,
    seed: int,
    **fit_options: Any,
) -> None:
    import keras

    from keras_tx.evaluation import evaluate_translator
    from keras_tx.models import Translator
    from keras_tx.text import SentencePieceTokenizer

    small = len(pairs) <= SMALL_DATA
    parts = [part for some in (pairs, held_out) for part in (some.sources, some.targets)]
    directory.prepare(
        {
            "languages": list(languages),
            "seed": seed,
            "preset": preset,
            "vocabulary size": vocabulary_size,
            "sentences (their checksum)": checksum(parts),
        }
    )
    new = SentencePieceTokenizer("bpe", vocabulary_size or (1000 if small else 8000))
    tokenizer = directory.tokenizer(new, lambda: [*pairs.sources, *pairs.targets])
    keras.utils.set_random_seed(seed)
    model = Translator.from_preset(
        preset, tokenizer, source_language=languages[0], target_language=languages[1]
    )
    settings = _SMALL_TRANSLATOR if small else {"epochs": 20}
    settings = {**settings, **({"epochs": epochs} if epochs else {})}
    fit_model(model, directory, pairs, held_out, seed=seed, **settings, **fit_options)
    finish(model, directory, evaluate_translator(model, held_out))
