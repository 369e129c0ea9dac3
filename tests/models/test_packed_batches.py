"""Texts in rows of one length."""

import numpy as np

from keras_tx.models.packed_batches import PackedBatches
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
