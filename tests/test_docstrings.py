"""Every public name is documented, and its examples run."""

from __future__ import annotations

import doctest
import importlib
import inspect
from pathlib import Path

import pytest

PACKAGE = Path(__file__).resolve().parents[1] / "keras_tx"
MODULES = sorted(
    ".".join(file.relative_to(PACKAGE.parent).with_suffix("").parts).removesuffix(".__init__")
    for file in PACKAGE.rglob("*.py")
    if file.stem != "__main__"  # importing it would start the command line
)
ROOMS = sorted(
    f"keras_tx.{file.parent.name}"
    for file in PACKAGE.glob("*/__init__.py")
    if file.parent.name != "cli"  # used from a shell, it offers no names
)
FLAGS = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE


@pytest.mark.parametrize("name", MODULES)
def test_examples_run(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)  # an example may write files
    module = importlib.import_module(name)
    runner = doctest.DocTestRunner(optionflags=FLAGS)
    report: list[str] = []
    for example in doctest.DocTestFinder(exclude_empty=True).find(module):
        runner.run(example, out=report.append)
    assert runner.summarize(verbose=False).failed == 0, "".join(report)


@pytest.mark.parametrize("name", MODULES)
def test_modules_say_what_they_are_for(name):
    assert (importlib.import_module(name).__doc__ or "").strip()


def is_error(thing: object) -> bool:
    return inspect.isclass(thing) and issubclass(thing, BaseException)


@pytest.mark.parametrize("name", ROOMS)
def test_public_names_have_a_docstring_with_an_example(name):
    room = importlib.import_module(name)
    assert len(room.__all__) == len(set(room.__all__)), "each public name once"
    lacking = []
    for public in room.__all__:
        thing = getattr(room, public)
        if inspect.isclass(thing) or inspect.isfunction(thing):
            # Its own docstring: one inherited from Keras says nothing about it.
            text = (thing.__doc__ or "").strip()
            # An error is raised, not made, and of an abstract class nothing can be made:
            # their examples are those of what raises and what inherits.
            without = inspect.isabstract(thing) or is_error(thing)
            if not text or (">>> " not in text and not without):
                lacking.append(public)
    assert lacking == []
