"""Training of translators: every option at once, stopped and resumed; what scorers see."""

import keras
import numpy as np
import pytest

from keras_tx.data import SentencePairs
from keras_tx.models import Translator
from keras_tx.text import SentencePieceTokenizer

PAIRS = SentencePairs(
    ["a dog", "the dog sleeps", "the cat sleeps", "a cat eats fish", "red boat", "blue boat"],
    ["un chien", "le chien dort", "le chat dort", "un chat mange du poisson", "bateau rouge",
     "bateau bleu"],
)  # fmt: skip
TOKENIZER = SentencePieceTokenizer("bpe", vocabulary_size=300)
DROPOUT = 0.1
EVERYTHING = {
    "subword_dropout": 0.2,
    "r_drop": 1.0,
    "optimizer": "muon",
    "learning_rate": 1e-2,
    "average": "ema",
    "ema_momentum": 0.5,
}


class Killed(Exception):
    """Stands for the end of the process: nothing in the loop catches it."""


class KillAt(keras.callbacks.Callback):
    def __init__(self, step):
        super().__init__()
        self.step = step

    def on_train_batch_end(self, batch, logs=None):
        if int(self.model.optimizer.iterations) == self.step:
            raise Killed


class Scripted:
    """Gives set figures, and keeps the weights that the translator had, and what they say."""

    def __init__(self, *figures):
        self.figures, self.weights, self.scores = list(figures), [], []

    def __call__(self, translator):
        self.weights.append(translator.network.get_weights())
        self.scores.append(scores_of(translator))
        return {"val_bleu": self.figures.pop(0)}


def scores_of(translator):
    """By the compiled graph that translates, too."""
    return [score.log_probability for score in translator.score(PAIRS.sources, PAIRS.targets)]


def build(dropout=0.0):
    if not TOKENIZER.is_fitted:
        TOKENIZER.fit([*PAIRS.sources, *PAIRS.targets])
    keras.utils.set_random_seed(0)
    return Translator.from_preset("tiny", TOKENIZER, sequence_length=64, dropout=dropout)


def train(translator, **arguments):
    settings = {"epochs": 3, "tokens_per_batch": 60, "progress": False, "average": None}
    return translator.fit(PAIRS, PAIRS, **{**settings, **arguments})


def equal(weights, others):
    return all(np.array_equal(one, other) for one, other in zip(weights, others, strict=True))


def test_everything_at_once_killed_and_resumed_is_not_killed(tmp_path):
    expected = build(DROPOUT)
    history = train(expected, **EVERYTHING)
    assert history[2]["val_loss"] < history[0]["val_loss"]
    steps = history[0]["step"]  # of an epoch
    assert steps > 1
    stopped = {**EVERYTHING, "directory": tmp_path, "save_seconds": 0}
    with pytest.raises(Killed):  # Its last checkpoint is in the middle of the second epoch.
        train(build(DROPOUT), callbacks=[KillAt(steps + 2)], **stopped)
    resumed = build(DROPOUT)
    found = train(resumed, directory=tmp_path, resume=True, **EVERYTHING)
    assert equal(resumed.network.get_weights(), expected.network.get_weights())
    assert [row["val_loss"] for row in found] == [row["val_loss"] for row in history]


def test_scorers_see_the_weights_in_training_and_may_choose_them():
    translator, scorer = build(), Scripted(1.0, 3.0, 2.0)
    history = train(translator, scorers=[scorer], monitor="val_bleu")
    assert [row["val_bleu"] for row in history] == [1, 3, 2, 3]
    first, second, third = scorer.weights
    assert not equal(first, second) and not equal(second, third)
    assert equal(translator.network.get_weights(), second)
    np.testing.assert_allclose(scorer.scores[1], scores_of(translator), rtol=1e-5)
    assert np.abs(np.subtract(scorer.scores[0], scorer.scores[1])).min() > 1e-4


def test_a_stop_beside_a_scorer_leaves_the_translator_as_it_was():
    translator = build()
    before = translator.network.get_weights()
    scorer = Scripted(1.0, 2.0, 3.0)
    with pytest.raises(Killed):
        train(translator, scorers=[scorer], callbacks=[KillAt(3)])
    assert scorer.weights and not equal(scorer.weights[0], before)
    assert equal(translator.network.get_weights(), before)


def test_long_pairs_are_left_out_of_training_only():
    translator, steps = build(), []
    count = keras.callbacks.LambdaCallback(
        on_train_batch_end=lambda batch, logs: steps.append(batch)
    )
    sides = [TOKENIZER.tokenize(texts).to_list() for texts in (PAIRS.sources, PAIRS.targets)]
    longest = sorted(max(len(one), len(other)) + 1 for one, other in zip(*sides, strict=True))
    limit = longest[len(longest) // 2]
    train(translator, epochs=1, tokens_per_batch=1, training_length=limit, callbacks=[count])
    assert len(steps) == sum(length <= limit for length in longest) < len(PAIRS)


@pytest.mark.parametrize(
    "arguments, message",
    [
        ({"monitor": "val_bleu"}, "what is monitored, 'val_bleu'. Received: none"),
        ({"training_length": 65}, "sequence_length of 64. Received: training_length=65"),
        ({"optimizer": "sgd"}, "Received: optimizer='sgd'"),
        ({"r_drop": -1.0}, "Received: alpha=-1.0"),
    ],
)
def test_errors(arguments, message):
    with pytest.raises(ValueError, match=message):
        train(build(), **arguments)
