"""The best of several translators' translations, as several translators see it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from keras_tx.data import SentencePairs
from keras_tx.evaluation.ngram_language_model import NGramLanguageModel
from keras_tx.evaluation.ngram_posteriors import ngram_posteriors
from keras_tx.evaluation.ranking_weights import fit_ranking_weights
from keras_tx.evaluation.translation import translation_scores
from keras_tx.models import Translator
from keras_tx.text import reverse_words

_ORDERS = 4
_CHANNEL = 0.5


class TranslationRanker:
    """Chooses among the translations that several translators find.

    All of them propose their `n_best`; each proposal is judged by the log-probability that
    each translator gives it, by that of the source given the proposal, of translators of the
    other direction (the noisy channel), by its own of a language model, by its number of
    words, and by the n-grams that it shares with the other proposals (minimum Bayes risk). The
    one with the highest weighted sum is the translation. It takes as long as the translators'
    searches with a beam of `n_best` together, and their scoring of all proposals.

    Args:
        translators: one or more translators of one direction.
        reverse_translators: translators of the other direction. Default: none.
        n_best: proposals of each translator. Default 8.
        weights: of the features, see `features`. Default: the mean log-probability of the
            translators, and half of that of the reverse translators; `fit` finds better ones.
        language_model: of the translations' language, fitted. Default: none.
        right_to_left_translators: of the same direction as `translators`, but trained on
            targets from the last word to the first (`keras_tx.text.reverse_words`). They count
            as further translators. Default: none.

    Raises:
        ValueError: without a translator, or when languages or numbers do not fit together.

    Example:
        >>> from keras_tx.data import SentencePairs
        >>> from keras_tx.evaluation import TranslationRanker
        >>> from keras_tx.models import Translator
        >>> from keras_tx.text import WordTokenizer
        >>> tokenizer = WordTokenizer().fit(["a dog", "un chien"])
        >>> forward = Translator.from_preset("tiny", tokenizer)
        >>> reverse = Translator.from_preset(
        ...     "tiny", tokenizer, source_language="fr", target_language="en")
        >>> ranker = TranslationRanker([forward], [reverse], n_best=2)
        >>> figures = ranker.fit(SentencePairs(["a dog"], ["un chien"]))
        >>> len(ranker.translate(["a dog", "dog"]))
        2

    Source: Yee et al. 2019, "Simple and Effective Noisy Channel Modeling for Neural Machine
    Translation"; Tromble et al. 2008 for the n-grams.
    """

    def __init__(
        self,
        translators: Sequence[Translator],
        reverse_translators: Sequence[Translator] = (),
        n_best: int = 8,
        weights: Sequence[float] | None = None,
        language_model: NGramLanguageModel | None = None,
        right_to_left_translators: Sequence[Translator] = (),
    ) -> None:
        self.translators = [*translators, *right_to_left_translators]
        self._orders = [_as_it_is] * len(translators)
        self._orders += [reverse_words] * len(right_to_left_translators)
        self.reverse_translators = list(reverse_translators)
        _check_languages(self.translators, self.reverse_translators)
        if n_best < 1:
            raise ValueError(f"n_best expected a positive integer. Received: n_best={n_best!r}")
        self.n_best = n_best
        self.language_model = language_model
        forward, reverse = len(self.translators), len(self.reverse_translators)
        others = 1 + _ORDERS + (language_model is not None)
        if weights is None:
            channel = [_CHANNEL / reverse] * reverse if reverse else []
            weights = [1 / forward] * forward + channel + [0.0] * others
        if len(weights) != forward + reverse + others:
            raise ValueError(
                f"weights expected {forward + reverse + others} numbers. Received: {len(weights)}"
            )
        self.weights = np.array(weights, dtype=float)

    def propose(self, texts: Sequence[str], **decoding: Any) -> list[list[str]]:
        """For each text all that the translators propose, each once.

        Args:
            texts: sources.
            **decoding: further arguments of `Translator.translate_n_best`.

        Returns:
            One list of one or more translations for each text.
        """
        found = [
            [
                [order(hypothesis.text) for hypothesis in hypotheses]
                for hypotheses in translator.translate_n_best(texts, self.n_best, **decoding)
            ]
            for translator, order in zip(self.translators, self._orders, strict=True)
        ]
        return [
            list(dict.fromkeys(text for own in row for text in own))
            for row in zip(*found, strict=True)
        ]

    def features(
        self, texts: Sequence[str], proposals: Sequence[Sequence[str]]
    ) -> list[np.ndarray]:
        """What the proposals are judged by.

        Args:
            texts: `N` sources.
            proposals: for each its `K` translations; `K` may differ.

        Returns:
            For each text an array `(K, F)`: the log-probability of each translator, then of
            each reverse translator, then the number of words, then the sum of the posteriors
            of n-grams of 1, 2, 3 and 4 words (`ngram_posteriors`; a proposal's probability is
            that of the translators' mean log-probability), then the log-probability of the
            language model, if there is one.
        """
        if not proposals:
            return []
        sources = [text for text, row in zip(texts, proposals, strict=True) for _ in row]
        targets = [proposal for row in proposals for proposal in row]
        columns = [
            [
                score.log_probability
                for score in translator.score(sources, [order(target) for target in targets])
            ]
            for translator, order in zip(self.translators, self._orders, strict=True)
        ] + [
            [score.log_probability for score in translator.score(targets, sources)]
            for translator in self.reverse_translators
        ]
        columns.append([len(target.split()) for target in targets])
        rows = _split(np.array(columns, dtype=float).T, proposals)
        forward = len(self.translators)
        shared = [
            ngram_posteriors(own, _softmax(row[:, :forward].mean(1)), _ORDERS)
            for row, own in zip(rows, proposals, strict=True)
        ]
        parts = [rows, shared]
        if self.language_model is not None:
            fluency = np.array(self.language_model.log_probabilities(targets))
            parts.append(_split(fluency[:, np.newaxis], proposals))
        return [np.hstack(row) for row in zip(*parts, strict=True)]

    def fit(self, pairs: SentencePairs, **decoding: Any) -> dict[str, float]:
        """Find weights with which BLEU is high (`fit_ranking_weights`).

        Args:
            pairs: sources and references that none of the translators was trained on.
            **decoding: further arguments of `Translator.translate_n_best`.

        Returns:
            `bleu_before` and `bleu`: of these pairs, with the weights before and after.

        Raises:
            ValueError: when there are no pairs.
        """
        if not len(pairs):
            raise ValueError("pairs expected at least one. Received: none")
        proposals = self.propose(pairs.sources, **decoding)
        features = self.features(pairs.sources, proposals)
        before = self._chosen(proposals, features)
        self.weights = fit_ranking_weights(proposals, features, pairs.targets, self.weights)
        after = self._chosen(proposals, features)
        return {
            "bleu_before": translation_scores(before, pairs.targets)["bleu"],
            "bleu": translation_scores(after, pairs.targets)["bleu"],
        }

    def translate(self, texts: Sequence[str], **decoding: Any) -> list[str]:
        """The translations that rank highest, one for each text.

        Args:
            texts: sources.
            **decoding: further arguments of `Translator.translate_n_best`.

        Returns:
            One translation for each text.
        """
        proposals = self.propose(texts, **decoding)
        return self._chosen(proposals, self.features(texts, proposals))

    def _chosen(
        self, proposals: Sequence[Sequence[str]], features: Sequence[np.ndarray]
    ) -> list[str]:
        rows = zip(proposals, features, strict=True)
        return [row[int(np.argmax(values @ self.weights))] for row, values in rows]


def _as_it_is(text: str) -> str:
    return text


def _split(values: np.ndarray, proposals: Sequence[Sequence[str]]) -> list[np.ndarray]:
    """For each text the rows of its proposals."""
    return np.split(values, np.cumsum([len(row) for row in proposals])[:-1])


def _softmax(scores: np.ndarray) -> np.ndarray:
    values = np.exp(scores - scores.max())
    return values / values.sum()


def _check_languages(forward: Sequence[Translator], reverse: Sequence[Translator]) -> None:
    if not forward:
        raise ValueError("translators expected one or more. Received: none")
    source, target = forward[0].source_language, forward[0].target_language
    ways = [(model.source_language, model.target_language) for model in forward]
    ways += [(model.target_language, model.source_language) for model in reverse]
    for way in ways:
        if way != (source, target):
            raise ValueError(
                "translators and reverse_translators expected the same two languages, "
                f"{source!r} and {target!r}. Received: {way[0]!r} and {way[1]!r}"
            )
