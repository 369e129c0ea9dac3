"""What a `.keras` file holds, looked at before anything in it is built or run.

A file may come from a stranger. Keras itself runs no code of a file that is loaded in its safe
mode; but it would import the classes that a file names, unpack what is in it, and allocate what
it claims. A text model needs little of that, so nearly all of it is refused here.
"""

from __future__ import annotations

import concurrent.futures
import io
import json
import math
import os
import re
import stat
import zipfile
from collections.abc import Iterator
from typing import Any, BinaryIO

import h5py
import keras
import tensorflow as tf

from keras_tx.models.computing_precision import building_in
from keras_tx.models.ensemble_network import MOST_MEMBERS
from keras_tx.models.text_model import TextModel
from keras_tx.text import Tokenizer

WEIGHTS, CONFIG, METADATA, ASSETS = "model.weights.h5", "config.json", "metadata.json", "assets/"
LARGEST_CONFIG = 16 << 20
# Weights hardly shrink: what unpacks to much more than the file itself was made to.
LARGEST_RATIO, ALWAYS_FINE = 20, 64 << 20
MOST_OBJECTS = 100_000
MOST_LAYERS, MOST_LAYERS_TOGETHER = 256, 1024
SPARE_BYTES = 1 << 20
_POLICY = ("keras", "DTypePolicy")  # What Keras writes of a tokenizer besides its own settings.


def check_model_file(path: str | os.PathLike) -> None:
    """Raises unless a file can only be a text model.

    It is a zip archive of the few files that `TextModel.save` writes, each once, unpacked not
    much larger than packed; its settings name no other classes than text models and tokenizers
    that are known to Keras already; its weights are plain arrays, stored in full; and the model
    that the settings describe has no more weights than are stored.

    Args:
        path: the file.

    Raises:
        ValueError: for any other file; the message says what is wrong with it.
        Exception: what zip, JSON, HDF5 and the model's constructor raise for damaged ones.

    Example:
        >>> from keras_tx.models.model_file import check_model_file
        >>> import zipfile
        >>> with zipfile.ZipFile("model.keras", "w") as archive:
        ...     archive.writestr("../outside.txt", "hello")
        >>> check_model_file("model.keras")
        Traceback (most recent call last):
        ValueError: expected config.json in it. Received: ['../outside.txt']
    """
    with open(path, "rb") as file, zipfile.ZipFile(file) as archive:
        check_members(archive, os.fstat(file.fileno()).st_size)
        config = json.loads(archive.read(CONFIG))
        kind = check_config(config)
        stored, count = check_weights(io.BytesIO(archive.read(WEIGHTS)))
    check_size(kind, config["config"], stored, count)


def check_members(archive: zipfile.ZipFile, file_size: int) -> None:
    """Raises unless the members are the files of a model, and no larger than they can be."""
    members = archive.infolist()
    names = [member.filename for member in members]
    for name in (CONFIG, METADATA, WEIGHTS):
        if name not in names:
            raise ValueError(f"expected {name} in it. Received: {sorted(names)[:5]}")
    if len(set(names)) < len(names):
        twice = next(name for name in names if names.count(name) > 1)
        raise ValueError(f"expected each file once. Received: {twice!r} twice")
    for member in members:
        _check_member(member)
    packed = sum(member.compress_size for member in members)
    if packed > file_size:
        raise ValueError(
            f"expected files that lie beside each other. Received: {packed:,} bytes of them in "
            f"{file_size:,}"
        )
    unpacked = sum(member.file_size for member in members)
    if unpacked > max(ALWAYS_FINE, LARGEST_RATIO * file_size):
        raise ValueError(
            f"expected at most {LARGEST_RATIO} times its {file_size:,} bytes when unpacked. "
            f"Received: {unpacked:,} bytes"
        )


def _check_member(member: zipfile.ZipInfo) -> None:
    name = member.filename
    parts = name.split("/")
    plain = name.isprintable() and not any(character in name for character in '\\:"*?<>|')
    inside = plain and not {"", ".", ".."} & set(parts)
    if not inside or not (name in (CONFIG, METADATA, WEIGHTS) or name.startswith(ASSETS)):
        raise ValueError(f"expected only the files of a model in it. Received: {name!r}")
    mode = member.external_attr >> 16
    if stat.S_IFMT(mode) not in (0, stat.S_IFREG):
        raise ValueError(f"expected regular files in it. Received: {name!r}, a link or device")
    if member.flag_bits & 1 or member.compress_type not in (
        zipfile.ZIP_STORED,
        zipfile.ZIP_DEFLATED,
    ):
        raise ValueError(
            f"expected files stored or deflated. Received: {name!r}, encrypted or packed otherwise"
        )
    stored = member.compress_type == zipfile.ZIP_STORED
    if stored and member.compress_size != member.file_size:
        raise ValueError(f"expected one size of {name!r}. Received: two that differ")
    if name in (CONFIG, METADATA) and member.file_size > LARGEST_CONFIG:
        raise ValueError(f"expected a short {name}. Received: {member.file_size:,} bytes")


def check_config(config: Any) -> type[TextModel]:
    """The class of the model that the settings describe; raises for any other content."""
    if not isinstance(config, dict) or not isinstance(config.get("config"), dict):
        raise ValueError(f"expected the settings of a model. Received: {str(config)[:80]}")
    kind = _registered(config)
    if kind is None or not issubclass(kind, TextModel):
        raise ValueError(
            f"expected a text model of keras_tx. Received: a {str(config.get('class_name'))[:50]}"
        )
    for content in _dictionaries(config["config"]):
        # What Keras would take for a class or a function.
        named = {"class_name", "registered_name", "module"} & set(content)
        if not named or (content.get("module"), content.get("class_name")) == _POLICY:
            continue
        inner = _registered(content)
        if inner is None or not issubclass(inner, (TextModel, Tokenizer)):
            raise ValueError(
                "expected only text models and tokenizers in the settings. Received: "
                f"{str(content.get('module'))[:50]!r}, {str(content.get('class_name'))[:50]!r}"
            )
    return kind


def _dictionaries(content: Any) -> Iterator[dict[str, Any]]:
    """All dictionaries in JSON, the outermost first."""
    waiting = [content]
    while waiting:
        content = waiting.pop()
        if isinstance(content, dict):
            yield content
            waiting.extend(content.values())
        elif isinstance(content, list):
            waiting.extend(content)


def _registered(content: dict[str, Any]) -> type | None:
    """The class that an entry names, if Keras knows it by that name: nothing is imported."""
    name = content.get("registered_name")
    known = keras.saving.get_registered_object(name) if isinstance(name, str) else None
    named = isinstance(known, type) and content.get("class_name") == known.__name__
    return known if named else None


def check_weights(file: BinaryIO) -> tuple[int, int]:
    """The bytes of all stored arrays, and how many there are; raises for anything else.

    Half precision counts as float32, in which the model will have it. Links to other places or
    files, arrays kept elsewhere or only claimed, and arrays of anything but numbers are errors.
    """
    size = file.seek(0, io.SEEK_END)
    stored = room = count = 0
    with h5py.File(file, "r") as weights:
        for name, found in _datasets(weights):
            plain = found.dtype.kind in "fiub" or (
                found.dtype.kind == "V" and found.dtype.names is None and found.dtype.itemsize <= 2
            )
            if not plain:
                raise ValueError(f"expected numbers as weights. Received: {name!r}, {found.dtype}")
            if found.external or found.is_virtual:
                raise ValueError(f"expected weights in the file. Received: {name!r}, elsewhere")
            # Without a shape it holds nothing, with an empty one a single number.
            claimed = 0 if found.shape is None else math.prod(found.shape) * found.dtype.itemsize
            if claimed > found.id.get_storage_size():
                raise ValueError(
                    f"expected weights stored in full. Received: {name!r}, which claims "
                    f"{claimed:,} bytes and has {found.id.get_storage_size():,}"
                )
            stored, count = stored + claimed, count + 1
            room += 2 * claimed if found.dtype.itemsize == 2 else claimed
    if stored > size:
        raise ValueError(f"expected at most {size:,} bytes of weights. Received: {stored:,}")
    return room, count


def _datasets(weights: h5py.File) -> Iterator[tuple[str, h5py.Dataset]]:
    """All arrays, each once."""
    waiting: list[h5py.Group] = [weights]
    seen = set()
    while waiting:
        group = waiting.pop()
        for key in group:
            link = group.get(key, getlink=True)
            if not isinstance(link, h5py.HardLink):
                raise ValueError(f"expected no links among the weights. Received: {key!r}")
            found = group[key]
            place = h5py.h5o.get_info(found.id).addr
            if place in seen or len(seen) > MOST_OBJECTS:
                raise ValueError(f"expected each of the weights once. Received: {key!r} again")
            seen.add(place)
            if isinstance(found, h5py.Group):
                waiting.append(found)
            elif isinstance(found, h5py.Dataset):
                yield found.name, found
            else:
                raise ValueError(f"expected arrays as weights. Received: {key!r}, a type")


def check_size(kind: type[TextModel], config: dict[str, Any], stored: int, count: int) -> None:
    """Raises when the model that the settings describe is larger than the stored weights.

    It is built for its shapes only, without memory for weights. That happens in a thread of its
    own: what Keras keeps of variables without values, to make them up later, ends with it.
    """
    total = 0
    for content in _dictionaries(config):
        for name, value in content.items():
            if re.fullmatch("num_.*layers", name) and isinstance(value, int):
                most, total = MOST_LAYERS, total + abs(value)
            elif name == "members" and isinstance(value, list):  # Networks of an ensemble.
                most, value = MOST_MEMBERS, len(value)
            else:
                continue
            if value > min(count, most) or total > min(count, MOST_LAYERS_TOGETHER):
                raise ValueError(
                    f"expected settings of a model of {count} arrays. Received: {name} {value}"
                )
    with concurrent.futures.ThreadPoolExecutor(1) as thread:
        claimed = thread.submit(_claimed_bytes, kind, config).result()
    if claimed > stored + SPARE_BYTES:
        raise ValueError(
            f"expected settings of a model of {stored:,} bytes. Received: those of one of "
            f"{claimed:,}"
        )


def _claimed_bytes(kind: type[TextModel], config: dict[str, Any]) -> int:
    # Keras' setting of the precision is each thread's own: without one it would be Keras' floats.
    with keras.StatelessScope(initialize_variables=False), building_in("float32"):
        model = kind.from_config(config)
    return sum(
        math.prod(variable.shape) * tf.dtypes.as_dtype(variable.dtype).size
        for variable in model.variables
    )
