"""Signatures are chosen by what goes in and comes out."""

import numpy as np
import pytest

from keras_tx.serving import ServerError
from keras_tx.serving.client_signatures import KINDS, choose_signature, classification
from keras_tx.serving.client_transport import Signature, TensorDescription

STRINGS = TensorDescription("object", (None,))


def signature(inputs, outputs):
    return Signature(dict.fromkeys(inputs, STRINGS), dict.fromkeys(outputs, STRINGS))


def of_kind(kind, *more):
    inputs, outputs = KINDS[kind]
    return signature(inputs, [*outputs, *more])


def test_names_do_not_matter_where_one_fits():
    signatures = {f"no {number}": of_kind(kind) for number, kind in enumerate(KINDS)}
    for number, kind in enumerate(KINDS):
        assert choose_signature(kind, "m", signatures) == f"no {number}"


def test_the_default_one_comes_first_then_the_one_of_the_name():
    known = {name: of_kind("translate", "truncated") for name in ("a", "translate")}
    assert choose_signature("translate", "m", known) == "translate"
    known["serving_default"] = of_kind("translate")
    assert choose_signature("translate", "m", known) == "serving_default"
    del known["serving_default"], known["translate"]
    assert choose_signature("translate", "m", known) == "a"


def test_another_input_does_not_fit():
    more = signature(["text", "language"], ["translation"])
    with pytest.raises(ServerError) as caught:
        choose_signature("translate", "m", {"serving_default": more, "x": of_kind("classify")})
    assert str(caught.value) == (
        "expected a signature with text -> translation for translate. Received: m with "
        "serving_default: language, text -> translation; x: text -> label, score"
    )
    with pytest.raises(ServerError, match="Received: m with none"):
        choose_signature("align", "m", {})


def test_classifications():
    row = {
        "label": b"b\xc3\xa9",
        "score": np.float32(0.75),
        "scores": np.array([0.25, 0.75], "float32"),
        "labels": np.array([b"a", b"b\xc3\xa9"], object),
    }
    found = classification(row, None)
    assert (found.label, found.score) == ("bé", 0.75)
    assert found.scores == {"a": 0.25, "bé": 0.75}
    assert classification(row, 0.8).label == ""
    assert classification({**row, "multi_label": np.True_}, 0.2).labels == ("bé", "a")
    del row["labels"]  # Of a model that does not name them.
    assert classification(row, None).scores == {"bé": 0.75}
