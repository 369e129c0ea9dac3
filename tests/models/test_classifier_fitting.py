"""What is found without gradients: n-grams, the weights of branches, the temperature."""

import numpy as np
import pytest

from keras_tx.data import LabelledTexts, MultiLabelledTexts
from keras_tx.models import TextClassifier, classifier_fitting
from keras_tx.training import fit_naive_bayes_svm


def accuracy(model, examples):
    found = [model.labels.index(result.label) for result in model.classify(examples.texts)]
    return np.mean(np.equal(found, examples.labels))


def test_the_table_holds_what_the_machine_finds_on_the_layers_buckets(
    monkeypatch, ordered_reviews, ordered_classifier
):
    train = ordered_reviews(50, 0, ("a", "b", "c"))
    model = ordered_classifier(TextClassifier, labels=train.label_names)
    seen = {}

    def spy(features, labels, *arguments, **options):
        seen["features"] = features
        seen["fitted"] = fit_naive_bayes_svm(features, labels, *arguments, **options)
        return seen["fitted"]

    monkeypatch.setattr(classifier_fitting, "fit_naive_bayes_svm", spy)
    monkeypatch.setattr(classifier_fitting, "NGRAM_TOKENS", 200)  # Several batches.
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
    assert accuracy(model, ordered_reviews(60, 3, train.label_names)) > 0.9


def test_encoders_that_know_nothing_lose_their_say(ordered_reviews, ordered_classifier):
    model, validation = ordered_classifier(), ordered_reviews(100, 1)
    accuracy(model, validation)  # What this compiles must not outlive the weights.
    model.origin = "somewhere"
    model.fit_ngrams(ordered_reviews(200, 0))
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


def test_ngrams_learn_several_labels_and_are_weighed(topic_texts, topic_classifier):
    model, validation = topic_classifier(ngram_buckets=500), topic_texts(200, 1)
    model.fit_ngrams(topic_texts(400, 0), class_weights="balanced")
    figures = model.weigh_branches(validation)
    found = [set(result.labels) for result in model.classify(validation.texts)]
    expected = [{model.labels[number] for number in labels} for labels in validation.labels]
    share = np.mean([one == two for one, two in zip(found, expected, strict=True)])
    assert share == pytest.approx(figures["val_accuracy"]) and share > 0.95
    scores = np.array([list(one.scores.values()) for one in model.classify(validation.texts)])
    true = validation.matrix()
    loss = -np.mean(true * np.log(scores) + (1 - true) * np.log(1 - scores))
    assert figures["val_loss"] == pytest.approx(loss, abs=1e-4)


def test_class_weights_count_in_the_fit_of_ngrams(ordered_classifier, rare_reviews):
    share = {}
    for class_weights in (None, {"positive": 9}):
        model = ordered_classifier(ngram_buckets=500, ngram_orders=(1,))
        model.fit_ngrams(rare_reviews(600, 0), class_weights=class_weights)
        found = [result.label for result in model.classify(rare_reviews(200, 2).texts)]
        share[class_weights is None] = found.count("positive") / 200
    # "good" is no reason to believe in what is so rare, 0.08 against 0.27, unless it counts more.
    assert share[True] < 0.05 and 0.25 < share[False] < 0.5


def test_the_temperature_is_that_of_the_labels(ordered_classifier, ordered_reviews):
    model, texts = ordered_classifier(ngram_buckets=0), ordered_reviews(400, 3).texts
    generator = np.random.default_rng(0)
    for weight in model.network.trainable_variables:
        weight.assign(generator.normal(scale=0.5, size=weight.shape))

    def scores(temperature):
        model.temperature = temperature
        model._forget_graphs()
        return np.array([list(result.scores.values()) for result in model.classify(texts)])

    labels = (generator.random(400) < scores(3.0)[:, 1]).astype(int)
    before = scores(1.0)
    assert np.abs(before - 0.5).mean() > 0.3  # Sure, and often wrong.
    model.origin = "somewhere"
    found = model.fit_temperature(LabelledTexts(texts, labels.tolist(), model.labels))
    assert model.origin is None and found == model.temperature == pytest.approx(3, rel=0.25)
    after = np.array([list(result.scores.values()) for result in model.classify(texts)])
    assert (after.argmax(axis=1) == before.argmax(axis=1)).all()

    def loss(chances):
        return -np.log(chances[np.arange(400), labels]).mean()

    for factor in (0.8, 1.25):  # The prior moves the optimum by a hair only.
        assert loss(after) < loss(scores(found * factor))


def test_errors(ordered_reviews, ordered_classifier):
    train = ordered_reviews(6, 0)
    plain, model = ordered_classifier(ngram_buckets=0), ordered_classifier()
    with pytest.raises(ValueError, match="with n-grams. Received: one with ngram_buckets=0"):
        plain.fit_ngrams(train)
    with pytest.raises(ValueError, match="with n-grams. Received: one with ngram_buckets=0"):
        plain.weigh_branches(train)
    several = MultiLabelledTexts(train.texts, [(0, 1)] * 6, train.label_names)
    with pytest.raises(ValueError, match="one label a text, or a classifier with multi_label"):
        model.fit_temperature(several)
    other = LabelledTexts(train.texts, train.labels, ("no", "yes"))
    for method in (model.fit_ngrams, model.weigh_branches, model.fit_temperature):
        with pytest.raises(ValueError, match=r"labels \('negative', 'positive'\). Received"):
            method(other)
