"""A small sample corpus inside the package, so that training can be shown without a network."""

from __future__ import annotations

import importlib.resources

from keras_tx.data.examples import LabelledTexts, SentencePairs
from keras_tx.data.readers_parallel import read_tab_pairs
from keras_tx.data.readers_table import read_labelled_table


def sample_reviews() -> LabelledTexts:
    """About 200 short film reviews, half of them negative and half positive.

    They were written for this package; they show that training works, not how well.

    Returns:
        The reviews with the label names `("negative", "positive")`.

    Example:

    >>> sample_reviews().label_names
    ('negative', 'positive')
    """
    with importlib.resources.as_file(_sample("reviews.tsv")) as path:
        return read_labelled_table(path, label_names=("negative", "positive"), quoted=False)


def sample_pairs() -> SentencePairs:
    """About 300 simple English sentences with their French translations.

    They were written for this package from few words that come again and again, so that a
    small model learns them within a minute.

    Returns:
        The pairs, English to French.

    Example:

    >>> pairs = sample_pairs()
    >>> pairs.sources[0], pairs.targets[0]
    ('The cat is sleeping.', 'Le chat dort.')
    """
    with importlib.resources.as_file(_sample("en_fr.tsv")) as path:
        return read_tab_pairs(path)


def _sample(name: str):
    return importlib.resources.files("keras_tx.data").joinpath("sample", name)
