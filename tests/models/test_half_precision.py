"""Model files in half precision: half as large, loaded in float32, with the rounded weights."""

import numpy as np
import pytest

from keras_tx.models import Backbone, SentimentClassifier, load
from keras_tx.models.half_precision import halve_weights
from keras_tx.text import WordTokenizer

TEXTS = ["the heron waits by the pond", "a reed in a pond"]


@pytest.fixture
def classifier():
    tokenizer = WordTokenizer().fit(TEXTS)
    backbone = Backbone(tokenizer, embed_dim=64, dense_dim=128, num_heads=2, num_layers=2)
    return SentimentClassifier.from_backbone(backbone, ngram_buckets=64, ngram_dtype="float16")


def test_half_the_bytes_and_rounded_weights(classifier, tmp_path):
    classifier.save(tmp_path / "whole.keras")
    classifier.save(tmp_path / "half.keras", weights="float16")
    whole, half = ((tmp_path / name).stat().st_size for name in ("whole.keras", "half.keras"))
    weights = sum(
        w.value.numpy().nbytes for w in classifier.network.weights if w.dtype == "float32"
    )
    assert whole - half == pytest.approx(weights / 2, rel=0.02)
    loaded = load(tmp_path / "half.keras")
    for before, after in zip(classifier.weights, loaded.weights, strict=True):
        assert before.dtype == after.dtype
        expected = np.asarray(before)
        if before.dtype == "float32":
            expected = expected.astype("float16").astype("float32")
        np.testing.assert_array_equal(np.asarray(after), expected)
    ours, theirs = (model.classify(TEXTS)[0].score for model in (classifier, loaded))
    assert ours == pytest.approx(theirs, abs=1e-3)


def test_what_is_loaded_is_as_good_a_model(classifier, tmp_path):
    classifier.save(tmp_path / "half.keras", weights="float16")
    first = load(tmp_path / "half.keras")
    first.save(tmp_path / "again.keras")
    first.save(tmp_path / "half_again.keras", weights="float16")
    for name in ("again.keras", "half_again.keras"):
        assert load(tmp_path / name).classify(TEXTS) == first.classify(TEXTS)


def test_only_the_file_with_the_very_weights_is_the_origin(classifier, tmp_path):
    classifier.save(tmp_path / "whole.keras")
    assert classifier.origin == str(tmp_path / "whole.keras")
    classifier.save(tmp_path / "half.keras", weights="float16")
    assert classifier.origin == str(tmp_path / "whole.keras")
    classifier.save(tmp_path / "whole.keras", weights="float16")
    assert classifier.origin is None
    assert load(tmp_path / "half.keras").origin == str(tmp_path / "half.keras")


@pytest.mark.parametrize("value", [70_000.0, float("inf"), float("nan")])
def test_what_does_not_fit(classifier, tmp_path, value):
    classifier.save(tmp_path / "model.keras", weights="float16")
    before = (tmp_path / "model.keras").read_bytes()
    kernel = classifier.network.get_layer("logits").kernel
    kernel.assign(np.full(kernel.shape, value))
    with pytest.raises(ValueError, match="weights expected numbers up to 65504 in half precision"):
        classifier.save(tmp_path / "model.keras", weights="float16")
    assert (tmp_path / "model.keras").read_bytes() == before
    assert [path.name for path in tmp_path.iterdir()] == ["model.keras"]


def test_other_precisions(classifier, tmp_path):
    with pytest.raises(ValueError, match="weights expected one of .* Received: weights='int3'"):
        classifier.save(tmp_path / "model.keras", weights="int3")
    assert not list(tmp_path.iterdir())


def test_a_file_that_is_no_archive(tmp_path):
    (tmp_path / "x.keras").write_bytes(b"x")
    with pytest.raises(Exception, match="not a zip file"):
        halve_weights(tmp_path / "x.keras")
