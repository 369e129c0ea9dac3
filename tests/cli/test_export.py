"""`export` and `check-export`."""

import pathlib
import shutil

import pytest

from keras_tx.serving import read_facts


@pytest.fixture(scope="module")
def exported(models, tmp_path_factory):
    """The base directory of an exported classifier."""
    from click.testing import CliRunner

    from keras_tx.cli.main import main

    directory = tmp_path_factory.mktemp("exports") / "sentiment"
    model = str(models / "sentiment_imdb")
    result = CliRunner().invoke(main, ["export", "--model", model, "--output", str(directory)])
    assert (result.exit_code, result.output) == (0, f"{directory / '1'}\n")
    return directory


def test_an_export_names_its_origin(models, exported):
    assert (exported / "1" / "saved_model.pb").is_file()
    origin = pathlib.Path(read_facts(exported / "1")["model"])
    assert origin == models / "sentiment_imdb" / "sentiment_imdb.keras"


def test_a_good_export_passes_against_its_origin(models, exported, run):
    result = run("check-export", exported)
    assert (result.exit_code, result.stderr) == (0, "")
    assert result.stdout.startswith(f"pass: {exported / '1'}, ")
    assert "largest difference" in result.stdout


def test_another_model_fails(models, exported, run):
    result = run("check-export", exported / "1", "--model", "translator_en_fr")
    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr.startswith("Error: ") and result.stderr.endswith(f"{exported / '1'}\n")


def test_without_the_origin_nothing_is_compared_and_it_says_so(exported, run, tmp_path):
    shutil.copytree(exported / "1", tmp_path / "1")
    for file in (tmp_path / "1").rglob("*.json"):
        file.unlink()
    assert read_facts(tmp_path / "1") == {}
    (tmp_path / "1" / "saved_model.pb").write_bytes(b"no graph")
    result = run("check-export", tmp_path)
    assert (result.exit_code, result.stdout) == (1, "")
    assert "Nothing to compare with: the export names no model." in result.stderr
    assert "saved_model.pb is damaged" in result.stderr


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["check-export", "no/such/export"], "expected an exported model. Received"),
        (["check-export", "."], "which has neither saved_model.pb"),
        (["check-export", "file"], "which is a file"),
        (["export", "--model", "sentiment_imdb", "--output", "file"], "expected a directory"),
        (["export", "--model", "nothing", "--output", "new"], "Received: 'nothing'"),
    ],
)
def test_errors_are_one_line(models, run, tmp_path, monkeypatch, arguments, message):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "file").write_text("")
    result = run(*arguments)
    assert (result.exit_code, result.stdout) == (1, "")
    assert message in result.stderr and result.stderr.count("\n") == 1
    assert [path.name for path in tmp_path.iterdir()] == ["file"]
