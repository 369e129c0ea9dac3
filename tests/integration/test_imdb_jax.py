"""The recipe of `saved_models/sentiment_imdb`, from reviews to the file, small: what is trained in
JAX gives the same scores in TensorFlow, from strings."""

from __future__ import annotations

import json
import os
import pathlib
import random
import subprocess
import sys
import time

import keras
import numpy as np
import pytest

import keras_tx
from keras_tx.data import read_imdb, split_labelled

ROOT = pathlib.Path(__file__).resolve().parents[2]
# JAX compiles for a long time; doing it badly is quicker.
JAX = {
    "KERAS_BACKEND": "jax",
    "JAX_PLATFORMS": "cpu",
    "XLA_FLAGS": "--xla_backend_optimization_level=0 --xla_llvm_disable_expensive_passes=true",
}
GOOD, BAD = ("wonderful", "moving", "bright"), ("dreadful", "boring", "dull")
OTHERS = "the a film story of heron with and pond actor scene music ending".split()

pytestmark = pytest.mark.skipif(
    keras.backend.backend() == "jax", reason="these tests start from TensorFlow"
)


def review(words: tuple[str, ...], generator: random.Random) -> str:
    chosen = [
        *generator.choices(OTHERS, k=generator.randint(8, 14)),
        *generator.choices(words, k=4),
    ]
    generator.shuffle(chosen)
    return " ".join(chosen) + "."


@pytest.fixture(scope="module")
def reviews(tmp_path_factory: pytest.TempPathFactory) -> pathlib.Path:
    folder = tmp_path_factory.mktemp("imdb") / "aclImdb"
    generator = random.Random(1)
    for part, kinds, count in (("pos", [GOOD], 40), ("neg", [BAD], 40), ("unsup", [GOOD, BAD], 40)):
        (folder / "train" / part).mkdir(parents=True)
        for number in range(count):
            text = review(generator.choice(kinds), generator)
            (folder / "train" / part / f"{number}_{9 if part == 'pos' else 1}.txt").write_text(text)
    return folder


def command(name: str, *arguments: object) -> list[str]:
    return [sys.executable, str(ROOT / "apps/imdb_jax" / f"{name}.py"), *map(str, arguments)]


def app(name: str, *arguments: object, **environment: str) -> str:
    done = subprocess.run(
        command(name, *arguments),
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    return done.stdout


def pretraining(run: pathlib.Path, output: pathlib.Path) -> list[object]:
    sizes = ["--embed-dim", 16, "--dense-dim", 32, "--num-layers", 2, "--num-heads", 2]
    steps = ["--steps", 20, "--steps-per-round", 10, "--warmup-steps", 5, "--rows", 8]
    rows = ["--sequence-length", 64, "--validation", 10, "--learning-rate", 0.01]
    return ["--ids", run / "ids.npz", *sizes, *steps, *rows, "--output", output, "--resume"]


@pytest.fixture(scope="module")
def run(reviews: pathlib.Path, tmp_path_factory: pytest.TempPathFactory) -> pathlib.Path:
    """The folder of a run of all four parts."""
    run = tmp_path_factory.mktemp("run")
    sizes = ("--data", reviews, "--held-out", 20)
    app("prepare", *sizes, "--output", run, "--vocabulary-size", 300)
    app("pretrain", *pretraining(run, run / "encoder.npz"), **JAX)
    ids = ("--ids", run / "ids.npz")
    app("finetune", *ids, "--encoder", run / "encoder.npz", "--output", run / "classifier.npz",
        "--num-heads", 2, "--steps", 100, "--steps-per-round", 50, "--warmup-steps", 5,
        "--learning-rate", 0.01, "--labelled-tokens", 512, "--unlabelled-tokens", 512,
        "--lengths", 32, "--shift", 0.3, "--entropy", 0.1, "--average", 0.9,
        **JAX)  # fmt: skip
    app("finish", *sizes, "--run", run, "--num-heads", 2)
    return run


def test_the_file_gives_the_scores_that_jax_gave(run: pathlib.Path, reviews: pathlib.Path) -> None:
    classifier = keras_tx.load(run)
    _, held_out = split_labelled(read_imdb(reviews, split="train"), 20, seed=0)
    found = [result.scores["positive"] for result in classifier.classify(held_out.texts)]
    logits = np.load(run / "classifier_held_out.npy") / classifier.temperature
    expected = 1 / (1 + np.exp(logits[:, 0] - logits[:, 1]))
    # JAX computed in bfloat16.
    np.testing.assert_allclose(found, expected, atol=0.03)
    assert np.ptp(expected) > 0.2


def test_both_trainings_learn(run: pathlib.Path) -> None:
    guesses = json.loads((run / "encoder.json").read_text())
    assert guesses[-1]["val_loss"] < 5 < np.log(300)
    figures = json.loads((run / "classifier.json").read_text())[-1]
    assert figures["val_accuracy"] >= 0.9 and figures["step"] == 100
    assert {"labels", "adversarial", "virtual", "entropy"} <= set(figures)
    metrics = json.loads((run / "metrics.json").read_text())
    assert metrics["held_out"]["accuracy"] == pytest.approx(figures["val_accuracy"], abs=0.051)
    assert metrics["held_out"]["count"] == 20


def test_a_pretraining_that_was_killed_goes_on(run: pathlib.Path, tmp_path: pathlib.Path) -> None:
    arguments = pretraining(run, tmp_path / "encoder.npz")
    with subprocess.Popen(
        command("pretrain", *arguments),
        env={**os.environ, **JAX},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    ) as process:
        while process.poll() is None and not (tmp_path / "encoder.state.npz").exists():
            time.sleep(0.05)
        process.kill()
    app("pretrain", *arguments, **JAX)
    assert [row["step"] for row in json.loads((tmp_path / "encoder.json").read_text())] == [10, 20]
    assert {path.name for path in tmp_path.iterdir()} == {"encoder.npz", "encoder.json"}
    with np.load(run / "encoder.npz") as whole, np.load(tmp_path / "encoder.npz") as resumed:
        for name in whole.files:
            np.testing.assert_allclose(resumed[name], whole[name], atol=2e-3)
