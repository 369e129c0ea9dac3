"""Differences of outputs: worked out by hand."""

import math

import numpy as np
import pytest
import tensorflow as tf

from keras_tx.serving.comparison import Comparison, compile_function, difference

TEXTS = [b"one", b"two words", b""]


def strings(*values):
    return np.array(values, dtype=object)


@pytest.mark.parametrize(
    ("first", "second", "expected"),
    [
        (np.array([0.5, 0.25]), np.array([0.5, 0.5]), 0.25),
        (np.array([110.0]), np.array([100.0]), 0.1),  # Relative above 1.
        (np.array([1.0, 2.0]), np.array([1.0]), 2.0),  # Against padding.
        (np.array([[1.0], [0.0]]), np.array([[1.0, 0.0]]), 0.0),
        (np.array([-np.inf, np.nan]), np.array([-np.inf, np.nan]), 0.0),
        (np.array([np.inf]), np.array([3.0]), math.inf),
        (np.array([np.nan]), np.array([3.0]), math.inf),
        (np.array([3, 0]), np.array([3]), 0.0),
        (np.array([3]), np.array([4]), math.inf),
        (np.array([3.0]), np.array([[3.0]]), math.inf),
        (np.array(3.0), np.array(3.5), 0.5 / 3.5),
        (strings(b"a", b""), strings(b"a"), 0.0),
        (strings(b"a"), strings(b"b"), math.inf),
        (strings(b"1"), np.array([1.0]), math.inf),
        (np.zeros((0,)), np.zeros((0,)), 0.0),
    ],
)
def test_difference(first, second, expected):
    assert difference(first, second) == pytest.approx(expected)


def batches(change=None, row=None):
    """Outputs of all texts and of each alone; `change` is applied to that row, alone."""
    score, word = np.array([1.0, 2.0, 0.0]), strings(b"x", b"y", b"")
    singles = [
        {"score": score[number : number + 1].copy(), "word": word[number : number + 1].copy()}
        for number in range(3)
    ]
    if change:
        singles[row].update(change)
    return [{"score": score, "word": word}, *singles]


@pytest.mark.parametrize(("different", "near", "is_problem"), [
    (3, 0.0, False), (4, 0.0, True), (3, 0.04, False), (0, 0.06, True), (12, 0.0, True),
])  # fmt: skip
def test_some_rows_may_differ_in_bfloat16(different, near, is_problem):
    """A quarter of the texts, or any that are near; in float32 none."""
    texts = [b"%d" % number for number in range(12)]
    one = {"word": strings(*texts), "score": np.ones(12)}
    changed = [b"other"] * different + texts[different:]
    two = {"word": strings(*changed), "score": np.ones(12) + near}
    for precision, expected in (("bfloat16", is_problem), ("float32", True)):
        comparison = Comparison(texts, precision=precision)
        comparison.check_model("serving_default", [one], [two])
        assert bool(comparison.problems) == expected


def test_equal_rows_are_no_problem():
    comparison = Comparison(TEXTS)
    comparison.check_batches("serving_default", batches({"score": np.array([1.00005])}, 0))
    assert comparison.problems == []
    assert comparison.max_difference == pytest.approx(5e-5, rel=1e-3)


def test_a_row_that_depends_on_its_batch_is_named():
    comparison = Comparison(TEXTS)
    comparison.check_batches("serving_default", batches({"word": strings(b"z")}, 1))
    assert comparison.problems == [
        "output word of serving_default alone and in a batch differs for 1 of 3 texts, "
        "such as b'two words': b'y' and b'z'"
    ]


def test_another_number_of_rows_than_texts():
    comparison = Comparison(TEXTS)
    comparison.check_batches("serving_default", batches({"score": np.array([2.0, 3.0])}, 1))
    scalar = [{"score": np.array(1.0)}, *({"score": np.array([1.0])} for _ in TEXTS)]
    comparison.check_batches("other", scalar)
    assert comparison.problems == [
        "output score of serving_default expected the batch as dimension 0: 1 for 1 texts. "
        "Received: 2",
        "output score of other expected the batch as dimension 0: 3 for 3 texts. "
        "Received: a scalar",
    ]


def test_nan_is_a_problem_even_where_both_have_it():
    comparison = Comparison(TEXTS)
    outputs = batches({"score": np.array([np.nan])}, 2)
    outputs[0]["score"][2] = np.nan
    comparison.check_batches("serving_default", outputs)
    assert comparison.problems == ["output score of serving_default is NaN for b''"]


TEXT = [tf.TensorSpec([None], tf.string, "text")]


def test_a_compiled_function_gives_plain_arrays_for_any_number_of_texts():
    def count(text):
        return {"n": tf.cast(tf.strings.length(text), tf.bfloat16), "text": text}

    run = compile_function(count, TEXT)
    outputs = run(TEXTS)
    assert outputs["n"].tolist() == [3.0, 9.0, 0.0] and outputs["text"].tolist() == TEXTS
    assert outputs["n"].dtype == np.float64
    assert run([])["n"].shape == (0,)


def test_the_model_must_give_the_outputs_of_the_export():
    def batch(*numbers, name="n"):
        return {name: np.array(numbers)}

    comparison = Comparison(TEXTS)
    found = [batch(3.0, 9.0), batch(0.0)]
    comparison.check_model("serving_default", found, [batch(3.0, 9.0), batch(0.0)])
    assert comparison.problems == []
    comparison.check_model("serving_default", found, [batch(3.0, 8.0), batch(1.0)])
    comparison.check_model("serving_default", found, [batch(3.0, 9.0, name="m"), batch(0.0)])
    assert comparison.problems == [
        "output n of serving_default in the export and the model differs for 2 of 3 texts, "
        "such as b'two words': 9.0 and 8.0",
        "serving_default expected the model's outputs ['m']. Received: ['n']",
    ]


def test_texts_after_the_probes_are_compared_and_named_too():
    comparison = Comparison(TEXTS, [b"another"])
    comparison.check_model(
        "score",
        [{"n": np.array([1.0, 2.0, 3.0])}, {"n": np.array([4.0])}],
        [{"n": np.array([1.0, 2.0, 3.0])}, {"n": np.array([5.0])}],
    )
    (problem,) = comparison.problems
    assert problem.endswith("differs for 1 of 4 texts, such as b'another': 4.0 and 5.0")


def test_no_texts_must_give_no_rows():
    comparison = Comparison(TEXTS)
    comparison.check_empty("serving_default", {"n": np.zeros((0, 5)), "text": strings()})
    assert comparison.problems == []
    comparison.check_empty("serving_default", {"n": np.zeros((1, 5)), "total": np.array(0.0)})
    assert comparison.problems == [
        "output n of serving_default expected the batch as dimension 0: 0 for 0 texts. Received: 1",
        "output total of serving_default expected the batch as dimension 0: 0 for 0 texts. "
        "Received: a scalar",
    ]
