"""The contract that every tokenizer keeps, on each of them."""

import json
import os
import subprocess
import sys

import keras
import numpy as np
import pytest
import tensorflow as tf

import keras_tx.text
from keras_tx.text import SentencePieceTokenizer, Tokenizer, WordTokenizer, pack

TEXTS = [
    "the brown dog sleeps in the warm kitchen",
    "a small boat crosses the quiet lake",
    "in the kitchen a kettle sings",
    "the lake is quiet and the dog is small",
]
MAKERS = {
    "unigram": lambda: SentencePieceTokenizer("unigram", vocabulary_size=300),
    "bpe": lambda: SentencePieceTokenizer("bpe", vocabulary_size=300),
    "words": lambda: WordTokenizer(max_tokens=20),
}

# Runs in a process of its own: reload each .keras file, then run each export as a server does,
# that is with the session loader and without XLA.
FRESH_PROCESS = """
import ctypes, json, os, sys
import keras, numpy as np, tensorflow as tf
folder, package, *kinds = sys.argv[1:]
sys.path.insert(0, package)
import keras_tx.text

@keras.saving.register_keras_serializable(package="test_text")
class Holder(keras.Model):
    def __init__(self, tokenizer, **kwargs):
        super().__init__(**kwargs)
        self.tokenizer = tokenizer

    @classmethod
    def from_config(cls, config):
        return cls(keras.saving.deserialize_keras_object(config["tokenizer"]))

def decoded(texts):
    return [text.decode() for text in texts]

with open(f"{folder}/texts.json") as file:
    texts = json.load(file)
results = {}
for kind in kinds:
    tokenizer = keras.models.load_model(f"{folder}/{kind}.keras").tokenizer
    ids = tokenizer.tokenize(texts)
    results[kind] = {"ids": ids.to_list(), "texts": decoded(tokenizer.detokenize(ids).numpy())}

library = os.path.join(os.path.dirname(tf.__file__), "libtensorflow_cc.so.2")
ctypes.CDLL(library)._ZN10tensorflow21DisableXlaCompilationEv()
fed = np.array([text.encode() for text in texts], dtype=object)
for kind in kinds:
    with tf.Graph().as_default(), tf.compat.v1.Session() as session:
        loaded = tf.compat.v1.saved_model.load(session, ["serve"], f"{folder}/{kind}")
        signature = loaded.signature_def["serving_default"]
        fetches = {key: value.name for key, value in signature.outputs.items()}
        served = session.run(fetches, {signature.inputs["text"].name: fed})
    results[kind]["served_ids"] = served["ids"].tolist()
    results[kind]["served_texts"] = decoded(served["back"])
with open(f"{folder}/results.json", "w") as file:
    json.dump(results, file)
"""


@keras.saving.register_keras_serializable(package="test_text")
class Holder(keras.Model):
    """The smallest text model: it owns a tokenizer and nothing else."""

    def __init__(self, tokenizer, **kwargs):
        super().__init__(**kwargs)
        self.tokenizer = tokenizer

    def get_config(self):
        return {"tokenizer": keras.saving.serialize_keras_object(self.tokenizer)}


@pytest.fixture(scope="module", params=list(MAKERS))
def tokenizer(request):
    return MAKERS[request.param]().fit(iter(TEXTS))


@pytest.fixture(params=list(MAKERS))
def unfitted(request):
    return MAKERS[request.param]()


def test_ids_are_ragged_int32_and_never_special(tokenizer):
    ids = tokenizer.tokenize(TEXTS + ["", "<s> </s> <pad> [START] [END] [PAD] zzz"])
    assert isinstance(ids, tf.RaggedTensor) and ids.dtype == tf.int32
    assert ids.shape == (6, None)
    assert not np.isin(ids.flat_values, [0, 2, 3]).any()
    assert ids[4].shape == (0,)


def test_a_fitted_text_comes_back(tokenizer):
    ids = tokenizer.tokenize(TEXTS[3:] if tokenizer.vocabulary_size > 20 else ["the dog"])
    expected = TEXTS[3] if tokenizer.vocabulary_size > 20 else "the dog"
    assert tokenizer.detokenize(ids).numpy()[0].decode() == expected


def test_detokenize_drops_special_ids_ragged_dense_and_list(tokenizer):
    ids = tokenizer.tokenize(TEXTS)
    expected = tokenizer.detokenize(ids).numpy().tolist()
    framed = tf.concat([tf.fill([4, 1], 2), ids, tf.fill([4, 1], 3)], axis=1)
    for same in (framed, framed.to_tensor(), framed.to_list(), framed.to_tensor().numpy()):
        assert tokenizer.detokenize(same).numpy().tolist() == expected
    assert tokenizer.detokenize(tf.cast(framed, tf.int64)).numpy().tolist() == expected
    assert tokenizer.detokenize([[0, 2, 3], []]).numpy().tolist() == [b"", b""]


def test_a_batch_of_no_texts(tokenizer):
    assert tokenizer.tokenize([]).shape[0] == 0
    assert tokenizer.detokenize(tokenizer.tokenize([])).shape == (0,)
    assert tokenizer.detokenize([]).shape == (0,)
    assert tokenizer.lengths([]).shape == (0,)


def test_a_text_alone_equals_the_text_in_a_batch(tokenizer):
    batch = tokenizer.tokenize(TEXTS).to_list()
    assert [tokenizer.tokenize([text]).to_list()[0] for text in TEXTS] == batch


def test_graph_equals_eager(tokenizer):
    @tf.function(input_signature=[tf.TensorSpec([None], tf.string)])
    def there_and_back(texts):
        ids = tokenizer.tokenize(texts)
        return ids, tokenizer.detokenize(ids)

    ids, texts = there_and_back(tf.constant(TEXTS))
    assert ids.to_list() == tokenizer.tokenize(TEXTS).to_list()
    assert texts.numpy().tolist() == tokenizer.detokenize(ids).numpy().tolist()


def test_works_inside_a_dataset(tokenizer):
    dataset = tf.data.Dataset.from_tensor_slices(TEXTS).batch(2).map(tokenizer.tokenize)
    rows = [row for batch in dataset for row in batch.to_list()]
    assert rows == tokenizer.tokenize(TEXTS).to_list()


def test_vocabulary_and_look_ups_agree(tokenizer):
    vocabulary = tokenizer.vocabulary
    assert len(vocabulary) == tokenizer.vocabulary_size == len(set(vocabulary))
    for token_id in (0, 1, 2, 3, 7, len(vocabulary) - 1):
        assert tokenizer.id_to_token(token_id) == vocabulary[token_id]
        assert tokenizer.token_to_id(vocabulary[token_id]) == token_id
    assert tokenizer.token_to_id("no such token") == Tokenizer.unknown_id
    with pytest.raises(IndexError, match="Received: token_id=99999"):
        tokenizer.id_to_token(99999)
    strings = tokenizer.tokenize_to_strings(TEXTS).to_list()
    ids = tokenizer.tokenize(TEXTS).to_list()
    assert [[vocabulary[i] for i in row] for row in ids] == [
        [token.decode() for token in row] for row in strings
    ]


def test_lengths_do_not_depend_on_the_chunks(tokenizer):
    expected = [len(row) for row in tokenizer.tokenize(TEXTS).to_list()]
    for texts in (TEXTS, iter(TEXTS), tf.constant(TEXTS), np.array(TEXTS)):
        lengths = tokenizer.lengths(texts, chunk_size=3)
        assert lengths.dtype == np.int32 and lengths.tolist() == expected


def test_printable_ascii_has_a_token_a_character_at_most_and_one_in_front(tokenizer):
    random = np.random.default_rng(5)
    codes = [random.integers(32, 127, size=random.integers(1, 40)) for _ in range(200)]
    texts = ["".join(map(chr, row)) for row in codes] + [*TEXTS, " ", "~", "a  b "]
    assert (tokenizer.lengths(texts) <= [len(text) + 1 for text in texts]).all()


def test_invalid_bytes_and_lone_surrogates_read_as_replacement_characters(tokenizer):
    broken = tokenizer.tokenize(tf.constant([b"dog \xff", b"\xed\xa0\x80"]))
    assert broken[0].numpy().tolist() == tokenizer.tokenize(["dog \ufffd"])[0].numpy().tolist()
    same = tokenizer.tokenize(["dog \ud800", b"dog \xed\xa0\x80"]).to_list()
    assert same[0] == same[1]


def test_config_makes_an_equal_unfitted_tokenizer(tokenizer):
    config = tokenizer.get_config()
    clone = type(tokenizer).from_config(config)
    assert clone.get_config() == config and not clone.is_fitted
    revived = keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(tokenizer))
    assert type(revived) is type(tokenizer) and revived.get_config() == config


def test_assets_carry_the_vocabulary(tokenizer, tmp_path):
    tokenizer.save_assets(str(tmp_path))
    assert len(list(tmp_path.iterdir())) == 1  # and no half-written file beside it
    clone = type(tokenizer).from_config(tokenizer.get_config())
    clone.load_assets(str(tmp_path))
    assert clone.vocabulary == tokenizer.vocabulary
    assert clone.tokenize(TEXTS).to_list() == tokenizer.tokenize(TEXTS).to_list()


def test_fitting_twice_is_the_same_as_fitting_once(tokenizer):
    twin = type(tokenizer).from_config(tokenizer.get_config()).fit(["other words"]).fit(TEXTS)
    assert twin.vocabulary == tokenizer.vocabulary
    assert twin.tokenize(TEXTS).to_list() == tokenizer.tokenize(TEXTS).to_list()


def export(tokenizer, directory):
    module = tf.Module()
    module.resources = tokenizer.graph_resources

    def serve(text):
        ids = tokenizer.tokenize(text)
        return {"ids": pack(ids, 9, 2, 3)[0], "back": tokenizer.detokenize(ids)}

    archive = keras.export.ExportArchive()
    archive.track(module)
    archive.add_endpoint("serve", serve, [tf.TensorSpec([None], tf.string, name="text")])
    archive.write_out(directory, verbose=False)


@pytest.mark.filterwarnings("ignore:You are saving a model that has not yet been built")
def test_keras_file_and_export_give_the_same_in_a_fresh_process(tmp_path):
    texts = [*TEXTS, "", "  two  spaces\t", "naïve 雨 \u2581\x1a", "NUL\0 between", "\0"]
    tokenizers = {kind: make().fit(TEXTS) for kind, make in MAKERS.items()}
    for kind, tokenizer in tokenizers.items():
        Holder(tokenizer).save(tmp_path / f"{kind}.keras")
        export(tokenizer, str(tmp_path / kind))
    (tmp_path / "texts.json").write_text(json.dumps(texts))
    package = os.path.dirname(list(keras_tx.text.__path__)[0])
    command = [sys.executable, "-c", FRESH_PROCESS, tmp_path, os.path.dirname(package), *MAKERS]
    finished = subprocess.run(command, capture_output=True, text=True)
    assert finished.returncode == 0, finished.stderr

    results = json.loads((tmp_path / "results.json").read_text())
    for kind, tokenizer in tokenizers.items():
        ids = tokenizer.tokenize(texts)
        back = [text.decode() for text in tokenizer.detokenize(ids).numpy()]
        assert results[kind] == {
            "ids": ids.to_list(),
            "texts": back,
            "served_ids": pack(ids, 9, 2, 3)[0].numpy().tolist(),
            "served_texts": back,
        }
        assert kind == "words" or back == texts


def test_no_weights_and_no_call(tokenizer):
    assert tokenizer.weights == []
    with pytest.raises(NotImplementedError, match="expected tokenize"):
        tokenizer(tf.constant(TEXTS))


def test_unfitted_says_so(unfitted):
    assert not unfitted.is_fitted
    for use in (
        lambda: unfitted.tokenize(TEXTS),
        lambda: unfitted.detokenize([[4]]),
        lambda: unfitted.vocabulary,
        lambda: unfitted.vocabulary_size,
        lambda: unfitted.token_to_id("a"),
        lambda: unfitted.graph_resources,
        lambda: unfitted.lengths(TEXTS),
    ):
        with pytest.raises(RuntimeError, match=r"call fit\(texts\) or load one first"):
            use()


def test_unfitted_saves_and_loads_as_unfitted(unfitted, tmp_path):
    unfitted.save_assets(str(tmp_path))
    unfitted.load_assets(str(tmp_path))
    assert list(tmp_path.iterdir()) == [] and not unfitted.is_fitted


def test_fit_refuses_what_is_no_list_of_texts(unfitted):
    with pytest.raises(TypeError, match="Received: texts='one string'"):
        unfitted.fit("one string")
    with pytest.raises(TypeError, match="Received: text=3"):
        unfitted.fit(["fine", 3])
    for empty in ([], ["", "\n"]):
        with pytest.raises(ValueError, match="Received: none"):
            unfitted.fit(empty)
    assert not unfitted.is_fitted


def test_wrong_inputs_are_named(tokenizer):
    with pytest.raises(ValueError, match="1-D string tensor. Received: texts='one string'"):
        tokenizer.tokenize("one string")
    with pytest.raises(ValueError, match="1-D string tensor. Received: texts='one string'"):
        tokenizer.lengths("one string")
    with pytest.raises(ValueError, match=r"Received: dtype=string, shape=\(1, 1\)"):
        tokenizer.tokenize(tf.constant([["a"]]))
    with pytest.raises(ValueError, match="Received: dtype=int32"):
        tokenizer.tokenize(tf.constant([1]))
    with pytest.raises(TypeError, match="type str. Received: text=None"):
        tokenizer.tokenize(["a", None])
    with pytest.raises(ValueError, match="integer ids of rank 2"):
        tokenizer.detokenize(tf.constant([1, 2]))
    with pytest.raises(ValueError, match="integer ids of rank 2"):
        tokenizer.detokenize(tf.constant([[1.0]]))
    with pytest.raises(tf.errors.OpError, match="99999"):
        tokenizer.detokenize([[99999]])
