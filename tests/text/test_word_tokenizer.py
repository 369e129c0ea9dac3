"""Words: ids by frequency, unknowns, no special ids from text, the file."""

import pytest

from keras_tx.text import WordTokenizer

TEXTS = [
    "The river runs, the river sings.",
    "The miller hears the river!",
    "A mill by the river.",
]


@pytest.fixture(scope="module")
def tokenizer():
    return WordTokenizer().fit(TEXTS)


def test_words_start_at_four_most_frequent_first(tokenizer):
    assert tokenizer.vocabulary[:6] == ["[PAD]", "[UNK]", "[START]", "[END]", "the", "river"]
    assert tokenizer.tokenize(["RIVER, the Unseen"]).to_list() == [[5, 4, 1]]


def test_max_tokens_counts_the_special_ids():
    small = WordTokenizer(max_tokens=6).fit(TEXTS)
    assert small.vocabulary == ["[PAD]", "[UNK]", "[START]", "[END]", "the", "river"]
    assert small.tokenize(["the mill"]).to_list() == [[4, 1]]


def test_detokenize_joins_with_spaces(tokenizer):
    ids = tokenizer.tokenize(["The river,\n\t sings   to no one"])
    assert tokenizer.detokenize(ids).numpy().tolist() == [b"the river sings [UNK] [UNK] [UNK]"]


def test_special_tokens_in_a_text_are_unknown_words():
    tokenizer = WordTokenizer(standardize=None).fit([*TEXTS, "[START] [END] [PAD] [UNK] [START]"])
    assert tokenizer.tokenize(["[START] The [END] [PAD] [UNK]"]).to_list() == [
        [1, tokenizer.token_to_id("The"), 1, 1, 1]
    ]
    assert len(set(tokenizer.vocabulary)) == tokenizer.vocabulary_size


def test_standardize_none_keeps_case_and_punctuation():
    tokenizer = WordTokenizer(standardize=None).fit(TEXTS)
    text = ["The river runs, the river sings."]
    assert tokenizer.detokenize(tokenizer.tokenize(text)).numpy()[0].decode() == text[0]


def test_characters_come_back_but_for_the_line_feed(tmp_path):
    tokenizer = WordTokenizer(standardize=None, split="character").fit(["a b\r\x85\u2028c\nd"])
    text = "d c\x85\r a\u2028"
    assert tokenizer.detokenize(tokenizer.tokenize([text])).numpy()[0].decode() == text
    assert tokenizer.tokenize(["\n"]).to_list() == [[1]]
    tokenizer.save_assets(str(tmp_path))
    clone = WordTokenizer(standardize=None, split="character")
    clone.load_assets(str(tmp_path))
    assert clone.vocabulary == tokenizer.vocabulary


def test_vocabulary_file_has_one_token_a_line(tokenizer, tmp_path):
    tokenizer.save_assets(str(tmp_path))
    content = (tmp_path / "vocabulary.txt").read_bytes().decode("utf-8")
    assert content.split("\n") == [*tokenizer.vocabulary, ""]


def test_a_foreign_vocabulary_is_refused(tmp_path):
    (tmp_path / "vocabulary.txt").write_text("the\nriver\n")
    with pytest.raises(ValueError, match=r"to start with .*Received: \['the', 'river'\]"):
        WordTokenizer().load_assets(str(tmp_path))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"max_tokens": 4}, "at least 5. Received: max_tokens=4"),
        ({"max_tokens": 10.0}, "whole number .*max_tokens=10.0"),
        ({"max_tokens": True}, "whole number .*max_tokens=True"),
        ({"standardize": "upper"}, "standardize='upper'"),
        ({"split": "comma"}, "split='comma'"),
    ],
)
def test_errors_say_what_was_expected(arguments, message):
    with pytest.raises(ValueError, match=message):
        WordTokenizer(**arguments)
