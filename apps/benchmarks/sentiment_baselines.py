"""What linear classifiers on word n-grams reach on the reviews that the recipe holds out.

    pip install 'keras_tx[benchmark]'
    python apps/benchmarks/sentiment_baselines.py --data aclImdb

TF-IDF with a linear support vector machine, and NB-SVM (Wang and Manning 2012) on binary
n-grams, each with the settings of its source, learn from the 20,000 training reviews of
`apps/train_imdb.py` and are measured on the 5,000 others. Prints a table: accuracy, number of
features, and seconds of one thread for learning and for classifying 5,000 reviews, splitting
into words included.
"""

from __future__ import annotations

import argparse
import pathlib
import time
import warnings
from typing import Any

import numpy as np
from from_apps import one_line_errors
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.exceptions import ConvergenceWarning
from sklearn.feature_extraction.text import CountVectorizer, TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.svm import LinearSVC

from keras_tx.data import download, read_imdb, split_labelled

# Words, and each punctuation mark by itself: "!" says something of a film.
WORDS = r"\w+|[^\w\s]"


class NaiveBayesWeighted(ClassifierMixin, BaseEstimator):
    """A linear classifier on features multiplied by their log-count ratios, for two classes.

    Args:
        classifier: the linear classifier of scikit-learn.
        interpolation: how much of the weights that it learns is kept; the rest is their mean
            size for all features alike, so that at 0 naive Bayes is left. 1: no interpolation.
        smoothing: added to all counts.
    """

    def __init__(self, classifier: Any, interpolation: float = 0.25, smoothing: float = 1.0):
        self.classifier, self.interpolation = classifier, interpolation
        self.smoothing = smoothing

    def fit(self, features: Any, labels: Any) -> NaiveBayesWeighted:
        labels = np.asarray(labels)
        logarithms = []
        for label in (1, 0):
            counts = self.smoothing + np.asarray(features[labels == label].sum(axis=0)).ravel()
            logarithms.append(np.log(counts / counts.sum()))
        self.ratios_ = logarithms[0] - logarithms[1]
        self.classifier.fit(features.multiply(self.ratios_).tocsr(), labels)
        learned = self.classifier.coef_.ravel()
        same = (1 - self.interpolation) * np.abs(learned).mean()
        self.weights_ = self.ratios_ * (same + self.interpolation * learned)
        return self

    def predict(self, features: Any) -> np.ndarray:
        return (features @ self.weights_ + self.classifier.intercept_[0] > 0).astype(int)


def baselines() -> dict[str, Pipeline]:
    """Name -> classifier of texts."""

    def grams(kind: type, longest: int, **options: Any) -> Any:
        return kind(ngram_range=(1, longest), token_pattern=WORDS, dtype=np.float32, **options)

    logistic = LogisticRegression(C=4, solver="liblinear", dual=True)
    return {
        "TF-IDF, 20,000 1–2-grams, linear SVM": make_pipeline(
            grams(TfidfVectorizer, 2, max_features=20_000, sublinear_tf=True), LinearSVC()
        ),
        "TF-IDF, all 1–3-grams, linear SVM": make_pipeline(
            grams(TfidfVectorizer, 3, sublinear_tf=True), LinearSVC()
        ),
        "NB-SVM, binary 1–2-grams": make_pipeline(
            grams(CountVectorizer, 2, binary=True), NaiveBayesWeighted(LinearSVC())
        ),
        "NB-SVM, binary 1–3-grams": make_pipeline(
            grams(CountVectorizer, 3, binary=True), NaiveBayesWeighted(LinearSVC())
        ),
        "NB, logistic regression, binary 1–3-grams": make_pipeline(
            grams(CountVectorizer, 3, binary=True), NaiveBayesWeighted(logistic, 1.0)
        ),
    }


@one_line_errors
def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--data", type=pathlib.Path, help="default: downloaded")
    arguments = parser.parse_args()
    reviews = read_imdb(arguments.data or download("imdb"), split="train")
    train, held_out = split_labelled(reviews, 5000, seed=0)
    # Counts that are not scaled to unit length take the solver long: it stops before it converged.
    warnings.simplefilter("ignore", ConvergenceWarning)
    print("| classifier | accuracy | features | learning, s | classifying, s |")
    print("|---|---|---|---|---|")
    for name, classifier in baselines().items():
        started = time.perf_counter()
        classifier.fit(train.texts, train.labels)
        learned = time.perf_counter()
        accuracy = np.mean(classifier.predict(held_out.texts) == np.asarray(held_out.labels))
        ended = time.perf_counter()
        features = len(classifier[0].vocabulary_)
        times = f"{learned - started:.0f} | {ended - learned:.0f}"
        print(f"| {name} | {accuracy:.2%} | {features:,} | {times} |", flush=True)


if __name__ == "__main__":
    main()
