"""The recipes' own parts, without their corpora."""

import importlib
import pathlib
import sys

import pytest

from keras_tx.data import sample_reviews

APPS = pathlib.Path(__file__).resolve().parents[2] / "apps"
RECIPES = {"train_imdb": (), "pretrain_mlm": (600,)}  # And the sizes of their vocabularies.


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
