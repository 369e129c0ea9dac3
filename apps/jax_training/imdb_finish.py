"""Last part of the recipe of `saved_models/sentiment_imdb`: weights to a classifier in one file.

    python apps/jax_training/imdb_finish.py --data aclImdb --run runs/imdb

Takes the vocabulary and `classifier.npz` of the other parts, finds the temperature on the 5,000
reviews that are held out, measures on them, and saves. With `--ngram-buckets` a linear classifier
on n-grams is fitted on the 20,000 labelled reviews and added.
"""

from __future__ import annotations

import argparse
import json
import pathlib

import keras
import numpy as np
from from_apps import one_line_errors

import keras_tx
from keras_tx.data import download, read_imdb, split_labelled
from keras_tx.evaluation import evaluate_classifier
from keras_tx.models import Backbone, SentimentClassifier
from keras_tx.text import SentencePieceTokenizer

WINDOW, LONGEST = 512, 1024  # As in `imdb_finetune.py`.


@one_line_errors
def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--data", type=pathlib.Path)
    parser.add_argument("--run", type=pathlib.Path, required=True)
    parser.add_argument("--held-out", type=int, default=5000, help="reviews")
    parser.add_argument("--num-heads", type=int, default=6)
    parser.add_argument("--ngram-buckets", type=int, default=0, help="0 for no n-grams")
    arguments = parser.parse_args()
    reviews = read_imdb(arguments.data or download("imdb"), split="train")
    train, held_out = split_labelled(reviews, arguments.held_out, seed=0)
    with np.load(arguments.run / "classifier.npz") as stored:
        names = [f"array_{place}" for place in range(len(stored.files))]
        weights = [stored[name].astype("float32") for name in names]
    # The last row of the token table is the mask's.
    tokenizer = SentencePieceTokenizer("unigram", vocabulary_size=len(weights[0]) - 1)
    tokenizer.load_assets(str(arguments.run / "tokenizer"))
    backbone = Backbone(
        tokenizer,
        sequence_length=WINDOW,
        embed_dim=weights[0].shape[1],
        dense_dim=weights[7].shape[1],
        num_heads=arguments.num_heads,
        num_layers=(len(weights) - 5) // 12,
    )
    classifier = SentimentClassifier.from_backbone(
        backbone,
        sequence_length=LONGEST,
        ngram_buckets=arguments.ngram_buckets,
        ngram_dtype="float16",
    )
    deep = keras.Model(classifier.network.input, classifier.network.get_layer("logits").output)
    for variable, value in zip(deep.trainable_variables, weights, strict=True):
        variable.assign(value)
    if arguments.ngram_buckets:
        classifier.fit_ngrams(train)
        figures = classifier.weigh_branches(held_out)
    else:
        figures = {"temperature": classifier.fit_temperature(held_out)}
    path = arguments.run / "sentiment_imdb.keras"
    classifier.save(path, weights="float16")
    metrics = {
        "held_out": evaluate_classifier(keras_tx.load(path), held_out),
        "fitted_on_held_out": {name: round(value, 4) for name, value in figures.items()},
    }
    (arguments.run / "metrics.json").write_text(json.dumps(metrics, indent=2) + "\n")
    print(json.dumps(metrics, indent=2))


if __name__ == "__main__":
    main()
