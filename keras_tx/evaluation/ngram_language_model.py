"""How probable a sentence is in a language, by the n-grams of the sentences that one has."""

from __future__ import annotations

import math
import numbers
from collections import Counter
from collections.abc import Sequence

_START, _END = "<s>", "</s>"  # of a sentence; no text's word is taken for them, see `_words`
_LARGEST = 3  # counts from here on share a discount
_USUAL_DISCOUNTS = (0.5, 1.0, 1.5)  # where a corpus is too small to say


class NGramLanguageModel:
    """Words' probabilities after the words before them, with modified Kneser-Ney smoothing.

    The count of an n-gram is discounted, and what that leaves goes to the shorter n-gram, which
    counts in how many contexts it was seen. A word never seen is one more word of the
    vocabulary, which the empty context gives as much as any other.

    Args:
        order: the longest n-grams, in words as sacreBLEU's 13a cuts them. Default 4.

    Raises:
        ValueError: when `order` is not a positive integer.

    Example:
        >>> from keras_tx.evaluation import NGramLanguageModel
        >>> model = NGramLanguageModel(order=2).fit(["un chien dort", "un chat dort"])
        >>> likely, unlikely = model.log_probabilities(["un chat dort", "dort chat un"])
        >>> likely > unlikely
        True

    Source: Chen and Goodman 1998, "An Empirical Study of Smoothing Techniques for Language
    Modeling", section 3.
    """

    def __init__(self, order: int = 4) -> None:
        if not isinstance(order, numbers.Integral) or order < 1:
            raise ValueError(f"order expected a positive integer. Received: order={order!r}")
        self.order = order
        self._counts: list[Counter] = []
        self._totals: list[Counter] = []
        self._left: list[Counter] = []
        self._discounts: list[tuple[float, ...]] = []
        self._vocabulary_size = 0

    def fit(self, texts: Sequence[str]) -> NGramLanguageModel:
        """Count the n-grams of texts, in place of those of an earlier call.

        Args:
            texts: sentences.

        Returns:
            The model itself.

        Raises:
            ValueError: when there are no texts.
        """
        if not texts:
            raise ValueError("texts expected at least one. Received: none")
        self._counts = self._kneser_ney_counts(texts)
        self._discounts = [_discounts(counts) for counts in self._counts]
        self._totals, self._left = [], []
        for counts, discounts in zip(self._counts, self._discounts, strict=True):
            totals: Counter = Counter()
            left: Counter = Counter()
            for ngram, count in counts.items():
                totals[ngram[:-1]] += count
                left[ngram[:-1]] += discounts[min(count, _LARGEST) - 1]
            self._totals.append(totals)
            self._left.append(left)
        self._vocabulary_size = len(self._counts[0]) + 1
        return self

    def log_probabilities(self, texts: Sequence[str]) -> list[float]:
        """Natural logarithms of the probabilities of whole sentences, their ends included.

        Args:
            texts: sentences.

        Returns:
            One number for each.

        Raises:
            RuntimeError: before `fit`.
        """
        if not self._counts:
            raise RuntimeError("log_probabilities expected a fitted model. Received: one without")
        known: dict[tuple[str, ...], float] = {}

        def log_probability(ngram: tuple[str, ...]) -> float:
            if ngram not in known:
                known[ngram] = math.log(self._probability(ngram))
            return known[ngram]

        return [sum(map(log_probability, _longest_ngrams(text, self.order))) for text in texts]

    def _probability(self, ngram: tuple[str, ...]) -> float:
        """Of the last word after the others."""
        probability = 1 / self._vocabulary_size
        for length in range(1, len(ngram) + 1):
            shorter = ngram[-length:]
            total = self._totals[length - 1].get(shorter[:-1], 0)
            if not total:  # a context never seen: what the shorter one says
                return probability
            count = self._counts[length - 1].get(shorter, 0)
            if count:
                count -= self._discounts[length - 1][min(count, _LARGEST) - 1]
            left = self._left[length - 1][shorter[:-1]]
            probability = (count + left * probability) / total
        return probability

    def _kneser_ney_counts(self, texts: Sequence[str]) -> list[Counter]:
        """By length: how often the longest were seen, and after how many words the others.

        Those at the start of a sentence have no word before them, and keep how often they were
        seen.
        """
        seen = Counter(ngram for text in texts for ngram in _longest_ngrams(text, self.order))
        counts: list[Counter] = [Counter() for _ in range(self.order)]
        for ngram, count in seen.items():
            counts[len(ngram) - 1][ngram] = count
        for length in range(self.order - 1, 0, -1):
            for ngram in counts[length]:
                counts[length - 1][ngram[1:]] += 1
        return counts


def _words(text: str) -> list[str]:
    from sacrebleu.tokenizers.tokenizer_13a import Tokenizer13a

    return Tokenizer13a()(text).split()  # which cuts "<s>" in three


def _longest_ngrams(text: str, order: int) -> list[tuple[str, ...]]:
    """For each word and the end: it and what is before it, `order` words or from the start."""
    words = [_START, *_words(text), _END]
    return [tuple(words[max(0, end - order) : end]) for end in range(2, len(words) + 1)]


def _discounts(counts: Counter) -> tuple[float, ...]:
    """Of n-grams counted once, twice, and more often: Chen and Goodman's equation 26."""
    often = Counter(counts.values())
    if not all(often[count] for count in range(1, _LARGEST + 2)):
        return _USUAL_DISCOUNTS
    once_share = often[1] / (often[1] + 2 * often[2])
    found = tuple(
        count - (count + 1) * once_share * often[count + 1] / often[count]
        for count in range(1, _LARGEST + 1)
    )
    # With a discount of 0 nothing might be left for what was never seen.
    usable = all(0 < discount <= count for count, discount in enumerate(found, 1))
    return found if usable else _USUAL_DISCOUNTS
