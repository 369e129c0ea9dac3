"""Texts in rows of one length, and trainings on them that were stopped."""

import keras
import numpy as np

from keras_tx.models import RegionBackbone
from keras_tx.models.region_pretraining import PackedBatches
from keras_tx.text import WordTokenizer

WORDS = [f"word{number}" for number in range(9)]
TEXTS = [" ".join(np.random.default_rng(seed).choice(WORDS, 9)) for seed in range(80)]


def test_rows_hold_all_tokens_and_no_padding():
    tokenizer = WordTokenizer().fit(TEXTS)
    batches = PackedBatches(TEXTS, tokenizer, sequence_length=16, tokens_per_batch=100, seed=1)
    assert len(batches) == 9  # 80 texts of 10 ids are 50 rows, six in a batch.
    rows = [ids for ids, zeros in batches.dataset().as_numpy_iterator()]
    assert [len(part) for part in rows] == [6] * 8 + [2]
    joined = np.concatenate(rows).ravel()
    texts = tokenizer.tokenize(TEXTS).to_list()
    assert joined.tolist() == [number for ids in texts for number in [*ids, tokenizer.end_id]]


def test_a_step_gets_what_it_would_have_had():
    batches = PackedBatches(TEXTS, WordTokenizer().fit(TEXTS), 16, 100, seed=1)
    whole = [ids for ids, _ in batches.dataset(0).take(20).as_numpy_iterator()]
    rest = [ids for ids, _ in batches.dataset(11).take(9).as_numpy_iterator()]
    for one, two in zip(whole[11:], rest, strict=True):
        np.testing.assert_array_equal(one, two)
    # Other rows in the second epoch.
    assert any((one != two).any() for one, two in zip(whole[:8], whole[9:17], strict=True))


def test_a_stopped_training_goes_on(tmp_path):
    tokenizer = WordTokenizer().fit(TEXTS)
    arguments = {"tokens_per_batch": 64, "sequence_length": 16, "progress": False}
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
