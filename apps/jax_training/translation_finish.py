"""Last part of the recipe: a student's weights to a translator in one file, and its scores.

    python apps/jax_training/translation_finish.py --data en-fr --run runs/multi30k_jax \
        --output runs/multi30k_jax/finished --test test/multi30k_2016 --num-heads 4

The protocol `moses_lowercased` needs the extra `evaluation`.
"""

from __future__ import annotations

import argparse
import json
import pathlib
from typing import Any

import numpy as np
from from_apps import one_line_errors

from keras_tx.data import read_parallel
from keras_tx.evaluation import translation_scores
from keras_tx.models import Translator
from keras_tx.text import SentencePieceTokenizer


def options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--data", type=pathlib.Path, required=True)
    parser.add_argument("--run", type=pathlib.Path, required=True)
    parser.add_argument("--output", type=pathlib.Path, required=True)
    parser.add_argument("--student", type=int, default=0, help="number of the student")
    parser.add_argument("--num-heads", type=int, default=4)
    parser.add_argument("--test", nargs="*", default=[], metavar="NAME", help="in `--data`")
    parser.add_argument("--beam-sizes", type=int, nargs="+", default=[1, 4])
    parser.add_argument("--protocols", nargs="+", default=["detokenized"])
    return parser.parse_args()


def finished(arguments: argparse.Namespace) -> Translator:
    """The translator with the student's weights."""
    with np.load(arguments.run / f"student_{arguments.student}.npz") as stored:
        arrays = {path: stored[path].astype("float32") for path in stored.files}
    tokenizer = SentencePieceTokenizer("bpe")
    tokenizer.load_assets(str(arguments.run / "tokenizer"))
    layers = {path.split("/")[0] for path in arrays}
    translator = Translator.from_preset(
        "small",
        tokenizer,
        embed_dim=arrays["embedding/token_embeddings/embeddings"].shape[1],
        dense_dim=arrays["encoder_0/feed_forward/up/kernel"].shape[1],
        num_heads=arguments.num_heads,
        use_bias="encoder_0/feed_forward/up/bias" in arrays,
        # Each has a normalization beside its blocks.
        num_encoder_layers=sum(name.startswith("encoder_") for name in layers) - 1,
        num_decoder_layers=sum(name.startswith("decoder_") for name in layers) - 1,
    )
    for variable in translator.network.trainable_variables:
        variable.assign(arrays.pop(variable.path))
    if arrays:
        raise ValueError(f"expected weights of this network only. Received: {sorted(arrays)}")
    return translator


def scores(translator: Translator, arguments: argparse.Namespace) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name in arguments.test:
        pairs = read_parallel(arguments.data / name, "en", "fr")
        for beam_size in arguments.beam_sizes:
            translations = translator.translate(pairs.sources, beam_size=beam_size)
            search = "greedy" if beam_size == 1 else f"beam_{beam_size}"
            found.setdefault(pathlib.PurePath(name).name, {})[search] = {
                protocol: translation_scores(translations, pairs.targets, protocol)
                for protocol in arguments.protocols
            }
    return found


@one_line_errors
def main() -> None:
    arguments = options()
    for protocol in arguments.protocols:  # Before the work: whether each has what it needs.
        translation_scores(["a"], ["a"], protocol)
    translator = finished(arguments)
    arguments.output.mkdir(parents=True, exist_ok=True)
    name = f"translator_{arguments.run.name}.keras"
    translator.save(arguments.output / name, weights="float16")
    measured = scores(translator, arguments)
    (arguments.output / "metrics.json").write_text(json.dumps(measured, indent=2) + "\n")
    print(json.dumps(measured, indent=2))


if __name__ == "__main__":
    main()
