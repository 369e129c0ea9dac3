"""The two containers that readers return."""

import dataclasses

import numpy as np
import pytest

from keras_tx.data.examples import LabelledTexts, SentencePairs

NAMES = ("negative", "positive")


def test_labelled_texts_keep_what_they_are_given():
    reviews = LabelledTexts(("a", "b", "c"), np.array([0, 1, 1]), list(NAMES))
    assert len(reviews) == 3
    assert reviews.texts == ["a", "b", "c"]
    assert reviews.labels == [0, 1, 1] and type(reviews.labels[0]) is int
    assert reviews.label_names == NAMES


def test_containers_are_frozen():
    with pytest.raises(dataclasses.FrozenInstanceError):
        LabelledTexts(["a"], [0], NAMES).texts = []
    with pytest.raises(dataclasses.FrozenInstanceError):
        SentencePairs(["a"], ["b"]).sources = []


def test_a_container_does_not_change_with_the_list_it_was_made_from():
    sources = ["a"]
    pairs = SentencePairs(sources, ["b"])
    sources.append("c")
    assert len(pairs) == 1


def test_addition_joins_in_order():
    joined = LabelledTexts(["a"], [0], NAMES) + LabelledTexts(["b"], [1], NAMES)
    assert joined == LabelledTexts(["a", "b"], [0, 1], NAMES)
    joined = SentencePairs(["a"], ["x"]) + SentencePairs(["b"], ["y"])
    assert joined == SentencePairs(["a", "b"], ["x", "y"])


def test_take_gives_the_positions_in_the_order_asked_for():
    reviews = LabelledTexts(["a", "b", "c"], [0, 1, 0], NAMES)
    assert reviews.take(np.array([2, 1, 2])) == LabelledTexts(["c", "b", "c"], [0, 1, 0], NAMES)
    assert SentencePairs(["a", "b"], ["x", "y"]).take([1]) == SentencePairs(["b"], ["y"])
    assert len(reviews.take([])) == 0


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ((["a"], [0, 1], NAMES), ValueError, "Received: 1 texts and 2 labels"),
        ((["a"], [2], NAMES), ValueError, r"between 0 and 1. Received: labels\[0\]=2"),
        ((["a"], [-1], NAMES), ValueError, r"Received: labels\[0\]=-1"),
        ((["a"], [0.0], NAMES), TypeError, r"integers. Received: labels\[0\]=0.0"),
        ((["a"], [0], ("x", "x")), ValueError, r"Received: label_names=\('x', 'x'\)"),
        ((["a"], [0], ()), ValueError, r"Received: label_names=\(\)"),
        (("a", [0], NAMES), TypeError, "list of strings. Received: texts='a'"),
        ((["a", None], [0, 0], NAMES), TypeError, r"Received: texts\[1\]=None"),
    ],
)
def test_labelled_texts_refuse(arguments, error, message):
    with pytest.raises(error, match=message):
        LabelledTexts(*arguments)


def test_sentence_pairs_refuse():
    with pytest.raises(ValueError, match="Received: 1 sources and 2 targets"):
        SentencePairs(["a"], ["b", "c"])
    with pytest.raises(TypeError, match=r"Received: targets\[0\]=b'b'"):
        SentencePairs(["a"], [b"b"])


def test_addition_refuses_other_label_names_and_other_types():
    with pytest.raises(ValueError, match="Received: .*'positive'.* and .*'bad'"):
        LabelledTexts(["a"], [0], NAMES) + LabelledTexts(["b"], [0], ("bad",))
    with pytest.raises(TypeError):
        SentencePairs(["a"], ["b"]) + LabelledTexts(["b"], [0], NAMES)


@pytest.mark.parametrize("position", [-1, 2])
def test_take_refuses_positions_outside(position):
    with pytest.raises(IndexError, match=f"between 0 and 1. Received: {position}"):
        SentencePairs(["a", "b"], ["x", "y"]).take([position])
