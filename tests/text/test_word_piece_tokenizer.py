"""WordPiece tokenizers: KerasHub's ids in our order."""

import keras_hub
import numpy as np
import pytest
import tensorflow as tf

from keras_tx.text import WordPieceTokenizer

# In another order than ours, as those of the presets.
WORDS = [
    "[PAD]", "[unused0]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "the", "play", "##ing", "##er",
    "é", "e", "!", "[", "]", "sep", "日",
]  # fmt: skip
TEXTS = ["The player, playing!", "", "  [SEP] é É 日日 e\x00e", "unknown \U0001f600 the", "\n\t"]


@pytest.fixture(scope="module")
def hub():
    return keras_hub.tokenizers.BertTokenizer(WORDS, lowercase=True)


@pytest.fixture(scope="module")
def tokenizer(hub):
    return WordPieceTokenizer.from_hub(hub)


def test_it_is_the_tokenizer_of_keras_hub(hub, tokenizer):
    for text in TEXTS:
        expected = [WORDS[number] for number in np.asarray(hub(text))]
        (found,) = tokenizer.tokenize_to_strings([text]).to_list()
        assert [token.decode() for token in found] == expected, text
    assert tokenizer.vocabulary[:5] == ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[unused0]"]
    assert sorted(tokenizer.vocabulary) == sorted(WORDS)
    # No text turns into padding, start or end.
    assert not {0, 2, 3} & set(tokenizer.tokenize(TEXTS).flat_values.numpy().tolist())


def test_graph_and_eager(tokenizer):
    signature = [tf.TensorSpec([None], tf.string)]
    graph = tf.function(tokenizer.tokenize, input_signature=signature, autograph=False)
    assert graph(tf.constant(TEXTS)).to_list() == tokenizer.tokenize(TEXTS).to_list()
    assert tokenizer.tokenize(tf.constant([], tf.string)).to_list() == []


def test_back_to_text(tokenizer):
    ids = tokenizer.tokenize(["The player playing !", ""])
    assert tokenizer.detokenize(ids).numpy().tolist() == [b"the player playing !", b""]


def test_it_learns_a_vocabulary_and_keeps_it(tmp_path):
    texts = [f"the lake and the boat number {n}" for n in range(60)]
    tokenizer = WordPieceTokenizer(100).fit(texts)
    assert {"the", "lake", "[MASK]"} <= set(tokenizer.vocabulary)
    tokenizer.save_assets(str(tmp_path))
    again = WordPieceTokenizer.from_config(tokenizer.get_config())
    assert not again.is_fitted
    again.load_assets(str(tmp_path))
    assert again.vocabulary == tokenizer.vocabulary
    assert again.tokenize(TEXTS).to_list() == tokenizer.tokenize(TEXTS).to_list()
    (tmp_path / "vocabulary.txt").write_text("a\nb\n")
    with pytest.raises(ValueError, match="to start with .*Received: \\['a', 'b'\\]"):
        again.load_assets(str(tmp_path))


def test_what_does_not_fit(hub):
    with pytest.raises(ValueError, match="at least 100. Received: vocabulary_size=9"):
        WordPieceTokenizer(9)
    with pytest.raises(ValueError, match="texts with words. Received: none"):
        WordPieceTokenizer().fit(["", "  "])
    with pytest.raises(TypeError, match="a WordPieceTokenizer of KerasHub. Received: str"):
        WordPieceTokenizer.from_hub("bert")
    plain = keras_hub.tokenizers.WordPieceTokenizer(["[UNK]", "a"])
    with pytest.raises(ValueError, match="expected the tokens"):
        WordPieceTokenizer.from_hub(plain)
    other = keras_hub.tokenizers.BertTokenizer(WORDS, suffix_indicator="@@")
    with pytest.raises(ValueError, match="BERT's settings"):
        WordPieceTokenizer.from_hub(other)
