"""The rooms of the package, and who may call whom."""

from __future__ import annotations

import ast
import importlib
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = ROOT / "keras_tx"
# A file imports from its own room and from rooms to the left of it.
ROOMS = (
    "layers", "decoding", "text", "data", "training", "serving", "models", "evaluation", "cli",
)  # fmt: skip
BACKEND_FREE = ("layers", "decoding")  # keras.ops only: they run on every backend
# Those that also have a backend's own operation, where `keras.ops` makes ten or twenty of one.
WITH_OWN_OPERATION = {
    "decoding/gathering.py": {"tensorflow"},
    "layers/onednn.py": {"tensorflow"},
}
BACKENDS = {"tensorflow", "tensorflow_text", "jax", "torch"}
NOBODYS_ROOMS = {"utils", "util", "helpers", "helper", "common", "misc"}
TOP_LEVEL = {
    "keras_tx", "apps", "saved_models", "tests",
    "setup.cfg", "pyproject.toml", "README.md", "LICENSE",
}  # fmt: skip
FILES = sorted(PACKAGE.rglob("*.py"))


def imports(file: Path) -> set[str]:
    """Dotted names of what a file imports, at its top or inside functions."""
    package = file.relative_to(ROOT).with_suffix("").parts[:-1]
    names = set()
    for node in ast.walk(ast.parse(file.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            start = package[: len(package) - node.level + 1] if node.level else ()
            module = ".".join([*start, *([node.module] if node.module else [])])
            # What is imported may itself be a module: `from keras_tx import layers`.
            names |= {f"{module}.{alias.name}" for alias in node.names}
    return names


def room(file: Path) -> str | None:
    parts = file.relative_to(PACKAGE).parts
    return parts[0] if len(parts) > 1 else None


def upward(file: Path) -> list[str]:
    """The imports that lead from a file to a room on its right, or to the whole house.

    The last room stands to the right of all, so it may take in the whole.
    """
    if room(file) == ROOMS[-1]:
        return []
    reached = [name.split(".") for name in imports(file)]
    inside = [parts for parts in reached if parts[0] == "keras_tx"]
    allowed = ROOMS[: ROOMS.index(room(file)) + 1]
    return [".".join(parts) for parts in inside if len(parts) < 2 or parts[1] not in allowed]


def test_there_is_something_to_read():
    assert len(FILES) > 10
    assert "keras.ops" in imports(PACKAGE / "layers" / "multi_head_attention.py")


def test_every_folder_is_a_room():
    folders = {f.name for f in PACKAGE.iterdir() if f.is_dir() and any(f.rglob("*.py"))}
    assert folders <= set(ROOMS)


@pytest.mark.parametrize("file", FILES, ids=lambda f: str(f.relative_to(ROOT)))
def test_imports_point_to_the_left_only(file):
    if room(file) is not None:  # __init__ and __main__ of the package see all rooms
        assert upward(file) == []


@pytest.mark.parametrize("name", BACKEND_FREE)
def test_rooms_that_run_on_every_backend_import_none(name):
    for file in (PACKAGE / name).rglob("*.py"):
        used = {imported.split(".")[0] for imported in imports(file)} & BACKENDS
        used -= WITH_OWN_OPERATION.get(file.relative_to(PACKAGE).as_posix(), set())
        assert not used, f"{file.relative_to(ROOT)} imports {used}"


def test_an_upward_import_is_found(tmp_path, monkeypatch):
    # The test itself is tested: every way to write an import upward.
    monkeypatch.setattr(f"{__name__}.ROOT", tmp_path)
    monkeypatch.setattr(f"{__name__}.PACKAGE", tmp_path / "keras_tx")
    file = tmp_path / "keras_tx" / "text" / "words.py"
    file.parent.mkdir(parents=True)
    for line in (
        "import keras_tx",
        "import keras_tx.models.translator",
        "from keras_tx import models",
        "from keras_tx.models import Translator",
        "from ..models import Translator",
        "def late():\n    from keras_tx.cli import main",
    ):
        file.write_text(line)
        assert len(upward(file)) == 1, line
    for line in ("from keras_tx.layers import x", "from . import packing", "import keras"):
        file.write_text(line)
        assert upward(file) == [], line


APPS = sorted((ROOT / "apps").rglob("*.py"))


@pytest.mark.parametrize("file", APPS, ids=lambda f: str(f.relative_to(ROOT)))
def test_apps_use_public_names_only(file):
    for name in imports(file):
        package, *inside = name.split(".")
        if package == "keras_tx" and len(inside) > 1:
            assert len(inside) == 2, f"{name} is no public name of a room"
            assert inside[1] in importlib.import_module(f"keras_tx.{inside[0]}").__all__


def test_no_file_is_nobodys():
    places = [PACKAGE, ROOT / "apps", ROOT / "tests"]
    named = [path for place in places for path in place.rglob("*") if path.stem in NOBODYS_ROOMS]
    assert named == []


@pytest.mark.parametrize(
    "file",
    [f for f in FILES if f.stem not in ("__init__", "__main__")],
    ids=lambda f: str(f.relative_to(ROOT)),
)
def test_every_file_has_its_test(file):
    place = file.relative_to(PACKAGE).parent
    assert (ROOT / "tests" / place / f"test_{file.stem}.py").is_file()


def test_top_level_entries():
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard"]
    try:
        listed = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("not a git checkout: build products cannot be told from files")
    entries = {line.split("/")[0] for line in listed.stdout.splitlines()}
    assert {e for e in entries if not e.startswith(".")} <= TOP_LEVEL
