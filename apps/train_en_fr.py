"""Recipe of `saved_models/translator_en_fr`: an English–French translator from real corpora.

    python apps/train_en_fr.py --data en-fr --output runs/en_fr

`--data` is a folder with `train/`, `dev/` and `test/`, each with parallel files
`NAME.en` and `NAME.fr`. The run keeps checkpoints in the output directory; after a stop
the same command with `--resume` goes on. About 75 minutes on 2 cores reach the figures of
the model card.
"""

from __future__ import annotations

import argparse
import json
import pathlib

import keras

from keras_tx.data import SentencePairs, read_parallel
from keras_tx.evaluation import evaluate_translator
from keras_tx.models import Translator
from keras_tx.text import SentencePieceTokenizer

# How often each corpus is read in an epoch: image captions twice, so that the far more
# numerous everyday sentences do not drown them.
TRAINING_CORPORA = {"tatoeba": 1, "multi30k": 2}
VALIDATION_CORPORA = ("tatoeba", "multi30k")
TEST_CORPORA = ("tatoeba", "multi30k_2016")


def read(data: pathlib.Path, split: str, names: dict[str, int]) -> SentencePairs:
    """The corpora of a split, each as often as `names` says."""
    pairs = SentencePairs([], [])
    for name, times in names.items():
        corpus = read_parallel(data / split / name, "en", "fr")
        for _ in range(times):
            pairs = pairs + corpus
    return pairs


def fitted_tokenizer(train: SentencePairs, directory: pathlib.Path) -> SentencePieceTokenizer:
    """The joint subword vocabulary; that of the stopped run if there is one."""
    tokenizer = SentencePieceTokenizer("bpe", vocabulary_size=6000)
    tokenizer.load_assets(str(directory))
    if not tokenizer.is_fitted:
        tokenizer.fit([*train.sources, *train.targets])
        directory.mkdir(parents=True, exist_ok=True)
        tokenizer.save_assets(str(directory))
    return tokenizer


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--data", type=pathlib.Path, required=True)
    parser.add_argument("--output", type=pathlib.Path, required=True)
    parser.add_argument("--minutes", type=float, default=75, help="training time of this call")
    parser.add_argument("--epochs", type=int, default=2)
    # Half precision pays only where the processor has instructions for it.
    parser.add_argument("--precision", default="float32", help="or mixed_bfloat16")
    parser.add_argument("--resume", action="store_true")
    arguments = parser.parse_args()

    train = read(arguments.data, "train", TRAINING_CORPORA)
    validation = read(arguments.data, "dev", dict.fromkeys(VALIDATION_CORPORA, 1))
    tokenizer = fitted_tokenizer(train, arguments.output / "tokenizer")
    keras.utils.set_random_seed(0)
    translator = Translator.from_preset("small", tokenizer, num_decoder_layers=2)
    translator.fit(
        train,
        validation,
        epochs=arguments.epochs,
        tokens_per_batch=2048,
        learning_rate=2e-3,
        warmup_steps=800,
        steps_per_round=400,
        precision=arguments.precision,
        max_minutes=arguments.minutes,
        directory=arguments.output,
        resume=arguments.resume,
        average="last",
        average_count=5,
    )
    translator.save(arguments.output / "translator_en_fr.keras")
    metrics = {
        name: evaluate_translator(translator, read_parallel(arguments.data / "test" / name))
        for name in TEST_CORPORA
    }
    (arguments.output / "metrics.json").write_text(json.dumps(metrics, indent=2) + "\n")
    print(json.dumps(metrics, indent=2))


if __name__ == "__main__":
    main()
