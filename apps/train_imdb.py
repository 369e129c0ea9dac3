"""Recipe of `saved_models/sentiment_imdb_fast`: a sentiment classifier from the IMDB reviews.

    python apps/train_imdb.py --data aclImdb --output runs/imdb_fast

`--data` is the `aclImdb` folder or its archive; without it, the data set is downloaded
(84 MB). 5,000 of the 25,000 training reviews are held out. First the weights of the n-grams
are found, in a minute; then the encoder is trained; then the held-out reviews tell how much
each of the two counts. The run keeps checkpoints in the output directory; after a stop the
same command with `--resume` goes on.
"""

from __future__ import annotations

import argparse
import json
import pathlib

import keras
from bad_input import one_line_errors
from run_directory import add_run_options, begin_run, require_a_round, write_json

from keras_tx.data import download, read_imdb, split_labelled
from keras_tx.evaluation import evaluate_classifier
from keras_tx.models import SentimentClassifier
from keras_tx.text import SentencePieceTokenizer


def fitted_tokenizer(
    texts: list[str], directory: pathlib.Path, resume: bool
) -> SentencePieceTokenizer:
    """The subword vocabulary; that of the stopped run when it goes on."""
    tokenizer = SentencePieceTokenizer("unigram", vocabulary_size=16000)
    if resume:
        tokenizer.load_assets(str(directory))
    if not tokenizer.is_fitted:
        # Half of the reviews hold all frequent words, and keep the training short.
        tokenizer.fit(texts[::2])
        directory.mkdir(parents=True, exist_ok=True)
        tokenizer.save_assets(str(directory))
    return tokenizer


@one_line_errors
def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--data", type=pathlib.Path)
    parser.add_argument("--minutes", type=float, default=90, help="training time of this call")
    parser.add_argument("--epochs", type=int, default=3)
    # Half precision pays only where the processor has instructions for it.
    parser.add_argument("--precision", default="float32", help="or mixed_bfloat16")
    add_run_options(parser)
    arguments = parser.parse_args()

    reviews = read_imdb(arguments.data or download("imdb"), split="train")
    train, held_out = split_labelled(reviews, 5000, seed=0)
    begin_run(arguments)
    tokenizer = fitted_tokenizer(train.texts, arguments.output / "tokenizer", arguments.resume)
    keras.utils.set_random_seed(0)
    # Room for the 4 million different n-grams of the reviews, in 8 MB.
    classifier = SentimentClassifier.from_preset("small", tokenizer, ngram_buckets=2**22)
    history = classifier.fit(
        train,
        held_out,
        epochs=arguments.epochs,
        tokens_per_batch=4096,
        learning_rate=1.5e-3,
        precision=arguments.precision,
        max_minutes=arguments.minutes,
        directory=arguments.output,
        resume=arguments.resume,
    )
    require_a_round(history, arguments)
    classifier.save(arguments.output / "sentiment_imdb_fast.keras")
    metrics = {
        "held_out": evaluate_classifier(classifier, held_out),
        "held_out_by_branch": {name: round(value, 4) for name, value in history[-1].items()
                               if name.startswith(("encoder_", "ngram_"))},
    }  # fmt: skip
    write_json(arguments.output / "metrics.json", metrics)
    print(json.dumps(metrics, indent=2))


if __name__ == "__main__":
    main()
