"""Explanations: complete, about the right words, the same in every batch and in the export."""

import keras
import keras_hub
import numpy as np
import pytest
import tensorflow as tf

from keras_tx.data import LabelledTexts
from keras_tx.models import Backbone, SentimentClassifier, TextClassifier
from keras_tx.models.attribution import attributed
from keras_tx.text import SentencePieceTokenizer, WordTokenizer

FILLERS = [f"word{number}" for number in range(20)]
SIGNS = {"calm": "pond", "loud": "drum", "sour": "lemon"}
TEXTS = ["word1 drum word2", "pond", "", "word3 " * 12 + "lemon word4", "word5 word6 word7"]
TINY = {"embed_dim": 16, "dense_dim": 24, "num_heads": 2, "num_layers": 1}


@pytest.fixture(scope="module")
def tokenizer():
    return WordTokenizer().fit([*FILLERS, *SIGNS.values()])


def randomized(model, scale=0.3):
    generator = np.random.default_rng(1)
    for weight in model.network.weights:
        if "float" in str(weight.dtype):
            weight.assign(generator.normal(scale=scale, size=weight.shape))
    return model


def plain(tokenizer):
    return TextClassifier(tokenizer, list(SIGNS), 32, **TINY)


def wide(tokenizer):
    # Of more than 8 tokens the encoder reads head and tail, the n-grams all.
    return SentimentClassifier(tokenizer, sequence_length=8, ngram_buckets=500, **TINY)


def several(tokenizer):
    return TextClassifier(tokenizer, list(SIGNS), 32, multi_label=True, **TINY)


def from_backbone(tokenizer):
    backbone = Backbone(tokenizer, 8, **TINY)
    return TextClassifier.from_backbone(backbone, labels=list(SIGNS), ngram_buckets=500)


def from_bert(tokenizer):
    size = tokenizer.vocabulary_size + 1
    encoder = keras_hub.models.BertBackbone(size, 1, 2, 16, 24, max_sequence_length=8)
    return SentimentClassifier.from_backbone(Backbone(tokenizer, 8, encoder=encoder))


@pytest.fixture(scope="module", params=[plain, wide, several, from_backbone, from_bert])
def model(request, tokenizer):
    return randomized(request.param(tokenizer))


def test_they_are_complete(model):
    for text, found in zip(TEXTS, model.explain(TEXTS), strict=True):
        difference = found.logit - found.baseline_logit
        assert abs(found.residual) <= 0.01 * max(1.0, abs(difference))
        total = sum(found.attributions)
        assert total == pytest.approx(difference - found.residual, abs=1e-4)
        assert len(found.tokens) == len(found.attributions) == len(text.split())


def test_the_logit_is_the_network_s_and_the_score_the_classifier_s(model):
    ids, _ = model.pack_whole(tf.constant(TEXTS))
    logits = np.asarray(model.network(ids))
    results = model.classify(TEXTS)
    for found, row, result in zip(model.explain(TEXTS), logits, results, strict=True):
        assert found.logit == pytest.approx(row.max(), abs=1e-4)
        assert found.label == model.labels[int(row.argmax())]
        assert found.score == pytest.approx(result.scores[found.label], abs=1e-5)


def test_without_tokens_there_is_nothing_to_explain(model):
    (found,) = model.explain([""])
    assert found.tokens == [] and found.attributions == []
    assert found.logit == pytest.approx(found.baseline_logit, abs=1e-4)


def test_a_batch_of_one_is_the_same_text_among_many(model):
    together = model.explain(TEXTS, batch_size=5)
    for text, expected in zip(TEXTS, together, strict=True):
        (alone,) = model.explain([text])
        assert alone.tokens == expected.tokens
        np.testing.assert_allclose(alone.attributions, expected.attributions, atol=1e-4)


def test_the_signature_gives_the_same(model):
    assert "explain" in model.signatures()
    outputs = model._graph("explain")(tf.constant(TEXTS))  # What is exported.
    assert {value.shape[0] for value in outputs.values()} == {len(TEXTS)}
    assert outputs["lengths"].numpy().tolist() == [len(text.split()) for text in TEXTS]
    for row, found in enumerate(model.explain(TEXTS)):
        length = len(found.tokens)
        tokens = [token.decode() for token in outputs["tokens"][row].numpy()]
        assert tokens[:length] == found.tokens and set(tokens[length:]) <= {""}
        attributions = outputs["attributions"][row].numpy()
        np.testing.assert_allclose(attributions[:length], found.attributions, atol=1e-4)
        assert not attributions[length:].any()


def test_the_graph_has_no_python_in_it(model):
    definition = model._graph("explain").get_concrete_function().graph.as_graph_def()
    nodes = [*definition.node, *(n for f in definition.library.function for n in f.node_def)]
    operations = {node.op for node in nodes}
    assert "StatelessWhile" in operations or "While" in operations
    assert not {name for name in operations if "PyFunc" in name or "Xla" in name}


def test_another_label_can_be_asked_for(tokenizer):
    model = randomized(plain(tokenizer))
    own = [found.label for found in model.explain(TEXTS)]
    found = model.explain(TEXTS, label="sour")
    assert {explanation.label for explanation in found} == {"sour"} != set(own)
    ids, _ = model.pack_whole(tf.constant(TEXTS))
    logits = np.asarray(model.network(ids))[:, 2]
    np.testing.assert_allclose([one.logit for one in found], logits, atol=1e-4)
    assert all(abs(one.residual) <= 0.01 * max(1, abs(one.logit - one.baseline_logit))
               for one in found)  # fmt: skip
    with pytest.raises(ValueError, match="label expected one of .* Received: label='none'"):
        model.explain(TEXTS, label="none")


def test_where_tokens_do_not_count_nothing_is_given_to_them(tokenizer):
    model = randomized(plain(tokenizer))
    norm = model.network.get_layer("encoder_norm")
    norm.set_weights([np.zeros_like(norm.gamma), np.array(norm.beta)])
    (found,) = model.explain(["drum word1"])
    assert found.attributions == [0.0, 0.0]
    assert found.logit == pytest.approx(found.baseline_logit, abs=1e-5)


def test_more_points_bring_the_sum_nearer(tokenizer):
    model = randomized(plain(tokenizer), scale=0.6)
    errors = []
    for steps in (1, 8, 32):
        found = attributed(model, tf.constant(TEXTS[:2]), steps=steps)
        total = tf.reduce_sum(found["attributions"], axis=1)
        errors.append(float(tf.reduce_max(abs(found["logit"] - found["baseline_logit"] - total))))
    assert errors[2] < errors[1] < errors[0]


def test_a_trained_classifier_points_at_the_telling_word(tokenizer):
    generator, texts, labels = np.random.default_rng(0), [], []
    for _ in range(240):
        label = int(generator.integers(3))
        words = generator.choice(FILLERS, generator.integers(2, 8)).tolist()
        words.insert(int(generator.integers(len(words) + 1)), [*SIGNS.values()][label])
        texts.append(" ".join(words))
        labels.append(label)
    keras.utils.set_random_seed(0)
    model = TextClassifier.from_preset("tiny", tokenizer, labels=list(SIGNS), sequence_length=16)
    examples = LabelledTexts(texts, labels, tuple(SIGNS))
    model.fit(
        examples, examples, epochs=15, tokens_per_batch=256, learning_rate=1e-2,
        warmup_steps=10, progress=False,
    )  # fmt: skip
    found = model.explain(texts[:60])
    telling = [e.tokens[int(np.argmax(e.attributions))] in SIGNS.values() for e in found]
    assert np.mean(telling) > 0.9
    assert all(abs(e.residual) <= 0.01 * max(1, abs(e.logit - e.baseline_logit)) for e in found)


def test_pieces_of_words_and_odd_texts():
    tokenizer = SentencePieceTokenizer(vocabulary_size=300).fit([" ".join(FILLERS), "drum horn"])
    model = randomized(SentimentClassifier.from_preset("tiny", tokenizer, ngram_buckets=300))
    texts = ["drum horn", " ", "🙂", "\ud800 lone", "a" * 3000]
    for found in model.explain(texts):
        assert np.isfinite(found.attributions).all()
    assert "".join(model.explain(["drum horn"])[0].tokens) == "▁drum▁horn"
    with pytest.raises(TypeError, match="expected a list of str"):
        model.explain("drum")
