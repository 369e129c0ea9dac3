"""The translator as one thing: it learns, is saved with its options, and has exported functions."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_tx.data import SentencePairs
from keras_tx.models import DecodingOptions, Translator, load
from keras_tx.serving import check_export
from keras_tx.serving.inspection import operation_problems, read_graph
from keras_tx.text import WordTokenizer


def test_it_learns_a_handful_of_pairs_by_heart(learned_translator, pairs):
    model, history = learned_translator
    assert history[-1]["val_loss"] < 0.05
    for beam_size in (1, 4):
        assert model.translate(pairs.sources, beam_size=beam_size) == pairs.targets


@pytest.fixture(scope="module")
def copier():
    """A translator that has learned to copy: word for word, each from its own place."""
    words = [f"word{number}" for number in range(12)]
    generator = np.random.default_rng(0)
    texts = [" ".join(generator.choice(words, generator.integers(2, 7))) for _ in range(400)]
    keras.utils.set_random_seed(1)
    model = Translator.from_preset("tiny", WordTokenizer().fit(words), sequence_length=10)
    pairs = SentencePairs(texts, texts)
    model.fit(
        pairs,
        pairs.take(range(20)),
        epochs=40,
        tokens_per_batch=512,
        learning_rate=1e-2,
        warmup_steps=40,
        label_smoothing=0.0,
        progress=False,
        average=None,
    )
    return model


def test_a_copy_is_aligned_along_the_diagonal(copier):
    texts = ["word3 word1 word7 word2", "word5 word0 word9 word4 word11 word8", "word6 word10"]
    assert copier.translate(texts) == texts
    right = total = 0
    for text, alignment in zip(texts, copier.align(texts), strict=True):
        assert alignment.target_tokens == alignment.source_tokens == text.split()
        right += sum(source == target for source, target in alignment.pairs())
        total += len(text.split())
    assert right >= 0.9 * total


@pytest.fixture(scope="module")
def greedy_by_default(random_translator):
    return random_translator(seed=3, decoding={"beam_size": 1, "max_length": 5})


def test_its_options_are_how_it_searches(greedy_by_default, random_translator, sentences):
    texts = sentences(4)
    other = random_translator(seed=3)
    assert greedy_by_default.decoding == DecodingOptions(beam_size=1, max_length=5)
    assert other.decoding == DecodingOptions()
    expected = other.translate(texts, beam_size=1, max_length=5)
    assert greedy_by_default.translate(texts) == expected
    given = random_translator(seed=3, decoding=DecodingOptions(beam_size=1, max_length=5))
    assert given.translate(texts) == expected


def test_options_are_saved_with_the_model(greedy_by_default, sentences, tmp_path):
    greedy_by_default.save(tmp_path / "model.keras")
    loaded = load(tmp_path / "model.keras")
    assert loaded.decoding == greedy_by_default.decoding
    assert loaded.translate(sentences(4)) == greedy_by_default.translate(sentences(4))


def test_an_older_file_without_options_has_the_usual_ones(greedy_by_default):
    config = greedy_by_default.get_config()
    assert config.pop("decoding")["max_length"] == 5
    assert Translator.from_config(config).decoding == DecodingOptions()


def test_wrong_options_of_a_translator(random_translator):
    with pytest.raises(ValueError, match="beam_size expected .* Received: beam_size=0"):
        random_translator(decoding={"beam_size": 0})
    with pytest.raises(ValueError, match="integer from 2 on. Received: sequence_length=1"):
        random_translator(sequence_length=1)
    with pytest.raises(ValueError, match="one of 'tiny', 'small', 'base'. Received: preset='big'"):
        Translator.from_preset("big", random_translator().tokenizer)


def test_the_exported_functions_are_the_methods(learned_translator, pairs):
    model, _ = learned_translator
    texts = [*pairs.sources, "", "zebra 7", "THE DOG SLEEPS", "THE DOG SLEEPS"]
    translations = [*pairs.targets, "", "un chien", "LE CHIEN DORT", "le chien dort"]
    signatures = model.signatures()
    assert set(signatures) == {"serving_default", "n_best", "score", "align"}
    outputs = {}
    for name, (function, specification) in signatures.items():
        assert all(one.dtype == tf.string and one.shape == [None] for one in specification)
        graph = tf.function(function, input_signature=specification, autograph=False)
        inputs = {"text": texts, "translation": translations}
        inputs = [tf.constant(inputs[one.name]) for one in specification]
        outputs[name] = {key: value.numpy() for key, value in graph(*inputs).items()}
        for value in outputs[name].values():
            assert len(value) == len(texts)  # The first dimension of all is the batch.
    best = outputs["serving_default"]
    assert [text.decode() for text in best["translation"]] == model.translate(texts)

    expected = model.translate_n_best(texts, 4)
    found = outputs["n_best"]
    assert found["translations"].shape == (len(texts), 4)
    for row, hypotheses in enumerate(expected):
        count = len(hypotheses)
        strings = [text.decode() for text in found["translations"][row]]
        assert strings == [one.text for one in hypotheses] + [""] * (4 - count)
        scores = [one.score for one in hypotheses] + [-1e9] * (4 - count)
        np.testing.assert_allclose(found["scores"][row], scores, rtol=1e-3, atol=1e-3)
    # The score of `serving_default` is the log-probability of the best one.
    sums = [hypotheses[0].log_probability for hypotheses in expected]
    np.testing.assert_allclose(best["score"], sums, rtol=1e-3, atol=1e-3)

    scores = [one.log_probability for one in model.score(texts, translations)]
    np.testing.assert_allclose(outputs["score"]["score"], scores, rtol=1e-3, atol=1e-3)
    for row, alignment in enumerate(model.align(texts, translations)):
        target, source = alignment.weights.shape
        weights = outputs["align"]["alignment"][row]
        np.testing.assert_allclose(weights[:target, :source], alignment.weights, atol=1e-4)
        assert outputs["align"]["target_lengths"][row] == target


def test_what_is_in_capitals_is_read_in_lower_case(learned_translator):
    model, _ = learned_translator
    known, capitals = ["The sea is blue.", "a dog"], ["THE SEA IS BLUE.", "a dog"]
    upper = [model.translate(known)[0].upper(), "un chien"]
    assert model.translate(capitals) == upper == ["LA MER EST BLEUE.", "un chien"]
    assert model.translate(capitals, lower_capitals=False)[0] != upper[0]
    best = model.translate_n_best(capitals, 2)[0]
    assert [one.text for one in best] == [
        one.text.upper() for one in model.translate_n_best(known, 2)[0]
    ]
    # Its own translation is as probable as it said.
    (score,) = model.score(capitals[:1], upper[:1])
    assert score.log_probability == pytest.approx(best[0].log_probability, abs=1e-4)
    assert model.align(capitals)[0].source_tokens == model.align(known)[0].source_tokens
    # A prefix may be in capitals too, or not.
    for prefix in ("LA MER", "La mer"):
        assert model.translate(capitals[:1], prefixes=[prefix]) == upper[:1]


def test_long_pairs_are_left_out_of_training(random_translator):
    tokenizer = random_translator().tokenizer
    model = Translator.from_preset("tiny", tokenizer, sequence_length=4)
    fits, long = "word1 word2 word3", "word1 word2 word3 word4"  # An end comes to each.
    pairs = SentencePairs([fits, long, fits, "word5"], [fits, fits, long, "word5"])
    arguments = {"epochs": 1, "tokens_per_batch": 1, "progress": False}  # One pair a batch
    assert model.fit(pairs, pairs, **arguments)[-1]["step"] == 2
    with pytest.raises(ValueError, match="one with no more than 4 tokens on either side. Received"):
        model.fit(pairs.take([1, 2]), pairs, **arguments)


def test_half_precision_training_leaves_a_float32_model(random_translator, sentences):
    model = random_translator()
    before = model.network.get_weights()[0].copy()
    pairs = SentencePairs(sentences(3), sentences(3, seed=1))
    model.fit(pairs, pairs, epochs=1, precision="mixed_bfloat16", progress=False)
    assert {str(weight.dtype) for weight in model.weights} == {"float32"}
    assert model.network.get_layer("decoder_0").compute_dtype == "float32"
    assert np.abs(model.network.get_weights()[0] - before).max() > 1e-6


def test_a_drawn_translation_is_not_served(random_translator, tmp_path):
    model = random_translator(decoding={"beam_size": 1, "temperature": 0.5})
    with pytest.raises(ValueError, match="expected decoding options that search.*=0.5"):
        model.export(tmp_path / "model")
    assert not (tmp_path / "model").exists()


def test_an_export_for_xla(random_translator, tmp_path):
    # Greedy, and of one bucket of lengths: less to compile.
    options = {"beam_size": 1}
    model = random_translator(seed=3, favoured=3, sequence_length=16, decoding=options)
    path = model.export(tmp_path / "model", warm_up=False, xla=True)
    report = check_export(path, model)
    assert report.problems == [] and report.probes
    assert model.decoding == DecodingOptions(**options)
    # A server without XLA could not run it.
    (problem, *_) = operation_problems(read_graph(path))
    assert "need XLA" in problem
    with pytest.raises(ValueError, match="runtime expected 'python' .*Received: runtime='c'"):
        check_export(path, model, runtime="c")


def test_what_is_compiled_here_is_portable_when_exported(random_translator, tmp_path):
    model = random_translator(decoding={"beam_size": 1, "jit_compile": True})
    path = model.export(tmp_path / "model", warm_up=False)
    assert operation_problems(read_graph(path)) == []
