"""Models that compute in bfloat16: near the same model in float32, and for running alone."""

import json
import os
import subprocess
import sys

import keras
import numpy as np
import pytest

import keras_tx
from keras_tx.models import (
    Backbone,
    SentimentClassifier,
    deeper_translator,
    load,
    translator_ensemble,
)
from keras_tx.models.computing_precision import building_in, require_whole_weights
from keras_tx.serving import check_export, read_facts
from keras_tx.text import WordTokenizer

# Numbers of 8 bits are rounded by at most 1/256 of themselves, in each of many steps.
NEAR = 0.05


@pytest.fixture(scope="module")
def both(learned_translator, tmp_path_factory):
    """The learned translator in float32, and in bfloat16."""
    path = tmp_path_factory.mktemp("models") / "learned.keras"
    learned_translator[0].save(path)
    return load(path), load(path, precision="bfloat16")


def assert_floats_are_wide(model):
    """What comes out of a signature is float32: no client has to know of bfloat16."""
    for function, specification in model.signatures().values():
        outputs = function(*[np.array(["the dog sleeps", ""])] * len(specification))
        assert {o.dtype.name for o in outputs.values() if o.dtype.is_floating} <= {"float32"}


def test_keras_own_setting_comes_back(both):
    # Those of the normalizations stay as they are.
    kinds = {"norm" in weight.path: weight.dtype for weight in both[1].network.weights}
    assert kinds == {False: "bfloat16", True: "float32"}
    assert {weight.dtype for weight in both[0].network.weights} == {"float32"}
    former = keras.config.dtype_policy().name
    with pytest.raises(KeyError), building_in("bfloat16"):
        raise KeyError
    assert keras.config.dtype_policy().name == former
    with building_in(None):
        assert keras.config.dtype_policy().name == former


def test_weights_are_the_nearest_numbers(both):
    for whole, rounded in zip(*(model.network.weights for model in both), strict=True):
        whole, rounded = np.array(whole), np.array(rounded).astype("float32")
        assert np.all(np.abs(whole - rounded) <= np.abs(whole) / 256)
    assert any(np.any(np.array(w) != np.array(r).astype("float32")) for w, r in zip(
        *(model.network.weights for model in both), strict=True))  # fmt: skip


def test_a_translator_finds_the_same(both, pairs):
    for options in ({"beam_size": 1}, {"beam_size": 3}):
        assert both[1].translate(pairs.sources, **options) == pairs.targets
    # What ranks what all but equals it, and what is drawn, may differ here and there.
    for options in ({"coverage_penalty": 0.2}, {"temperature": 0.5, "top_k": 2, "seed": 3}):
        whole, rounded = (model.translate(pairs.sources, **options) for model in both)
        assert sum(map(str.__eq__, whole, rounded)) >= len(pairs) - 2
    whole, rounded = (
        [one.log_probability for one in model.score(pairs.sources, pairs.targets)] for model in both
    )
    assert np.allclose(whole, rounded, atol=NEAR) and whole != rounded
    hypotheses = both[1].translate_n_best(pairs.sources, 2)
    found = [best[0].log_probability for best in hypotheses]
    assert np.allclose(found, rounded, atol=NEAR)
    pairs_of = [model.align(pairs.sources[:2], pairs.targets[:2]) for model in both]
    assert [a.pairs() for a in pairs_of[0]] == [a.pairs() for a in pairs_of[1]]
    assert_floats_are_wide(both[1])


RUN = """
import json, sys, keras_tx
texts, *paths = json.loads(sys.stdin.read())
models = [keras_tx.load(path, precision="bfloat16") for path in paths]
found = [model.translate(texts, beam_size=beam) for beam in (1, 3) for model in models * 2]
print(json.dumps(found))
"""


def test_kernels_that_keep_their_weights_change_nothing(both, pairs, tmp_path):
    """Also where models of one shape, but with other weights, take turns in a process."""
    paths = [str(tmp_path / name) for name in ("first.keras", "second.keras")]
    both[0].save(paths[0])
    other = load(paths[0])
    other.network.set_weights([0.7 * value for value in other.network.get_weights()])
    other.save(paths[1])
    found = []
    for told in ("0", "1"):
        settings = {"TF_ONEDNN_ASSUME_FROZEN_WEIGHTS": told, "TF_ENABLE_ONEDNN_OPTS": "1"}
        process = subprocess.run(
            [sys.executable, "-c", RUN], input=json.dumps([pairs.sources, *paths]), text=True,
            env={**os.environ, **settings}, capture_output=True,
        )  # fmt: skip
        assert process.returncode == 0, process.stderr[-500:]
        found.append(json.loads(process.stdout.splitlines()[-1]))
    assert found[0] == found[1]
    for first, second, *again in (found[1][:4], found[1][4:]):
        assert first == pairs.targets != second and again == [first, second]


def test_xla_finds_the_same(both, pairs):
    assert both[1].translate(pairs.sources[:4], jit_compile=True) == pairs.targets[:4]


def test_an_ensemble(both, pairs, tmp_path):
    translator_ensemble([both[0], both[0]]).save(tmp_path / "two.keras")
    ensemble = load(tmp_path / "two.keras", precision="bfloat16")
    assert ensemble.translate(pairs.sources) == pairs.targets
    assert_floats_are_wide(ensemble)


def test_a_classifier(ordered_classifier, ordered_reviews, tmp_path):
    """With n-grams, whose scores are not rounded."""
    classifier = ordered_classifier()
    classifier.fit_ngrams(ordered_reviews(200, 0))
    generator = np.random.default_rng(0)
    for weight in classifier.network.trainable_variables:
        weight.assign(weight + generator.normal(scale=0.05, size=weight.shape))
    classifier.save(tmp_path / "model.keras")
    rounded = load(tmp_path / "model.keras", precision="bfloat16")
    texts = ordered_reviews(40, 1).texts
    found = [
        [[one.scores["positive"] for one in model.classify(texts)],
         [sum(one.attributions) for one in model.explain(texts[:4])],
         [one.logit for one in model.explain(texts[:4])]]
        for model in (classifier, rounded)
    ]  # fmt: skip
    for whole, near in zip(*found, strict=True):
        assert np.allclose(whole, near, atol=NEAR) and whole != near
    assert_floats_are_wide(rounded)


def test_a_backbone(tmp_path):
    tokenizer = WordTokenizer().fit(["the dog sleeps"])
    backbone = Backbone(tokenizer, embed_dim=16, dense_dim=32, num_heads=2, num_layers=1)
    backbone.save(tmp_path / "backbone.keras")
    rounded = load(tmp_path / "backbone.keras", precision="bfloat16")
    whole, near = (model.embed(["the dog", "sleeps"]) for model in (backbone, rounded))
    assert near.dtype == "float32" and np.allclose(whole, near, atol=NEAR)
    assert_floats_are_wide(rounded)


@pytest.mark.parametrize("purpose", ["training", "save", "export to ctranslate2"])
def test_what_rounded_weights_are_not_for(both, pairs, tmp_path, purpose):
    calls = {
        "training": lambda model: model.fit(pairs, pairs, epochs=1, progress=False),
        "save": lambda model: model.save(tmp_path / "x.keras"),
        "export to ctranslate2": lambda model: model.export(tmp_path / "x", "ctranslate2"),
    }
    message = f"^{purpose} expected a model loaded in float32. Received: one in bfloat16"
    with pytest.raises(ValueError, match=message):
        calls[purpose](both[1])
    assert not list(tmp_path.iterdir())
    require_whole_weights(both[0].network, purpose)


def test_nothing_whole_is_made_of_rounded_weights(both, tmp_path):
    path = tmp_path / "classifier.keras"
    SentimentClassifier.from_preset("tiny", WordTokenizer().fit(["good"])).save(path)
    for make, model in (
        (deeper_translator, both[1]),
        (lambda model: translator_ensemble([model, model]), both[1]),
        (SentimentClassifier.from_backbone, load(path, precision="bfloat16")),
    ):
        with pytest.raises(ValueError, match="loaded in float32. Received: one in bfloat16"):
            make(model)


def test_an_export_computes_in_it_too(both, pairs, tmp_path):
    directory = both[1].export(tmp_path / "exported", warm_up=False)
    assert read_facts(directory)["precision"] == "bfloat16"
    report = check_export(directory, both[1], sentences=pairs.sources)
    assert (report.passed, report.problems, report.sentences) == (True, [], len(pairs))
    assert "precision" not in read_facts(both[0].export(tmp_path / "other", warm_up=False))
    # Half of the bytes: of each weight, two in place of four.
    sizes = [
        sum(file.stat().st_size for file in (tmp_path / name / "1" / "variables").iterdir())
        for name in ("exported", "other")
    ]
    assert sizes[0] < 0.6 * sizes[1]
    with pytest.raises(ValueError, match="weights expected 'float32', as they are, .*'int8'"):
        both[1].export(tmp_path / "small", weights="int8")
    assert not (tmp_path / "small").exists()


def test_unknown_precisions(tmp_path):
    path = tmp_path / "model.keras"
    tokenizer = WordTokenizer().fit(["a"])
    SentimentClassifier.from_preset("tiny", tokenizer).save(path)
    for precision in ("float16", "half", 16):
        with pytest.raises(ValueError, match="precision expected one of .*Received: precision="):
            keras_tx.load(path, precision=precision)


def test_a_translator_in_mixed_half_precision(both, tmp_path, pairs):
    both[0].save(tmp_path / "model.keras")
    former = keras.config.dtype_policy()
    try:
        keras.config.set_dtype_policy("mixed_float16")
        half = load(tmp_path / "model.keras")
    finally:
        keras.config.set_dtype_policy(former)
    assert half.network.compute_dtype == "float16"
    for options in ({"beam_size": 1}, {"beam_size": 3}):
        assert half.translate(pairs.sources[:4], **options) == pairs.targets[:4]
