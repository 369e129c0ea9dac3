"""Environments: made whole or not at all, made once, with the packages that were asked for."""

import os
import re
import subprocess
import zipfile

import pytest

from keras_tx.serving import runtime_environment
from keras_tx.serving.runtime_environment import environment_python, is_made, make_environment


@pytest.fixture
def cache(tmp_path, monkeypatch):
    """An own cache, and a package that needs no network."""
    wheel = tmp_path / "tiny_package-1.0-py3-none-any.whl"
    about = "Metadata-Version: 2.1\nName: tiny-package\nVersion: 1.0\n"
    with zipfile.ZipFile(wheel, "w") as archive:
        archive.writestr("tiny_package.py", "ANSWER = 42\n")
        archive.writestr("tiny_package-1.0.dist-info/METADATA", about)
        archive.writestr(
            "tiny_package-1.0.dist-info/WHEEL",
            "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        )
        archive.writestr("tiny_package-1.0.dist-info/RECORD", "")
    monkeypatch.setenv("KERAS_TX_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setitem(runtime_environment.REQUIREMENTS, "tiny", (str(wheel),))
    monkeypatch.setitem(runtime_environment.REQUIREMENTS, "none", ("no-such-package",))
    return tmp_path / "cache" / "environments"


def test_it_is_made_once_and_again_when_it_is_not_whole(cache, capsys):
    assert not is_made("tiny")
    python = environment_python("tiny")
    assert python == cache / "tiny" / "bin" / "python" and is_made("tiny")
    assert "tiny_package" in capsys.readouterr().err  # It says what it gets.
    code = "import sys, tiny_package; print(tiny_package.ANSWER, 'keras' in sys.modules)"
    answer = subprocess.run([python, "-c", code], capture_output=True, text=True)
    assert answer.stdout == "42 False\n", answer.stderr
    made = os.stat(python.parent).st_mtime_ns
    assert environment_python("tiny") == python
    assert os.stat(python.parent).st_mtime_ns == made and capsys.readouterr().err == ""
    # As when the machine went down in the middle.
    (cache / "tiny" / runtime_environment.COMPLETE).unlink()
    assert not is_made("tiny")


def test_nothing_is_left_when_a_package_cannot_be_had(cache, capsys):
    with pytest.raises(RuntimeError, match=re.escape("with no-such-package. Received: ")) as error:
        environment_python("none")
    assert "no-such-package" in str(error.value) and "\n" not in str(error.value)
    assert not (cache / "none").exists() and not is_made("none")


def test_a_place_that_cannot_be_written(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(RuntimeError, match="expected an environment"):
        make_environment(tmp_path / "file" / "environment", ())


def test_where_environments_are_kept(monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.delenv("KERAS_TX_CACHE", raising=False)
    expected = tmp_path / "keras_tx" / "environments"
    assert runtime_environment.environments_directory() == expected
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setenv("HOME", str(tmp_path))
    expected = tmp_path / ".cache" / "keras_tx" / "environments"
    assert runtime_environment.environments_directory() == expected
