import numpy as np
import pytest

from keras_tx.data import LabelledTexts, SentencePairs
from keras_tx.models import batches
from keras_tx.models.batches import LabelledBatches, PairBatches, token_sequences
from keras_tx.text import WordTokenizer, pack

WORDS = "one two three red green blue un deux trois"


@pytest.fixture(scope="module")
def tokenizer():
    return WordTokenizer().fit([WORDS])


def ids_of(tokenizer, text):
    return [tokenizer.token_to_id(word) for word in text.split()]


def test_long_lists_are_tokenized_in_chunks(tokenizer, monkeypatch):
    texts = ["one two", "", "three", "red green blue", "un"]
    whole = token_sequences(texts, tokenizer.tokenize)
    monkeypatch.setattr(batches, "CHUNK", 2)
    chunks = token_sequences(texts, tokenizer.tokenize)
    assert whole.lengths.tolist() == chunks.lengths.tolist() == [2, 0, 1, 3, 1]
    assert whole.values.tolist() == chunks.values.tolist()


def test_labelled_batches_hold_each_text_with_its_label(tokenizer):
    words = WORDS.split()
    examples = LabelledTexts(words, [len(word) % 2 for word in words], ("even", "odd"))
    made = LabelledBatches(
        examples, lambda texts: pack(tokenizer.tokenize(texts), end_id=3), tokens_per_batch=6
    )
    rows = [
        (row.tolist(), int(label))
        for ids, labels in made.dataset().as_numpy_iterator()
        for row, label in zip(ids, labels, strict=True)
    ]
    assert len(made) == 3  # 9 texts of 2 tokens, 3 in a batch
    assert sorted(rows) == sorted(
        ([tokenizer.token_to_id(word), 3], len(word) % 2) for word in words
    )


def test_pairs_are_framed_and_shifted(tokenizer):
    pairs = SentencePairs(["one two", "red"], ["un deux trois", "un"])
    made = PairBatches(pairs, tokenizer, tokenizer, 16, tokens_per_batch=100)
    ((source, target), labels), *others = made.dataset().as_numpy_iterator()
    assert not others
    short, long = ids_of(tokenizer, "un"), ids_of(tokenizer, "un deux trois")
    assert source.tolist() == [
        [*ids_of(tokenizer, "red"), 3, 0],
        [*ids_of(tokenizer, "one two"), 3],
    ]
    assert target.tolist() == [[2, *short, 3, 0], [2, *long]]
    assert labels.tolist() == [[*short, 3, 0, 0], [*long, 3]]


def test_long_pairs_are_left_out(tokenizer):
    pairs = SentencePairs(["one", "one two three", "red"], ["un", "un", "un deux trois"])
    made = PairBatches(pairs, tokenizer, tokenizer, 3, tokens_per_batch=100)
    assert made.rows.tolist() == [0]
    with pytest.raises(ValueError, match=r"no more than 1 tokens .* Received: none among 3"):
        PairBatches(pairs, tokenizer, tokenizer, 1, tokens_per_batch=100)


def test_the_stream_goes_on_from_a_step(tokenizer):
    pairs = SentencePairs(WORDS.split(), WORDS.split())
    made = PairBatches(pairs, tokenizer, tokenizer, 16, tokens_per_batch=4, seed=1)
    whole = [labels for _, labels in made.dataset(0).take(12).as_numpy_iterator()]
    rest = [labels for _, labels in made.dataset(5).take(7).as_numpy_iterator()]
    assert all(np.array_equal(a, b) for a, b in zip(whole[5:], rest, strict=True))
