"""Classifiers made from backbones: they begin with its weights, and learn from there."""

import keras
import keras_hub
import numpy as np
import pytest

import keras_tx
from keras_tx.data import LabelledTexts, MultiLabelledTexts
from keras_tx.models import Backbone, SentimentClassifier, TextClassifier
from keras_tx.text import WordTokenizer

LABELS = ("calm", "loud")
SIGNS = ("pond", "drum")
FILLERS = [f"word{number}" for number in range(20)]


@pytest.fixture(scope="module")
def tokenizer():
    return WordTokenizer().fit([*FILLERS, *SIGNS])


def ours(tokenizer):
    return Backbone.from_preset("tiny", tokenizer, sequence_length=8)


def berts(tokenizer):
    size = tokenizer.vocabulary_size + 1
    encoder = keras_hub.models.BertBackbone(size, 2, 2, 16, 24, max_sequence_length=8)
    return Backbone(tokenizer, 8, encoder=encoder)


@pytest.fixture(scope="module", params=[ours, berts])
def backbone(request, tokenizer):
    keras.utils.set_random_seed(0)
    return request.param(tokenizer)


def toy_examples(count, seed):
    generator = np.random.default_rng(seed)
    texts, labels = [], generator.integers(2, size=count).tolist()
    for label in labels:
        words = generator.choice(FILLERS, generator.integers(1, 20)).tolist()
        words.insert(int(generator.integers(len(words) + 1)), SIGNS[label])
        texts.append(" ".join(words))
    return LabelledTexts(texts, labels, LABELS)


def encoder_of(classifier):
    return classifier.network.get_layer("encoder").encoder


def test_it_begins_with_the_backbone_s_weights(backbone):
    classifier = TextClassifier.from_backbone(backbone, labels=LABELS)
    assert classifier.sequence_length == 32 and classifier.tokenizer is backbone.tokenizer
    assert classifier.network.get_layer("encoder").window == 8
    ours, theirs = encoder_of(classifier), backbone.encoder
    assert ours is not theirs
    for one, two in zip(ours.get_weights(), theirs.get_weights(), strict=True):
        np.testing.assert_array_equal(one, two)


def test_every_window_of_a_long_text_counts(backbone):
    classifier = TextClassifier.from_backbone(backbone, labels=LABELS)
    words = (FILLERS * 2)[:31]
    before = classifier.classify([" ".join(words)])[0].scores
    for place in (0, 9, 17, 30):
        changed = [*words[:place], "drum", *words[place + 1 :]]
        assert classifier.classify([" ".join(changed)])[0].scores != before


def test_a_batch_of_one_is_the_same_text_among_many(backbone):
    classifier = TextClassifier.from_backbone(backbone, labels=LABELS)
    texts = ["drum", "word1 " * 30, "", "word2 word3 pond " * 5]
    for text, expected in zip(texts, classifier.classify(texts), strict=True):
        assert classifier.classify([text])[0].scores == pytest.approx(expected.scores, abs=1e-5)


def test_it_learns_and_is_saved(tokenizer, tmp_path):
    keras.utils.set_random_seed(0)
    classifier = TextClassifier.from_backbone(ours(tokenizer), labels=LABELS, dropout=0.0)
    before = encoder_of(classifier).get_weights()
    history = classifier.fit(
        toy_examples(300, 0),
        toy_examples(80, 1),
        epochs=12,
        tokens_per_batch=512,
        learning_rate=1e-2,
        layer_decay=0.7,
        r_drop=0.5,
        warmup_steps=10,
        progress=False,
    )
    assert history[-1]["val_accuracy"] > 0.95
    after = encoder_of(classifier).get_weights()
    assert any((b != a).any() for b, a in zip(before, after, strict=True))
    test = toy_examples(40, 2)
    classifier.save(tmp_path / "classifier.keras")
    again = keras_tx.load(tmp_path / "classifier.keras")
    expected = [result.scores for result in classifier.classify(test.texts)]
    for found, scores in zip(again.classify(test.texts), expected, strict=True):
        assert found.scores == pytest.approx(scores, abs=1e-5)


def test_layers_near_the_input_change_less(tokenizer):
    """In Adam's first step every number goes as far as the learning rate says."""
    classifier = TextClassifier.from_backbone(
        ours(tokenizer), labels=LABELS, dropout=0.0, token_dropout=0.0
    )
    before = classifier.network.get_weights()
    examples = toy_examples(4, 0)
    classifier.fit(
        examples, examples, epochs=1, learning_rate=1e-3, weight_decay=0.0, layer_decay=0.5,
        average=None, warmup_steps=1, progress=False,
    )  # fmt: skip
    moved = {
        variable.path: float(np.abs(np.array(variable) - old).max())
        for variable, old in zip(classifier.network.weights, before, strict=True)
    }
    # One block: embeddings have depth 0, it has depth 1, what stands behind depth 2.
    expected = {
        "embedding/token_embeddings/embeddings": 0.25e-3,
        "encoder_0/feed_forward/up/kernel": 0.5e-3,
        "encoder_norm/beta": 0.5e-3,
        "logits/kernel": 1e-3,
    }
    for path, step in expected.items():
        assert moved[path] == pytest.approx(step, rel=0.02), path


def test_an_encoder_of_keras_hub_beside_ngrams_and_in_half_precision(tokenizer):
    classifier = SentimentClassifier.from_backbone(berts(tokenizer), ngram_buckets=300)
    before = encoder_of(classifier).get_weights()
    examples = toy_examples(60, 0)
    examples = LabelledTexts(examples.texts, examples.labels, classifier.labels)
    history = classifier.fit(
        examples, examples, epochs=1, precision="mixed_bfloat16", progress=False
    )
    assert "ngram_weight" in history[-1]
    after = encoder_of(classifier).get_weights()
    assert np.mean([(b != a).any() for b, a in zip(before, after, strict=True)]) > 0.8
    assert {layer.compute_dtype for layer in encoder_of(classifier).layers} == {"float32"}


def test_rates_of_layers_need_a_backbone(tokenizer):
    classifier = TextClassifier.from_preset("tiny", tokenizer, labels=LABELS)
    examples = toy_examples(4, 0)
    with pytest.raises(ValueError, match="a layer named 'encoder'"):
        classifier.fit(examples, examples, layer_decay=0.9, progress=False)


def test_a_classifier_made_from_a_backbone_is_one(backbone):
    first = TextClassifier.from_backbone(backbone, labels=LABELS)
    encoder_of(first).set_weights([w + 0.1 for w in encoder_of(first).get_weights()])
    second = SentimentClassifier.from_backbone(first, sequence_length=16)
    assert second.sequence_length == 16 and second.labels == ("negative", "positive")
    assert second.network.get_layer("encoder").window == 8
    for one, two in zip(
        encoder_of(first).get_weights(), encoder_of(second).get_weights(), strict=True
    ):
        np.testing.assert_array_equal(one, two)


def test_any_classifier_can_be_begun_with(tokenizer):
    first = TextClassifier.from_preset("tiny", tokenizer, labels=LABELS, ngram_buckets=50)
    first.network.get_layer("logits").set_weights([np.ones((64, 2)), np.ones(2)])
    labels = ["a", "b", "c"]
    second = TextClassifier.from_backbone(first, labels=labels, ngram_buckets=70)
    assert second.sequence_length == first.sequence_length and second.labels == tuple(labels)
    read = {layer.name for layer in second.network.layers if layer.weights} - {"logits", "ngrams"}
    assert read == {"embedding", "encoder_0", "encoder_norm"}
    for name in read:
        ours, theirs = (model.network.get_layer(name).get_weights() for model in (second, first))
        for one, two in zip(ours, theirs, strict=True):
            np.testing.assert_array_equal(one, two)
    assert (second.network.get_layer("logits").get_weights()[0] != 1).all()
    with pytest.raises(ValueError, match="the classifier's, 128, or none. Received: sequence_len"):
        TextClassifier.from_backbone(first, labels=labels, sequence_length=64)


def test_what_cannot_begin_or_be_trained_so(backbone, tokenizer):
    with pytest.raises(TypeError, match="a Backbone or a TextClassifier. Received: WordTok"):
        TextClassifier.from_backbone(tokenizer, labels=LABELS)
    several = TextClassifier.from_backbone(backbone, labels=LABELS, multi_label=True)
    examples = MultiLabelledTexts(["pond", "drum"], [[0], [1]], LABELS)
    with pytest.raises(ValueError, match="0 with several labels a text. Received: r_drop=1"):
        several.fit(examples, examples, r_drop=1.0, progress=False)
