"""The translator from strings to strings: it learns; cached is uncached; the batch is no matter."""

import doctest

import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_tx.data import SentencePairs
from keras_tx.models import Translator, translator
from keras_tx.text import SentencePieceTokenizer, WordTokenizer

PAIRS = SentencePairs(
    ["a dog", "the dog sleeps", "the cat sleeps", "a cat eats fish", "The sea is blue.",
     "is the sea blue?", "we eat", "we eat fish and the cat sleeps", "red boat", "blue boat",
     "the red boat sleeps", "and we sleep"],
    ["un chien", "le chien dort", "le chat dort", "un chat mange du poisson",
     "La mer est bleue.", "la mer est-elle bleue ?", "nous mangeons",
     "nous mangeons du poisson et le chat dort", "bateau rouge", "bateau bleu",
     "le bateau rouge dort", "et nous dormons"],
)  # fmt: skip
WORDS = [f"word{number}" for number in range(30)]
ODD = ["", " ", "\t\n ", "\x00", "🙂🙂", "\ud800 lone", "the\x00dog", "né à 北京", "a" * 100_000]


@pytest.fixture(scope="module")
def learned():
    tokenizer = SentencePieceTokenizer(vocabulary_size=320).fit([*PAIRS.sources, *PAIRS.targets])
    keras.utils.set_random_seed(0)
    model = Translator.from_preset("tiny", tokenizer, sequence_length=64)
    history = model.fit(
        PAIRS,
        PAIRS,
        epochs=120,
        tokens_per_batch=512,
        learning_rate=1e-2,
        warmup_steps=20,
        label_smoothing=0.0,
        steps_per_round=60,
        average=None,
        progress=False,
    )
    return model, history


def random_translator(seed=0, separate=False, **network):
    """Random weights that say much: ids repeat seldom, rows end at different lengths.

    Each id is a word of its own, so that equal strings are equal ids.
    """
    tokenizer = WordTokenizer().fit(WORDS)
    target = WordTokenizer().fit([f"mot{number}" for number in range(25)]) if separate else None
    model = Translator(
        tokenizer,
        target,
        sequence_length=18,
        embed_dim=16,
        dense_dim=24,
        num_heads=2,
        num_encoder_layers=1,
        num_decoder_layers=2,
        **network,
    )
    generator = np.random.default_rng(seed)
    for weight in model.network.trainable_variables:
        weight.assign(generator.normal(scale=0.5, size=weight.shape))
    return model


def sentences(count, seed=0):
    generator = np.random.default_rng(seed)
    sizes = [1, 14, 4, 30, 2, 9, 3, 6][:count]
    return [" ".join(generator.choice(WORDS, size)) for size in sizes]


def uncached(model, text):
    """The whole network again for each token: ids, and the sum of their log-probabilities."""
    tokenizer = model.target_tokenizer or model.tokenizer
    ids = model.tokenizer.tokenize([text]).to_list()[0]
    source = np.array([[*ids[: model.sequence_length - 1], model.tokenizer.end_id]])
    target, score = [tokenizer.start_id], 0.0
    for _ in range(min(2 * source.shape[1] + 10, model.sequence_length)):
        logits = np.array(model.network([source, np.array([target])]))[0, -1]
        target.append(3 + int(np.argmax(logits[3:])))  # Never padding, unknown or start.
        score += logits[target[-1]] - np.log(np.sum(np.exp(logits)))
        if target[-1] == tokenizer.end_id:
            break
    return target[1:], score


def graph_outputs(model, texts):
    outputs = model._graph("serving_default")(tf.constant(texts))
    strings = [text.decode() for text in outputs["translation"].numpy()]
    return strings, outputs["score"].numpy()


def test_doctests():
    assert doctest.testmod(translator).failed == 0


def test_it_learns_a_handful_of_pairs_by_heart(learned):
    model, history = learned
    assert history[-1]["val_loss"] < 0.05
    assert model.translate(PAIRS.sources) == PAIRS.targets


@pytest.mark.parametrize(
    "arguments",
    [
        {"norm_first": True, "positions": "sinusoidal"},
        {"norm_first": False, "positions": "learned", "separate": True},
        {"norm_first": True, "positions": "learned"},
        {"norm_first": False, "positions": "sinusoidal", "separate": True},
    ],
)
def test_cached_is_uncached_token_for_token(arguments):
    model = random_translator(**arguments)
    texts = sentences(6)
    strings, scores = graph_outputs(model, texts)
    tokenizer = model.target_tokenizer or model.tokenizer
    for text, string, score in zip(texts, strings, scores, strict=True):
        ids, expected = uncached(model, text)
        assert string == tokenizer.detokenize([ids]).numpy()[0].decode()
        assert len(string.split()) == len([token for token in ids if token not in (2, 3)])
        np.testing.assert_allclose(score, expected, atol=1e-3)
    assert len(set(strings)) > 1


def test_the_score_is_that_of_the_forced_translation(learned):
    model, _ = learned
    strings, scores = graph_outputs(model, PAIRS.sources)
    tokenizer = model.tokenizer
    for source, string, score in zip(PAIRS.sources, strings, scores, strict=True):
        source_ids = [*tokenizer.tokenize([source]).to_list()[0], tokenizer.end_id]
        # Spelt as the model spelt it: it learned the tokenizer's own spelling by heart.
        target = [tokenizer.start_id, *tokenizer.tokenize([string]).to_list()[0], tokenizer.end_id]
        logits = np.array(model.network([np.array([source_ids]), np.array([target[:-1]])]))[0]
        forced = logits - np.log(np.sum(np.exp(logits), axis=-1, keepdims=True))
        expected = forced[range(len(target) - 1), target[1:]].sum()
        np.testing.assert_allclose(score, expected, atol=1e-3)


def test_a_batch_of_one_is_the_same_sentence_among_many():
    model = random_translator(seed=4)
    texts = [*sentences(8), "", "word3 unseen"]
    strings, scores = graph_outputs(model, texts)
    assert len(set(strings)) > 4
    for text, expected, score in zip(texts, strings, scores, strict=True):
        (alone,), (alone_score,) = graph_outputs(model, [text])
        assert alone == expected
        np.testing.assert_allclose(alone_score, score, atol=1e-4)
    for batch_size in (1, 3, 100):  # Sorted by length inside; the order comes back.
        assert model.translate(texts, batch_size=batch_size) == strings


def test_the_exported_function_is_translate(learned):
    model, _ = learned
    function, specification = model.signatures()["serving_default"]
    texts = [*PAIRS.sources, "", "zebra 7"]
    outputs = tf.function(function, input_signature=specification)(tf.constant(texts))
    strings = [text.decode() for text in outputs["translation"].numpy()]
    assert strings == model.translate(texts)
    assert outputs["score"].shape == (len(texts),)


def test_odd_texts(learned):
    model, _ = learned
    found = model.translate(ODD)
    assert len(found) == len(ODD) and all(isinstance(text, str) for text in found)
    assert found[0] == ""
    assert model.translate([]) == []
    # Words leave nothing of white space: a text of no tokens, with random weights.
    assert random_translator().translate(["", "  \t", "word1"])[:2] == ["", ""]


def test_wrong_calls(learned):
    model, _ = learned
    for texts in ("dog", b"dog", ["dog", None], [b"dog"], [["dog"]]):
        with pytest.raises(TypeError, match="texts expected a list of str. Received"):
            model.translate(texts)
    with pytest.raises(ValueError, match="positive integer. Received: batch_size=-1"):
        model.translate(["dog"], batch_size=-1)
    with pytest.raises(ValueError, match="one of 'tiny', 'small', 'base'. Received: preset='big'"):
        Translator.from_preset("big", model.tokenizer)


def test_long_pairs_are_left_out_of_training():
    tokenizer = WordTokenizer().fit(WORDS)
    model = Translator.from_preset("tiny", tokenizer, sequence_length=4)
    fits, long = "word1 word2 word3", "word1 word2 word3 word4"  # An end comes to each.
    pairs = SentencePairs([fits, long, fits, "word5"], [fits, fits, long, "word5"])
    arguments = {"epochs": 1, "tokens_per_batch": 1, "progress": False}  # One pair a batch
    assert model.fit(pairs, pairs, **arguments)[-1]["step"] == 2
    with pytest.raises(ValueError, match="one with no more than 4 tokens on either side. Received"):
        model.fit(pairs.take([1, 2]), pairs, **arguments)


def test_half_precision_training_leaves_a_float32_model():
    model = random_translator()
    before = model.network.get_weights()[0].copy()
    pairs = SentencePairs(sentences(3), sentences(3, seed=1))
    model.fit(pairs, pairs, epochs=1, precision="mixed_bfloat16", progress=False)
    assert {str(weight.dtype) for weight in model.weights} == {"float32"}
    assert model.network.get_layer("decoder_0").compute_dtype == "float32"
    assert np.abs(model.network.get_weights()[0] - before).max() > 1e-6


def test_a_stopped_training_goes_on(tmp_path):
    class Stop(keras.callbacks.Callback):
        def on_train_batch_end(self, batch, logs=None):
            if int(self.model.optimizer.iterations) == 3:
                raise KeyboardInterrupt

    pairs = SentencePairs(sentences(8), sentences(8, seed=1))
    arguments = {"epochs": 3, "tokens_per_batch": 40, "progress": False, "seed": 5}
    expected = random_translator(dropout=0.3)
    expected.fit(pairs, pairs, **arguments)
    with pytest.raises(KeyboardInterrupt):
        random_translator(dropout=0.3).fit(
            pairs, pairs, directory=tmp_path, callbacks=[Stop()], **arguments
        )
    resumed = random_translator(seed=9, dropout=0.3)
    resumed.fit(pairs, pairs, directory=tmp_path, resume=True, **arguments)
    for one, other in zip(
        resumed.network.get_weights(), expected.network.get_weights(), strict=True
    ):
        np.testing.assert_array_equal(one, other)
