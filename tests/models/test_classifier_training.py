"""Training of classifiers: what n-grams find, what encoders learn beside them, and their sum."""

import keras
import numpy as np
import pytest

from keras_tx.data import LabelledTexts, MultiLabelledTexts
from keras_tx.training import AdversarialTraining

SETTINGS = {"epochs": 1, "tokens_per_batch": 512, "progress": False}


def accuracy(model, examples):
    found = [model.labels.index(result.label) for result in model.classify(examples.texts)]
    return np.mean(np.equal(found, examples.labels))


@pytest.fixture(scope="module")
def trained(ordered_reviews, ordered_classifier):
    model = ordered_classifier()
    history = model.fit(ordered_reviews(200, 0), ordered_reviews(100, 1), **SETTINGS)
    return model, history


def test_ngrams_tell_what_the_encoders_do_not_read(trained, ordered_reviews):
    # The pair stands outside of the 12 tokens of head and tail.
    model, history = trained
    assert accuracy(model, ordered_reviews(100, 2)) > 0.95
    assert history[-1]["chosen"] == "wide and deep"
    assert history[-1]["val_accuracy"] > 0.95 > history[-2]["val_accuracy"] + 0.2
    assert history[-1]["ngram_weight"] > 0.5


def test_the_last_figures_are_those_of_the_saved_model(trained, tmp_path, ordered_reviews):
    model, history = trained
    validation = ordered_reviews(100, 1)
    model.save(tmp_path / "model.keras")
    again = keras.saving.load_model(tmp_path / "model.keras")
    results = again.classify(validation.texts)
    chances = [
        list(result.scores.values())[label]
        for result, label in zip(results, validation.labels, strict=True)
    ]
    assert history[-1]["val_loss"] == pytest.approx(-np.log(chances).mean(), abs=1e-4)
    assert accuracy(again, validation) == pytest.approx(history[-1]["val_accuracy"])


def test_encoders_are_trained_as_if_there_were_no_ngrams(
    trained, ordered_reviews, ordered_classifier
):
    wide, wide_history = trained
    deep = ordered_classifier(ngram_buckets=0)
    history = deep.fit(ordered_reviews(200, 0), ordered_reviews(100, 1), **SETTINGS)
    for got, expected in zip(wide_history[:-1], history, strict=True):
        assert got["val_loss"] == expected["val_loss"]
    factor = wide_history[-1]["encoder_weight"]
    got = wide.network.get_layer("logits").get_weights()
    for ours, alone in zip(got, deep.network.get_layer("logits").get_weights(), strict=True):
        np.testing.assert_allclose(ours, alone * factor, rtol=1e-5)


def test_encoders_learn_several_labels(tmp_path, topic_texts, topic_classifier):
    model, validation = topic_classifier(token_dropout=0.0), topic_texts(200, 1)
    settings = {"epochs": 25, "tokens_per_batch": 256, "learning_rate": 1e-2, "warmup_steps": 10}
    history = model.fit(topic_texts(400, 0), validation, progress=False, **settings)
    test = topic_texts(100, 2)
    found = [result.labels for result in model.classify(test.texts)]
    expected = [{model.labels[number] for number in labels} for labels in test.labels]
    assert np.mean([set(one) == two for one, two in zip(found, expected, strict=True)]) > 0.95
    assert history[-1]["val_accuracy"] > 0.95 and history[-1]["temperature"] == model.temperature
    model.save(tmp_path / "topics.keras")
    again = keras.saving.load_model(tmp_path / "topics.keras")
    assert again.multi_label and again.temperature == model.temperature != 1
    assert again.classify(test.texts[:5]) == model.classify(test.texts[:5])


def test_a_rare_label_is_found_with_class_weights_only(ordered_classifier, rare_reviews):
    settings = {**SETTINGS, "epochs": 3, "tokens_per_batch": 128, "learning_rate": 1e-2}
    share = {}
    for class_weights in (None, {"positive": 9}):
        model = ordered_classifier(ngram_buckets=0)
        train, validation = rare_reviews(600, 0), rare_reviews(100, 1)
        model.fit(train, validation, class_weights=class_weights, **settings)
        found = [result.label for result in model.classify(rare_reviews(200, 2).texts)]
        share[class_weights is None] = found.count("positive") / 200
    # "good" is no reason to believe in what is so rare, 0.08 against 0.27, unless it counts more.
    assert share[True] < 0.05 and 0.25 < share[False] < 0.5


def test_adversarial_training_with_texts_that_have_no_labels(ordered_classifier):
    # Words that say it by themselves: attention is not what is tested.
    generator = np.random.default_rng(4)

    def reviews(count):
        labels = generator.integers(0, 2, count).tolist()
        return LabelledTexts(
            [f"not not not {'good good good' if label else 'not'}" for label in labels],
            labels,
            ("negative", "positive"),
        )

    train, validation = reviews(60), reviews(40)
    model = ordered_classifier(ngram_buckets=0)
    history = model.fit(
        train,
        validation,
        unlabelled=train.texts[::-1],
        adversarial=AdversarialTraining(shift=0.1),
        **{**SETTINGS, "epochs": 8, "learning_rate": 0.01, "tokens_per_batch": 64},
    )
    assert history[-1]["val_accuracy"] > 0.95
    assert accuracy(model, validation) == pytest.approx(history[-1]["val_accuracy"])


def test_errors_of_adversarial_training(
    ordered_reviews, ordered_classifier, topic_texts, topic_classifier
):
    train, options = ordered_reviews(6, 0), AdversarialTraining()
    for wrong, message in (
        ({"adversarial": options, "r_drop": 1.0}, "without r_drop. Received: r_drop=1.0"),
        ({"unlabelled": ["x"]}, "unlabelled expected adversarial training.* Received: 1 texts"),
        ({"adversarial": options, "unlabelled": [1]}, "texts"),
    ):
        with pytest.raises((ValueError, TypeError), match=message):
            ordered_classifier(ngram_buckets=0).fit(train, train, **SETTINGS, **wrong)
    topics = topic_texts(6, 0)
    with pytest.raises(ValueError, match="exclude each other.* Received: multi_label=True"):
        topic_classifier().fit(topics, topics, **SETTINGS, adversarial=options)


def test_a_refused_training_changes_nothing(ordered_reviews, ordered_classifier):
    train, model = ordered_reviews(6, 0), ordered_classifier()
    model.origin, before = "a file", model.get_weights()
    for wrong in ({"precision": "float16"}, {"epochs": 0}, {"average": "none"}):
        with pytest.raises(ValueError, match="Received"):
            model.fit(train, train, **{**SETTINGS, **wrong})
        assert model.origin == "a file"
        assert all(map(np.array_equal, model.get_weights(), before))


def test_a_part_of_an_epoch(ordered_reviews, ordered_classifier):
    train = ordered_reviews(64, 0)
    history = ordered_classifier(ngram_buckets=0).fit(train, train, **{**SETTINGS, "epochs": 1.5})
    whole = ordered_classifier(ngram_buckets=0).fit(train, train, **SETTINGS)
    assert history[-2]["step"] == round(1.5 * whole[-2]["step"])


def test_errors(ordered_reviews, ordered_classifier):
    train = ordered_reviews(6, 0)
    with pytest.raises(ValueError, match="class_weights='even'"):
        ordered_classifier().fit(train, train, class_weights="even", **SETTINGS)
    several = MultiLabelledTexts(train.texts, [(0, 1)] * 6, train.label_names)
    with pytest.raises(ValueError, match="one label a text, or a classifier with multi_label"):
        ordered_classifier().fit(train, several, **SETTINGS)
    other = LabelledTexts(train.texts, train.labels, ("no", "yes"))
    with pytest.raises(ValueError, match=r"labels \('negative', 'positive'\). Received"):
        ordered_classifier().fit(train, other, **SETTINGS)
