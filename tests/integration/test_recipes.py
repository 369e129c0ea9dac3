"""The recipes' own parts, without their corpora."""

import argparse
import importlib
import json
import pathlib
import sys

import pytest

from keras_tx.data import sample_pairs, sample_reviews

APPS = pathlib.Path(__file__).resolve().parents[2] / "apps"
RECIPES = {"train_imdb": (), "pretrain_mlm": (600,)}  # And the sizes of their vocabularies.


SMALL = [
    *("--vocabulary-size", "400", "--layers", "1", "--embed-dim", "8", "--dense-dim", "8"),
    *("--epochs", "0.01", "--steps-per-round", "1", "--reverse"),
]


@pytest.fixture
def app(monkeypatch):
    """Imports a module of the recipes."""
    monkeypatch.syspath_prepend(APPS)
    before = set(sys.modules)
    yield importlib.import_module
    for name in set(sys.modules) - before:
        if str(APPS) in str(getattr(sys.modules[name], "__file__", "")):
            del sys.modules[name]


@pytest.fixture(params=RECIPES)
def recipe(request, monkeypatch):
    monkeypatch.syspath_prepend(APPS)
    yield importlib.import_module(request.param)
    del sys.modules[request.param]


def test_only_a_run_that_goes_on_takes_the_old_vocabulary(recipe, tmp_path):
    texts, size = sample_reviews().texts, RECIPES[recipe.__name__]
    old, new = texts[::2], [text.upper() for text in texts]
    first, again, anew = (
        recipe.fitted_tokenizer(read, *size, tmp_path, resume).vocabulary
        for read, resume in ((old, False), (new, True), (new, False))
    )
    assert again == first and anew != first
    # What a stop of the new run leaves is the new one's.
    assert recipe.fitted_tokenizer(old, *size, tmp_path, True).vocabulary == anew


@pytest.fixture(scope="module")
def corpora(tmp_path_factory):
    """Multi30k, of the sample's sentences."""
    folder, pairs = tmp_path_factory.mktemp("en-fr"), sample_pairs().take(range(20))
    for name in ("train/multi30k", "dev/multi30k", "test/multi30k_2016"):
        (folder / name).parent.mkdir(exist_ok=True)
        for language, texts in (("en", pairs.sources), ("fr", pairs.targets)):
            (folder / f"{name}.{language}").write_text("".join(f"{text}\n" for text in texts))
    return folder


def run(app, monkeypatch, name, *options):
    """A recipe's `main`; the error that it ends with, if any."""
    monkeypatch.setattr(sys, "argv", [f"{name}.py", *map(str, options)])
    try:
        app(name).main()
    except SystemExit as end:
        return end.code
    return None


def test_a_run_that_goes_on_is_the_same_run(app, monkeypatch, corpora, tmp_path):
    pytest.importorskip("sacremoses")
    options = ("--data", corpora, "--output", tmp_path / "run", *SMALL)
    assert run(app, monkeypatch, "train_multi30k", *options) is None
    metrics = json.loads((tmp_path / "run/metrics.json").read_text())
    # To English: by the rules of English.
    signature = metrics["multi30k_2016"]["greedy"]["moses_lowercased"]["bleu_signature"]
    assert "lc.norm.tok-en-" in signature
    files = {path: path.read_bytes() for path in (tmp_path / "run").glob("*.*")}
    for more, message in (
        ((), "--resume or --overwrite"),
        (("--resume", "--seed", "7"), "--seed expected 0"),
        (("--overwrite", "--data", "nosuch"), "nosuch"),
    ):
        error = run(app, monkeypatch, "train_multi30k", *options, *more)
        assert error.startswith("Error: ") and message in error and "\n" not in error
    assert {path: path.read_bytes() for path in (tmp_path / "run").glob("*.*")} == files
    again = (*options, "--resume", "--minutes", "1")
    assert run(app, monkeypatch, "train_multi30k", *again) is None
    over = (*options, "--overwrite", "--minutes", "1e-9")
    error = run(app, monkeypatch, "train_multi30k", *over)
    assert error == "Error: --minutes expected time for one round at least. Received: 1e-09"
    assert not (tmp_path / "run/state.npz").exists()


def test_what_the_scores_need_is_asked_for_before_the_training(app, monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, "sacremoses", None)
    options = ("--data", "nosuch", "--output", tmp_path)
    assert "keras_tx[evaluation]" in run(app, monkeypatch, "train_multi30k", *options)
    assert list(tmp_path.iterdir()) == []


def arguments(output, **options):
    return argparse.Namespace(
        **{"output": output, "resume": False, "overwrite": False, "minutes": None, **options}
    )


def test_options_that_say_where_and_how_long_may_change(app, tmp_path):
    directory, output = app("run_directory"), tmp_path / "run"
    kept = {"backbone": "runs/mlm", "start_from": None, "seed": 1}
    directory.begin_run(arguments(output, data=pathlib.Path("a"), also=["more/long"], **kept))
    assert json.loads((output / "settings.json").read_text()) == {
        "also": ["long"], "backbone": "mlm", "start_from": None, "seed": 1
    }  # fmt: skip
    (output / "state.npz").touch()
    moved = {"data": pathlib.Path("b"), "also": ["/other/long"], "minutes": 3.0}
    moved |= {"backbone": "/other/mlm/", "start_from": None}
    # An option that came later is that of no run before.
    directory.begin_run(arguments(output, resume=True, seed=1, new=True, **moved))
    with pytest.raises(ValueError, match="--seed expected 1"):
        directory.begin_run(arguments(output, resume=True, seed=2, **moved))
    assert {path.name for path in output.iterdir()} == {"settings.json", "state.npz"}


def test_a_run_without_settings_goes_on(app, tmp_path):
    (tmp_path / "state.npz").touch()
    directory = app("run_directory")
    directory.begin_run(arguments(tmp_path, resume=True, seed=1))
    assert {path.name for path in tmp_path.iterdir()} == {"settings.json", "state.npz"}
    with pytest.raises(ValueError, match="--seed expected 1"):  # From now on.
        directory.begin_run(arguments(tmp_path, resume=True, seed=2))


def test_before_the_first_checkpoint_the_vocabulary_is_kept(app, tmp_path):
    directory = app("run_directory")
    directory.begin_run(arguments(tmp_path, seed=1))
    (tmp_path / "tokenizer").mkdir()
    directory.begin_run(arguments(tmp_path, seed=1, resume=True))
    assert (tmp_path / "tokenizer").is_dir()
    directory.begin_run(arguments(tmp_path, seed=2, resume=True))
    assert not (tmp_path / "tokenizer").exists()


def test_a_run_that_is_lost_takes_its_vocabulary_along(app, tmp_path):
    directory = app("run_directory")
    for name in directory.TOKENIZERS:  # Of another program: they stay.
        (tmp_path / name).mkdir()
    directory.begin_run(arguments(tmp_path, seed=1))
    assert all((tmp_path / name).is_dir() for name in directory.TOKENIZERS)
    (tmp_path / "state.npz").touch()
    directory.begin_run(arguments(tmp_path, seed=2, overwrite=True))
    assert [path.name for path in tmp_path.iterdir()] == ["settings.json"]


def test_damaged_settings_are_named(app, tmp_path):
    (tmp_path / "state.npz").touch()
    (tmp_path / "settings.json").write_text("[1")
    with pytest.raises(ValueError, match="settings.json expected the options of a run"):
        app("run_directory").begin_run(arguments(tmp_path, resume=True))


def test_expected_errors_take_one_line_and_others_their_traceback(app):
    one_line_errors = app("bad_input").one_line_errors

    @one_line_errors
    def main(error):
        raise error

    with pytest.raises(SystemExit) as end:
        main(ValueError("expected a.\n  Received: b"))
    assert end.value.code == "Error: expected a. Received: b"
    for error in (KeyError("x"), ValueError("too many values to unpack"), RecursionError("deep")):
        with pytest.raises(type(error)):
            main(error)


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("train_en_fr", ("--repeat", "multi30k")),
        ("train_en_fr", ("--repeat", "multi30k=x")),
        ("train_en_fr", ("--repeat", "multi30k=-1")),
        ("train_en_fr", ("--resume", "--overwrite")),
        ("train_imdb", ("--epochs", "0.05")),
        ("rank_translations", ("--models", "a", "b", "--ensemble", "3")),
        ("rank_translations", ("--models", "a", "b", "--ensemble", "-1")),
        ("rank_translations", ("--models", "a", "--ensemble", "1")),
        ("rank_translations", ("--models", "a", "b", "a")),
        ("rank_translations", ("--models", "a", "--right-to-left", "a")),
        ("rank_translations", ("--models", "a", "--n-best", "0")),
    ],
)
def test_malformed_options_are_wrong_calls(app, monkeypatch, capsys, name, options):
    given = ("--data", "nosuch", *(("--output", "nosuch") if name != "rank_translations" else ()))
    assert run(app, monkeypatch, name, *given, *options) == 2
    assert f"{name}.py: error:" in capsys.readouterr().err
