"""Pre-training: it learns, in any precision, with any encoder, and goes on after a stop."""

import shutil

import keras
import keras_hub
import numpy as np
import pytest

from keras_tx.models import Backbone
from keras_tx.text import WordTokenizer

WORDS = [f"word{number}" for number in range(12)]
# Fifteen times the same word, and its end, make a row: the context says which one is missing.
TEXTS = [" ".join([word] * 15) for word in WORDS] * 12
SETTINGS = {"tokens_per_batch": 256, "learning_rate": 1e-2, "warmup_steps": 5, "progress": False}


@pytest.fixture(scope="module")
def tokenizer():
    return WordTokenizer().fit(WORDS)


def tiny(tokenizer, **changes):
    keras.utils.set_random_seed(0)
    arguments = {"embed_dim": 16, "dense_dim": 24, "num_heads": 2, "num_layers": 1, "dropout": 0.0}
    return Backbone(tokenizer, 16, **{**arguments, **changes})


def test_it_learns_what_the_context_says(tokenizer):
    backbone = tiny(tokenizer)
    history = backbone.fit(TEXTS, TEXTS[:48], epochs=25, **SETTINGS)
    assert history[0]["val_accuracy"] < 0.5
    assert history[-1]["val_accuracy"] > 0.95
    assert history[-1]["val_loss"] < 0.5 < history[0]["val_loss"]
    # Asked directly: what is missing here?
    ids = np.full((1, 16), tokenizer.token_to_id("word7"))
    ids[0, 5] = backbone.mask_id
    logits = np.asarray(backbone.network([ids, np.array([[5]])]))
    assert tokenizer.id_to_token(int(logits.argmax())) == "word7"


def test_a_stopped_training_ends_as_if_it_had_not_been(tokenizer, tmp_path):
    """What a kill in the middle of a round leaves, copied while the training goes on."""

    class Copy(keras.callbacks.Callback):
        def on_train_batch_end(self, batch, logs=None):
            if int(np.asarray(self.model.optimizer.iterations)) == 7:
                shutil.copytree(tmp_path / "whole", tmp_path / "stopped")

    arguments = {"epochs": 1, "steps_per_round": 5, "masking_rate": 0.3, **SETTINGS}
    arguments |= {"save_seconds": 0.0}
    whole, stopped = (tiny(tokenizer, dropout=0.1) for _ in range(2))
    whole.fit(TEXTS, TEXTS[:24], directory=tmp_path / "whole", callbacks=[Copy()], **arguments)
    stopped.fit(TEXTS, TEXTS[:24], directory=tmp_path / "stopped", resume=True, **arguments)
    for one, two in zip(whole.network.get_weights(), stopped.network.get_weights(), strict=True):
        np.testing.assert_allclose(one, two, atol=1e-5)


def test_a_training_may_end_in_the_middle_of_an_epoch(tokenizer):
    history = tiny(tokenizer).fit(TEXTS, TEXTS[:24], epochs=1.5, **SETTINGS)
    # 144 rows of 16 tokens, 16 of them in a batch: an epoch is 9 steps.
    assert [row["step"] for row in history] == [9, 14, 14]
    assert history[-1]["chosen"]


def test_a_backbone_of_keras_hub_in_half_precision_with_muon(tokenizer):
    encoder = keras_hub.models.BertBackbone(tokenizer.vocabulary_size + 1, 1, 2, 16, 24)
    backbone = Backbone(tokenizer, 16, encoder=encoder)
    before = backbone.network.get_weights()
    history = backbone.fit(
        TEXTS[:48],
        TEXTS[:24],
        epochs=4,
        optimizer="muon",
        precision="mixed_bfloat16",
        whole_words=False,
        **SETTINGS,
    )
    assert history[-1]["val_loss"] < history[0]["val_loss"]
    assert {layer.compute_dtype for layer in backbone.encoder.layers} == {"float32"}
    after = backbone.network.get_weights()
    changed = [(one != two).any() for one, two in zip(before, after, strict=True)]
    assert np.mean(changed) > 0.8


def test_too_little_text(tokenizer):
    with pytest.raises(ValueError, match="of all documents. Received: sequence_length=16"):
        tiny(tokenizer).fit(TEXTS, ["word1"], **SETTINGS)
