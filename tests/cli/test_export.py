"""`export` and `check-export`."""

import pathlib
import shutil
import sys

import pytest

import keras_tx
from keras_tx.models import SentimentClassifier
from keras_tx.serving import ExportReport, read_facts


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
    assert " probes, " in result.stdout and " warm-up requests, " in result.stdout
    assert "largest difference" in result.stdout


def test_smaller_weights_sentences_and_no_warm_up(models, run, tmp_path):
    arguments = ["--model", models / "sentiment_imdb", "--output", tmp_path / "small"]
    result = run("export", *arguments, "--weights", "int8", "--no-warm-up")
    assert (result.exit_code, result.stderr) == (0, "")
    assert read_facts(tmp_path / "small" / "1")["weights"] == "int8"
    # Three lines: a vertical tab and a line separator end none.
    reviews = "A good film.\r\n\nA bad one,\x0bd\u00e9j\u00e0\u2028vu.\n"
    (tmp_path / "reviews.txt").write_bytes(reviews.encode())
    result = run("check-export", tmp_path / "small", "--sentences", tmp_path / "reviews.txt")
    assert (result.exit_code, result.stderr) == (0, "")
    assert " probes, 3 sentences, largest difference " in result.stdout


def test_an_export_in_bfloat16_is_compared_with_the_model_in_bfloat16(models, run, tmp_path):
    arguments = ["export", "--model", models / "sentiment_imdb", "--precision", "bfloat16"]
    result = run(*arguments, "--output", tmp_path / "half", "--no-warm-up")
    assert (result.exit_code, result.stderr) == (0, "")
    assert read_facts(tmp_path / "half" / "1")["precision"] == "bfloat16"
    for further in ([], ["--model", models / "sentiment_imdb"]):
        result = run("check-export", tmp_path / "half", *further)
        assert (result.exit_code, result.stderr) == (0, "")
        difference = float(result.stdout.split("largest difference ")[1])
        assert difference < 1e-5  # Of the same sums; the weights are rounded by up to 1/256.
    for other in (["--weights", "int8"], ["--format", "ctranslate2"]):
        result = run(*arguments, "--output", tmp_path / "other", *other)
        assert (result.exit_code, result.stdout) == (2, "")
        assert f"no other --weights. Received: {' '.join(other)}" in result.stderr
    assert not (tmp_path / "other").exists()


def test_without_the_extra_it_is_said_that_there_is_no_warm_up(models, run, tmp_path, monkeypatch):
    # What an absent package looks like.
    monkeypatch.setitem(sys.modules, "tensorflow_serving", None)
    arguments = ["export", "--model", models / "sentiment_imdb", "--output"]
    result = run(*arguments, tmp_path / "base")
    assert (result.exit_code, result.stdout) == (0, f"{tmp_path / 'base' / '1'}\n")
    assert result.stderr == (
        "No warm-up requests, for which the extra serving is needed: "
        "pip install 'keras_tx[serving]'\n"
    )
    for name in [name for name in sys.modules if name.startswith("tensorflow_serving.")]:
        monkeypatch.delitem(sys.modules, name)
    result = run(*arguments, tmp_path / "base", "--warm-up")
    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr.startswith("Error: expected the extra serving: pip install ")
    assert [path.name for path in (tmp_path / "base").iterdir()] == ["1"]


@pytest.mark.parametrize("option", [["--weights", "int8"], ["--warm-up"]])
def test_options_of_another_format(models, run, tmp_path, option):
    arguments = ["export", "--model", "translator_en_fr", "--format", "ctranslate2", *option]
    result = run(*arguments, "--output", tmp_path / "engine")
    assert (result.exit_code, result.stdout, list(tmp_path.iterdir())) == (2, "", [])
    assert f"{option[0]} expected --format saved_model. Received: ctranslate2" in result.stderr
    assert result.stderr.count("\n") == 1


def test_another_model_fails(models, exported, run, tmp_path):
    # One that the files alone tell from the export's: no process needs to run it.
    tokenizer = keras_tx.load(models / "sentiment_imdb").tokenizer
    other = SentimentClassifier.from_preset("tiny", tokenizer, num_layers=0)
    other.save(tmp_path / "other.keras")
    result = run("check-export", exported / "1", "--model", tmp_path / "other.keras")
    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr.startswith("Error: variables/ expected the model's ")
    assert result.stderr.endswith(f"fail: {exported / '1'}\n")


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


def test_an_origin_that_is_no_name(exported, run, tmp_path):
    for content in ('{"model": 5}', '{"model": [""]}', '{"model": ""}'):
        (tmp_path / "1" / "assets.extra").mkdir(parents=True, exist_ok=True)
        (tmp_path / "1" / "assets.extra" / "keras_tx.json").write_text(content)
        (tmp_path / "1" / "saved_model.pb").write_bytes(b"no graph")
        result = run("check-export", tmp_path)
        assert (result.exit_code, result.stdout) == (1, "")
        assert "Nothing to compare with: the export names no model." in result.stderr
        assert "saved_model.pb is damaged" in result.stderr


def test_the_time_for_a_check_can_be_limited(exported, run, monkeypatch):
    given = []

    def check(version, time_limit, **options):
        given.append(time_limit)
        return ExportReport(True, version)

    monkeypatch.setattr("keras_tx.serving.check_export", check)
    monkeypatch.setattr("keras_tx.cli.export._origin", lambda version: None)
    for arguments in ([], ["--time-limit", "0.5"]):
        assert run("check-export", exported, *arguments).exit_code == 0
    assert given == [600.0, 0.5]
    for seconds in ("0", "-1", "nan", "inf", "soon"):
        result = run("check-export", exported, "--time-limit", seconds)
        assert (result.exit_code, len(given)) == (2, 2) and "--time-limit" in result.stderr


def test_a_translator_goes_to_the_other_engine(models, run, tmp_path):
    pytest.importorskip("ctranslate2", reason="the package of the extra is not installed")
    arguments = ["export", "--format", "ctranslate2", "--model", "translator_en_fr", "--output"]
    result = run(*arguments, tmp_path / "engine")
    assert (result.exit_code, result.output) == (0, f"{tmp_path / 'engine'}\n")
    files = {file.name for file in (tmp_path / "engine").iterdir()}
    assert files >= {"model.bin", "config.json", "sentencepiece.model"}
    again = run(*arguments, tmp_path / "engine")
    assert (again.exit_code, again.stdout) == (1, "")
    assert again.stderr.startswith("Error: expected a new directory. Received: ")


def test_a_missing_engine_is_named(models, run, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "ctranslate2", None)  # what an absent package looks like
    arguments = ["export", "--format", "ctranslate2", "--model", "translator_en_fr", "--output"]
    result = run(*arguments, tmp_path / "engine")
    assert (result.exit_code, result.stdout, list(tmp_path.iterdir())) == (1, "", [])
    assert result.stderr.startswith(
        "Error: expected the extra ctranslate2: pip install 'keras_tx[ctranslate2]'. Received: "
    )
    assert result.stderr.count("\n") == 1


def test_a_classifier_does_not(models, run, tmp_path):
    arguments = ["export", "--format", "ctranslate2", "--model", "sentiment_imdb", "--output"]
    result = run(*arguments, tmp_path / "engine")
    assert (result.exit_code, result.stdout, list(tmp_path.iterdir())) == (1, "", [])
    expected = "format expected one of ('saved_model',). Received: format='ctranslate2'"
    assert result.stderr == f"Error: {expected}\n"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["check-export", "no/such/export"], "expected an exported model. Received"),
        (["check-export", "."], "which has neither saved_model.pb"),
        (["check-export", "file"], "which is a file"),
        (["export", "--model", "sentiment_imdb", "--output", "file"], "expected a directory"),
        (["export", "--model", "nothing", "--output", ""], "a directory. Received: --output ''"),
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
