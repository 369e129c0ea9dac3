"""Texts with several labels: what is checked, how a table's cells are read, how it is split."""

import pytest

from keras_tx.data import (
    LabelledTexts,
    MultiLabelledTexts,
    read_multi_labelled_table,
    split_multi_labelled,
)

NAMES = ("art", "law", "war")


def test_labels_are_sorted_and_stand_once():
    examples = MultiLabelledTexts(["a", "b", "c"], [[2, 0, 2], (), [1]], NAMES)
    assert examples.labels == [(0, 2), (), (1,)]
    assert examples.matrix().tolist() == [[1, 0, 1], [0, 0, 0], [0, 1, 0]]
    assert examples.take([2, 0]).labels == [(1,), (0, 2)]
    assert examples.take([2, 0]).texts == ["c", "a"]


def test_what_can_be_read_once_is_read_once():
    examples = MultiLabelledTexts(
        (text for text in "ab"), (map(int, numbers.split()) for numbers in ("0 2", "1")), NAMES
    )
    assert (examples.texts, examples.labels) == (["a", "b"], [(0, 2), (1,)])


@pytest.mark.parametrize("position", [-1, 2])
def test_positions_that_are_not_there(position):
    examples = MultiLabelledTexts(["a", "b"], [(), ()], NAMES)
    with pytest.raises(IndexError, match=f"between 0 and 1. Received: {position}"):
        examples.take([position])


def test_of_texts_with_one_label():
    single = LabelledTexts(["a", "b"], [2, 0], NAMES)
    assert MultiLabelledTexts.of(single).labels == [(2,), (0,)]
    several = MultiLabelledTexts(["a"], [()], NAMES)
    assert MultiLabelledTexts.of(several) is several


@pytest.mark.parametrize(
    ("texts", "labels", "names", "error", "message"),
    [
        (["a"], [], NAMES, ValueError, "1 texts and 0 labels"),
        (["a"], [[3]], NAMES, ValueError, "between 0 and 2"),
        (["a"], [[0.5]], NAMES, TypeError, "must hold integers"),
        ([b"a"], [[0]], NAMES, TypeError, "must hold strings"),
        (["a"], [[0]], ("x", "x"), ValueError, "no name twice"),
        (["a"], [[]], (), ValueError, "at least one name"),
    ],
)
def test_wrong_examples(texts, labels, names, error, message):
    with pytest.raises(error, match=message):
        MultiLabelledTexts(texts, labels, names)


def test_a_table(tmp_path):
    path = tmp_path / "x.tsv"
    path.write_text("topics\ttext\nwar; art\tone\n;\ttwo\n law ;law\tthree\n\tfour\n")
    found = read_multi_labelled_table(path, label_column="topics", separator=";")
    assert found.label_names == NAMES
    assert found.labels == [(0, 2), (), (1,), ()]
    assert found.texts == ["one", "two", "three", "four"]
    # With given names the numbers are theirs, whatever occurs.
    names = ("law", "peace", "war", "art")
    again = read_multi_labelled_table(path, "text", "topics", ";", label_names=names)
    assert again.labels == [(2, 3), (), (0,), ()]


@pytest.mark.parametrize(
    ("content", "options", "message"),
    [
        ("text,label\na,x|y\n", {"label_names": ("x",)}, "line 2, with 'y'"),
        ("text,label\na,\n", {}, "Expected labels in 'label'. Received"),
        ("text,label\na,x\n", {"separator": ""}, "separator expected one or more characters"),
        ("text,tags\na,x\n", {}, "Expected one column 'label'"),
    ],
)
def test_wrong_tables(tmp_path, content, options, message):
    path = tmp_path / "x.csv"
    path.write_text(content)
    with pytest.raises(ValueError, match=message):
        read_multi_labelled_table(path, **options)


def test_a_split_keeps_sets_in_proportion_and_equal_texts_together():
    sets = [(0,), (0, 2), (), (0,)]
    texts = [f"text {n}" for n in range(38)] + ["same", "same"]
    examples = MultiLabelledTexts(texts, [sets[n % 4] for n in range(40)], NAMES)
    train, held_out = split_multi_labelled(examples, 8, seed=1)
    assert len(train) + len(held_out) == 40 and 7 <= len(held_out) <= 8
    # Half of the texts, so 4 of 8; the two equal ones count where the first of them stands.
    pairs = zip(held_out.texts, held_out.labels, strict=True)
    alone = [labels for text, labels in pairs if text != "same"]
    assert alone.count((0,)) == 4 and alone.count((0, 2)) == 2
    by_text = dict(zip(examples.texts[:38], examples.labels[:38], strict=True))
    for part in (train, held_out):
        for text, labels in zip(part.texts, part.labels, strict=True):
            assert text == "same" or by_text[text] == labels
    assert ("same" in train.texts) != ("same" in held_out.texts)
    assert not set(train.texts) & set(held_out.texts)
    assert split_multi_labelled(examples, 8, seed=1) == (train, held_out)
    assert split_multi_labelled(examples, 8, seed=2) != (train, held_out)
