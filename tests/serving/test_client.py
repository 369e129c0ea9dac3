"""The client gives what the model gives here, over gRPC and REST, with and without batching."""

import concurrent.futures
import contextlib
import functools
import math
import pathlib
import socket
import threading

import numpy as np
import pytest

from keras_tx.serving import Client, DynamicBatching, LoopbackServer, ServerError

TEXTS = [
    "a small boat",
    "",
    "two dogs run along the lake\n\na small lake",
    "nul \0 inside",
    "\ud800 lone surrogate",
    "un petit bateau sur un petit lac",
    "😀 é",
    "  spaces around  ",
]
WHOLE = [text for text in TEXTS if "\n" not in text]


MODELS = {"translator": "translator", "classifier": "subword_classifier"}


@pytest.fixture(scope="module")
def server_of(exported):
    """A server of one of `MODELS`, started when it is first asked for."""
    with contextlib.ExitStack() as stack:

        @functools.cache
        def server(name):
            batching = DynamicBatching(max_batch_size=8) if name == "translator" else None
            directory = exported(MODELS[name]).parent
            return stack.enter_context(LoopbackServer(directory, name, batching=batching))

        yield server


@pytest.fixture(params=["grpc", "rest"])
def connect(server_of, request):
    """Makes clients of one of the two kinds."""

    def client(model, **options):
        address = getattr(server_of(model), f"{request.param}_address")
        return Client(address, options.pop("name", model), **options)

    return client


def test_translate(connect, translator):
    with connect("translator", batch_size=3) as client:
        assert client.translate(TEXTS) == translator.translate(TEXTS)
        assert client.translate([]) == []


def test_long_lines_are_translated_piece_by_piece(connect, translator):
    client = connect("translator")
    sentences = ["A small boat on a lake.", "Two dogs run.", "Un petit bateau."]
    (whole,) = client.translate([" ".join(sentences)], piece_characters=30)
    # The last two make a piece of thirty characters together.
    assert whole == " ".join(translator.translate(sentences))
    with pytest.raises(ValueError, match="a limit of at least 1"):
        client.translate(["x"], piece_characters=0)


def test_n_best(connect, translator):
    client = connect("translator")
    expected = translator.translate_n_best(TEXTS, 4)
    found = client.translate_n_best(TEXTS)
    assert len(expected[0]) == 4
    for some, others in zip(found, expected, strict=True):
        assert [one.text for one in some] == [other.text for other in others]
        assert [one.score for one in some] == pytest.approx([o.score for o in others], abs=1e-4)
    assert client.translate_n_best(TEXTS, 2) == [some[:2] for some in found]
    assert client.translate_n_best([]) == []
    with pytest.raises(ValueError, match="at most 4, the beam that was exported. Received: n_b"):
        client.translate_n_best(WHOLE, 5)
    with pytest.raises(ValueError, match="positive integer. Received: n_best=0"):
        client.translate_n_best(WHOLE, 0)


def test_score_and_align(connect, translator):
    client = connect("translator", batch_size=2)
    others = WHOLE[::-1]
    for one, other in zip(
        client.score(WHOLE, others), translator.score(WHOLE, others), strict=True
    ):
        assert one.tokens == other.tokens
        assert one.log_probability == pytest.approx(other.log_probability, rel=1e-4)
        assert one.token_log_probabilities == pytest.approx(
            other.token_log_probabilities, rel=1e-3, abs=1e-4
        )
    for one, other in zip(
        client.align(WHOLE, others), translator.align(WHOLE, others), strict=True
    ):
        assert (one.source_tokens, one.target_tokens) == (other.source_tokens, other.target_tokens)
        np.testing.assert_allclose(one.weights, other.weights, atol=1e-5)
    own = client.align(WHOLE[:1])[0]
    assert own.target_tokens == translator.align(WHOLE[:1])[0].target_tokens
    with pytest.raises(ValueError, match="expected one translation for each text. Received: {'te"):
        client.score(["a", "b"], ["c"])


def test_classify(connect, subword_classifier):
    client = connect("classifier", batch_size=3)
    expected = subword_classifier.classify(TEXTS)
    for one, other in zip(client.classify(TEXTS), expected, strict=True):
        assert one.label == other.label
        assert one.scores == pytest.approx(other.scores, abs=1e-5)
    assert len({result.label for result in client.classify(TEXTS, threshold=0.6)}) > 0
    assert [one.label for one in client.classify(TEXTS, threshold=1.0)] == [""] * len(TEXTS)
    assert not client.is_multi_label()
    with pytest.raises(ValueError, match="threshold expected a number from 0 to 1"):
        client.classify([], threshold=2)


def test_predict(connect, subword_classifier):
    client = connect("classifier")
    outputs = client.predict({"text": ["a lake", b"a \xff boat"]})
    assert {"label", "labels", "score", "scores"} <= set(outputs)
    assert outputs["scores"].dtype == np.float32 and outputs["scores"].shape == (2, 2)
    assert outputs["labels"].tolist() == [[b"negative", b"positive"]] * 2
    expected = subword_classifier.classify(["a lake", "a \ufffd boat"])
    assert [label.decode() for label in outputs["label"]] == [one.label for one in expected]
    with pytest.raises(ValueError, match=r"expected one of \[.*\] as signature. Received: other"):
        client.predict({"text": ["a"]}, "other")
    with pytest.raises(ValueError, match=r"expected the inputs \['text'\] for serving_default"):
        client.predict({"texts": ["a"]})
    with pytest.raises(TypeError, match="expected str or bytes"):
        client.predict({"text": [1]})


def test_metadata_and_states(connect, translator):
    client = connect("translator")
    found = client.metadata()
    assert found.version == 1 and found is client.metadata()
    assert set(found.signatures) == set(translator.signatures())
    signature = found.signatures["n_best"]
    assert {name: str(kind) for name, kind in signature.inputs.items()} == {"text": "string[?]"}
    assert str(signature.outputs["translations"]) == "string[?, 4]"
    assert client.states() == {1: "AVAILABLE"}
    assert connect("translator", version=1).translate(["a"]) == client.translate(["a"])


@pytest.mark.parametrize(
    ("options", "code", "message"),
    [
        ({"name": "no such"}, "NOT_FOUND", "Servable not found for request: 'no such'"),
        ({"version": 7}, "NOT_FOUND", "version 7"),
        ({"label": "stable"}, "NOT_FOUND", "label 'stable'"),
        ({}, "INVALID_ARGUMENT", "expected a signature with text -> translation for translate. "),
    ],
)
def test_errors_of_the_server_are_one_line_and_not_tried_again(connect, options, code, message):
    with pytest.raises(ServerError) as caught:
        connect("classifier", **options).translate(["x"])
    assert caught.value.code == code
    assert message in str(caught.value) and "\n" not in str(caught.value)
    assert "tried" not in str(caught.value)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"deadline": 0}, "deadline expected a positive number. Received: deadline=0"),
        ({"deadline": float("nan")}, "deadline expected a positive number. Received: deadline=nan"),
        ({"deadline": "60"}, "deadline expected a positive number. Received: deadline='60'"),
        ({"batch_size": -1}, "batch_size expected a positive integer"),
        ({"batch_size": "8"}, "batch_size expected a positive integer. Received: batch_size='8'"),
        ({"connections": 0}, "connections expected a positive integer"),
        ({"connections": 1.5}, "connections expected a positive integer"),
        ({"attempts": 0}, "attempts expected a positive integer"),
        ({"attempts": 2.5}, "attempts expected a positive integer. Received: attempts=2.5"),
        ({"version": 1, "label": "x"}, "expected a version or a label. Received: 1, 'x'"),
        ({"address": "ftp://x"}, "expected a server as HOST:PORT"),
    ],
)
def test_options_that_do_not_fit(options, message):
    with pytest.raises(ValueError, match=message):
        Client(**{"address": "127.0.0.1:9", "model": "m", **options})


@pytest.mark.parametrize("deadline", [math.inf, 1e10, np.float32(60)])
def test_deadlines_that_fit(connect, deadline):
    with connect("classifier", deadline=deadline, batch_size=np.int64(2)) as client:
        assert len(client.classify(WHOLE)) == len(WHOLE)


def test_a_closed_client_is_closed(connect):
    with connect("classifier") as client:
        client.classify(["a lake"])
    for method in (client.states, lambda: client.classify(["a lake"])):
        with pytest.raises(ServerError, match="^expected an open client. Received: "):
            method()


def test_texts_are_checked_before_anything_is_sent():
    client = Client("127.0.0.1:9", "m", attempts=1)
    for method in (client.translate, client.classify, client.translate_n_best):
        with pytest.raises(TypeError, match="texts expected a list of str"):
            method("one text")
        with pytest.raises(TypeError, match="Received: an item 3"):
            method([3])


@pytest.mark.parametrize("kind", ["grpc", "rest"])
def test_a_server_that_comes_later_is_waited_for(exported, subword_classifier, kind):
    with socket.socket() as other:  # A port that is free now.
        other.bind(("127.0.0.1", 0))
        port = other.getsockname()[1]
    scheme = "grpc" if kind == "grpc" else "http"
    client = Client(f"{scheme}://127.0.0.1:{port}", "classifier")
    directory = exported("subword_classifier").parent
    with concurrent.futures.ThreadPoolExecutor(1) as thread:
        asked = thread.submit(client.classify, ["a lake"])
        threading.Event().wait(0.3)
        with LoopbackServer(directory, "classifier", **{f"{kind}_port": port}):
            found = asked.result()
    assert found[0].label == subword_classifier.classify(["a lake"])[0].label


def test_a_client_of_many_threads(connect, translator):
    texts = [f"a {word} lake" for word in pathlib.PurePath(__file__).stem.split("_")] + TEXTS
    client = connect("translator", batch_size=2)
    expected = [translator.translate([text]) for text in texts]
    with concurrent.futures.ThreadPoolExecutor(8) as threads:
        assert list(threads.map(lambda text: client.translate([text]), texts)) == expected
