"""The options of a training: what they refuse, and what is better."""

import pytest

from keras_tx.training import TrainingOptions
from keras_tx.training.options import steps_of


def test_a_loss_is_better_when_low_and_anything_else_when_high():
    figures = {"loss": 9.0, "val_loss": 0.5, "val_bleu": 30.0}
    assert TrainingOptions(total_steps=1).rank(figures) == 0.5
    assert TrainingOptions(total_steps=1, monitor="val_bleu").rank(figures) == -30.0
    message = r"one of \['val_bleu', 'val_loss'\]. Received: monitor='val_chrf'"
    with pytest.raises(ValueError, match=message):
        TrainingOptions(total_steps=1, monitor="val_chrf").rank(figures)


@pytest.mark.parametrize(
    "arguments, message",
    [
        ({"total_steps": 0}, "positive integer. Received: total_steps=0"),
        ({"total_steps": 1, "steps_per_round": 0}, "positive integer. Received: steps_per_round=0"),
        ({"total_steps": 1, "average": "mean"}, "'ema' or None. Received: average='mean'"),
        ({"total_steps": 1, "resume": True}, "expected a directory. Received: directory=None"),
        ({"total_steps": 1, "tensorboard": True}, "expected a directory. Received: directory=None"),
        ({"total_steps": 1, "max_minutes": 0}, "positive number or None. Received: max_minutes=0"),
        ({"total_steps": 1, "max_minutes": -1.0}, "or None. Received: max_minutes=-1.0"),
        ({"total_steps": 1, "patience": 0}, "positive number or None. Received: patience=0"),
        ({"total_steps": 1, "save_seconds": -1}, "from 0 on. Received: save_seconds=-1"),
        ({"total_steps": 1, "monitor": "loss"}, "validation, .* Received: monitor='loss'"),
    ],
)
def test_errors(arguments, message):
    with pytest.raises(ValueError, match=message):
        TrainingOptions(**arguments)


def test_steps_of_epochs():
    assert [steps_of(epochs, 10) for epochs in (1, 1.5, 0.001)] == [10, 15, 1]
    for epochs in (0, -1, float("nan"), float("inf")):
        with pytest.raises(ValueError, match="epochs expected a positive number. Received: epochs"):
            steps_of(epochs, 10)
