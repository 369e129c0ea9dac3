"""A smoothed n-gram model: by hand, against a slow twin, and as probabilities must be."""

import math

import numpy as np
import pytest

from keras_tx.evaluation import NGramLanguageModel

WORDS = "le un chien chat dort mange rouge".split()


@pytest.fixture(scope="module")
def texts():
    """Sentences whose words depend on the one before, with counts of 1, 2, 3, 4 and more."""
    generator = np.random.default_rng(5)
    steps = generator.dirichlet(np.full(len(WORDS), 0.4), len(WORDS))
    sentences = []
    for _ in range(40):
        place, words = generator.integers(len(WORDS)), []
        for _ in range(generator.integers(1, 7)):
            place = generator.choice(len(WORDS), p=steps[place])
            words.append(WORDS[place])
        sentences.append(" ".join(words))
    return sentences


def twin_discounts(often):
    if not all(often):
        return 0.5, 1.0, 1.5
    share = often[0] / (often[0] + 2 * often[1])
    return tuple(n - (n + 1) * share * often[n] / often[n - 1] for n in (1, 2, 3))


def twin(texts, order, context, word):
    """The probability of a word after others, from the formulas, counted anew each time."""
    sentences = [["<s>", *text.split(), "</s>"] for text in texts]
    vocabulary = {word for sentence in sentences for word in sentence[1:]}
    if order == 0:
        return 1 / (len(vocabulary) + 1)
    context = tuple(context)[-(order - 1) :] if order > 1 else ()
    length = len(context) + 1
    windows = [
        (sentence[start - 1] if start else None, tuple(sentence[start : start + length]))
        for sentence in sentences
        for start in range(len(sentence) - length + 1)
        if start + length > 1
    ]

    def count(ngram):
        if order == twin.longest or ngram[0] == "<s>":
            return sum(window == ngram for _, window in windows)
        return len({before for before, window in windows if window == ngram and before})

    counts = {ngram: count(ngram) for ngram in {window for _, window in windows}}
    discounts = [0.0, *twin_discounts([sum(c == n for c in counts.values()) for n in range(1, 5)])]
    after = {ngram: c for ngram, c in counts.items() if ngram[:-1] == context}
    lower = twin(texts, order - 1, context, word)
    total = sum(after.values())
    if not total:
        return lower
    own = counts.get((*context, word), 0)
    left = sum(discounts[min(c, 3)] for c in after.values())
    return (own - discounts[min(own, 3)] + left * lower) / total


@pytest.mark.parametrize("text", ["le chat dort", "chien chien", "rouge", "le zèbre mange", ""])
def test_as_a_slow_twin_finds_it(texts, text):
    twin.longest = 3
    words = ["<s>", *text.split(), "</s>"]
    expected = sum(
        math.log(twin(texts, min(3, place + 1), words[max(0, place - 2) : place], words[place]))
        for place in range(1, len(words))
    )
    model = NGramLanguageModel(3).fit(texts)
    assert (0.5, 1.0, 1.5) not in model._discounts[1:]  # those are of this corpus
    assert model.log_probabilities([text]) == [pytest.approx(expected)]


def test_by_hand():
    # Of "a" and "a a" with the usual discounts: the bigrams "<s> a" (twice), "a a" and "a </s>"
    # (twice). "a" follows 2 words and the end 1, so that with a third word, an unknown one, the
    # shortest give "a" (2 - 1) / 3 + (1 + 0.5) / 3 / 3 = 1/2 and the end 0.5 / 3 + 1.5 / 9 = 1/3.
    # After the start "a" has (2 - 1) / 2 + 1 / 2 * 1/2 = 3/4, and after "a" the end has
    # (2 - 1) / 3 + 1.5 / 3 * 1/3 = 1/2.
    model = NGramLanguageModel(2).fit(["a", "a a"])
    assert model.log_probabilities(["a"]) == [pytest.approx(math.log(3 / 4 * 1 / 2))]


@pytest.mark.parametrize("order", [1, 2, 3, 5])
def test_what_may_follow_sums_to_one(texts, order):
    model = NGramLanguageModel(order).fit(texts)
    for context in ([], ["le"], ["le", "chat"], ["zèbre"], ["chat", "chat", "dort", "rouge"]):
        history = ("<s>", *context)
        following = [*WORDS, "</s>", "never seen"]
        longest = [(*history, word)[-order:] for word in following]
        assert sum(map(model._probability, longest)) == pytest.approx(1)


def test_longer_contexts_tell_more(texts):
    probabilities = [sum(NGramLanguageModel(n).fit(texts).log_probabilities(texts)) for n in (1, 2)]
    assert probabilities[0] < probabilities[1] - 10


def test_words_are_those_of_sacrebleu():
    model = NGramLanguageModel(2).fit(["un chien dort.", "un chat dort !"])
    apart, together = model.log_probabilities(["un chien dort .", "un chien dort."])
    assert apart == together
    # A text's own marks of a sentence's end are no marks.
    marked, plain = model.log_probabilities(["un </s>", "un"])
    assert marked < plain


def test_fitting_again_forgets(texts):
    model = NGramLanguageModel(3).fit(["un chat"])
    assert model.fit(texts).log_probabilities(texts) == (
        NGramLanguageModel(3).fit(texts).log_probabilities(texts)
    )


def test_what_was_never_seen_has_a_chance():
    # By the formula, n-grams of three and more would give nothing up: a discount of 0.
    model = NGramLanguageModel(2).fit(["a e a a", "a f", "e", "e", "a b", "f", "d", "a g f"])
    pairs = [f"{one} {other}" for one in "abcdefgh" for other in "abcdefgh"]
    assert np.all(np.isfinite(model.log_probabilities(pairs)))


def test_orders_of_numpy():
    assert NGramLanguageModel(np.int64(3)).order == 3


def test_errors():
    with pytest.raises(ValueError, match="order expected a positive integer. Received: order=0"):
        NGramLanguageModel(0)
    with pytest.raises(ValueError, match="texts expected at least one. Received: none"):
        NGramLanguageModel().fit([])
    with pytest.raises(RuntimeError, match="expected a fitted model"):
        NGramLanguageModel().log_probabilities(["un chat"])
