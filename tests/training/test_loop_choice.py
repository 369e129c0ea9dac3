"""The loop: which weights it keeps, when it ends, and what it tells."""

import time
import types

import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_tx.training import TrainingOptions, fit_network
from keras_tx.training.weights import write_arrays

# One weight w, loss w²: a step of SGD multiplies w by 1 - 2 · learning rate.


def one_weight(
    value,
    learning_rate,
    target=0.0,
    directory=None,
    callbacks=(),
    scorers=(),
    use_bias=False,
    **options,
):
    network = keras.Sequential([keras.Input((1,)), keras.layers.Dense(1, use_bias=use_bias)])
    network.layers[0].kernel.assign([[value]])
    data = tf.data.Dataset.from_tensors((np.ones((1, 1)), np.full((1, 1), target)))
    settings = {"steps_per_round": 1, "progress": False, "average": None, **options}
    history = fit_network(
        network,
        lambda step: data.repeat(),
        data,
        loss=keras.losses.MeanSquaredError(),
        optimizer=keras.optimizers.SGD(learning_rate),
        options=TrainingOptions(directory=directory, **settings),
        scorers=scorers,
        callbacks=callbacks,
    )
    return float(network.get_weights()[0][0, 0]), history


def steps(history):
    return [row["step"] for row in history]


def test_the_best_weights_are_kept():
    weight, history = one_weight(2.0, 1.25, total_steps=3)  # times -1.5: -3, 4.5, -6.75
    assert weight == pytest.approx(-3)
    assert [row["val_loss"] for row in history] == pytest.approx([9, 20.25, 45.5625, 9])
    assert history[-1]["chosen"] == "best"


@pytest.mark.parametrize("count, expected", [(2, 0.0), (3, 1.0)])
def test_the_average_of_the_last_rounds_is_kept_if_it_is_the_best(count, expected):
    weight, history = one_weight(  # times -1: -3, 3, -3, 3
        3.0, 1.0, total_steps=4, average="last", average_count=count
    )
    assert weight == pytest.approx(expected)
    assert history[-1]["chosen"] == "average"
    assert history[-1]["val_loss"] == pytest.approx(expected**2)


def test_a_worse_average_is_not_kept():
    weight, history = one_weight(8.0, 0.25, total_steps=3, average="last")  # 4, 2, 1
    assert weight == pytest.approx(1) and history[-1]["chosen"] == "best"


def test_the_average_of_the_best_rounds_is_kept_if_it_is_the_best():
    # times -1.5: -3, 4.5, -6.75; the two best of them
    weight, history = one_weight(2.0, 1.25, total_steps=3, average="best", average_count=2)
    assert weight == pytest.approx((-3 + 4.5) / 2)
    assert history[-1]["chosen"] == "average"


def weight_itself(network):
    return {"val_weight": network.get_weights()[0][0, 0]}


def test_another_figure_may_say_what_is_best_and_higher_is_better():
    options = {"monitor": "val_weight", "scorers": [weight_itself], "total_steps": 3}
    weight, history = one_weight(2.0, 1.25, **options)
    assert weight == pytest.approx(4.5) and history[-1]["chosen"] == "best"
    assert [row["val_weight"] for row in history] == pytest.approx([-3, 4.5, -6.75, 4.5])
    weight, history = one_weight(2.0, 1.25, average="best", average_count=2, **options)
    assert weight == pytest.approx(4.5)  # The mean of 4.5 and -3 is lower.
    _, history = one_weight(2.0, 1.25, patience=1, **options)
    assert steps(history) == [1, 2, 3, 3]


def test_a_figure_that_is_not_there():
    with pytest.raises(ValueError, match=r"\['val_loss'\]. Received: monitor='val_bleu'"):
        one_weight(1.0, 0.1, total_steps=1, monitor="val_bleu")


def test_another_figure_than_before_the_stop(tmp_path):
    one_weight(1.0, 0.1, total_steps=1, directory=tmp_path)
    with pytest.raises(ValueError, match="expected 'val_loss', .* Received: monitor='val_weight'"):
        one_weight(1.0, 0.1, total_steps=2, directory=tmp_path, resume=True, monitor="val_weight")


def test_another_average_or_optimizer_than_before_the_stop(tmp_path):
    one_weight(2.0, 0.1, directory=tmp_path, total_steps=2, average="last")
    message = "average expected 'last', as the training to resume has it. Received: average='best'"
    with pytest.raises(ValueError, match=message):
        one_weight(2.0, 0.1, directory=tmp_path, total_steps=2, average="best", resume=True)


def test_a_moving_average_that_the_optimizer_does_not_keep(tmp_path):
    with pytest.raises(ValueError, match="use_ema=True, .* Received: SGD with use_ema=False"):
        one_weight(2.0, 0.1, directory=tmp_path, total_steps=2, average="ema")
    assert not list(tmp_path.iterdir())


def test_minutes_go_on_after_a_stop(tmp_path):
    slow = keras.callbacks.LambdaCallback(on_epoch_end=lambda epoch, logs: time.sleep(0.3))
    _, before = one_weight(1.0, 0.1, total_steps=2, directory=tmp_path, callbacks=[slow])
    _, after = one_weight(1.0, 0.1, total_steps=3, directory=tmp_path, resume=True)
    minutes = [row["minutes"] for row in after]
    assert minutes[:2] == [row["minutes"] for row in before[:2]]
    assert minutes == sorted(minutes) and minutes[2] >= 2 * 0.3 / 60


def test_patience():
    _, history = one_weight(2.0, 1.25, total_steps=50, patience=2)
    assert steps(history) == [1, 2, 3, 3]


def test_max_minutes(monkeypatch):
    now = [0.0]  # A clock of its own: the machine may be slow to start.
    clock = types.SimpleNamespace(monotonic=lambda: now[0])
    monkeypatch.setattr("keras_tx.training.loop.time", clock)

    def three_minutes(epoch, logs):
        now[0] += 180

    slow = keras.callbacks.LambdaCallback(on_epoch_end=three_minutes)
    _, history = one_weight(1.0, 0.1, total_steps=50, max_minutes=5, callbacks=[slow])
    assert steps(history) == [1, 2, 2]
    assert [row["minutes"] for row in history] == [0, 3, 6]


def test_a_callback_may_stop_the_training():
    class Stop(keras.callbacks.Callback):
        def on_epoch_end(self, epoch, logs=None):
            assert logs["val_loss"] > 0  # Callbacks see the validation's figures.
            self.model.stop_training = epoch == 1

    _, history = one_weight(1.0, 0.1, total_steps=50, callbacks=[Stop()])
    assert steps(history) == [1, 2, 2]


def test_a_loss_that_is_no_number_brings_no_older_weights_back(tmp_path):
    one_weight(1.0, 0.25, total_steps=1, directory=tmp_path)
    weight, history = one_weight(1.0, 0.25, target=float("nan"), total_steps=1, directory=tmp_path)
    assert np.isnan(weight) and steps(history) == [1]


def test_checkpoints_that_do_not_fit(tmp_path):
    one_weight(1.0, 0.1, total_steps=1, directory=tmp_path)
    with pytest.raises(ValueError, match="expected the checkpoint of a network with the same"):
        one_weight(1.0, 0.1, total_steps=2, directory=tmp_path, resume=True, use_bias=True)
    state = tmp_path / "state.npz"
    state.write_bytes(state.read_bytes()[:200])
    with pytest.raises(ValueError, match=r"checkpoint written by keras_tx. Received: .*state.npz"):
        one_weight(1.0, 0.1, total_steps=2, directory=tmp_path, resume=True)


def test_tensorboard_files(tmp_path):
    pytest.importorskip("tensorboard")
    one_weight(1.0, 0.1, total_steps=1, directory=tmp_path, tensorboard=True)
    assert list((tmp_path / "tensorboard").rglob("events.out.tfevents.*"))


def test_progress_goes_to_standard_error(capsys):
    one_weight(1.0, 0.1, total_steps=3, progress=True)
    out, err = capsys.readouterr()
    assert out == "" and "3/3" in err and "val_loss" in err


def test_patience_goes_on_after_a_stop(tmp_path):
    one_weight(2.0, 1.25, directory=tmp_path, total_steps=2, patience=2)  # 9, 20.25: one in vain
    _, history = one_weight(2.0, 1.25, directory=tmp_path, total_steps=50, patience=2, resume=True)
    assert steps(history)[-2:] == [3, 3]


def test_a_round_that_is_as_good_as_the_best_is_no_better():
    _, history = one_weight(2.0, 0.0, total_steps=50, patience=2)  # The loss stays 4.
    assert steps(history)[:-1] == [1, 2, 3]
    assert history[-1]["step"] == 3 and history[-1]["chosen"] == "best"


def test_the_minutes_are_those_of_one_call(tmp_path, monkeypatch):
    now = [0.0]
    clock = types.SimpleNamespace(monotonic=lambda: now[0])
    monkeypatch.setattr("keras_tx.training.loop.time", clock)

    def three_minutes(epoch, logs):
        now[0] += 180

    options = {
        "directory": tmp_path,
        "max_minutes": 5,
        "callbacks": [keras.callbacks.LambdaCallback(on_epoch_end=three_minutes)],
    }
    _, history = one_weight(1.0, 0.1, total_steps=50, **options)
    assert steps(history) == [1, 2, 2]
    _, history = one_weight(1.0, 0.1, total_steps=50, resume=True, **options)
    assert steps(history)[-3:] == [3, 4, 4]


def test_what_is_better_than_the_last_round_but_not_than_the_best_is_not_kept():
    values = iter([3.0, 1.0, 2.0, 2.5])

    def figures(network):
        return {"val_figure": next(values)}

    weight, history = one_weight(
        1.0, 0.25, total_steps=4, monitor="val_figure", scorers=[figures]
    )  # times 0.5: 0.5, 0.25, …
    assert weight == pytest.approx(0.5)
    assert history[-1]["val_figure"] == 3.0


def test_a_checkpoint_is_saved_once_in_so_many_seconds(tmp_path, monkeypatch):
    now, saved = [0.0], []
    clock = types.SimpleNamespace(monotonic=lambda: now[0])
    monkeypatch.setattr("keras_tx.training.loop.time", clock)

    def write(path, arrays, facts):
        if path.name == "state.npz":
            saved.append(facts["step"])
        write_arrays(path, arrays, facts)

    monkeypatch.setattr("keras_tx.training.loop.write_arrays", write)

    def forty_seconds(batch, logs):
        now[0] += 40

    one_weight(
        1.0,
        0.1,
        directory=tmp_path,
        total_steps=10,
        steps_per_round=10,
        callbacks=[keras.callbacks.LambdaCallback(on_train_batch_begin=forty_seconds)],
        save_seconds=120,
    )
    assert saved == [3, 6, 9, 10]


def test_an_old_checkpoint_is_gone_before_the_first_step(tmp_path):
    """Else a run killed before its first checkpoint would, resumed, go on with the old one."""

    class Killed(Exception):
        pass

    def kill(batch, logs):
        raise Killed

    one_weight(1.0, 0.1, directory=tmp_path, total_steps=1, average="last")
    assert (tmp_path / "state.npz").exists() and (tmp_path / "best.npz").exists()
    killer = keras.callbacks.LambdaCallback(on_train_batch_begin=kill)
    with pytest.raises(Killed):
        one_weight(1.0, 0.1, directory=tmp_path, total_steps=1, callbacks=[killer])
    assert not [file for file in tmp_path.rglob("*") if file.is_file()]


def test_of_rounds_that_are_alike_the_first_is_kept():
    weight, _ = one_weight(
        1.0, 0.25, total_steps=3, monitor="val_figure", scorers=[lambda network: {"val_figure": 1}]
    )  # times 0.5
    assert weight == pytest.approx(0.5)
