"""Lines that survive a stop: what is kept, what is cut off, what may go on."""

import fcntl
import json
import os

import pytest

from keras_tx.cli import resumable_output
from keras_tx.cli.resumable_output import LinesRead, ResumableOutput, whole_lines

SETTINGS = {"model": "m", "beam size": 4}


@pytest.fixture
def path(tmp_path):
    return tmp_path / "out.txt"


def opened(path, resume=False, settings=SETTINGS, **more):
    return ResumableOutput(str(path), resume, lambda: settings).open(more)


def stopped(path, content, error=KeyboardInterrupt):
    with pytest.raises(error), opened(path) as (stream, done):
        assert done == 0
        stream.write(content)
        raise error


def names(path):
    return sorted(os.listdir(path.parent))


def test_a_file_appears_when_it_is_whole(path):
    path.write_text("old")
    path.chmod(0o640)
    with opened(path) as (stream, done):
        stream.write(b"new\n")
        stream.flush()
        assert (done, path.read_text()) == (0, "old")
        assert names(path) == ["out.txt", "out.txt.part", "out.txt.part.json"]
    assert path.read_text() == "new\n"
    assert path.stat().st_mode & 0o777 == 0o640
    assert names(path) == ["out.txt"]


@pytest.mark.parametrize("error", [KeyboardInterrupt, ValueError, SystemExit])
def test_whole_lines_are_kept_and_half_a_line_is_not(path, capsys, error):
    stopped(path, b"one\ntwo\nhalf a li", error)
    assert not path.exists()
    printed = capsys.readouterr()
    assert printed.out == ""
    assert printed.err == (
        f"2 lines are kept in {path}.part: the same command with --resume goes on\n"
    )
    with opened(path, resume=True) as (stream, done):
        assert done == 2
        stream.write(b"three\n")
    assert path.read_text() == "one\ntwo\nthree\n"
    assert names(path) == ["out.txt"]


def test_it_may_stop_again_and_again(path):
    stopped(path, b"one\n")
    for number in range(1, 4):
        with (
            pytest.raises(ValueError, match="again"),
            opened(path, resume=True) as (stream, done),
        ):
            assert done == number
            stream.write(b"more\n")
            raise ValueError("again")
    assert whole_lines((path.parent / "out.txt.part").open("rb"))[0] == 4


def test_a_record_half_written_at_a_kill_is_gone_at_the_end(path):
    stopped(path, b"one\n")
    (path.parent / "out.txt.part.json.new").write_text('{"half')
    with opened(path, resume=True) as (_, done):  # Nothing was left to do.
        assert done == 1
    assert (names(path), path.read_text()) == (["out.txt"], "one\n")


def test_without_a_line_nothing_is_kept(path, capsys):
    path.write_text("old")
    stopped(path, b"half a li")
    assert (names(path), path.read_text()) == (["out.txt"], "old")
    assert capsys.readouterr().err == ""

    def fail():
        raise ValueError("no such model")

    with (
        pytest.raises(ValueError, match="no such model"),
        ResumableOutput(str(path), False, fail).open(),
    ):
        pass
    assert names(path) == ["out.txt"]


def test_lines_are_not_lost_without_resume(path):
    stopped(path, b"one\ntwo\n")
    with (
        pytest.raises(FileExistsError, match="expected --resume.*Received.*stopped run left 2"),
        opened(path),
    ):
        pass
    assert (path.parent / "out.txt.part").read_bytes() == b"one\ntwo\n"
    (path.parent / "out.txt.part").unlink()  # As the message says.
    with opened(path) as (_, done):
        assert done == 0


def test_resume_with_nothing_to_go_on_with(path):
    with opened(path, resume=True) as (stream, done):
        assert done == 0
        stream.write(b"one\n")
    assert path.read_text() == "one\n"


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({**SETTINGS, "beam size": 5}, "the beam size of the stopped run: 4. Received: 5"),
        ({"model": "m"}, "the beam size of the stopped run: 4. Received: None"),
        ({**SETTINGS, "more": 1}, "the more of the stopped run: None. Received: 1"),
    ],
)
def test_other_settings_are_refused(path, settings, message):
    stopped(path, b"one\n")
    with pytest.raises(ValueError, match=message), opened(path, resume=True, settings=settings):
        pass
    with opened(path, resume=True) as (_, done):  # Nothing was touched.
        assert done == 1


def test_settings_may_come_late(path):
    with pytest.raises(SystemExit), opened(path, input="a") as (stream, _):
        stream.write(b"one\n")
        raise SystemExit
    assert json.loads((path.parent / "out.txt.part.json").read_text()) == {**SETTINGS, "input": "a"}
    with pytest.raises(ValueError, match="the input .*'a'. Received: 'b'"):
        opened(path, resume=True, input="b").__enter__()


@pytest.mark.parametrize("record", [None, "", "[]", '{"model"'])
def test_a_record_that_cannot_be_read(path, record):
    stopped(path, b"one\n")
    file = path.parent / "out.txt.part.json"
    file.unlink()
    if record is not None:
        file.write_text(record)
    with (
        pytest.raises(ValueError, match="settings of the stopped run.*Received: no such record"),
        opened(path, resume=True),
    ):
        pass


def test_two_runs_do_not_write_one_file(path):
    with opened(path) as (stream, _):
        stream.write(b"one\n")
        stream.flush()
        for resume in (False, True):
            with (
                pytest.raises(FileExistsError, match="no other run with this --output. Received"),
                opened(path, resume=resume),
            ):
                pass
    assert path.read_text() == "one\n"


def test_a_run_that_has_just_finished_is_not_written_to(path, monkeypatch):
    part = path.parent / "out.txt.part"

    def finish(stream, how):  # Between opening and locking, another run ends.
        os.replace(part, path)

    path.write_text("")
    part.write_text("whole\n")
    monkeypatch.setattr(fcntl, "flock", finish)
    with pytest.raises(FileExistsError, match="no other run"), opened(path, resume=True):
        pass
    assert path.read_text() == "whole\n"


def test_whole_lines_in_blocks_of_any_size(tmp_path, monkeypatch):
    from keras_tx.cli import resumable_output

    (tmp_path / "file").write_bytes(b"one\n\nthree\nfo")
    for size in range(1, 15):
        monkeypatch.setattr(resumable_output, "BLOCK_BYTES", size)
        with open(tmp_path / "file", "rb") as stream:
            assert whole_lines(stream) == (3, 11)


def test_another_input_does_not_go_on(path):
    def run(lines, resume=False, stop_after=None):
        output = ResumableOutput(str(path), resume, lambda: SETTINGS)
        with output.open() as (stream, done):
            for number, line in enumerate(lines):
                output.check_read([line])
                if number < done:
                    continue
                stream.write(line.encode() + b"\n")
                stream.flush()
                output.keep_read()
                if number + 1 == stop_after:
                    raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run(["a", "b", "c", "d"], stop_after=3)
    for other in (["a", "x", "c", "d"], ["a", "b", "cd"]):
        with pytest.raises(ValueError, match="differs in the first 3 lines .to start anew, remove"):
            run(other, resume=True)
        assert (path.parent / "out.txt.part").read_bytes() == b"a\nb\nc\n"
    run(["a", "b", "c", "y"], resume=True)  # What comes after has not been read yet.
    assert path.read_bytes() == b"a\nb\nc\ny\n" and names(path) == ["out.txt"]


def test_what_is_no_part_is_not_touched(path):
    part = path.parent / "out.txt.part"
    part.write_text("notes without a line feed")
    for resume in (False, True):
        with pytest.raises(FileExistsError, match="to be of a stopped run"), opened(path, resume):
            pass
        assert part.read_text() == "notes without a line feed"
    part.unlink()
    part.symlink_to(path.parent / "elsewhere")
    with pytest.raises(OSError, match="symbolic links"), opened(path):
        pass
    assert names(path) == ["out.txt.part"]


def test_all_is_written_before_the_part_becomes_the_file(path, monkeypatch):
    """A full disk shows when the last bytes are written: the old file must still be there."""
    found = []
    monkeypatch.setattr(
        resumable_output, "put_in_place", lambda part, target: found.append(open(part).read())
    )
    with opened(path) as (stream, _):
        stream.write(b"one\n")
    assert found == ["one\n"]


@pytest.mark.parametrize("resume", [False, True])
def test_half_a_first_line_of_a_killed_run_is_in_nobodys_way(path, resume):
    (path.parent / "out.txt.part").write_text("half a li")
    (path.parent / "out.txt.part.json").write_text("{}")
    with opened(path, resume) as (stream, done):
        assert done == 0
        stream.write(b"one\n")
    assert (names(path), path.read_text()) == (["out.txt"], "one\n")


def test_lines_cut_elsewhere_are_other_lines():
    first = LinesRead()
    first.add(["ab", "c"])
    assert LinesRead(first.facts()).add(["ab", "c"])
    assert not LinesRead(first.facts()).add(["a", "bc"])
