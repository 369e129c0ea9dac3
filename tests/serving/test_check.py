"""The check on real exports: good ones pass, and each broken one fails for its own reason.

Every process that stands in for the server costs some seconds, so a test here shows as much
with one as it can. What the files alone tell is in test_inspection.py.
"""

import dataclasses
import json
import pathlib
import shutil

import pytest
import tensorflow as tf

from keras_tx.serving import check, check_export
from keras_tx.serving.export import FACTS_PATH


def test_a_translator_passes(translator, exported):
    report = check_export(exported("translator"), translator)
    assert report.problems == [] and report.passed
    assert report.version_directory == exported("translator")
    assert report.signatures == tuple(sorted(translator.signatures()))
    assert report.operations > 20
    assert report.probes == len(check.PROBES) > 10
    assert report.max_difference < 1e-4
    assert report.warm_up_requests == 3 * 4 and report.sentences == 0


def test_other_weights_than_the_models_and_the_newest_version_counts(
    word_classifier, exported, tmp_path
):
    (tmp_path / "3").mkdir()  # Broken, and older.
    shutil.copytree(exported("word_classifier"), tmp_path / "14")
    weights = word_classifier.network.get_weights()
    try:
        word_classifier.network.set_weights([weight * 1.3 for weight in weights])
        report = check_export(tmp_path, word_classifier)
    finally:
        word_classifier.network.set_weights(weights)
    assert report.version_directory == tmp_path / "14"
    assert not report.passed and report.probes == len(check.PROBES)
    # The export by itself is in order; all that differs are the numbers.
    assert all("in the export and the model differs for" in line for line in report.problems)
    assert any(line.startswith("output scores of serving_default") for line in report.problems)
    assert report.max_difference > 1e-4


def test_outputs_that_only_a_run_shows_to_be_wrong(export_functions):
    def length(text):
        return tf.cast(tf.strings.length(text), tf.float32)

    report = check_export(
        export_functions(
            serving_default=lambda text: {"n": length(text)},
            words=lambda text: {"word": tf.strings.split(text).flat_values},
            of_longest=lambda text: {"share": length(text) / (1 + tf.reduce_max(length(text)))},
            logarithm=lambda text: {"x": tf.math.log(length(text) - 1)},
        )
    )
    assert report.signatures == ("logarithm", "of_longest", "serving_default", "words")
    by_signature = {line.split(" of ")[1].split()[0]: line for line in report.problems}
    assert len(report.problems) == len(by_signature) == 3 and not report.passed
    assert "expected the batch as dimension 0: 12 for 12 texts" in by_signature["words"]
    assert "alone and in a batch differs for" in by_signature["of_longest"]
    assert by_signature["logarithm"] == "output x of logarithm is NaN for b''"


def test_a_module_with_a_keras_layer_saved_by_tensorflow_alone(dense, tmp_path):
    """It loads in Python, and not in a server: keras#19274."""

    class Module(tf.Module):
        def __init__(self):
            super().__init__()
            self.dense = dense

        @tf.function(input_signature=[tf.TensorSpec([None], tf.string)], autograph=False)
        def run(self, text):
            numbers = tf.cast(tf.strings.length(text), tf.float32)[:, None]
            return {"x": self.dense(tf.tile(numbers, [1, 3]))}

    module, path = Module(), str(tmp_path / "1")
    tf.saved_model.save(module, path, signatures={"serving_default": module.run})
    reloaded = tf.saved_model.load(path).signatures["serving_default"]
    assert reloaded(text=tf.constant(["a"]))["x"].shape == (1, 4)
    (problem,) = check_export(tmp_path).problems
    assert problem.startswith("cannot be run as a server does: Could not find variable")
    assert "\n" not in problem


def test_problems_of_the_files_are_all_named_without_a_run(export_functions, dense):
    def outputs(text):
        numbers = tf.cast(tf.strings.length(text), tf.float32)[:, None]
        python = tf.ensure_shape(tf.numpy_function(lambda a: a, [text], tf.string), [None])
        return {"x": dense(tf.tile(numbers, [1, 3])), "text_bytes": python}

    version = export_functions(serving_default=outputs)
    (version / "variables" / "variables.index").unlink()

    class Model:
        def signatures(self):
            return {"serving_default": None, "beam": None}

    report = check_export(version, Model())
    for part, problem in zip(
        ["'_bytes'", "signature 'beam'", "variables.index is missing", "['PyFunc']"],
        report.problems,
        strict=True,
    ):
        assert part in problem
    assert (report.passed, report.probes) == (False, 0)


def test_a_damaged_graph(tmp_path):
    (tmp_path / "7").mkdir()
    assert check_export(tmp_path).problems == ["saved_model.pb is missing"]
    (tmp_path / "7" / "saved_model.pb").write_bytes(b"no protocol buffer")
    for directory in (tmp_path, tmp_path / "7"):
        report = check_export(directory)
        assert report.problems == ["saved_model.pb is damaged: it is no SavedModel"]
        assert not report.passed and report.version_directory == tmp_path / "7"


@pytest.mark.parametrize("precision", ["float8", ["bfloat16"], None])
def test_a_precision_that_nothing_computes_in(exported, tmp_path, precision):
    shutil.copytree(exported("word_classifier"), tmp_path / "1")
    (tmp_path / "1" / FACTS_PATH).write_text(json.dumps({"precision": precision}))
    message = f"facts expected a precision of ('float32', 'bfloat16'). Received: {precision!r}"
    assert check_export(tmp_path / "1").problems == [message]


def test_weights_of_an_unknown_kind(exported, tmp_path):
    shutil.copytree(exported("word_classifier"), tmp_path / "1")
    (tmp_path / "1" / FACTS_PATH).write_text(json.dumps({"weights": "int4"}))
    message = "facts expected weights of ('float32', 'float16', 'int8'). Received: 'int4'"
    assert check_export(tmp_path / "1").problems == [message]


def test_where_there_is_no_export(tmp_path):
    (tmp_path / "file").write_text("a file")
    (tmp_path / "empty" / "latest").mkdir(parents=True)
    (tmp_path / "empty" / "5").write_text("a file with a number as its name")
    for name, error, message in [
        ("missing", FileNotFoundError, "which does not exist"),
        ("file", NotADirectoryError, "which is a file"),
        ("empty", FileNotFoundError, "has neither saved_model.pb nor a version's number"),
    ]:
        with pytest.raises(error, match=f"expected an exported model. .*{name}, .*{message}"):
            check_export(tmp_path / name)


def test_warm_up_requests_that_do_not_fit_or_fail(export_functions):
    from keras_tx.serving.runtimes import Run
    from keras_tx.serving.warm_up import WARM_UP_PATH, write_warm_up

    def strict(text):
        good = tf.debugging.assert_none_equal(text, "bad", message="a bad text")
        with tf.control_dependencies([good]):
            return {"n": tf.strings.length(text)}

    version = export_functions(serving_default=strict)
    good, bad = (Run("serving_default", {"text": [text]}) for text in (b"good", b"bad"))
    write_warm_up(version / WARM_UP_PATH, [good, Run("beam", {"text": [b"a"]})], "model")
    assert check_export(version).problems == [
        "warm-up request 2 expected a signature of the export. Received: 'beam'"
    ]
    write_warm_up(version / WARM_UP_PATH, [Run("serving_default", {"texts": [b"a"]})], "model")
    assert check_export(version).problems == [
        "warm-up request 1 expected the inputs ['text'] of serving_default. Received: ['texts']"
    ]
    write_warm_up(version / WARM_UP_PATH, [good, bad, good], "model")
    (problem,) = check_export(version).problems
    expected = "warm-up request 2 of serving_default cannot be run as a server does: "
    assert problem.startswith(expected) and "a bad text" in problem
    (version / WARM_UP_PATH).write_bytes(b"damaged")
    (problem,) = check_export(version).problems
    assert "tf_serving_warmup_requests is damaged" in problem


def test_an_unknown_runtime():
    with pytest.raises(ValueError, match="runtime expected one of .* Received: runtime='java'"):
        check_export("anywhere", runtime="java")


def test_a_time_limit_that_is_none():
    for limit in (0, -1.0, float("nan")):
        with pytest.raises(ValueError, match="time_limit expected a positive number. Received: "):
            check_export("anywhere", time_limit=limit)


def test_a_report_cannot_be_changed():
    report = check.ExportReport(True, pathlib.Path("1"))
    with pytest.raises(dataclasses.FrozenInstanceError):
        report.passed = False


def test_an_operation_that_the_runtime_does_not_know(exported, monkeypatch):
    def run(*arguments):
        answer = check_run(*arguments)
        return dataclasses.replace(answer, operations=set(answer.operations) - {"MatMul"})

    check_run = check.run_export
    monkeypatch.setattr(check, "run_export", run)
    report = check_export(exported("word_classifier"))
    (problem,) = report.problems
    assert "MatMul" in problem and "the runtime python" in problem and not report.passed
