"""Runtimes: the same answer from each, and what goes wrong with a process."""

import numpy as np
import pytest
import tensorflow as tf

from keras_tx.serving import inspection, runtime_environment, session_loader
from keras_tx.serving.runtimes import Run, run_export

RUNS = [
    Run("serving_default", {"text": [b"a", b"", b"\xff \x00 caf\xc3\xa9"]}),
    Run("pairs", {"first": [b"x", b"y"], "second": [b"1", b"2"]}),
    Run("serving_default", {"text": []}),
    Run("serving_default", {"text": [b"long " * 20_000]}),
]

REWRITTEN = {"AccumulateNV2", "ParallelConcat"}  # Before a graph runs.


@pytest.fixture(scope="module")
def version(tmp_path_factory):
    from keras_tx.serving import export_saved_model

    def kinds(text):
        length = tf.strings.length(text)
        numbers = tf.cast(length, tf.float32)
        return {
            "text": text,
            "twice": tf.stack([text, text + "!"], axis=1),
            "length": length,
            "is_empty": length == 0,
            "half": numbers / 2,
            "brain": tf.cast(numbers / 2, tf.bfloat16),
            "large": tf.cast(length, tf.uint64) + 2**63,
        }

    first, second = (tf.TensorSpec([None], tf.string, name) for name in ("first", "second"))
    signatures = {
        "serving_default": (kinds, [tf.TensorSpec([None], tf.string, "text")]),
        "pairs": (lambda first, second: {"joined": first + second}, [first, second]),
    }
    return export_saved_model(signatures, tmp_path_factory.mktemp("runtimes"))


def assert_right(answer):
    assert answer.error is None and len(answer.outputs) == len(RUNS)
    first, pairs, nothing, long = answer.outputs
    texts = RUNS[0].inputs["text"]
    assert first["text"].tolist() == texts
    assert first["twice"].tolist() == [[text, text + b"!"] for text in texts]
    assert first["length"].tolist() == [1, 0, 9]
    assert first["is_empty"].tolist() == [False, True, False]
    assert first["half"].tolist() == [0.5, 0.0, 4.5] == first["brain"].astype(float).tolist()
    assert first["large"].tolist() == [2**63 + 1, 2**63, 2**63 + 9]
    assert pairs["joined"].tolist() == [b"x1", b"y2"]
    assert nothing["twice"].shape == (0, 2) and nothing["length"].shape == (0,)
    assert long["text"].tolist() == [b"long " * 20_000]


def test_the_python_program(version):
    answer = run_export(version, RUNS)
    assert_right(answer)
    assert {"MatMul", "SentencepieceTokenizeOp"} <= set(answer.operations)
    assert set(answer.kernels) < set(answer.operations)


@pytest.mark.skipif(session_loader.find_compiler() is None, reason="there is no C compiler")
def test_the_c_program(version):
    answer = run_export(version, RUNS, "c")
    assert_right(answer)
    assert {"MatMul", "SentencepieceTokenizeOp"} <= set(answer.operations)
    # All that the list of a server's operations names can be had without Python, and no more
    # but what is new in this release.
    known = inspection.serving_operations()
    assert known - REWRITTEN <= set(answer.kernels)
    further = {name for name in answer.kernels if not name.startswith(inspection.XLA)} - known
    assert len(further) < 100 and not further & set(inspection.PYTHON_OPERATIONS)


@pytest.mark.skipif(
    not runtime_environment.is_made("tf-2.20"),
    reason="no TensorFlow 2.20: `keras-tx check-export --runtime tf-2.20` gets it",
)
def test_tensorflow_2_20(version):
    answer = run_export(version, RUNS, "tf-2.20")
    assert_right(answer)
    assert inspection.serving_operations() - REWRITTEN <= set(answer.kernels)


def test_an_unknown_runtime():
    with pytest.raises(ValueError, match="runtime expected one of .* Received: runtime='serving'"):
        run_export("anywhere", [], "serving")


def test_a_process_that_cannot_start_gives_its_last_line(tmp_path, monkeypatch):
    monkeypatch.setenv("PYTHONHOME", str(tmp_path))
    answer = run_export(tmp_path, [Run("serving_default", {"text": [b"a"]})])
    assert answer.error.startswith("the process ended with code 1: ") and "\n" not in answer.error
    assert (answer.outputs, answer.operations) == ([], None)


def test_the_process_is_ended_at_the_time_limit(tmp_path):
    answer = run_export(tmp_path, [], time_limit=0.05)
    assert answer.error == "no result within 0.05 seconds"


def test_numbers_come_back_as_they_were():
    from keras_tx.serving.runtimes import _array
    from keras_tx.serving.session_runner import as_json

    for array in (
        np.array([[1.5, np.inf], [np.nan, -0.0]], "float32"),
        np.array([], "int64").reshape(0, 3),
        np.array(True),
    ):
        back = _array(**as_json(array))
        assert back.dtype == array.dtype and back.shape == array.shape
        assert np.array_equal(back, array, equal_nan=array.dtype.kind == "f")
