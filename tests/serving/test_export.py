"""Export: version numbers, whole directories or none, facts, and equal outputs in Python."""

import concurrent.futures
import json
import os
import pathlib
import threading
import time

import pytest
import tensorflow as tf

import keras_tx
from keras_tx.serving import export, export_saved_model, read_facts

TEXT = [tf.TensorSpec([None], tf.string, name="text")]
SIGNATURES = {"serving_default": (lambda text: {"length": tf.strings.length(text)}, TEXT)}
PROBES = ["a small boat", "", "two\nlines", "nul \x00 byte", "\U0001f600 na\u00efve", "lake " * 60]


def test_versions_count_up_and_never_reuse_a_number(tmp_path):
    names = [export_saved_model(SIGNATURES, tmp_path / "base").name for _ in range(3)]
    assert names == ["1", "2", "3"]
    (tmp_path / "base" / "9").mkdir()
    (tmp_path / "base" / "notes").mkdir()
    assert export_saved_model(SIGNATURES, tmp_path / "base").name == "10"
    assert sorted(entry.name for entry in (tmp_path / "base").iterdir()) == [
        "1", "10", "2", "3", "9", "notes"
    ]  # fmt: skip


def test_versions_are_ordered_as_numbers(tmp_path):
    for name in ("2", "10", "9", "latest", "1.5"):
        (tmp_path / name).mkdir()
    assert [entry.name for entry in export.versions(tmp_path)] == ["2", "9", "10"]
    assert export.versions(tmp_path / "missing") == []


def test_nothing_is_left_when_a_function_cannot_be_traced(tmp_path):
    def broken(text):
        raise KeyError("no such table")

    with pytest.raises(KeyError, match="no such table"):
        export_saved_model({"serving_default": (broken, TEXT)}, tmp_path / "base")
    assert not (tmp_path / "base").exists()


def test_nothing_is_left_when_writing_fails_in_the_middle(tmp_path):
    # The SavedModel is written before the facts, which JSON cannot hold.
    with pytest.raises(TypeError, match="not JSON serializable"):
        export_saved_model(SIGNATURES, tmp_path, facts={"model": object()})
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(TypeError, match="not JSON serializable"):
        export_saved_model(SIGNATURES, tmp_path / "new", facts={"model": object()})
    assert list(tmp_path.iterdir()) == []


def test_numbers_that_no_server_reads(tmp_path):
    for number in (3, 2**63, 10**30):
        (tmp_path / str(number)).mkdir()
    assert [entry.name for entry in export.versions(tmp_path)] == ["3"]
    assert export_saved_model(SIGNATURES, tmp_path).name == "4"
    (tmp_path / str(2**63 - 1)).mkdir()
    traced = []
    signatures = {"serving_default": (traced.append, TEXT)}
    with pytest.raises(ValueError, match="expected a version below 9223372036854775807, the larg"):
        export_saved_model(signatures, tmp_path)
    assert traced == [] and not list(tmp_path.glob(".export.*"))


def test_the_largest_version_may_come_while_another_is_written(tmp_path):
    def late(text):
        (tmp_path / str(2**63 - 1)).mkdir(exist_ok=True)
        return {"length": tf.strings.length(text)}

    with pytest.raises(ValueError, match="expected a version below 9223372036854775807, the larg"):
        export_saved_model({"serving_default": (late, TEXT)}, tmp_path)
    assert [entry.name for entry in tmp_path.iterdir()] == [str(2**63 - 1)]


@pytest.mark.parametrize(
    ("directory", "message"),
    [
        ("gs://bucket/model", "a directory on this machine. Received: 'gs://bucket/model'"),
        (pathlib.Path("file:///tmp/model"), "a directory on this machine. Received: 'file:/tmp/mo"),
        ("a[b]/model", r"without backslashes and \[brackets\], .* Received: '.*a\[b\]/model'"),
        ("a[b/c]d", r"without backslashes and \[brackets\]"),
        ("back\\slash", "without backslashes"),
    ],
)
def test_places_that_do_not_fit(tmp_path, monkeypatch, directory, message):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ValueError, match=message):
        export_saved_model(SIGNATURES, directory)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["a*b?c", "a[b", "a]b[]", "{a,b}", "gs:", "x:y"])
def test_places_from_which_tensorflow_loads(tmp_path, name):
    version = export_saved_model(SIGNATURES, tmp_path / name)
    signature = tf.saved_model.load(str(version)).signatures["serving_default"]
    assert signature(text=tf.constant(["four"]))["length"].numpy().tolist() == [4]


def test_a_working_directory_may_have_any_name(tmp_path, monkeypatch):
    (tmp_path / "a[b]").mkdir()
    monkeypatch.chdir(tmp_path / "a[b]")
    version = export_saved_model(SIGNATURES, "model")
    assert tf.saved_model.load(str(version)).signatures["serving_default"]


def test_what_killed_exports_left_goes_after_a_day(tmp_path):
    day = 86_400
    ages = {
        ".export.0a": 2 * day,
        ".export.0b": day // 2,
        ".export.notes": 2 * day,
        "notes": 2 * day,
    }
    for name, age in ages.items():
        (tmp_path / name / "variables").mkdir(parents=True)
        os.utime(tmp_path / name, (time.time() - age,) * 2)
    export_saved_model(SIGNATURES, tmp_path)
    found = sorted(entry.name for entry in tmp_path.iterdir())
    assert found == [".export.0b", ".export.notes", "1", "notes"]


def test_what_a_killed_export_left_is_no_part_of_another(tmp_path):
    # A container's processes all have the same number.
    left = tmp_path / f".export.{os.getpid()}" / "assets.extra"
    left.mkdir(parents=True)
    (left / "keras_tx.json").write_text('{"precision": "bfloat16"}')
    assert read_facts(export_saved_model(SIGNATURES, tmp_path)) == {}


def test_exports_at_once_are_all_kept(tmp_path, monkeypatch):
    rename = os.rename

    def late(beside, target):  # Somebody else is faster, twice.
        if int(target.name) < 3:
            target.mkdir()
            (target / "saved_model.pb").write_bytes(b"")
        rename(beside, target)

    monkeypatch.setattr(os, "rename", late)
    assert export_saved_model(SIGNATURES, tmp_path).name == "3"
    assert sorted(entry.name for entry in tmp_path.iterdir()) == ["1", "2", "3"]
    monkeypatch.undo()
    with concurrent.futures.ThreadPoolExecutor(3) as threads:
        found = list(threads.map(lambda _: export_saved_model(SIGNATURES, tmp_path), range(3)))
    assert sorted(version.name for version in found) == ["4", "5", "6"]
    assert all((version / "saved_model.pb").is_file() for version in found)


def test_a_server_that_polls_never_sees_half_an_export(subword_classifier, tmp_path):
    """It takes every folder with a number, whatever is in it at that moment."""
    wanted = {
        "saved_model.pb", "variables/variables.index", "assets.extra/keras_tx.json",
        "assets.extra/tf_serving_warmup_requests",
    }  # fmt: skip
    seen, stop = [], threading.Event()

    def poll():
        while not stop.is_set():
            for version in export.versions(tmp_path):
                files = {str(f.relative_to(version)) for f in version.rglob("*") if f.is_file()}
                seen.append((version.name, wanted - files))

    server = threading.Thread(target=poll)
    server.start()
    try:
        for _ in range(2):
            subword_classifier.export(tmp_path, warm_up=True)
    finally:
        stop.set()
        server.join()
    assert {name for name, _ in seen} >= {"1"}
    assert not [entry for entry in seen if entry[1]]


def test_warm_up_is_made_for_the_name_under_which_the_model_is_served(tmp_path):
    from keras_tx.serving.warm_up import WARM_UP_PATH, read_warm_up

    version = export_saved_model(SIGNATURES, tmp_path / "lengths", warm_up=True)
    assert [len(run.inputs["text"]) for run in read_warm_up(version)] == [1, 4, 16]
    assert b"lengths" in (version / WARM_UP_PATH).read_bytes()
    assert not (export_saved_model(SIGNATURES, tmp_path / "lengths") / WARM_UP_PATH).exists()


def test_an_unknown_kind_of_weights(tmp_path):
    with pytest.raises(ValueError, match="weights expected one of .* Received: weights='int4'"):
        export_saved_model(SIGNATURES, tmp_path / "new", weights="int4")
    assert not (tmp_path / "new").exists()


LONG = ["word " * 20_000, "x" * 100_000, "\u00e9" * 50_000 + "\n" * 50_000]


@pytest.mark.parametrize("name", ["translator", "word_classifier", "subword_classifier"])
def test_batches_of_any_size_and_texts_of_any_length(name, exported):
    signature = tf.saved_model.load(str(exported(name))).signatures["serving_default"]
    key = "translation" if name == "translator" else "label"
    texts = ["", "lake", LONG[0], "a small boat", LONG[1], " ", "two dogs run", LONG[2]] * 8
    whole = signature(text=tf.constant(texts))
    for size in (1, 3):
        part = signature(text=tf.constant(texts[:size]))
        assert part[key].numpy().tolist() == whole[key].numpy()[:size].tolist()
    assert all(len(output) == 64 for output in whole.values())
    # What a long text adds is cut away: its end changes nothing.
    for text in LONG[:2] if name == "translator" else []:
        cut = signature(text=tf.constant([text[:50_000]]))[key].numpy()[0]
        assert cut == whole[key].numpy()[texts.index(text)]
    nothing = signature(text=tf.constant([], tf.string))
    assert {output.shape[0] for output in nothing.values()} == {0}


def test_a_file_is_no_base_directory(tmp_path):
    (tmp_path / "model").write_text("a file")
    with pytest.raises(NotADirectoryError, match="expected a directory. Received: .*is a file"):
        export_saved_model(SIGNATURES, tmp_path / "model")


def test_facts_come_back(tmp_path):
    facts = {"keras_tx": "1.2", "model": "mod\u00e8les/x.keras", "extra": None}
    assert read_facts(export_saved_model(SIGNATURES, tmp_path, facts=facts)) == facts
    assert read_facts(export_saved_model(SIGNATURES, tmp_path)) == {}


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"{", "expected JSON. Received: .*keras_tx.json"),
        (b"\xff\xfe\xff", "expected JSON. Received: .*keras_tx.json"),
        (b"[1]", r"expected a JSON object. Received: .*with \[1\]"),
    ],
)
def test_damaged_facts_are_named(tmp_path, content, message):
    (tmp_path / "assets.extra").mkdir()
    (tmp_path / "assets.extra" / "keras_tx.json").write_bytes(content)
    with pytest.raises(ValueError, match=message):
        read_facts(tmp_path)


def test_a_text_model_says_which_file_it_is(subwords, tmp_path, monkeypatch):
    model = keras_tx.models.SentimentClassifier.from_preset("tiny", subwords, num_layers=0)
    assert model.origin is None
    monkeypatch.chdir(tmp_path)
    model.save("m.keras")
    loaded = keras_tx.load("m.keras")
    facts = read_facts(loaded.export("a"))
    assert facts["model"] == model.origin == str((tmp_path / "m.keras").resolve())
    assert facts["keras_tx"] in (None, keras_tx.__version__)  # None: not installed.
    assert "m.keras" not in json.dumps(loaded.get_config())
    with loaded._training_network("float32") as twin:
        twin.set_weights([weight + 1 for weight in twin.get_weights()])
    assert loaded.origin is None  # After training the file has other weights.


def assert_no_texts_give_no_rows(reloaded, outputs):
    nothing = reloaded.signatures["serving_default"](text=tf.constant([], tf.string))
    assert {name: [0, *output.shape[1:]] for name, output in outputs.items()} == {
        name: output.shape.as_list() for name, output in nothing.items()
    }


def test_python_reload_translates_the_same(translator, exported):
    reloaded = tf.saved_model.load(str(exported("translator")))
    # Single sentences: Python takes others apart, and the graph takes them whole.
    texts = [
        *(text for text in PROBES[:-1] if "\n" not in text),
        *("two dogs run", "lake lake", "un petit lac", "a small boat on a small lake"),
    ]
    outputs = reloaded.signatures["serving_default"](text=tf.constant(texts))
    translations = [text.decode("utf-8", "replace") for text in outputs["translation"].numpy()]
    assert translations == translator.translate(texts)
    assert len(set(translations)) > 3, "too little to compare"
    assert_no_texts_give_no_rows(reloaded, outputs)


@pytest.mark.parametrize("tokenizer", ["word", "subword"])
def test_python_reload_classifies_the_same(request, tokenizer, exported):
    model = request.getfixturevalue(f"{tokenizer}_classifier")
    reloaded = tf.saved_model.load(str(exported(f"{tokenizer}_classifier")))
    outputs = reloaded.signatures["serving_default"](text=tf.constant(PROBES))
    results = model.classify(PROBES)
    assert [label.decode() for label in outputs["label"].numpy()] == [r.label for r in results]
    assert outputs["score"].numpy() == pytest.approx([r.score for r in results], abs=1e-5)
    assert_no_texts_give_no_rows(reloaded, outputs)
