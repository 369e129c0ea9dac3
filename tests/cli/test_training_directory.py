"""What a training may write over."""

import json

import pytest

from keras_tx.cli.training_directory import TrainingDirectory, checksum
from keras_tx.text import SentencePieceTokenizer


@pytest.mark.parametrize("name", ["out.keras", "state.npz"])
def test_what_is_there_is_not_lost_unless_asked(tmp_path, name):
    path = tmp_path / "out"
    with TrainingDirectory(str(path)) as directory:
        directory.prepare({})
    TrainingDirectory(str(path))  # An empty directory is as good as none.
    (path / name).write_text("")
    with pytest.raises(FileExistsError, match=f"--resume or --overwrite. Received: .*{name}"):
        TrainingDirectory(str(path))
    TrainingDirectory(str(path), resume=True)
    TrainingDirectory(str(path), overwrite=True)


def test_an_empty_path_is_not_the_working_directory():
    with pytest.raises(ValueError, match="expected a directory. Received: --output ''"):
        TrainingDirectory("", overwrite=True)


def test_to_go_on_is_not_to_begin_anew(tmp_path):
    with pytest.raises(ValueError, match="expected --resume or --overwrite. Received: both"):
        TrainingDirectory(str(tmp_path), resume=True, overwrite=True)


def test_a_file_is_no_directory(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(NotADirectoryError, match="Received: --output"):
        TrainingDirectory(str(tmp_path / "file"), overwrite=True)


def test_the_model_has_the_directory_s_name(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert TrainingDirectory(".").model_path == tmp_path / f"{tmp_path.name}.keras"


def test_a_resumed_training_has_the_same_tokenizer(tmp_path):
    path = tmp_path / "out"
    with TrainingDirectory(str(path)) as first:
        first.prepare({})
        fitted = first.tokenizer(SentencePieceTokenizer("bpe", 270), lambda: ["a cat, a bat"])
    again = TrainingDirectory(str(path), resume=True)
    same = again.tokenizer(SentencePieceTokenizer("bpe", 280), lambda: ["other words"])
    assert same.vocabulary == fitted.vocabulary
    new = TrainingDirectory(str(path), overwrite=True)
    other = new.tokenizer(SentencePieceTokenizer("bpe", 280), lambda: ["other words"])
    assert other.vocabulary != fitted.vocabulary


def test_a_new_training_leaves_nothing_for_a_resume_to_mix_up(tmp_path):
    # Stopped before its first checkpoint: the old one would go on with the new tokenizer.
    with TrainingDirectory(str(tmp_path)) as first:
        first.prepare({"seed": 0})
        first.tokenizer(SentencePieceTokenizer("bpe", 270), lambda: ["a cat, a bat"])
    (tmp_path / "state.npz").write_text("")
    with TrainingDirectory(str(tmp_path), resume=True) as again:
        again.prepare({"seed": 0})
    assert (tmp_path / "state.npz").exists() and (tmp_path / "tokenizer").is_dir()
    with TrainingDirectory(str(tmp_path), overwrite=True) as new:
        new.prepare({"seed": 1})
    assert [file.name for file in tmp_path.iterdir()] == ["settings.json"]
    with TrainingDirectory(str(tmp_path), resume=True) as begins:
        begins.prepare({"seed": 2})  # Nothing is there.


def test_two_trainings_at_once(tmp_path):
    options = {}, {"resume": True}, {"overwrite": True}
    # All are made before the first has written anything, as commands are that start together.
    first, *others = [TrainingDirectory(str(tmp_path / "out"), **more) for more in ({}, *options)]
    with first:
        first.prepare({"seed": 0})
        before = (tmp_path / "out" / "settings.json").read_text()
        for other in others:
            message = "a directory of its own .* Received: --output '.*out', where another one"
            with pytest.raises(FileExistsError, match=message), other:
                other.prepare({"seed": 1})
        assert (tmp_path / "out" / "settings.json").read_text() == before
        (tmp_path / "out" / "out.keras").write_text("")
    # It has ended: only who says so may write over its model.
    with pytest.raises(FileExistsError, match="--overwrite. Received: .*the model"), others[0]:
        others[0].prepare({"seed": 1})
    with others[2]:
        others[2].prepare({"seed": 1})


@pytest.mark.parametrize("record", [b"", b"[]", b"\xff", None])
def test_a_training_goes_on_with_its_own_settings_alone(tmp_path, record):
    with TrainingDirectory(str(tmp_path)) as first:
        first.prepare({"labels": ["é", "\udce9"], "seed": 1})
    (tmp_path / "state.npz").write_text("")
    again = TrainingDirectory(str(tmp_path), resume=True)
    again.prepare({"labels": ["é", "\udce9"], "seed": 1})
    message = r"the seed of the stopped training: 1\. Received: 2 \(--overwrite starts anew\)"
    with pytest.raises(ValueError, match=message):
        again.prepare({"labels": ["é", "\udce9"], "seed": 2})
    if record is None:  # Of an earlier version, which wrote none.
        (tmp_path / "settings.json").unlink()
        again.prepare({"seed": 2})
        return
    (tmp_path / "settings.json").write_bytes(record)
    with pytest.raises(ValueError, match="the settings of the stopped training. Rec.*none"):
        again.prepare({"seed": 2})


def test_what_the_stopped_training_had_and_this_one_has_not(tmp_path):
    with TrainingDirectory(str(tmp_path)) as first:
        first.prepare({"seed": 1, "class weights": {"good": 5.0}, "shift": None})
    (tmp_path / "state.npz").write_text("")
    with (
        pytest.raises(ValueError, match="class weights of the .*: {'good': 5.0}. Received: None"),
        TrainingDirectory(str(tmp_path), resume=True) as again,
    ):
        again.prepare({"seed": 1, "class weights": None, "shift": None})
    with (
        pytest.raises(ValueError, match="shift of the stopped training: None. Received: 5"),
        TrainingDirectory(str(tmp_path), resume=True) as again,
    ):
        again.prepare({"seed": 1, "class weights": {"good": 5.0}, "shift": 5})
    with TrainingDirectory(str(tmp_path), resume=True) as later:  # A version that knows of more.
        settings = {"seed": 1, "class weights": {"good": 5.0}, "shift": None}
        later.prepare({**settings, "another option": 2})


def test_a_checksum_is_of_all_parts_in_order():
    parts = [["a", "b"], [0, 1], ["c\udce9"], [(0, 1), ()]]
    assert checksum(parts) == checksum(parts)
    for other in (parts[:3], [["a", "bc"], *parts[1:]], parts[::-1], [["a b"], *parts[1:]]):
        assert checksum(other) != checksum(parts)


def test_metrics(tmp_path):
    directory = TrainingDirectory(str(tmp_path))
    directory.write_metrics({"accuracy": 0.5})
    assert json.loads((tmp_path / "metrics.json").read_text()) == {"accuracy": 0.5}
    assert [file.name for file in tmp_path.iterdir()] == ["metrics.json"]
