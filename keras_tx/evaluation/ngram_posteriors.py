"""How much of a translation other translations of the same text agree with."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import numpy as np


def ngram_posteriors(
    hypotheses: Sequence[str], probabilities: Sequence[float] | None = None, max_order: int = 4
) -> np.ndarray:
    """For each of several translations of a text, what n-grams of it the others have too.

    An n-gram's posterior is the sum of the probabilities of the translations that have it. A
    translation gets, for each `n`, the sum of the posteriors of its n-grams: with weights for
    them and for its length that is, to first order, the logarithm of the BLEU to be expected
    of it.

    Args:
        hypotheses: `K` translations of one text.
        probabilities: how probable each is. Default: all equally.
        max_order: the longest n-grams, in words as sacreBLEU's 13a cuts them. Default 4.

    Returns:
        `(K, max_order)`.

    Raises:
        ValueError: when `probabilities` are not as many as `hypotheses`.

    Example:
        >>> from keras_tx.evaluation import ngram_posteriors
        >>> ngram_posteriors(["un chien", "un chat"], [0.75, 0.25], max_order=2).tolist()
        [[1.75, 0.75], [1.25, 0.25]]

    Source: Tromble et al. 2008, "Lattice Minimum Bayes-Risk Decoding", equation 5; Zens and
    Ney 2006, "N-gram Posterior Probabilities for Statistical Machine Translation".
    """
    from sacrebleu.tokenizers.tokenizer_13a import Tokenizer13a

    if probabilities is None:
        probabilities = [1 / max(1, len(hypotheses))] * len(hypotheses)
    if len(probabilities) != len(hypotheses):
        raise ValueError(
            f"probabilities expected one for each of {len(hypotheses)} hypotheses. "
            f"Received: {len(probabilities)}"
        )
    cut = Tokenizer13a()
    words = [cut(hypothesis).split() for hypothesis in hypotheses]
    sums = np.zeros((len(hypotheses), max_order))
    for order in range(1, max_order + 1):
        ngrams = [
            Counter(zip(*(row[start:] for start in range(order)), strict=False)) for row in words
        ]
        posteriors: Counter = Counter()
        for counts, probability in zip(ngrams, probabilities, strict=True):
            for ngram in counts:
                posteriors[ngram] += probability
        for place, counts in enumerate(ngrams):
            sums[place, order - 1] = sum(posteriors[n] * count for n, count in counts.items())
    return sums
