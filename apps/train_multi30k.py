"""Recipe of an English–French translator from Multi30k alone, to compare with the literature.

    python apps/train_multi30k.py --data en-fr --output runs/multi30k

`--data` is a folder with `train/multi30k`, `dev/multi30k` and `test/multi30k_2016`, each as
parallel files `NAME.en` and `NAME.fr`. After each round the dev sentences are translated, and
what has the highest BLEU is kept. The run keeps checkpoints in the output directory; after a
stop the same command with `--resume` goes on. At the end it prints how many minutes dev BLEU
took to 50, 55 and 58, and the scores on the test set: cased and detokenized, and lower-cased
and tokenized as most papers report them (for which it needs the extra `evaluation`).

`--reverse` trains from French to English, and `--right-to-left` on targets from their last word
to their first; the dev BLEU is then of such sentences. `--also PREFIX` adds the pairs of
`PREFIX.en` and `PREFIX.fr`: with translations of the training sentences by several models, of
both directions, that is data diversification (Nguyen et al. 2020), which needs no other data
either.
"""

from __future__ import annotations

import argparse
import json
import pathlib
from typing import Any

import keras
from bad_input import one_line_errors
from run_directory import add_run_options, begin_run, require_a_round, write_json

from keras_tx.data import SentencePairs, read_parallel
from keras_tx.evaluation import TranslationQuality, translation_scores
from keras_tx.models import Translator
from keras_tx.text import SentencePieceTokenizer, reverse_words

MILESTONES = (50, 55, 58)
PROTOCOLS = ("detokenized", "moses_lowercased")


def options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--data", type=pathlib.Path, required=True)
    parser.add_argument("--reverse", action="store_true", help="from French to English")
    parser.add_argument("--right-to-left", action="store_true", help="the targets' last word first")
    parser.add_argument(
        "--also",
        type=pathlib.Path,
        metavar="PREFIX",
        action="append",
        default=[],
        help="further pairs to train on, as PREFIX.en and PREFIX.fr; can be given several times",
    )
    parser.add_argument("--minutes", type=float, help="training time of this call")
    parser.add_argument("--epochs", type=float, default=20)
    parser.add_argument("--vocabulary-size", type=int, default=6000)
    parser.add_argument(
        "--separate-vocabularies",
        action="store_true",
        help="one of that size for each language, and so no table that both share",
    )
    parser.add_argument("--layers", type=int, default=3, help="of the encoder and of the decoder")
    parser.add_argument("--embed-dim", type=int, default=256)
    # 768 and not the usual 1024: rows a power of two apart share cache lines, and cost half as
    # much again in the weight gradients.
    parser.add_argument("--dense-dim", type=int, default=768)
    # Products with a bias take two to three times as long in bfloat16.
    parser.add_argument("--no-bias", action="store_true", help="projections without biases")
    parser.add_argument("--dropout", type=float, default=0.3)
    parser.add_argument("--subword-dropout", type=float, default=0.05, help="0 for none")
    parser.add_argument("--label-smoothing", type=float, default=0.1)
    parser.add_argument("--r-drop", type=float, default=0.0, help="0 for none; 2.5 as the paper")
    parser.add_argument("--optimizer", choices=["adam", "muon"], default="muon")
    parser.add_argument("--learning-rate", type=float, default=2e-3)
    parser.add_argument("--warmup-steps", type=int, default=400)
    parser.add_argument("--tokens-per-batch", type=int, default=2048)
    parser.add_argument("--steps-per-round", type=int, default=250)
    parser.add_argument("--average", choices=["last", "best", "ema"], default="last")
    parser.add_argument("--average-count", type=int, default=8)
    parser.add_argument("--ema-momentum", type=float, default=0.997, help="of --average ema")
    # Half precision pays only where the processor has instructions for it.
    parser.add_argument("--precision", default="float32", help="or mixed_bfloat16")
    parser.add_argument("--seed", type=int, default=0)
    add_run_options(parser)
    return parser.parse_args()


def fitted_tokenizers(
    train: SentencePairs, arguments: argparse.Namespace
) -> dict[str, SentencePieceTokenizer]:
    """The joint subword vocabulary, or each language's; those of a stopped run that goes on."""
    texts = {"tokenizer": [*train.sources, *train.targets]}
    if arguments.separate_vocabularies:
        texts = {"tokenizer": train.sources, "target_tokenizer": train.targets}
    tokenizers = {}
    for name, sentences in texts.items():
        directory = arguments.output / name
        tokenizers[name] = SentencePieceTokenizer("bpe", vocabulary_size=arguments.vocabulary_size)
        if arguments.resume:
            tokenizers[name].load_assets(str(directory))
        if not tokenizers[name].is_fitted:
            tokenizers[name].fit(sentences)
            directory.mkdir(parents=True, exist_ok=True)
            tokenizers[name].save_assets(str(directory))
    return tokenizers


def minutes_to(history: list[dict[str, Any]]) -> dict[str, float | None]:
    """Minutes of training and validating until dev BLEU first reached each milestone."""
    reached = {}
    for bleu in MILESTONES:
        rows = [row["minutes"] for row in history if row["val_bleu"] >= bleu]
        reached[str(bleu)] = rows[0] if rows else None
    return reached


def right_to_left(pairs: SentencePairs) -> SentencePairs:
    return SentencePairs(pairs.sources, [reverse_words(target) for target in pairs.targets])


def test_scores(
    translator: Translator, test: SentencePairs, last_word_first: bool
) -> dict[str, Any]:
    """Both protocols, of greedy search and of a beam of 5."""
    scores = {}
    for name, beam_size in (("greedy", 1), ("beam_5", 5)):
        translations = translator.translate(test.sources, beam_size=beam_size)
        if last_word_first:
            translations = [reverse_words(translation) for translation in translations]
        scores[name] = {
            protocol: translation_scores(
                translations, test.targets, protocol, translator.target_language
            )
            for protocol in PROTOCOLS
        }
    return scores


@one_line_errors
def main() -> None:
    arguments = options()
    for protocol in PROTOCOLS:  # Hours before the scores: whether each has what it needs.
        translation_scores(["a"], ["a"], protocol)
    languages = ("fr", "en") if arguments.reverse else ("en", "fr")
    train, dev, test = (
        read_parallel(arguments.data / name, *languages)
        for name in ("train/multi30k", "dev/multi30k", "test/multi30k_2016")
    )
    if arguments.right_to_left:
        train, dev = right_to_left(train), right_to_left(dev)
    further = [read_parallel(prefix, *languages) for prefix in arguments.also]
    begin_run(arguments)
    tokenizers = fitted_tokenizers(train, arguments)
    for more in further:
        train += right_to_left(more) if arguments.right_to_left else more
    keras.utils.set_random_seed(arguments.seed)
    translator = Translator.from_preset(
        "small",
        **tokenizers,
        source_language=languages[0],
        target_language=languages[1],
        embed_dim=arguments.embed_dim,
        dense_dim=arguments.dense_dim,
        dropout=arguments.dropout,
        use_bias=not arguments.no_bias,
        num_encoder_layers=arguments.layers,
        num_decoder_layers=arguments.layers,
    )
    history = translator.fit(
        train,
        dev,
        epochs=arguments.epochs,
        tokens_per_batch=arguments.tokens_per_batch,
        subword_dropout=arguments.subword_dropout,
        label_smoothing=arguments.label_smoothing,
        r_drop=arguments.r_drop,
        optimizer=arguments.optimizer,
        learning_rate=arguments.learning_rate,
        warmup_steps=arguments.warmup_steps,
        steps_per_round=arguments.steps_per_round,
        precision=arguments.precision,
        seed=arguments.seed,
        scorers=[TranslationQuality(dev)],
        monitor="val_bleu",
        max_minutes=arguments.minutes,
        directory=arguments.output,
        resume=arguments.resume,
        average=arguments.average,
        average_count=arguments.average_count,
        ema_momentum=arguments.ema_momentum,
    )
    require_a_round(history, arguments)
    translator.save(arguments.output / "translator_multi30k.keras")
    write_json(arguments.output / "history.json", history)
    metrics = {
        "minutes_to_dev_bleu": minutes_to(history),
        "dev": history[-1],
        "multi30k_2016": test_scores(translator, test, arguments.right_to_left),
    }
    write_json(arguments.output / "metrics.json", metrics)
    print(json.dumps(metrics, indent=2))


if __name__ == "__main__":
    main()
