"""`.keras` files that are cut or changed at random."""

import io
import os
import random
import time
import zipfile
import zlib

import pytest

from keras_tx.models import SentimentClassifier, load

FUZZ_SECONDS = float(os.environ.get("KERAS_TX_FUZZ_SECONDS", "6"))


def damaged(model_file_bytes, generator):
    """What a bad disk or a stranger makes of a file, and how to tell what was done."""
    content = bytearray(model_file_bytes)
    kind = generator.choice(["cut", "bits", "zeros", "insert", "swap", "member", "member"])
    if kind == "cut":
        return content[: generator.randrange(len(content))], kind
    if kind == "member":
        return damaged_member(model_file_bytes, generator)
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


def damaged_member(model_file_bytes, generator):
    """A file with right checksums and one member that was changed at random."""
    made = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(model_file_bytes)) as old, zipfile.ZipFile(made, "w") as new:
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


def test_fuzz(model_file_bytes, tmp_path, monkeypatch):
    """A damaged file is refused in one line, or is still a model; nothing else happens."""
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "model.keras"
    end, seed, still_fine = time.monotonic() + FUZZ_SECONDS, 0, 0
    while time.monotonic() < end or seed < 20:
        content, what = damaged(model_file_bytes, random.Random(seed))
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
        assert list(tmp_path.rglob("*")) == [path], case
        seed += 1
    assert still_fine < seed
