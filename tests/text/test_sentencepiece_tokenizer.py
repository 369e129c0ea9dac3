"""SentencePiece: lossless, never unknown, trained on any text."""

import concurrent.futures
import io

import numpy as np
import pytest
import sentencepiece
import tensorflow as tf

from keras_tx.text import SentencePieceTokenizer

TEXTS = [
    "A grey cat watches the rain from the window.",
    "The rain falls on the roof, and the cat sleeps.",
    "Un chat gris regarde la pluie par la fenêtre.",
    "La pluie tombe sur le toit, et le chat dort.",
]
HARD_TEXTS = [
    "",
    " ",
    "   ",
    " leading",
    "  leading twice",
    "trailing  ",
    "two  spaces",
    "tab\tand\r\nline\n",
    "\n",
    "a\0b",
    "\0",
    "😀 👩‍👩‍👧 naïve é",
    "日本語のテキスト",
    "مرحبا بالعالم",
    "\u2581",
    "a\u2581\u2581 b",
    "\x1a",
    "\x1a0\x1a1\x1a\x1a\u2581\x1a",
    "x",
    " x",
    "xx x",
    "<s> </s> <unk> <pad> <0x41>",
    "\u2585 \u2047 \u2047",
    "\ufeffmark",
    "\ufffe\uffff\ufffd\U0010ffff\ue000",
    "\u2028\x85\u00a0\u3000",
    "\\1 \\0 $1",
]


@pytest.fixture(scope="module", params=["unigram", "bpe"])
def tokenizer(request):
    return SentencePieceTokenizer(request.param, vocabulary_size=320).fit(TEXTS)


def there_and_back(tokenizer, texts):
    ids = tokenizer.tokenize(texts)
    assert not np.isin(ids.flat_values, [0, 1, 2, 3]).any()
    return [text.decode("utf-8") for text in tokenizer.detokenize(ids).numpy()]


def test_hard_texts_come_back(tokenizer):
    assert there_and_back(tokenizer, HARD_TEXTS) == HARD_TEXTS


def test_random_texts_over_all_of_unicode_come_back(tokenizer):
    generator = np.random.default_rng(11)
    ranges = [(0, 0x80), (0, 0x250), (0x2570, 0x25A0), (0, 0xD800), (0xE000, 0x110000)]
    texts = []
    for _ in range(400):
        low, high = ranges[generator.integers(len(ranges))]
        points = generator.integers(low, high, generator.integers(0, 30))
        spaced = np.where(generator.random(len(points)) < 0.2, ord(" "), points)
        texts.append("".join(map(chr, spaced)))
    assert there_and_back(tokenizer, texts) == texts


@pytest.mark.parametrize("unit", ["a", "rain cat ", "雨"])
def test_a_line_of_100000_characters_comes_back(tokenizer, unit):
    line = (unit * 100_000)[:100_000]
    assert there_and_back(tokenizer, [line]) == [line]


def test_special_ids_follow_the_contract(tokenizer):
    assert tokenizer.vocabulary[:5] == ["<pad>", "<unk>", "<s>", "</s>", "<0x00>"]


def test_any_ids_make_some_text(tokenizer):
    every_id = tf.constant([range(tokenizer.vocabulary_size), [0xF0] * tokenizer.vocabulary_size])
    for text in tokenizer.detokenize(every_id).numpy():
        text.decode("utf-8")  # bytes that are no character become U+FFFD, never invalid UTF-8


def test_same_texts_same_model(tokenizer):
    twin = SentencePieceTokenizer.from_config(tokenizer.get_config()).fit(TEXTS)
    assert twin.model_proto == tokenizer.model_proto


def test_lowercase_loses_nothing():
    tokenizer = SentencePieceTokenizer("bpe", 320, lowercase=True).fit(["A cat\0B boat"] * 3)
    texts = ["A\0B cat", "\0", "\0\0É", "a\0", "", *HARD_TEXTS]
    assert there_and_back(tokenizer, texts) == [text.lower() for text in texts]
    assert "boat" in "".join(tokenizer.vocabulary)
    assert tokenizer.sample(texts, 0.0, seed=1) == tokenizer.tokenize(texts).to_list()


def test_lowercase_is_unicode_and_the_same_in_training():
    tokenizer = SentencePieceTokenizer("bpe", 320, lowercase=True).fit(["ÉCOLE ÉTÉ École"] * 3)
    assert there_and_back(tokenizer, ["École ÉTÉ"]) == ["école été"]
    assert tokenizer.tokenize(["ÉCOLE"]).to_list() == tokenizer.tokenize(["école"]).to_list()
    assert not any("É" in piece for piece in tokenizer.vocabulary)


@pytest.mark.parametrize("model_type", ["unigram", "bpe"])
def test_too_little_text_gives_a_smaller_vocabulary(model_type):
    tokenizer = SentencePieceTokenizer(model_type, vocabulary_size=8000).fit(["rain", "cat"])
    assert 262 <= tokenizer.vocabulary_size < 320
    assert tokenizer.get_config()["vocabulary_size"] == 8000
    assert there_and_back(tokenizer, HARD_TEXTS) == HARD_TEXTS


@pytest.mark.parametrize("model_type", ["unigram", "bpe"])
def test_enough_text_gives_the_wished_size(model_type):
    assert SentencePieceTokenizer(model_type, 300).fit(TEXTS).vocabulary_size == 300


@pytest.mark.parametrize("model_type", ["unigram", "bpe"])
def test_more_characters_than_the_vocabulary_holds(model_type):
    with pytest.raises(ValueError, match="at least 362 .*Received: vocabulary_size=280"):
        SentencePieceTokenizer(model_type, 280, character_coverage=1.0).fit(
            ["".join(map(chr, range(0x4E00, 0x4E00 + 101)))]
        )


def test_training_survives_reserved_characters_and_loses_no_line():
    marked = [f"{word}\0{word}\u2585{word}\u2581{word}\t{word}\n{word}" for word in ("rain", "cat")]
    long_line = "thunder " * 20_000  # over sentencepiece's usual limit of 4192 bytes
    tokenizer = SentencePieceTokenizer("bpe", 400).fit([*marked * 20, long_line])
    assert {"▁rain", "▁cat", "▁thunder"} <= set(tokenizer.vocabulary)
    assert there_and_back(tokenizer, marked) == marked


def test_rare_space_is_still_a_piece():
    """A text nearly without spaces: the space symbol must not fall out of the characters."""
    tokenizer = SentencePieceTokenizer("unigram", 300, character_coverage=0.98)
    tokenizer.fit(["雨が降る猫が眠る" * 500])
    assert "▁" in tokenizer.vocabulary
    assert there_and_back(tokenizer, HARD_TEXTS) == HARD_TEXTS


def test_a_foreign_model_is_refused(tmp_path):
    model = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(TEXTS), model_writer=model, vocab_size=40, minloglevel=2
    )
    (tmp_path / "sentencepiece.model").write_bytes(model.getvalue())
    with pytest.raises(ValueError, match=r"ids 0, 1, 2, 3 .*Received: ids \(-1, 0, 1, 2\)"):
        SentencePieceTokenizer().load_assets(str(tmp_path))


@pytest.mark.parametrize("content", [b"", b"no model"])
def test_a_damaged_model_is_refused_without_a_word_besides(tmp_path, capfd, content):
    (tmp_path / "sentencepiece.model").write_bytes(content)
    with pytest.raises(ValueError, match=f"Received: .*piece.model, {len(content)} bytes that are"):
        SentencePieceTokenizer().load_assets(str(tmp_path))
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"model_type": "word"}, "model_type='word'"),
        ({"vocabulary_size": 261}, "at least 262 .*Received: vocabulary_size=261"),
        ({"vocabulary_size": 2**31}, "less than .*Received: vocabulary_size=2147483648"),
        ({"vocabulary_size": 8000.0}, "whole number .*vocabulary_size=8000.0"),
        ({"vocabulary_size": True}, "whole number .*vocabulary_size=True"),
        ({"character_coverage": 0.9}, "from 0.98 to 1. Received: character_coverage=0.9"),
        ({"character_coverage": 1.5}, "character_coverage=1.5"),
    ],
)
def test_errors_say_what_was_expected(arguments, message):
    with pytest.raises(ValueError, match=message):
        SentencePieceTokenizer(**arguments)


def test_clearing_tensorflows_caches_loses_nothing(tokenizer):
    before = tokenizer.tokenize(TEXTS)
    tf.random.set_seed(1)  # It also drops cached kernels, and what belongs to them.
    np.testing.assert_array_equal(tokenizer.tokenize(TEXTS).flat_values, before.flat_values)


@pytest.mark.parametrize("lowercase", [False, True])
def test_samples_are_other_pieces_of_the_same_texts(lowercase):
    texts = [*TEXTS, *HARD_TEXTS, "\ud800 lone"]
    fitted = SentencePieceTokenizer("bpe", vocabulary_size=320, lowercase=lowercase).fit(TEXTS)
    plain = fitted.tokenize(texts).to_list()
    assert fitted.sample(texts, 0.0, seed=1) == plain
    drawn = fitted.sample(texts, 0.3, seed=1)
    # Of the hard texts most are bytes, which no merge has joined.
    known = len(TEXTS)
    assert sum(map(len, drawn[:known])) > 1.1 * sum(map(len, plain[:known]))
    assert fitted.detokenize(drawn).numpy().tolist() == fitted.detokenize(plain).numpy().tolist()
    assert fitted.sample(texts, 0.3, seed=1) == drawn != fitted.sample(texts, 0.3, seed=2)


def test_samples_do_not_depend_on_the_thread():
    fitted = SentencePieceTokenizer(vocabulary_size=320).fit(TEXTS)
    with concurrent.futures.ThreadPoolExecutor(3) as threads:
        drawn = list(threads.map(lambda _: fitted.sample(TEXTS * 20, 0.2, seed=5), range(6)))
    assert all(ids == fitted.sample(TEXTS * 20, 0.2, seed=5) for ids in drawn)
    assert drawn[0] != fitted.tokenize(TEXTS * 20).to_list()  # A unigram model draws too.


@pytest.mark.parametrize("arguments", [(-0.1, 0), (1.5, 0), (0.1, -1), (0.1, 2**31)])
def test_samples_errors(tokenizer, arguments):
    with pytest.raises(ValueError, match=f"Received: dropout={arguments[0]}, seed={arguments[1]}"):
        tokenizer.sample(TEXTS, *arguments)
