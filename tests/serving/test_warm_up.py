"""Warm-up requests: real sentences for each signature, in the server's own messages."""

import sys

import pytest
import tensorflow as tf

from keras_tx.data import sample_pairs, sample_reviews
from keras_tx.serving import warm_up
from keras_tx.serving.runtimes import Run

prediction_log_pb2 = pytest.importorskip("tensorflow_serving.apis.prediction_log_pb2")

TEXT, TRANSLATION = (tf.TensorSpec([None], tf.string, name) for name in ("text", "translation"))


def test_translators_get_sentences_with_their_own_translations():
    runs = warm_up.warm_up_runs({"serving_default": [TEXT], "score": [TEXT, TRANSLATION]})
    assert [run.signature for run in runs] == ["serving_default"] * 3 + ["score"] * 3
    pairs = sample_pairs()
    known = dict(zip(pairs.sources, pairs.targets, strict=True))
    for run in runs:
        texts = [text.decode() for text in run.inputs["text"]]
        assert set(texts) <= set(known)
        if run.signature == "score":
            targets = [text.decode() for text in run.inputs["translation"]]
            assert targets == [known[text] for text in texts]
    assert [len(run.inputs["text"]) for run in runs[:3]] == [1, 4, 16]
    lengths = [len(text) for text in runs[2].inputs["text"]]
    assert lengths == sorted(lengths) and lengths[0] < lengths[-1] / 2


def test_classifiers_get_reviews_and_numbers_nothing():
    number = tf.TensorSpec([None], tf.float32, "number")
    runs = warm_up.warm_up_runs({"serving_default": [TEXT], "numbers": [number]})
    assert {run.signature for run in runs} == {"serving_default"}
    reviews = set(sample_reviews().texts)
    assert all(text.decode() in reviews for run in runs for text in run.inputs["text"])


def test_the_file_holds_the_servers_messages_and_comes_back(tmp_path):
    runs = [
        Run("serving_default", {"text": ["d\u00e9j\u00e0".encode(), b"\xff\x00"]}),
        Run("score", {"text": [b"a"], "translation": [b"un"]}),
    ]
    file = tmp_path / warm_up.WARM_UP_PATH
    warm_up.write_warm_up(file, runs, "en_fr")
    (first, second) = [
        prediction_log_pb2.PredictionLog.FromString(record)
        for record in tf.data.TFRecordDataset(str(file)).as_numpy_iterator()
    ]
    assert first.WhichOneof("log_type") == "predict_log"
    request = first.predict_log.request
    assert (request.model_spec.name, request.model_spec.signature_name) == (
        "en_fr", "serving_default"
    )  # fmt: skip
    assert tf.make_ndarray(request.inputs["text"]).tolist() == runs[0].inputs["text"]
    assert set(second.predict_log.request.inputs) == {"text", "translation"}
    assert warm_up.read_warm_up(tmp_path) == runs
    assert warm_up.read_warm_up(tmp_path / "elsewhere") == []


def test_a_server_takes_no_more_than_a_thousand(tmp_path):
    runs = [Run("serving_default", {"text": [b"a"]})] * 1001
    with pytest.raises(ValueError, match="expected at most 1000 requests. Received: 1001"):
        warm_up.write_warm_up(tmp_path / "file", runs, "model")
    assert not (tmp_path / "file").exists()


def write(directory, *records):
    file = directory / warm_up.WARM_UP_PATH
    file.parent.mkdir(exist_ok=True)
    with tf.io.TFRecordWriter(str(file)) as writer:
        for record in records:
            writer.write(record)
    return file


def test_damaged_and_other_requests_are_refused(tmp_path):
    log = prediction_log_pb2.PredictionLog()
    log.predict_log.request.inputs["text"].CopyFrom(tf.make_tensor_proto([1.0, 2.0]))
    write(tmp_path, log.SerializeToString())
    with pytest.raises(ValueError, match="predictions for lists of strings. .*, number 1"):
        warm_up.read_warm_up(tmp_path)
    classify = prediction_log_pb2.PredictionLog()
    classify.classify_log.request.model_spec.name = "model"
    write(tmp_path, classify.SerializeToString())
    with pytest.raises(ValueError, match="predictions for lists of strings"):
        warm_up.read_warm_up(tmp_path)
    write(tmp_path, b"\xff no message")
    with pytest.raises(ValueError, match="tf_serving_warmup_requests is damaged"):
        warm_up.read_warm_up(tmp_path)
    file = write(tmp_path, log.SerializeToString())
    file.write_bytes(file.read_bytes()[:-5])
    with pytest.raises(ValueError, match="tf_serving_warmup_requests is damaged"):
        warm_up.read_warm_up(tmp_path)
    write(tmp_path, *[log.SerializeToString()] * 1001)
    with pytest.raises(ValueError, match="expected at most 1000 requests. Received: 1001"):
        warm_up.read_warm_up(tmp_path)


def test_the_missing_extra_is_named(tmp_path, monkeypatch):
    assert warm_up.can_warm_up()
    write(tmp_path)
    for name in [name for name in sys.modules if name.startswith("tensorflow_serving")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "tensorflow_serving", None)  # As when it is not there.
    with pytest.raises(ImportError, match=r"expected the extra serving: .*'keras_tx\[serving\]'"):
        warm_up.write_warm_up(tmp_path / "file", [], "model")
    with pytest.raises(ImportError, match="expected the extra serving"):
        warm_up.read_warm_up(tmp_path)
    assert warm_up.read_warm_up(tmp_path / "elsewhere") == []
    assert not warm_up.can_warm_up()
