"""Trainings of region encoders that were stopped."""

import keras
import numpy as np

from keras_tx.models import RegionBackbone
from keras_tx.text import WordTokenizer

WORDS = [f"word{number}" for number in range(9)]
TEXTS = [" ".join(np.random.default_rng(seed).choice(WORDS, 9)) for seed in range(80)]


def test_a_stopped_training_goes_on(tmp_path):
    tokenizer = WordTokenizer().fit(TEXTS)
    arguments = {"tokens_per_batch": 64, "sequence_length": 16, "progress": False}
    arguments["jit_compile"] = False  # There is little to compute, and much to compile.
    texts = (TEXTS[:60], TEXTS[60:])

    def trained(**options):
        keras.utils.set_random_seed(0)
        backbone = RegionBackbone(tokenizer, embed_dim=4)
        return backbone, backbone.fit(*texts, epochs=2, **arguments, **options)

    whole, history = trained()
    steps = history[-1]["step"]

    trained(directory=tmp_path, max_minutes=1e-9)
    rest, history = trained(directory=tmp_path, resume=True)
    assert history[-1]["step"] == steps
    for one, two in zip(whole.network.get_weights(), rest.network.get_weights(), strict=True):
        np.testing.assert_allclose(one, two, rtol=1e-5, atol=1e-6)
