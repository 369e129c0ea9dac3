"""Regions that foretell their context, and classifiers that begin with them."""

import keras
import numpy as np
import pytest

import keras_tx
from keras_tx.data import LabelledTexts
from keras_tx.models import RegionBackbone, SentimentClassifier, TextClassifier
from keras_tx.text import WordTokenizer

# Each kind of animal has places of its own, which tell which words are alike.
PLACES = {"cat": ("sofa", "lap"), "dog": ("yard", "leash"), "fish": ("pond", "reef")}
ANIMALS = {"cat": ("cat", "kitten"), "dog": ("dog", "puppy"), "fish": ("fish", "trout")}


def sentences(count, seed):
    generator = np.random.default_rng(seed)
    made = []
    for _ in range(count):
        kind = generator.choice(list(PLACES))
        words = [generator.choice(words[kind]) for words in (PLACES, ANIMALS, PLACES)]
        made.append(" ".join(words))
    return made


@pytest.fixture(scope="module")
def backbone():
    keras.utils.set_random_seed(0)
    tokenizer = WordTokenizer().fit(sentences(200, 0))
    backbone = RegionBackbone(tokenizer, region_size=1, embed_dim=32, context_size=1)
    history = backbone.fit(
        sentences(3000, 1),
        sentences(200, 2),
        epochs=5,
        tokens_per_batch=512,
        sequence_length=32,
        learning_rate=2e-2,
        ignored=0,
        progress=False,
    )
    assert history[-1]["val_loss"] < -100 and len(history) == 6
    return backbone


def test_words_of_the_same_places_become_alike(backbone):
    words = [word for pair in ANIMALS.values() for word in pair]
    vectors = backbone.embed(words)
    vectors -= vectors.mean(axis=0)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    alike = vectors @ vectors.T - 2 * np.eye(len(words))
    assert alike.argmax(axis=1).tolist() == [1, 0, 3, 2, 5, 4]


def test_it_is_saved(backbone, tmp_path):
    backbone.save(tmp_path / "regions.keras")
    again = keras_tx.load(tmp_path / "regions.keras")
    assert isinstance(again, RegionBackbone)
    texts = ["a cat", "", "reef " * 200]
    np.testing.assert_allclose(again.embed(texts), backbone.embed(texts), atol=1e-6)


def topics(count, seed):
    kinds = list(PLACES)
    generator = np.random.default_rng(seed)
    labels = generator.integers(3, size=count).tolist()
    texts = [" ".join(generator.choice(ANIMALS[kinds[label]], 4)) for label in labels]
    return LabelledTexts(texts, labels, tuple(kinds))


def test_a_classifier_begins_with_it(backbone, tmp_path):
    keras.utils.set_random_seed(0)
    classifier = TextClassifier.from_backbone(backbone, labels=list(PLACES), units=16)
    encoder = classifier.network.get_layer("encoder").encoder
    known = backbone.encoder.token_embedding.get_weights()[0]
    np.testing.assert_allclose(np.array(encoder.token_embedding.frozen), known, rtol=1e-3)
    before = np.array(encoder.token_embedding.frozen)
    history = classifier.fit(
        topics(120, 0), topics(40, 1), epochs=8, tokens_per_batch=256, learning_rate=1e-2,
        progress=False,
    )  # fmt: skip
    assert history[-1]["val_accuracy"] == 1
    np.testing.assert_array_equal(np.array(encoder.token_embedding.frozen), before)
    test = topics(20, 2)
    classifier.save(tmp_path / "topics.keras")
    again = keras_tx.load(tmp_path / "topics.keras")
    expected = [result.scores for result in classifier.classify(test.texts)]
    for found, scores in zip(again.classify(test.texts), expected, strict=True):
        assert found.scores == pytest.approx(scores, abs=1e-5)
    # Alone, among others, and with what is padding there.
    mixed = [test.texts[0], " ".join(test.texts), ""]
    alone = [classifier.classify([text])[0].scores for text in mixed]
    for found, scores in zip(classifier.classify(mixed), alone, strict=True):
        assert found.scores == pytest.approx(scores, abs=1e-5)
    second = SentimentClassifier.from_backbone(again)
    weights = second.network.get_layer("encoder").encoder.get_weights()
    for one, two in zip(weights, encoder.get_weights(), strict=True):
        np.testing.assert_allclose(one, two, rtol=1e-6)


def test_it_is_explained_and_beside_ngrams(backbone):
    classifier = TextClassifier.from_backbone(
        backbone, labels=["a", "b"], units=16, ngram_buckets=50
    )
    logits = classifier.network.get_layer("logits")
    generator = np.random.default_rng(0)
    logits.set_weights([generator.normal(size=weight.shape) for weight in logits.get_weights()])
    (found,) = classifier.explain(["cat dog pond sofa yard"])
    assert len(found.attributions) == 5
    whole = found.logit - found.baseline_logit
    assert abs(found.residual) < 0.06 * max(abs(whole), 1)
