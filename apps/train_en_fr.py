"""Recipe of `saved_models/translator_en_fr`: an English–French translator from real corpora.

    python apps/train_en_fr.py --data en-fr --output runs/en_fr

`--data` is a folder with `train/`, `dev/` and `test/`, each with parallel files
`NAME.en` and `NAME.fr`. The run keeps checkpoints in the output directory; after a stop
the same command with `--resume` goes on. `--start-from MODEL` begins with the weights and the
vocabulary of a saved translator instead of a new one; `--start-share` keeps a share of them, and
with more `--encoder-layers` or `--decoder-layers` than it has, new ones are added to its own.
"""

from __future__ import annotations

import argparse
import json
import pathlib

import keras
from bad_input import name_and_times, one_line_errors
from run_directory import add_run_options, begin_run, require_a_round, write_json

import keras_tx
from keras_tx.data import SentencePairs, mix, read_parallel, shared_names, swap_names
from keras_tx.evaluation import TranslationQuality, evaluate_translator
from keras_tx.models import DecodingOptions, Translator, deeper_translator
from keras_tx.text import SentencePieceTokenizer

# How often each corpus is read in an epoch: captions and news twice, so that the far more
# numerous everyday sentences do not drown them.
TRAINING_CORPORA = {
    "tatoeba": 1,
    "multi30k": 2,
    "opensubtitles": 1,
    "news": 2,
    "novels": 1,
    "tales": 1,
    "government": 1,
}
# The first sentences of each dev set, for the validation after each round.
VALIDATION_CORPORA = {"tatoeba": 800, "multi30k": 800, "newstest2013": 300, "ted2013": 300}
FURTHER_TESTS = ("dev/newstest2013", "dev/ted2013")
# How the translator searches: the options of Wu et al. 2016. On the dev sets they were better than
# the mean log-probability of a token, most of all where sentences are long. A word by itself, such
# as "and", would often be left out: a translation has a token beside its end.
SEARCH = DecodingOptions(
    length_penalty=0.6, length_penalty_kind="gnmt", coverage_penalty=0.2, min_length=2
)
# Few sentences are longer, and each of them would make a batch of its own size.
TRAINING_LENGTH = 160


def options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--data", type=pathlib.Path, required=True)
    parser.add_argument("--start-from", metavar="MODEL", help="a saved translator")
    # The mean of what was and what became is often better than both (Wortsman et al. 2022,
    # "Robust fine-tuning of zero-shot models").
    parser.add_argument(
        "--start-share", type=float, default=0.0, help="of its weights in the result"
    )
    parser.add_argument("--minutes", type=float, help="training time of this call")
    parser.add_argument("--epochs", type=float, default=3)
    parser.add_argument(
        "--repeat",
        type=name_and_times,
        metavar="CORPUS=TIMES",
        action="append",
        default=[],
        help="how often a corpus is read in an epoch, if not as often as this file says",
    )
    parser.add_argument(
        "--swap-names", type=int, default=0, help="pairs to add that have other names in them"
    )
    parser.add_argument("--vocabulary-size", type=int, default=6000)
    parser.add_argument("--encoder-layers", type=int, help="default: 3, or those of --start-from")
    parser.add_argument("--decoder-layers", type=int, help="default: 2, or those of --start-from")
    parser.add_argument("--subword-dropout", type=float, default=0.0)
    parser.add_argument("--r-drop", type=float, default=0.0)
    parser.add_argument("--optimizer", choices=["adam", "muon"], default="adam")
    parser.add_argument("--learning-rate", type=float, default=2e-3)
    parser.add_argument("--warmup-steps", type=int, default=800)
    parser.add_argument("--tokens-per-batch", type=int, default=3072)
    parser.add_argument("--steps-per-round", type=int, default=400)
    parser.add_argument("--monitor", choices=["val_loss", "val_bleu"], default="val_bleu")
    parser.add_argument("--average", choices=["last", "best", "ema"], default="last")
    parser.add_argument("--average-count", type=int, default=5)
    # Half precision pays only where the processor has instructions for it.
    parser.add_argument("--precision", default="float32", help="or mixed_bfloat16")
    parser.add_argument("--seed", type=int, default=0)
    add_run_options(parser)
    return parser.parse_args()


def training_pairs(arguments: argparse.Namespace) -> SentencePairs:
    times = TRAINING_CORPORA | dict(arguments.repeat)
    corpora = {name: read_parallel(arguments.data / "train" / name, "en", "fr") for name in times}
    pairs = mix(corpora, times, arguments.seed)
    if arguments.swap_names:
        once = mix(corpora, dict.fromkeys(corpora, 1))
        pairs += swap_names(once, shared_names(once), arguments.swap_names, arguments.seed)
    return pairs


def validation_sets(data: pathlib.Path) -> dict[str, SentencePairs]:
    sets = {}
    for name, count in VALIDATION_CORPORA.items():
        pairs = read_parallel(data / "dev" / name, "en", "fr")
        sets[name] = pairs.take(range(min(count, len(pairs))))
    return sets


def new_translator(arguments: argparse.Namespace, train: SentencePairs) -> Translator:
    """The one to start from, or a new one with the joint vocabulary of the training texts."""
    if arguments.start_from:
        return deeper_translator(
            keras_tx.load(arguments.start_from),
            num_encoder_layers=arguments.encoder_layers,
            num_decoder_layers=arguments.decoder_layers,
        )
    directory = arguments.output / "tokenizer"
    tokenizer = SentencePieceTokenizer("bpe", vocabulary_size=arguments.vocabulary_size)
    if arguments.resume:
        tokenizer.load_assets(str(directory))  # That of the stopped run, if there is one.
    if not tokenizer.is_fitted:
        tokenizer.fit([*train.sources, *train.targets])
        directory.mkdir(parents=True, exist_ok=True)
        tokenizer.save_assets(str(directory))
    keras.utils.set_random_seed(arguments.seed)
    return Translator.from_preset(
        "small",
        tokenizer,
        num_encoder_layers=arguments.encoder_layers or 3,
        num_decoder_layers=arguments.decoder_layers or 2,
    )


def measured(translator: Translator, data: pathlib.Path) -> dict[str, dict[str, dict]]:
    """Set -> search -> scores."""
    tests = sorted(f"test/{path.stem}" for path in (data / "test").glob("*.en"))
    return {
        pathlib.PurePath(name).name: {
            search: evaluate_translator(
                translator, read_parallel(data / name, "en", "fr"), beam_size=beam_size
            )
            for search, beam_size in (("greedy", 1), ("beam_4", 4))
        }
        for name in (*tests, *FURTHER_TESTS)
    }


@one_line_errors
def main() -> None:
    arguments = options()
    train = training_pairs(arguments)
    sets = validation_sets(arguments.data)
    begin_run(arguments)
    translator = new_translator(arguments, train)
    begun = translator.network.get_weights()
    history = translator.fit(
        train,
        mix(sets, dict.fromkeys(sets, 1)),
        epochs=arguments.epochs,
        tokens_per_batch=arguments.tokens_per_batch,
        training_length=TRAINING_LENGTH,
        subword_dropout=arguments.subword_dropout,
        r_drop=arguments.r_drop,
        optimizer=arguments.optimizer,
        learning_rate=arguments.learning_rate,
        warmup_steps=arguments.warmup_steps,
        steps_per_round=arguments.steps_per_round,
        precision=arguments.precision,
        seed=arguments.seed,
        scorers=[TranslationQuality(sets)] if arguments.monitor == "val_bleu" else [],
        monitor=arguments.monitor,
        max_minutes=arguments.minutes,
        directory=arguments.output,
        resume=arguments.resume,
        average=arguments.average,
        average_count=arguments.average_count,
    )
    require_a_round(history, arguments)
    share, learned = arguments.start_share, translator.network.get_weights()
    mixed = [share * old + (1 - share) * new for old, new in zip(begun, learned, strict=True)]
    translator.network.set_weights(mixed)
    translator.decoding = SEARCH
    # Half of the bytes; it is measured as it is stored.
    path = arguments.output / "translator_en_fr.keras"
    translator.save(path, weights="float16")
    translator = keras_tx.load(path)
    write_json(arguments.output / "history.json", history)
    metrics = measured(translator, arguments.data)
    write_json(arguments.output / "metrics.json", metrics)
    print(json.dumps(metrics, indent=2))


if __name__ == "__main__":
    main()
