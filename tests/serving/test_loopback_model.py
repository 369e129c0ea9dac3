"""Versions come and go while requests run."""

import concurrent.futures
import shutil
import time

import numpy as np
import pytest
import tensorflow as tf

from keras_tx.serving import DynamicBatching, ServerError, export_saved_model
from keras_tx.serving.loopback_model import ServedModel, ServedVersion, check_count

TEXT = [tf.TensorSpec([None], tf.string, name="text")]


@pytest.fixture(scope="module")
def versions(tmp_path_factory):
    """Two exports, which answer with their numbers."""
    directory = tmp_path_factory.mktemp("versions")
    for number in ("one", "two"):

        def answer(text, number=number):
            return {"answer": tf.strings.join([tf.fill(tf.shape(text), number), " ", text])}

        export_saved_model({"serving_default": (answer, TEXT)}, directory)
    return directory


def strings(*values):
    array = np.empty(len(values), object)
    array[:] = values
    return array


@pytest.mark.parametrize("batching", [None, DynamicBatching(max_batch_size=4)])
def test_a_new_version_takes_over_while_requests_run(versions, tmp_path, batching):
    shutil.copytree(versions / "1", tmp_path / "1")
    model = ServedModel("m", tmp_path, batching, poll_seconds=0.02)
    seen = set()
    end = time.monotonic() + 30

    def ask(number):
        while time.monotonic() < end:
            text = f"{number}".encode()
            version, outputs = model.predict("m", "serving_default", {"text": strings(text)})
            name = {1: b"one", 2: b"two"}[version]
            assert outputs["answer"].tolist() == [name + b" " + text]
            seen.add(version)
            if version == 2:
                return True
        return False

    with concurrent.futures.ThreadPoolExecutor(8) as threads:
        futures = [threads.submit(ask, number) for number in range(8)]
        while not seen:
            time.sleep(0.01)
        shutil.copytree(versions / "2", tmp_path / ".beside")
        (tmp_path / ".beside").rename(tmp_path / "2")
        assert all(future.result() for future in futures)
    assert seen == {1, 2} and model.current.number == 2
    assert model.find("m", 2) is model.current
    for wrong in ({"version": 1}, {"label": "stable"}):
        with pytest.raises(ServerError, match="Servable not found for request: 'm'"):
            model.find("m", **wrong)
    model.close()


def test_there_must_be_a_version(tmp_path):
    (tmp_path / "no number").mkdir()
    with pytest.raises(FileNotFoundError, match="expected a version of a model. Received: "):
        ServedModel("m", tmp_path)


@pytest.mark.parametrize(
    ("inputs", "message"),
    [
        ({}, r"expected the inputs \['text'\]. Received: \[\]"),
        ({"text": strings(b"a"), "x": strings(b"a")}, r"Received: \['text', 'x'\]"),
        ({"text": np.array([1])}, "expected string of shape .* as input text. Received: int64"),
        ({"text": strings(b"a").reshape(1, 1)}, r"Received: string of shape \(1, 1\)"),
        ({"text": strings(b"a").reshape(())}, r"Received: string of shape \(\)"),
    ],
)
def test_inputs_are_checked(versions, inputs, message):
    version = ServedVersion(versions / "2")
    with pytest.raises(ServerError, match=message) as caught:
        version.predict("serving_default", inputs)
    assert caught.value.code == "INVALID_ARGUMENT"
    with pytest.raises(ServerError, match="expected one of the signatures"):
        version.predict("other", {"text": strings(b"a")})


def test_claims_are_compared_with_what_is_there():
    check_count((2, 3), 6, 10)
    check_count((), 1, 10)
    for shape, count in (((2, 3), 5), ((-2, -3), 6), ((11,), 11), ((1 << 62, 4), 0), ((3,), 2.5)):
        with pytest.raises(ServerError, match="expected the values of a tensor of shape"):
            check_count(shape, count, 10)


def test_a_version_that_does_not_load_is_passed_over(versions, tmp_path):
    shutil.copytree(versions / "1", tmp_path / "1")
    model = ServedModel("m", tmp_path, poll_seconds=0.02)
    (tmp_path / ".beside").mkdir()
    (tmp_path / ".beside" / "saved_model.pb").write_bytes(b"no model")
    (tmp_path / ".beside").rename(tmp_path / "2")
    time.sleep(0.3)
    assert model.find("m").number == 1
    shutil.copytree(versions / "2", tmp_path / ".beside")
    (tmp_path / ".beside").rename(tmp_path / "3")
    end = time.monotonic() + 30
    while model.find("m").number == 1 and time.monotonic() < end:
        time.sleep(0.02)
    assert model.find("m").number == 3
    model.close()
