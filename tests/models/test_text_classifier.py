"""The classifier from strings to labels: it learns, and nothing else changes a result."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_tx.data import LabelledTexts
from keras_tx.models import SentimentClassifier, TextClassifier, workers
from keras_tx.text import SentencePieceTokenizer, WordTokenizer

LABELS = ("calm", "loud", "sour")
SIGNS = (["pond", "moss", "dusk"], ["drum", "horn", "shout"], ["lemon", "vinegar", "rhubarb"])
FILLERS = [f"word{number}" for number in range(20)]
ODD = ["", " ", "\t\n ", "\x00", "🙂🙂", "\ud800 lone", "drum\x00horn", "né à 北京", "a" * 100_000]


def toy_examples(count, seed):
    """Fillers with one telling word somewhere."""
    generator = np.random.default_rng(seed)
    texts, labels = [], []
    for _ in range(count):
        label = int(generator.integers(3))
        words = generator.choice(FILLERS, generator.integers(1, 12)).tolist()
        words.insert(generator.integers(len(words) + 1), str(generator.choice(SIGNS[label])))
        texts.append(" ".join(words))
        labels.append(label)
    return LabelledTexts(texts, labels, LABELS)


@pytest.fixture(scope="module")
def tokenizer():
    return WordTokenizer().fit([" ".join(FILLERS), *(" ".join(words) for words in SIGNS)])


@pytest.fixture(scope="module")
def learned(tokenizer):
    keras.utils.set_random_seed(0)
    model = TextClassifier.from_preset("tiny", tokenizer, labels=LABELS, sequence_length=24)
    history = model.fit(
        toy_examples(300, 0),
        toy_examples(60, 1),
        epochs=20,
        tokens_per_batch=256,
        learning_rate=1e-2,
        warmup_steps=10,
        progress=False,
    )
    return model, history


@pytest.fixture(scope="module")
def subwords():
    """Random weights, with a tokenizer to which no character is unknown."""
    tokenizer = SentencePieceTokenizer(vocabulary_size=300).fit([" ".join(FILLERS), "drum horn"])
    keras.utils.set_random_seed(1)
    model = SentimentClassifier.from_preset("tiny", tokenizer, ngram_buckets=300)
    for weight in model.network.weights:  # The n-grams' are not trainable.
        weight.assign(np.random.default_rng(2).normal(scale=0.3, size=weight.shape))
    return model


def scatter(model):
    """Gives a model random weights, from which texts get scores of all sizes."""
    generator = np.random.default_rng(1)
    for weight in model.network.weights:
        weight.assign(generator.normal(scale=0.3, size=weight.shape))
    return model


def test_it_learns_a_separable_problem(learned):
    model, history = learned
    test = toy_examples(60, 2)
    found = [LABELS.index(result.label) for result in model.classify(test.texts)]
    assert np.mean(np.equal(found, test.labels)) > 0.95
    assert history[-1]["val_accuracy"] > 0.95
    assert history[-1]["val_loss"] < history[0]["val_loss"]


def test_a_result_is_a_distribution_and_its_best(subwords):
    results = subwords.classify(["drum", "word1 word2", "horn " * 30])
    assert len({result.score for result in results}) == 3
    for result in results:
        assert set(result.scores) == {"negative", "positive"}
        assert sum(result.scores.values()) == pytest.approx(1, abs=1e-5)
        assert result.label == max(result.scores, key=result.scores.get)
        assert result.score == result.scores[result.label]


def test_a_batch_of_one_is_the_same_text_among_many(subwords):
    texts = ["drum", "word1 " * 90, "horn", "", "word2 word3 horn drum " * 5, "x y z"]
    together = subwords.classify(texts, batch_size=6)
    for text, expected in zip(texts, together, strict=True):
        alone = subwords.classify([text])[0]
        assert alone.label == expected.label
        assert alone.scores == pytest.approx(expected.scores, abs=1e-5)


@pytest.mark.parametrize("batch_size", [1, 2, 5, 100])
def test_order_is_kept_whatever_the_batches(learned, batch_size):
    model, _ = learned
    examples = toy_examples(11, 5)
    expected = [model.classify([text])[0].label for text in examples.texts]
    found = model.classify(examples.texts, batch_size=batch_size)
    assert [result.label for result in found] == expected


def test_batches_side_by_side_give_the_same(learned, monkeypatch):
    model, _ = learned
    examples = toy_examples(11, 5)
    alone = model.classify(examples.texts)
    monkeypatch.setattr(workers, "worker_count", lambda: 3)
    for batch_size in (2, 100):
        found = model.classify(examples.texts, batch_size=batch_size)
        assert [one.label for one in found] == [one.label for one in alone]


def test_the_exported_function_is_classify(subwords):
    function, specification = subwords.signatures()["serving_default"]
    texts = ["drum horn", "word4", "", "word9 drum"]
    outputs = tf.function(function, input_signature=specification)(tf.constant(texts))
    for place, result in enumerate(subwords.classify(texts)):
        assert outputs["label"][place].numpy().decode() == result.label
        np.testing.assert_allclose(outputs["score"][place], result.score, atol=1e-5)
        scores = list(result.scores.values())
        np.testing.assert_allclose(outputs["scores"][place], scores, atol=1e-5)


def test_odd_texts(subwords, learned):
    for model in (subwords, learned[0]):
        results = model.classify(ODD)
        assert len(results) == len(ODD)
        assert all(np.isfinite(result.score) for result in results)
        assert model.classify([]) == []


def test_the_middle_of_a_long_text_does_not_count(tokenizer):
    model = TextClassifier.from_preset("tiny", tokenizer, labels=LABELS, sequence_length=10)
    words = (FILLERS * 2)[:30]  # Of 30 words, the first 5 and the last 4 are kept.
    before = model.classify([" ".join(words)])[0].scores
    middle = [*words[:5], *reversed(words[5:26]), *words[26:]]
    assert model.classify([" ".join(middle)])[0].scores == before
    for place in (0, 4, 26, 29):
        changed = [*words[:place], "drum", *words[place + 1 :]]
        assert model.classify([" ".join(changed)])[0].scores != before


def test_ngrams_read_more_of_a_long_text_than_the_encoders(tokenizer):
    model = TextClassifier.from_preset(
        "tiny", tokenizer, labels=LABELS, sequence_length=10, ngram_buckets=999,
        ngram_orders=[1], ngram_sequence_length=20,
    )  # fmt: skip
    layer = model.network.get_layer("ngrams")
    layer.embeddings.assign(np.random.default_rng(0).normal(size=(999, 3)))
    words = (FILLERS * 2)[:30]  # The encoders read 5 and 4, the n-grams 10 and 9 of them.
    before = model.classify([" ".join(words)])[0].scores
    for place, read in ((4, True), (6, True), (9, True), (10, False), (20, False), (21, True)):
        changed = [*words[:place], "drum", *words[place + 1 :]]
        same = model.classify([" ".join(changed)])[0].scores == pytest.approx(before, abs=1e-6)
        assert same != read


def test_ngrams_are_a_choice(tokenizer):
    def names(**changes):
        model = TextClassifier.from_preset("tiny", tokenizer, labels=LABELS, **changes)
        model.classify(["drum"])
        return [layer.name for layer in model.network.layers]

    assert "ngrams" not in names()
    assert "ngrams" in names(ngram_buckets=100)


def test_half_precision_training_leaves_a_float32_model(tokenizer):
    model = TextClassifier.from_preset("tiny", tokenizer, labels=LABELS)
    before = [weight.copy() for weight in model.network.get_weights()]
    examples = toy_examples(20, 0)
    model.fit(examples, examples, epochs=1, precision="mixed_bfloat16", progress=False)
    assert {str(weight.dtype) for weight in model.weights} == {"float32"}
    assert model.network.get_layer("encoder_0").compute_dtype == "float32"
    pairs = zip(before, model.network.get_weights(), strict=True)
    assert any(np.abs(old - new).max() > 1e-6 for old, new in pairs)


def test_labels_of_the_examples_must_be_the_models(learned):
    model, _ = learned
    other = LabelledTexts(["a"], [0], ("loud", "calm", "sour"))
    message = r"labels \('calm', 'loud', 'sour'\). Received: \('loud', 'calm', 'sour'\)"
    with pytest.raises(ValueError, match=message):
        model.fit(toy_examples(3, 0), other)


@pytest.mark.parametrize("labels", [[], ["one"], ["one", "one"], ["one", ""]])
def test_labels_must_be_several_and_differ(tokenizer, labels):
    with pytest.raises(ValueError, match="two or more different names. Received: labels="):
        TextClassifier.from_preset("tiny", tokenizer, labels=labels)


@pytest.mark.parametrize("ngram_buckets", [0, 50])
def test_one_label_that_is_there_or_not(tokenizer, ngram_buckets):
    arguments = {"multi_label": True, "ngram_buckets": ngram_buckets}
    model = TextClassifier.from_preset("tiny", tokenizer, labels=["loud"], **arguments)
    scatter(model)
    found = model.classify(["drum horn", "word1", "lemon drum"])
    assert all(result.labels == ("loud",) * (result.score >= 0.5) for result in found)
    assert len({result.score for result in found}) == 3
    outputs = model.signatures()["serving_default"][0](tf.constant(["drum", "horn"]))
    assert outputs["multi_label"].numpy().tolist() == [True, True]
    assert outputs["labels"].numpy().tolist() == [[b"loud"], [b"loud"]]
    with pytest.raises(ValueError, match="one or more different names. Received: labels="):
        TextClassifier.from_preset("tiny", tokenizer, labels=[], multi_label=True)


def test_abstaining_and_the_temperature(tokenizer):
    model = TextClassifier.from_preset("tiny", tokenizer, labels=LABELS)
    scatter(model)
    texts = toy_examples(12, 0).texts
    plain = model.classify(texts)
    limit = sorted(result.score for result in plain)[6]
    found = model.classify(texts, threshold=limit)
    assert [one.label for one in found] == [
        one.label if one.score >= limit else "" for one in plain
    ]
    assert 0 < sum(not one.label for one in found) < 12
    logits = {one: np.log(list(result.scores.values())) for one, result in enumerate(plain)}
    again = TextClassifier.from_preset("tiny", tokenizer, labels=LABELS, temperature=4)
    again.network.set_weights(model.network.get_weights())
    for number, result in enumerate(again.classify(texts)):
        softer = np.exp(logits[number] / 4)
        expected = softer / softer.sum()
        np.testing.assert_allclose(list(result.scores.values()), expected, atol=1e-4)
    with pytest.raises(ValueError, match="temperature=0"):
        TextClassifier.from_preset("tiny", tokenizer, labels=LABELS, temperature=0)


def test_wrong_calls(learned):
    model, _ = learned
    for texts in ("drum", b"drum", ["drum", None], [b"drum"], [["drum"]], iter(["drum"])):
        with pytest.raises(TypeError, match="texts expected a list of str. Received"):
            model.classify(texts)
    with pytest.raises(ValueError, match="positive integer. Received: batch_size=0"):
        model.classify(["drum"], batch_size=0)
    with pytest.raises(ValueError, match="from 0 to 1. Received: threshold=2"):
        model.classify([], threshold=2)
    with pytest.raises(ValueError, match="one of 'tiny', 'small', 'book'. Received: preset='big'"):
        TextClassifier.from_preset("big", model.tokenizer, labels=LABELS)


@pytest.mark.parametrize(("ngram_buckets", "longest"), [(0, 6), (50, 9)])
def test_what_is_cut_is_flagged(tokenizer, ngram_buckets, longest):
    arguments = {"ngram_buckets": ngram_buckets, "ngram_sequence_length": 9}
    model = TextClassifier.from_preset(
        "tiny", tokenizer, labels=["a", "b"], sequence_length=6, **arguments
    )
    # One place is the end's.
    texts = tf.constant([" ".join(["word1"] * count) for count in (longest - 1, longest, 0)])
    outputs = model.signatures()["serving_default"][0](texts)
    assert outputs["truncated"].numpy().tolist() == [False, True, False]


def test_a_temperature_counts_from_when_it_is_set(tokenizer, tmp_path):
    model = TextClassifier.from_preset("tiny", tokenizer, labels=LABELS)
    model.save(tmp_path / "model.keras")
    (before,) = model.classify(["good film"])
    model.temperature = 7
    assert model.origin is None
    (after,) = model.classify(["good film"])
    logits = np.log(list(before.scores.values())) / 7
    expected = np.exp(logits) / np.exp(logits).sum()
    np.testing.assert_allclose(list(after.scores.values()), expected, rtol=1e-4)
    for wrong in (0, -1.0, float("inf"), float("nan")):
        with pytest.raises(ValueError, match="temperature expected a positive number"):
            model.temperature = wrong
    assert model.temperature == 7.0
