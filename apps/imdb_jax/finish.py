"""Last part of the recipe of `saved_models/sentiment_imdb`: weights to a classifier in one file.

    python apps/imdb_jax/finish.py --data aclImdb --run runs/imdb

Takes the vocabulary and `classifier.npz` of the other parts, fits the n-grams on the 20,000
labelled reviews, weighs the two branches on the 5,000 that are held out, measures, and saves.
"""

from __future__ import annotations

import argparse
import json
import pathlib

import keras
import numpy as np

from keras_tx.data import download, read_imdb, split_labelled
from keras_tx.evaluation import evaluate_classifier
from keras_tx.models import Backbone, SentimentClassifier
from keras_tx.text import SentencePieceTokenizer

WINDOW, LONGEST = 512, 1024  # As in `finetune.py`.


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--data", type=pathlib.Path)
    parser.add_argument("--run", type=pathlib.Path, required=True)
    parser.add_argument("--num-heads", type=int, default=6)
    parser.add_argument("--ngram-buckets", type=int, default=2**22)
    arguments = parser.parse_args()
    reviews = read_imdb(arguments.data or download("imdb"), split="train")
    train, held_out = split_labelled(reviews, 5000, seed=0)
    tokenizer = SentencePieceTokenizer("unigram")
    tokenizer.load_assets(str(arguments.run / "tokenizer"))
    with np.load(arguments.run / "classifier.npz") as stored:
        names = [f"array_{place}" for place in range(len(stored.files))]
        weights = [stored[name].astype("float32") for name in names]
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
    classifier.fit_ngrams(train)
    branches = classifier.weigh_branches(held_out)
    path = arguments.run / "sentiment_imdb.keras"
    classifier.save(path, weights="float16")
    metrics = {
        "held_out": evaluate_classifier(keras.models.load_model(path), held_out),
        "held_out_by_branch": {name: round(value, 4) for name, value in branches.items()
                               if name.startswith(("encoder_", "ngram_"))},
    }  # fmt: skip
    (arguments.run / "metrics.json").write_text(json.dumps(metrics, indent=2) + "\n")
    print(json.dumps(metrics, indent=2))


if __name__ == "__main__":
    main()
