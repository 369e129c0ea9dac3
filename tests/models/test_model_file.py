"""`.keras` files from strangers: refused in one line, nothing executed, nothing written."""

import json
import stat
import sys
import time
import zipfile

import keras
import pytest

from keras_tx.models import SentimentClassifier, load, translator_ensemble
from keras_tx.models.model_file import check_model_file
from keras_tx.text import WordTokenizer

TEXTS = ["The heron waits.", "a reed, a pond", "the heron waits by the pond"]


def test_a_good_file_is_loaded_packed_or_not(remade):
    for compression in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        path = remade(compression=compression)
        check_model_file(path)
        assert load(path).labels == ("negative", "positive")


# What is in the archive.


@pytest.mark.parametrize(
    "name",
    ["../outside.txt", "/tmp/outside.txt", "assets/../../outside", "assets/./x", "assets//x",
     "assets\\..\\x", "C:x", "assets/C:/x", "other.txt", "assets/line\nbreak", "assets/",
     "model.weights.npz", "CONFIG.JSON"],
)  # fmt: skip
def test_other_members(remade, refused, name):
    refused(remade({name: b"hello"}), "expected only the files of a model in it. Received: ")


@pytest.mark.parametrize("name", ["config.json", "metadata.json", "model.weights.h5"])
def test_missing_members(remade, refused, name):
    refused(remade({name: None}), f"expected {name} in it. Received: ")


def add(path, name, content, mode=0o600, **changes):
    member = zipfile.ZipInfo(name)
    member.external_attr = mode << 16
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr(member, content)
    return path


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_a_name_twice(remade, refused):
    refused(add(remade(), "config.json", b"{}"), "expected each file once. Received: 'config.json'")


@pytest.mark.parametrize("kind", [stat.S_IFLNK, stat.S_IFIFO, stat.S_IFCHR, stat.S_IFDIR])
def test_links_and_devices(remade, refused, kind):
    path = add(remade(), "assets/link", b"/etc/hostname", kind | 0o777)
    refused(path, "expected regular files in it. Received: 'assets/link', a link or device")


@pytest.mark.parametrize("method", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_other_ways_to_pack(remade, refused, method):
    refused(remade(compression=method), "expected files stored or deflated. Received: ")


def test_encrypted_members(remade, refused):
    path = remade()
    content = bytearray(path.read_bytes())
    place = content.index(b"PK\x01\x02")
    content[place + 8] |= 1
    path.write_bytes(content)
    refused(path, "encrypted or packed otherwise")


def test_zip_bombs(remade, refused):
    path = remade({"assets/zeros": bytes(100 << 20)}, zipfile.ZIP_DEFLATED)
    assert path.stat().st_size < 1 << 20
    refused(path, r"expected at most 20 times its [\d,]+ bytes when unpacked. Received: 10\d,")


def test_a_bomb_that_claims_to_be_small(remade, refused):
    # The directory says 10 bytes; the packed stream holds a megabyte.
    path = remade({"assets/zeros": bytes(1 << 20)}, zipfile.ZIP_DEFLATED)
    content = bytearray(path.read_bytes())
    for mark, name_at, size_at in ((b"PK\x01\x02", 46, 24), (b"PK\x03\x04", 30, 22)):
        place = content.index(mark)
        while content[place + name_at : place + name_at + 12] != b"assets/zeros":
            place = content.index(mark, place + 1)
        content[place + size_at : place + size_at + 4] = (10).to_bytes(4, "little")
    path.write_bytes(content)
    refused(path, "which cannot be loaded .*Bad CRC-32 for file 'assets/zeros'")


def test_members_that_lie_over_each_other(remade, refused):
    path = remade()
    with zipfile.ZipFile(path) as archive:
        weights = archive.getinfo("model.weights.h5")
        start = archive.start_dir
    content = path.read_bytes()
    directory = bytearray(content[start:])
    # Every member claims the place and size of the weights.
    place = -1
    while (place := directory.find(b"PK\x01\x02", place + 1)) >= 0:
        size = weights.file_size.to_bytes(4, "little")
        directory[place + 20 : place + 28] = size + size
        directory[place + 42 : place + 46] = weights.header_offset.to_bytes(4, "little")
    path.write_bytes(content[:start] + directory)
    refused(path, "expected (files that lie beside each other|a short)")


# What the settings name.


def executed(monkeypatch, tmp_path):
    """A module that leaves a file when it is imported."""
    (tmp_path / "stranger_module.py").write_text(
        f"open({str(tmp_path / 'executed')!r}, 'w').close()\n"
        "class SentimentClassifier:\n    pass\n"
        "def function(*arguments, **options):\n    return 1\n"
    )
    monkeypatch.syspath_prepend(tmp_path)


LAMBDA = {
    "module": "keras.layers",
    "class_name": "Lambda",
    "config": {"name": "x", "function": {"class_name": "__lambda__", "config": {"value": "eA=="}}},
    "registered_name": None,
}
OBJECTS = [
    LAMBDA,
    {"class_name": "__lambda__", "config": {"value": "eA=="}},
    {"module": "stranger_module", "class_name": "function", "config": "function",
     "registered_name": "function"},
    {"module": "stranger_module", "class_name": "SentimentClassifier", "config": {},
     "registered_name": None},
    {"module": "os", "class_name": "system", "config": "echo", "registered_name": None},
    {"module": "builtins", "class_name": "function", "config": "eval",
     "registered_name": "function"},
    {"module": "keras.utils", "class_name": "get_file", "config": {}, "registered_name": None},
    {"module": "keras.layers", "class_name": "StringLookup",
     "config": {"vocabulary": "/etc/passwd"}, "registered_name": None},
    {"class_name": "__typespec__", "config": {}}, {"module": "x"}, {"registered_name": "x"},
    {"class_name": ["Lambda"], "registered_name": ["x"]},
]  # fmt: skip


@pytest.mark.parametrize("content", OBJECTS, ids=lambda o: str(o.get("class_name", o))[:30])
def test_other_objects_in_the_settings(remade, refused, monkeypatch, tmp_path, content):
    executed(monkeypatch, tmp_path)
    message = "expected only text models and tokenizers in the settings. Received: "

    def beside(settings):
        settings["config"]["dropout"] = content

    def as_tokenizer(settings):
        settings["config"]["tokenizer"] = content

    def deep(settings):
        settings["config"]["tokenizer"]["config"]["more"] = [[{"x": content}]]

    for change in (beside, as_tokenizer, deep):
        refused(remade({"config.json": change}), message)
    assert "stranger_module" not in sys.modules and not (tmp_path / "executed").exists()

    def as_model(settings):
        settings.update({"registered_name": None, **content})

    refused(remade({"config.json": as_model}), "expected a (text model|model saved) .*")
    assert "stranger_module" not in sys.modules and not (tmp_path / "executed").exists()


def test_a_registered_name_with_another_module_brings_in_nothing(
    remade, refused, monkeypatch, tmp_path
):
    executed(monkeypatch, tmp_path)

    def elsewhere(settings):
        settings["module"] = "stranger_module"

    path = remade({"config.json": elsewhere})
    assert isinstance(load(path), SentimentClassifier)
    assert "stranger_module" not in sys.modules and not (tmp_path / "executed").exists()

    def renamed(settings):
        elsewhere(settings)
        settings["registered_name"] = None

    refused(remade({"config.json": renamed}), "expected a text model of keras_tx. Received: a Sent")
    assert "stranger_module" not in sys.modules and not (tmp_path / "executed").exists()


def test_a_user_s_own_text_model_may_be_loaded(tmp_path):
    @keras.saving.register_keras_serializable(package="test_model_file")
    class MyClassifier(SentimentClassifier):
        pass

    tokenizer = WordTokenizer().fit(TEXTS)
    MyClassifier.from_preset("tiny", tokenizer).save(tmp_path / "mine.keras")
    assert type(load(tmp_path / "mine.keras")) is MyClassifier


@pytest.mark.parametrize(
    "content",
    [b"", b"[]", b"{}", b"null", b'"x"', b"{", b"\xff\xfe", b"[" * 200_000, b'{"config": 1}',
     b'{"a": 1e999}', b"9" * 10_000],
)  # fmt: skip
def test_settings_that_are_none(remade, refused, content):
    refused(remade({"config.json": content}), "which cannot be loaded")


def test_long_settings(remade, refused):
    path = remade({"config.json": b"[" + b" " * (17 << 20)})
    refused(path, "expected a short config.json. Received: 17,825,793 bytes")


@pytest.mark.parametrize(
    "changes",
    [
        {"vocabulary_size": 10**12},
        {"vocabulary_size": 10**9, "embed_dim": 10**9 // 2 * 2},
        {"dense_dim": 10**13},
        {"num_layers": 10**9},
        {"num_layers": 60},
        {"embed_dim": -1},
        {"num_heads": 10**7},
        {"sequence_length": "x"},
        {"vocabulary_size": 10**400},
        {"dropout": 1e308},
        {"unknown_argument": 1},
        {"members": [{}] * 100_000},
    ],
    ids=lambda changes: str(changes)[:60],
)
def test_huge_and_odd_claims_in_the_settings(remade, refused, changes):
    start = time.monotonic()
    path = remade({"config.json": lambda settings: settings["config"].update(changes)})
    refused(path, "which cannot be loaded")
    assert time.monotonic() - start < 30
    # Nothing is left of it that would be made up for at the next opportunity.
    assert load(remade()).labels == ("negative", "positive")


@pytest.fixture(scope="module")
def ensemble_file(random_translator, tmp_path_factory):
    path = tmp_path_factory.mktemp("ensemble") / "ensemble.keras"
    translator_ensemble([random_translator(seed=seed) for seed in (1, 2)]).save(path)
    return path


@pytest.mark.parametrize(
    ("members", "message"),
    [
        ([{}] * 40, "members 40"),
        ([{"num_encoder_layers": 20, "num_decoder_layers": 20}] * 30, "num_decoder_layers 20"),
        ([{"embed_dim": 16, "num_encoder_layers": 10**9}], "num_encoder_layers 1000000000"),
        ([{"embed_dim": 2048}], "expected settings of a model of"),
        ([{"positions": "none"}, 1], "which cannot be loaded"),
    ],
    ids=str,
)
def test_huge_and_odd_ensembles(ensemble_file, tmp_path, members, message):
    check_model_file(ensemble_file)
    path = tmp_path / "other.keras"
    with zipfile.ZipFile(ensemble_file) as old, zipfile.ZipFile(path, "w") as new:
        for name in old.namelist():
            content = old.read(name)
            if name == "config.json":
                settings = json.loads(content)
                settings["config"]["members"] = members
                content = json.dumps(settings)
            new.writestr(name, content)
    start = time.monotonic()
    with pytest.raises(ValueError, match=message):
        load(path)
    assert time.monotonic() - start < 30
