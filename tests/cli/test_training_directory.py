"""What a training may write over."""

import json

import pytest

from keras_tx.cli.training_directory import TrainingDirectory
from keras_tx.text import SentencePieceTokenizer


@pytest.mark.parametrize("name", ["out.keras", "state.npz"])
def test_what_is_there_is_not_lost_unless_asked(tmp_path, name):
    path = tmp_path / "out"
    TrainingDirectory(str(path)).prepare()
    TrainingDirectory(str(path))  # An empty directory is as good as none.
    (path / name).write_text("")
    with pytest.raises(FileExistsError, match=f"--resume or --overwrite. Received: .*{name}"):
        TrainingDirectory(str(path))
    TrainingDirectory(str(path), resume=True)
    TrainingDirectory(str(path), overwrite=True)


def test_an_empty_path_is_not_the_working_directory():
    with pytest.raises(ValueError, match="expected a directory. Received: --output ''"):
        TrainingDirectory("", overwrite=True)


def test_a_file_is_no_directory(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(NotADirectoryError, match="Received: --output"):
        TrainingDirectory(str(tmp_path / "file"), overwrite=True)


def test_the_model_has_the_directory_s_name(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert TrainingDirectory(".").model_path == tmp_path / f"{tmp_path.name}.keras"


def test_a_resumed_training_has_the_same_tokenizer(tmp_path):
    path = tmp_path / "out"
    first = TrainingDirectory(str(path))
    first.prepare()
    fitted = first.tokenizer(SentencePieceTokenizer("bpe", 270), lambda: ["a cat, a bat"])
    again = TrainingDirectory(str(path), resume=True)
    same = again.tokenizer(SentencePieceTokenizer("bpe", 280), lambda: ["other words"])
    assert same.vocabulary == fitted.vocabulary
    new = TrainingDirectory(str(path), overwrite=True)
    other = new.tokenizer(SentencePieceTokenizer("bpe", 280), lambda: ["other words"])
    assert other.vocabulary != fitted.vocabulary


def test_metrics(tmp_path):
    directory = TrainingDirectory(str(tmp_path))
    directory.write_metrics({"accuracy": 0.5})
    assert json.loads((tmp_path / "metrics.json").read_text()) == {"accuracy": 0.5}
    assert [file.name for file in tmp_path.iterdir()] == ["metrics.json"]
