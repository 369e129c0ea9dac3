"""`.keras` files from strangers: refused in one line, nothing executed, nothing written."""

import io
import json
import os
import pathlib
import random
import stat
import sys
import time
import zipfile
import zlib

import h5py
import keras
import numpy as np
import pytest

from keras_tx.models import SentimentClassifier, load
from keras_tx.models.model_file import check_config, check_model_file, check_weights
from keras_tx.text import SentencePieceTokenizer, WordTokenizer

FUZZ_SECONDS = float(os.environ.get("KERAS_TX_FUZZ_SECONDS", "6"))
TEXTS = ["The heron waits.", "a reed, a pond", "the heron waits by the pond"]


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """The bytes of a good file."""
    tokenizer = SentencePieceTokenizer("bpe", vocabulary_size=300).fit(TEXTS)
    path = tmp_path_factory.mktemp("whole") / "model.keras"
    SentimentClassifier.from_preset("tiny", tokenizer, sequence_length=20).save(path)
    return path.read_bytes()


@pytest.fixture
def remade(whole, tmp_path):
    """Writes the file with other members: `None` leaves one out, a function changes its JSON."""

    def make(changes=(), compression=zipfile.ZIP_STORED):
        path = tmp_path / "model.keras"
        changes = dict(changes)
        with (
            zipfile.ZipFile(io.BytesIO(whole)) as old,
            zipfile.ZipFile(path, "w", compression) as new,
        ):
            for name in old.namelist():
                content = changes.pop(name, old.read(name))
                if callable(content):
                    settings = json.loads(old.read(name))
                    content(settings)
                    content = json.dumps(settings)
                if content is not None:
                    new.writestr(name, content)
            for name, content in changes.items():
                new.writestr(name, content)
        return path

    return make


@pytest.fixture
def refused(tmp_path):
    """Checks that a file is refused, and that this leaves no trace."""

    def check(path, message):
        before = everything_in(tmp_path)
        with pytest.raises(ValueError, match=message) as caught:
            load(path)
        assert "\n" not in str(caught.value) and str(path) in str(caught.value)
        assert everything_in(tmp_path) == before

    return check


def everything_in(directory):
    return sorted(str(path) for path in directory.rglob("*"))


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
    ],
    ids=str,
)
def test_huge_and_odd_claims_in_the_settings(remade, refused, changes):
    start = time.monotonic()
    path = remade({"config.json": lambda settings: settings["config"].update(changes)})
    refused(path, "which cannot be loaded")
    assert time.monotonic() - start < 30
    # Nothing is left of it that would be made up for at the next opportunity.
    assert load(remade()).labels == ("negative", "positive")


# What the weights are.


def weights_file(write):
    file = io.BytesIO()
    with h5py.File(file, "w") as weights:
        write(weights)
    return file


def external_link(weights):
    weights["x"] = h5py.ExternalLink("/etc/hostname", "/")


def soft_link(weights):
    weights["x"] = h5py.SoftLink("/y")


def circle(weights):
    weights.create_group("a")["b"] = weights


def external_storage(weights):
    weights.create_dataset("x", (100,), "uint8", external=[("/etc/passwd", 0, 100)])


def virtual(weights):
    layout = h5py.VirtualLayout((5,), "float32")
    layout[:] = h5py.VirtualSource("other.h5", "x", (5,))
    weights.create_virtual_dataset("x", layout)


def claimed(weights):
    weights.create_dataset("x", (1 << 40,), "float32", chunks=(1 << 16,))


def packed(weights):
    weights.create_dataset("x", data=np.zeros(1 << 22, "float32"), compression="gzip")


def strings(weights):
    weights.create_dataset("x", data=[b"a", b"b"], dtype=h5py.string_dtype())


def references(weights):
    weights.create_dataset("x", data=[weights.ref], dtype=h5py.ref_dtype)


def compound(weights):
    weights.create_dataset("x", data=np.zeros(2, [("a", "f4"), ("b", "f4")]))


def a_type(weights):
    weights["x"] = np.dtype("float32")


@pytest.mark.parametrize(
    ("write", "message"),
    [
        (external_link, "expected no links among the weights. Received: 'x'"),
        (soft_link, "expected no links among the weights. Received: 'x'"),
        (circle, "expected each of the weights once"),
        (external_storage, "expected weights in the file. Received: '/x', elsewhere"),
        (virtual, "expected weights in the file. Received: '/x', elsewhere"),
        (claimed, "which claims 4,398,046,511,104 bytes and has 0"),
        (packed, "expected weights stored in full. Received: '/x', which claims 16,777,216"),
        (strings, "expected numbers as weights. Received: '/x', object"),
        (references, "expected numbers as weights. Received: '/x', object"),
        (compound, "expected numbers as weights"),
        (a_type, "expected arrays as weights. Received: 'x', a type"),
    ],
)
def test_odd_weights(write, message, remade, refused):
    file = weights_file(write)
    with pytest.raises(ValueError, match=message):
        check_weights(file)
    refused(remade({"model.weights.h5": file.getvalue()}), message)


def test_the_bytes_of_weights():
    def some(weights):
        weights.create_dataset("a/b/x", data=np.ones((3, 5), "float32"))
        weights.create_dataset("a/y", data=np.ones(7, "int8"))
        weights.create_dataset("scalar", data=1.0)
        weights.create_group("empty")

    assert check_weights(weights_file(some)) == (60 + 7 + 8, 3)


@pytest.mark.parametrize("content", [b"", b"no weights", b"\x89HDF\r\n\x1a\n", bytes(10_000)])
def test_weights_that_are_none(remade, refused, content):
    refused(remade({"model.weights.h5": content}), "which cannot be loaded")


@pytest.mark.filterwarnings("ignore:Skipping nested container")
def test_weights_of_another_model(remade, refused):
    file = weights_file(lambda weights: weights.create_dataset("x", data=np.ones(300_000)))
    refused(remade({"model.weights.h5": file.getvalue()}), "which cannot be loaded")


def test_a_vocabulary_larger_than_the_network(remade, refused):
    larger = SentencePieceTokenizer("bpe", vocabulary_size=310).fit(TEXTS)
    with zipfile.ZipFile(remade()) as archive:
        name = next(name for name in archive.namelist() if name.endswith(".model"))
    directory = pathlib.Path(remade().parent, "assets")
    directory.mkdir()
    larger.save_assets(str(directory))
    content = (directory / "sentencepiece.model").read_bytes()
    refused(remade({name: content}), "a tokenizer has 310 tokens and the network 300")


def test_settings_of_a_model_say_which():
    tokenizer = WordTokenizer().fit(TEXTS)
    model = SentimentClassifier.from_preset("tiny", tokenizer)
    settings = json.loads(json.dumps(keras.saving.serialize_keras_object(model)))
    assert check_config(settings) is SentimentClassifier
    tokenizer_alone = keras.saving.serialize_keras_object(tokenizer)
    with pytest.raises(ValueError, match="a text model of keras_tx. Received: a WordTokenizer"):
        check_config(tokenizer_alone)


# Files that are renamed, cut, or changed at random.


def test_renamed_files(whole, refused, tmp_path):
    (tmp_path / "model.zip").write_bytes(whole)
    refused(tmp_path / "model.zip", "expected a .keras file")
    with zipfile.ZipFile(tmp_path / "text.keras", "w") as archive:
        archive.writestr("fra.txt", "hello")
    refused(tmp_path / "text.keras", "expected config.json in it. Received: ")
    file = weights_file(lambda weights: weights.create_dataset("x", data=np.ones(3)))
    (tmp_path / "weights.keras").write_bytes(file.getvalue())
    refused(tmp_path / "weights.keras", "expected a .keras file")


def damaged(whole, generator):
    """What a bad disk or a stranger makes of a file, and how to tell what was done."""
    content = bytearray(whole)
    kind = generator.choice(["cut", "bits", "zeros", "insert", "swap", "member", "member"])
    if kind == "cut":
        return content[: generator.randrange(len(content))], kind
    if kind == "member":
        return damaged_member(whole, generator)
    place = generator.randrange(len(content))
    # Half of the damage is near the end, where the table of contents stands.
    if generator.random() < 0.5:
        place = len(content) - 1 - generator.randrange(min(800, len(content)))
    size = generator.randrange(1, 200)
    if kind == "bits":
        for _ in range(generator.randrange(1, 20)):
            at = min(len(content) - 1, place + generator.randrange(200))
            content[at] ^= 1 << generator.randrange(8)
    elif kind == "zeros":
        content[place : place + size] = bytes(len(content[place : place + size]))
    elif kind == "insert":
        content[place:place] = generator.randbytes(size)
    else:
        other = generator.randrange(len(content))
        content[place : place + size] = content[other : other + size]
    return content, f"{kind} at {place}"


def damaged_member(whole, generator):
    """A file with right checksums and one member that was changed at random."""
    made = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(whole)) as old, zipfile.ZipFile(made, "w") as new:
        chosen = generator.choice(old.namelist())
        for name in old.namelist():
            content = bytearray(old.read(name))
            if name == chosen:
                # The head of a member is where its structure is.
                head = min(len(content), generator.choice([200, 4000, len(content)]))
                for _ in range(generator.randrange(1, 8)):
                    content[generator.randrange(head)] = generator.randrange(256)
            new.writestr(name, bytes(content))
    return made.getvalue(), f"member {chosen}"


def test_fuzz(whole, tmp_path, monkeypatch):
    """A damaged file is refused in one line, or is still a model; nothing else happens."""
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "model.keras"
    end, seed, still_fine = time.monotonic() + FUZZ_SECONDS, 0, 0
    while time.monotonic() < end or seed < 20:
        content, what = damaged(whole, random.Random(seed))
        case = f"seed {seed}: {what}, checksum {zlib.crc32(bytes(content)):08x}"
        path.write_bytes(content)
        try:
            model = load(path)
        except ValueError as error:
            assert "\n" not in str(error) and str(path) in str(error), case
            assert len(str(error)) < 1000, case
        except Exception as error:
            pytest.fail(f"{case}: {type(error).__name__}: {error}")
        else:
            still_fine += 1
            assert isinstance(model, SentimentClassifier), case
        assert everything_in(tmp_path) == [str(path)], case
        seed += 1
    assert still_fine < seed
