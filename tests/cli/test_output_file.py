"""Where results go: files that appear when they are whole, links, pipes."""

import os
import threading

import pytest

from keras_tx.cli.output_file import is_file_to_make, open_output, target_of


def test_a_new_file_appears_only_when_it_is_whole(tmp_path):
    with open_output(str(tmp_path / "out")) as output:
        output.write(b"a")
        assert not (tmp_path / "out").exists()
    assert (tmp_path / "out").read_bytes() == b"a"


def test_a_link_stays_a_link_and_rights_stay(tmp_path):
    (tmp_path / "real").write_text("old")
    (tmp_path / "real").chmod(0o640)
    (tmp_path / "link").symlink_to(tmp_path / "real")
    with open_output(str(tmp_path / "link")) as output:
        output.write(b"new")
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "real").read_bytes() == b"new"
    assert (tmp_path / "real").stat().st_mode & 0o777 == 0o640


def test_a_named_pipe_is_written_to_not_replaced(tmp_path):
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    received = []
    reader = threading.Thread(target=lambda: received.append(pipe.read_bytes()))
    reader.start()
    with open_output(str(pipe)) as output:
        output.write(b"a\n")
    reader.join(timeout=10)
    assert received == [b"a\n"] and pipe.is_fifo()


def test_an_error_leaves_nothing(tmp_path):
    (tmp_path / "out").write_text("old")
    with pytest.raises(ValueError, match="half way"), open_output(str(tmp_path / "out")) as output:
        output.write(b"new")
        raise ValueError("half way")
    assert (tmp_path / "out").read_text() == "old"
    assert os.listdir(tmp_path) == ["out"]


def test_which_outputs_are_files_to_make(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "old").write_text("old")
    (tmp_path / "link").symlink_to(tmp_path / "not yet")
    answers = {"pipe": False, "old": True, "new": True, "link": True}
    for name, answer in answers.items():
        assert is_file_to_make(str(tmp_path / name)) == answer
    assert not any(map(is_file_to_make, (None, "-", os.devnull)))


def test_errors_come_before_the_work(tmp_path):
    with pytest.raises(IsADirectoryError, match="expected a file for --output. Received: .*folder"):
        target_of(str(tmp_path))
    with pytest.raises(FileNotFoundError, match="--output in an existing folder. Received"):
        target_of(str(tmp_path / "no" / "out"))


def test_an_empty_name_is_not_the_working_directory():
    with pytest.raises(ValueError, match="expected a file. Received: --output ''"), open_output(""):
        raise AssertionError


def test_two_runs_at_once_do_not_write_into_one_another(tmp_path, monkeypatch):
    path = str(tmp_path / "out")
    with open_output(path) as first:
        first.write(b"first")
        monkeypatch.setattr(os, "getpid", lambda: -1)  # Another process
        with open_output(path) as second:
            second.write(b"second run")
        assert (tmp_path / "out").read_bytes() == b"second run"
    assert (tmp_path / "out").read_bytes() == b"first"
    assert os.listdir(tmp_path) == ["out"]


def test_a_name_as_long_as_it_may_be(tmp_path):
    for name in ("a" * 255, "\u00e9" * 127):
        path = tmp_path / name
        with open_output(str(path)) as output:
            output.write(b"a")
        assert path.read_bytes() == b"a"
