"""Training of classifiers: what n-grams find, what encoders learn beside them, and their sum."""

import keras
import numpy as np
import pytest

from keras_tx.data import LabelledTexts
from keras_tx.models import SentimentClassifier, TextClassifier, classifier_training
from keras_tx.text import WordTokenizer
from keras_tx.training import fit_naive_bayes_svm

LABELS = ("negative", "positive")
SETTINGS = {"epochs": 1, "tokens_per_batch": 512, "progress": False}
FILLERS = [f"word{number}" for number in range(30)]


def reviews(count, seed, labels=LABELS):
    """Fillers of any length with one pair in the middle, whose order tells the class."""
    generator = np.random.default_rng(seed)
    texts, numbers = [], []
    for _ in range(count):
        number = int(generator.integers(len(labels)))
        words = generator.choice(FILLERS, generator.integers(20, 40)).tolist()
        words[10:10] = [("not", "good"), ("good", "not"), ("good", "good")][number]
        texts.append(" ".join(words))
        numbers.append(number)
    return LabelledTexts(texts, numbers, labels)


def classifier(kind=SentimentClassifier, **changes):
    tokenizer = WordTokenizer().fit([" ".join(FILLERS), "not good"])
    arguments = {"sequence_length": 12, "ngram_buckets": 5000, "ngram_orders": (1, 2), **changes}
    keras.utils.set_random_seed(0)
    return kind.from_preset("tiny", tokenizer, **arguments)


def accuracy(model, examples):
    found = [model.labels.index(result.label) for result in model.classify(examples.texts)]
    return np.mean(np.equal(found, examples.labels))


@pytest.fixture(scope="module")
def trained():
    model = classifier()
    history = model.fit(reviews(200, 0), reviews(100, 1), **SETTINGS)
    return model, history


def test_ngrams_tell_what_the_encoders_do_not_read(trained):
    # The pair stands outside of the 12 tokens of head and tail.
    model, history = trained
    assert accuracy(model, reviews(100, 2)) > 0.95
    assert history[-1]["chosen"] == "wide and deep"
    assert history[-1]["val_accuracy"] > 0.95 > history[-2]["val_accuracy"] + 0.2
    assert history[-1]["ngram_weight"] > 0.5


def test_the_last_figures_are_those_of_the_saved_model(trained, tmp_path):
    model, history = trained
    validation = reviews(100, 1)
    model.save(tmp_path / "model.keras")
    again = keras.saving.load_model(tmp_path / "model.keras")
    results = again.classify(validation.texts)
    chances = [
        list(result.scores.values())[label]
        for result, label in zip(results, validation.labels, strict=True)
    ]
    assert history[-1]["val_loss"] == pytest.approx(-np.log(chances).mean(), abs=1e-4)
    assert accuracy(again, validation) == pytest.approx(history[-1]["val_accuracy"])


def test_encoders_are_trained_as_if_there_were_no_ngrams(trained):
    wide, wide_history = trained
    deep = classifier(ngram_buckets=0)
    history = deep.fit(reviews(200, 0), reviews(100, 1), **SETTINGS)
    for got, expected in zip(wide_history[:-1], history, strict=True):
        assert got["val_loss"] == expected["val_loss"]
    factor = wide_history[-1]["encoder_weight"]
    got = wide.network.get_layer("logits").get_weights()
    for ours, alone in zip(got, deep.network.get_layer("logits").get_weights(), strict=True):
        np.testing.assert_allclose(ours, alone * factor, rtol=1e-5)


def test_the_table_holds_what_the_machine_finds_on_the_layers_buckets(monkeypatch):
    train = reviews(50, 0, ("a", "b", "c"))
    model = classifier(TextClassifier, labels=train.label_names)
    seen = {}

    def spy(features, labels, *arguments, **options):
        seen["features"] = features
        seen["fitted"] = fit_naive_bayes_svm(features, labels, *arguments, **options)
        return seen["fitted"]

    monkeypatch.setattr(classifier_training, "fit_naive_bayes_svm", spy)
    monkeypatch.setattr(classifier_training, "NGRAM_TOKENS", 200)  # Several batches.
    model.fit_ngrams(train, cost=5.0)
    layer = model.network.get_layer("ngrams")
    np.testing.assert_array_equal(layer.embeddings, seen["fitted"][0])
    np.testing.assert_array_equal(layer.bias, seen["fitted"][1])
    features = seen["features"]
    for number, text in enumerate(train.texts[:8]):
        ids, _ = model.pack_whole([text])
        found = np.asarray(layer.buckets(ids))
        start = features.starts[number]
        kept = features.values[start : start + features.lengths[number]]
        assert kept.tolist() == found[found < layer.num_buckets].tolist()
    assert accuracy(model, reviews(60, 3, train.label_names)) > 0.9


def test_encoders_that_know_nothing_lose_their_say():
    model, validation = classifier(), reviews(100, 1)
    accuracy(model, validation)  # What this compiles must not outlive the weights.
    model.origin = "somewhere"
    model.fit_ngrams(reviews(200, 0))
    assert model.origin is None
    noise = np.random.default_rng(0).normal(size=(64, 2)) * 3
    model.network.get_layer("logits").set_weights([noise, np.zeros(2)])
    model._forget_graphs()
    before = accuracy(model, validation)
    figures = model.weigh_branches(validation)
    assert abs(figures["encoder_weight"]) < 0.5 < figures["ngram_weight"]
    assert abs(figures["encoder_accuracy"] - 0.5) < 0.3 < 0.95 < figures["ngram_accuracy"]
    after = accuracy(model, validation)
    assert figures["val_accuracy"] == pytest.approx(after)
    assert after > before + 0.1


def test_errors():
    train = reviews(6, 0)
    with pytest.raises(ValueError, match="with n-grams. Received: one with ngram_buckets=0"):
        classifier(ngram_buckets=0).fit_ngrams(train)
    with pytest.raises(ValueError, match="with n-grams. Received: one with ngram_buckets=0"):
        classifier(ngram_buckets=0).weigh_branches(train)
    other = LabelledTexts(train.texts, train.labels, ("no", "yes"))
    for method in (classifier().fit_ngrams, classifier().weigh_branches):
        with pytest.raises(ValueError, match=r"labels \('negative', 'positive'\). Received"):
            method(other)
