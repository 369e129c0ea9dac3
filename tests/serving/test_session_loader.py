"""The C program: text models give in it, string for string, what they give in Python."""

import os
import pathlib
import struct
import subprocess

import pytest

from keras_tx.data import sample_pairs, sample_reviews
from keras_tx.serving import check_export, session_loader
from keras_tx.serving.runtimes import Run, run_export

needs_compiler = pytest.mark.skipif(
    session_loader.find_compiler() is None, reason="there is no C compiler"
)


@needs_compiler
@pytest.mark.parametrize("name", ["translator", "subword_classifier"])
def test_text_models_give_the_same_without_python(request, exported, name):
    model = request.getfixturevalue(name)
    sentences = sample_pairs().sources[:40] if name == "translator" else sample_reviews().texts[:40]
    report = check_export(exported(name), model, runtime="c", sentences=sentences)
    assert report.problems == [] and report.passed
    assert (report.sentences, report.signatures) == (40, tuple(sorted(model.signatures())))
    assert report.max_difference < 1e-4


@needs_compiler
def test_what_cannot_be_loaded_or_run_is_said(export_functions, tmp_path):
    import tensorflow as tf

    def checked(text):
        good = tf.debugging.assert_none_equal(text, "bad", message="a bad text")
        with tf.control_dependencies([good]):
            return {"text": tf.identity(text)}

    version = export_functions(serving_default=checked)
    good, bad = (Run("serving_default", {"text": [text]}) for text in (b"good", b"bad"))
    answer = run_export(version, [good, bad, good], "c")
    assert "a bad text" in answer.error
    assert [run["text"].tolist() for run in answer.outputs] == [[b"good"]]
    assert run_export(tmp_path, [good], "c").error == "saved_model.pb is missing"
    unknown = run_export(version, [Run("beam", {"text": [b"a"]})], "c")
    assert "expected a signature of the export. Received: 'beam'" in unknown.error


@needs_compiler
@pytest.mark.parametrize(
    ("request_", "message"),
    [
        (b"", "expected a longer request"),
        (struct.pack("<I", 1) + struct.pack("<I", 9) + b"/none.so", "expected a longer request"),
        (struct.pack("<I", 1) + struct.pack("<I", 8) + b"/none.so", "/none.so"),
    ],
)
def test_a_request_that_is_none_ends_the_program_with_a_reason(request_, message):
    program = session_loader.build_loader()
    process = subprocess.run([program], input=request_, capture_output=True)
    assert process.returncode == 2
    assert message in process.stderr.decode().splitlines()[-1]


def test_without_a_compiler_and_with_one_that_fails(monkeypatch, tmp_path):
    session_loader.build_loader.cache_clear()
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("CC", raising=False)
    with pytest.raises(RuntimeError, match="expected a C compiler, such as gcc. Received: none of"):
        session_loader.build_loader()
    broken = tmp_path / "gcc"
    broken.write_text("#!/bin/sh\necho 'x.c:1: fatal error: no header' >&2\nexit 1\n")
    broken.chmod(0o755)
    with pytest.raises(RuntimeError, match="gcc to build session_loader.c. Received: .*no header"):
        session_loader.build_loader()
    monkeypatch.setenv("CC", str(broken))
    assert session_loader.find_compiler() == str(broken)
    session_loader.build_loader.cache_clear()


def test_the_libraries_are_those_of_tensorflow_text():
    files = [pathlib.Path(file) for file in session_loader.text_libraries()]
    assert all(file.is_file() for file in files)
    assert "_sentencepiece_tokenizer.so" in {file.name for file in files}
    assert os.path.isabs(files[0])
