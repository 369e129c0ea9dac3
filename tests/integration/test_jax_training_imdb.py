"""The recipe of `saved_models/sentiment_imdb`, from reviews to the file, small: what is trained in
JAX gives the same scores in TensorFlow, from strings."""

from __future__ import annotations

import argparse
import json
import os
import pathlib
import random
import subprocess
import sys
import time
from typing import Any

import keras
import numpy as np
import pytest

import keras_tx
from keras_tx.data import read_imdb, split_labelled
from keras_tx.layers import TransformerEncoder

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
    return [
        sys.executable,
        str(ROOT / "apps/jax_training" / f"imdb_{name}.py"),
        *map(str, arguments),
    ]


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


def finetuning(run: pathlib.Path, name: str, steps: int) -> list[object]:
    files = ["--ids", run / "ids.npz", "--encoder", run / "encoder.npz", "--output", run / name]
    steps = ["--num-heads", 2, "--steps", steps, "--steps-per-round", 30, "--warmup-steps", 5]
    rows = ["--labelled-tokens", 512, "--unlabelled-tokens", 512, "--lengths", 32]
    losses = ["--learning-rate", 0.01, "--shift", 0.3, "--entropy", 0.1, "--average", 0.9]
    return [*files, *steps, *rows, *losses]


@pytest.fixture(scope="module")
def run(reviews: pathlib.Path, tmp_path_factory: pytest.TempPathFactory) -> pathlib.Path:
    """The folder of a run of all four parts."""
    run = tmp_path_factory.mktemp("run")
    sizes = ("--data", reviews, "--held-out", 20)
    app("prepare", *sizes, "--output", run, "--vocabulary-size", 300)
    app("pretrain", *pretraining(run, run / "encoder.npz"), **JAX)
    app("finetune", *finetuning(run, "classifier.npz", 60), **JAX)
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
    assert figures["val_accuracy"] >= 0.9 and figures["step"] == 60
    assert {"labels", "adversarial", "virtual", "entropy"} <= set(figures)
    metrics = json.loads((run / "metrics.json").read_text())
    assert metrics["held_out"]["accuracy"] == pytest.approx(figures["val_accuracy"], abs=0.051)
    assert metrics["held_out"]["count"] == 20


def test_a_classifier_learns_on_and_teaches(run: pathlib.Path) -> None:
    # So few minutes that the schedule is over before all of the steps; nothing is changed.
    again = [*pretraining(run, run / "again.npz"), "--start-from", run / "classifier.npz"]
    ends = ("--steps", 100000, "--minutes", 0.3, "--learning-rate", 0)
    app("pretrain", *again, *ends, "--unroll", 2, **JAX)
    rows = json.loads((run / "again.json").read_text())
    assert rows[0]["step"] == 1 and 1 < rows[-1]["step"] < 100000
    with np.load(run / "classifier.npz") as first, np.load(run / "again.npz") as second:
        assert len(second.files) == len(first.files) - 2
        for name in second.files:
            np.testing.assert_array_equal(second[name], first[name])
    teacher = ("--teacher", run / "classifier.npz", "--teacher-temperature", 1.5)
    losses = ("--virtual", 0, "--adversarial", 0)
    app("finetune", *finetuning(run, "pupil.npz", 50), *teacher, *losses, **JAX)
    figures = json.loads((run / "pupil.json").read_text())[-1]
    assert figures["val_accuracy"] >= 0.9 and "virtual" not in figures
    assert figures["teacher"] < 0.2
    known, found = (np.load(run / f"{name}_unlabelled.npy") for name in ("classifier", "pupil"))
    assert np.mean(known.argmax(axis=1) == found.argmax(axis=1)) >= 0.9


def test_a_training_by_the_clock_ends_when_its_minutes_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("JAX_PLATFORMS", "cpu")
    monkeypatch.syspath_prepend(str(ROOT / "apps/jax_training"))
    pytest.importorskip("jax")
    import optimizer

    now = 5.0
    monkeypatch.setattr(optimizer.time, "monotonic", lambda: now)
    arguments = argparse.Namespace(steps=100_000, minutes=1.0, steps_per_round=20)
    pace, step, rounds, ended = optimizer.Pace(arguments, now), 0, [], False
    now += 4  # To compile.
    while not ended:
        count, ended = pace.next_round(step)
        first, number, progress, share = pace.numbers(step, count)
        assert (int(first), int(number)) == (step, count)
        assert float(progress) == pytest.approx((now - 5) / 60)
        if rounds:  # Before the first one nobody knows.
            assert float(share) == pytest.approx((1 + 2 / 20) / 60)
        now += count  # A second a step,
        pace.measure(count)
        now += 2  # and two for what follows a round.
        pace.measure_rest()
        step += count
        rounds.append(count)
    # A short round to find out how long steps take; and the last step ends with the minute.
    assert rounds == [2, 20, 20, 8] and now - 5 == 60 + 2
    arguments.minutes, arguments.steps = 1e9, 50
    assert optimizer.Pace(arguments, now).next_round(0) == (20, False)
    assert optimizer.Pace(arguments, now).next_round(35) == (15, True)


def test_the_encoder_is_that_of_the_layers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("JAX_PLATFORMS", "cpu")
    monkeypatch.syspath_prepend(str(ROOT / "apps/jax_training"))
    jax = pytest.importorskip("jax")
    from encoder import Encoder, random_key

    layers = [
        TransformerEncoder(8, 12, num_heads=2, norm_first=True, activation="gelu") for _ in "ab"
    ]
    norm = keras.layers.LayerNormalization(epsilon=1e-5)
    for layer in (*layers, norm):
        layer.build((None, None, 8))
    generator = np.random.default_rng(0)
    for variable in [v for layer in (*layers, norm) for v in layer.trainable_variables]:
        variable.assign(generator.normal(size=variable.shape))
    vectors = generator.normal(size=(3, 7, 8)).astype("float32")
    lengths = np.array([7, 4, 1], "int32")
    mask = np.arange(7) < lengths[:, None]
    expected = vectors
    for layer in layers:
        expected = layer(expected, source_mask=mask)
    expected = np.asarray(norm(expected))

    arrays = [v.numpy() for layer in (*layers, norm) for v in layer.trainable_variables]
    encoder = Encoder(5, 8, 12, 2, 2, dropout=0.5, dtype="float32")
    weights = encoder.from_arrays([np.zeros((5, 8), "float32"), *arrays])
    found = np.asarray(encoder(weights, vectors, lengths))
    np.testing.assert_allclose(found[mask], expected[mask], atol=1e-4)
    # What stands at the places that are filled up changes nothing, and gets no slope.
    filled = np.where(mask[:, :, None], vectors, 7.0)
    np.testing.assert_array_equal(np.asarray(encoder(weights, filled, lengths))[mask], found[mask])
    slopes = jax.grad(lambda x: (encoder(weights, x, lengths)[mask] ** 2).sum())(vectors)
    assert np.isfinite(slopes).all() and not np.any(np.asarray(slopes)[~mask])
    # Passes of equal keys drop the same.
    passes = [np.asarray(encoder(weights, vectors, lengths, random_key(n))) for n in (1, 1, 2)]
    np.testing.assert_array_equal(passes[0], passes[1])
    assert not np.allclose(passes[0], passes[2])


def test_the_loss_and_its_slopes_are_those_of_a_crossentropy(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("JAX_PLATFORMS", "cpu")
    monkeypatch.syspath_prepend(str(ROOT / "apps/jax_training"))
    jax = pytest.importorskip("jax")
    from guessing_loss import guessing_loss

    generator = np.random.default_rng(0)
    sizes = ((6, 4), (9, 4), (9,))
    arrays = [generator.normal(size=size).astype("float32") for size in sizes]
    labels = generator.integers(0, 9, 6)

    def plain(vectors: Any, table: Any, bias: Any) -> Any:
        shares = jax.nn.log_softmax(vectors @ table.T + bias)
        return -shares[np.arange(6), labels].mean()

    def loss(*arrays: Any) -> Any:
        return guessing_loss(*arrays, labels)[0]

    expected, slopes = jax.value_and_grad(plain, (0, 1, 2))(*arrays)
    found, found_slopes = jax.value_and_grad(loss, (0, 1, 2))(*arrays)
    np.testing.assert_allclose(found, expected, rtol=1e-5)
    for each, other in zip(found_slopes, slopes, strict=True):
        np.testing.assert_allclose(each, other, atol=1e-6)


def test_the_losses_are_those_of_the_package(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("JAX_PLATFORMS", "cpu")
    monkeypatch.syspath_prepend(str(ROOT / "apps/jax_training"))
    pytest.importorskip("jax")
    import classifier

    generator = np.random.default_rng(0)
    given, logits = generator.normal(size=(2, 5, 2)).astype("float32")
    for name, arrays in (("answer_entropy", [logits]), ("answer_divergence", [given, logits])):
        expected = getattr(keras_tx.training, name)(*arrays)
        np.testing.assert_allclose(getattr(classifier, name)(*arrays), expected, rtol=1e-5)
    direction = generator.normal(size=(3, 4, 6)).astype("float32")
    direction[2] = 0
    ids = np.array([[5, 6, 7, 8], [5, 6, 0, 0], [5, 0, 0, 0]])
    factors = keras_tx.training.shift_factors((direction**2).sum(axis=2), ids != 0, 6.0)
    expected = direction * np.asarray(factors)[:, :, None]
    np.testing.assert_allclose(classifier.of_length(direction, ids, 6.0), expected, rtol=1e-5)


def test_a_finished_training_is_not_done_again(run: pathlib.Path) -> None:
    before = {path: path.stat().st_mtime_ns for path in run.iterdir()}
    told = app("pretrain", *pretraining(run, run / "encoder.npz"), **JAX)
    assert "encoder.npz is finished" in told
    told = app("finetune", *finetuning(run, "classifier.npz", 60), "--resume", **JAX)
    assert "classifier.npz is finished" in told
    assert {path: path.stat().st_mtime_ns for path in run.iterdir()} == before


def test_what_is_left_of_an_earlier_run_is_not_taken_for_the_new_one(
    monkeypatch: pytest.MonkeyPatch, tmp_path: pathlib.Path
) -> None:
    monkeypatch.setenv("JAX_PLATFORMS", "cpu")
    monkeypatch.syspath_prepend(str(ROOT / "apps/jax_training"))
    pytest.importorskip("jax")
    from weight_files import checkpoint_of, forget_run, is_finished

    output = tmp_path / "encoder.npz"
    output.touch()  # Of the first rounds: the history is written last.
    assert not is_finished(output)
    (tmp_path / "encoder.json").touch()
    assert is_finished(output)
    checkpoint_of(output).touch()
    assert not is_finished(output)
    forget_run(output)
    assert [path.name for path in tmp_path.iterdir()] == ["encoder.npz"]


def test_a_vocabulary_of_more_than_two_bytes_is_refused(
    monkeypatch: pytest.MonkeyPatch, reviews: pathlib.Path, tmp_path: pathlib.Path
) -> None:
    monkeypatch.syspath_prepend(str(ROOT / "apps/jax_training"))
    import imdb_prepare

    monkeypatch.setattr(imdb_prepare, "LARGEST_VOCABULARY", 299)
    options = ["--data", reviews, "--held-out", 20, "--vocabulary-size", 300, "--output", tmp_path]
    monkeypatch.setattr(sys, "argv", ["imdb_prepare.py", *map(str, options)])
    with pytest.raises(SystemExit, match="at most 299 pieces. Received: 300"):
        imdb_prepare.main()
    assert list(tmp_path.iterdir()) == []


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
