import numpy as np
import pytest

from keras_tx.data import LabelledTexts, MultiLabelledTexts, SentencePairs
from keras_tx.models import batches
from keras_tx.models.batches import LabelledBatches, PairBatches, token_sequences
from keras_tx.text import SentencePieceTokenizer, WordTokenizer, pack

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


def test_pairs_are_padded_to_buckets_but_not_beyond_the_longest_sequence(tokenizer):
    text = " ".join(["one"] * 8)  # 9 tokens as a source, 10 framed ones as a target.
    for longest, width in ((16, 10), (9, 9)):
        made = PairBatches(SentencePairs([text], [text]), tokenizer, tokenizer, longest, 100)
        (((source, target), labels),) = made.dataset().as_numpy_iterator()
        assert source.shape == target.shape == labels.shape == (1, width)
        assert (source[0, 9:] == 0).all() and (labels[0, 9:] == 0).all()
        assert source[0, 8] == labels[0, 8] == 3 and target[0, 8] != 0


def test_the_stream_goes_on_from_a_step(tokenizer):
    pairs = SentencePairs(WORDS.split(), WORDS.split())
    made = PairBatches(pairs, tokenizer, tokenizer, 16, tokens_per_batch=4, seed=1)
    whole = [labels for _, labels in made.dataset(0).take(12).as_numpy_iterator()]
    rest = [labels for _, labels in made.dataset(5).take(7).as_numpy_iterator()]
    assert all(np.array_equal(a, b) for a, b in zip(whole[5:], rest, strict=True))


SENTENCES = [
    "the red boat sleeps near the green boat",
    "a green lake",
    "the boat is red and the lake is green",
    "near the lake sleeps a boat",
    "a red lake and a red boat",
    "sleeps",
] * 3


@pytest.fixture(scope="module")
def subwords():
    return SentencePieceTokenizer("bpe", vocabulary_size=300).fit(SENTENCES)


def drawn_batches(tokenizer, first_step=0, count=None, seed=1, length=99, tokens=120):
    pairs = SentencePairs(SENTENCES, SENTENCES[::-1])
    made = PairBatches(pairs, tokenizer, tokenizer, length, tokens, seed=seed, subword_dropout=0.3)
    stream = made.dataset(first_step).take(count or 2 * len(made))
    return made, list(stream.as_numpy_iterator())


def texts_of(tokenizer, ids):
    rows = [[number for number in row if number > 3] for row in ids.tolist()]
    return [text.decode() for text in tokenizer.detokenize(rows).numpy()]


def flat(batches):
    return [array.tolist() for (source, target), labels in batches
            for array in (source, target, labels)]  # fmt: skip


def test_drawn_pieces_are_other_ids_of_the_same_texts_in_every_epoch(subwords):
    made, batches = drawn_batches(subwords)
    epochs = batches[: len(made)], batches[len(made) :]
    assert len(made) > 3
    for epoch in epochs:
        pairs = []
        for (source, target), labels in epoch:
            assert (target[:, 0] == 2).all() and (target[:, 1:] == labels[:, :-1]).all()
            assert ((source == 3).sum(axis=1) == 1).all() and ((labels == 3).sum(axis=1) == 1).all()
            pairs += zip(texts_of(subwords, source), texts_of(subwords, labels), strict=True)
        assert sorted(pairs) == sorted(zip(SENTENCES, SENTENCES[::-1], strict=True))
        # About the 120 tokens of a batch, though 1.8 times as many pieces are drawn as there are
        # without drawing. Of 300 epochs with these sentences one had a mean of 133, none more.
        sizes = [max(source.size, labels.size) for (source, _), labels in epoch]
        assert max(sizes) <= 1.5 * 120 and np.mean(sizes) <= 1.25 * 120
    assert sorted(flat(epochs[0])) != sorted(flat(epochs[1]))
    plain = [len(row) for row in subwords.tokenize(SENTENCES).to_list()]
    drawn = sum((source > 3).sum() for (source, _), _ in epochs[0])
    assert drawn > 1.1 * sum(plain)


def test_drawn_pieces_go_on_from_a_step_and_follow_the_seed(subwords):
    made, whole = drawn_batches(subwords)
    for first in (2, len(made) + 1):  # In the first epoch and in the second.
        _, rest = drawn_batches(subwords, first, count=3)
        assert flat(rest) == flat(whole[first : first + 3])
    again = made.dataset(1).take(2).as_numpy_iterator()  # Back to an epoch that has gone.
    assert flat(again) == flat(whole[1:3])
    assert flat(drawn_batches(subwords, seed=2)[1]) != flat(whole)


def test_a_draw_that_is_too_long_gives_way_to_the_plain_pieces(subwords):
    longest = max(len(row) for row in subwords.tokenize(SENTENCES).to_list()) + 1
    made, batches = drawn_batches(subwords, length=longest)
    assert len(made.rows) == len(SENTENCES)
    assert max(max(source.shape[1], labels.shape[1]) for (source, _), labels in batches) <= longest


def test_one_pass_has_the_plain_pieces(subwords):
    made, _ = drawn_batches(subwords, count=1)
    rows = [
        [number for number in row if number > 3]
        for (source, _), _ in made.dataset().as_numpy_iterator()
        for row in source.tolist()
    ]
    assert sorted(rows) == sorted(subwords.tokenize(SENTENCES).to_list())


def test_drawn_pieces_need_a_tokenizer_that_draws(tokenizer, subwords):
    pairs = SentencePairs(["one"], ["un"])
    with pytest.raises(ValueError, match="SentencePieceTokenizer.* Received: WordTokenizer"):
        PairBatches(pairs, tokenizer, tokenizer, 9, 100, subword_dropout=0.1)
    with pytest.raises(ValueError, match=r"in \[0, 1\). Received: subword_dropout=-1"):
        PairBatches(pairs, subwords, subwords, 99, 100, subword_dropout=-1)


def test_several_labels_and_weights_go_with_their_texts(tokenizer):
    words = ["one", "two three", "un", "red green blue", "deux"]
    labels = [(0,), (0, 1), (), (1,), (0,)]
    made = LabelledBatches(
        MultiLabelledTexts(words, labels, ("a", "b")),
        lambda texts: pack(tokenizer.tokenize(texts), end_id=3),
        tokens_per_batch=6,
        seed=0,
    )
    made.weights = np.arange(10, dtype="float32").reshape(5, 2)
    rows = {}
    for ids, matrix, weights in made.dataset().as_numpy_iterator():
        for row, ones, weight in zip(ids, matrix, weights, strict=True):
            rows[tuple(row[row != 0])] = (ones.tolist(), weight.tolist())
    for number, (text, one) in enumerate(zip(words, labels, strict=True)):
        expected = [int(0 in one), int(1 in one)], [2 * number, 2 * number + 1]
        assert rows[(*ids_of(tokenizer, text), 3)] == expected
