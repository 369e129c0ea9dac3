"""CTranslate2 as witness: the same weights give the same probabilities and the same words there."""

from __future__ import annotations

import json
import sys

import keras
import numpy as np
import pytest

from keras_tx.layers import PositionalEmbedding, TransformerDecoder, TransformerEncoder
from keras_tx.serving.ctranslate2_model import write_ctranslate2_model

ctranslate2 = pytest.importorskip(
    "ctranslate2", reason="the package of the extra ctranslate2 is not installed"
)

SPECIAL = ("<pad>", "<unk>", "<s>", "</s>")
PADDING, UNKNOWN, START, END = range(4)
SIZE, LENGTH, DIM = 30, 24, 16
SOURCES = [[7], [9, 4, 20, 11, 5, 29], [4, 4, 4], [12, 25, 8, 19, 6, 13, 27, 10, 22, 5]]
TARGETS = [[5, 5, 6], [28], [], [10, 4, 29, 7, 7, 13, 21]]

# Two encoders and one decoder, to tell their numbers apart. Every setting in both its forms.
NETWORKS = {
    "pre-norm": {},
    "post-norm": {"norm_first": False, "activation": "gelu"},
    "gated": {"gated": True, "activation": "silu", "separate": True},
    "learned": {"positions": "learned", "activation": "gelu", "gated": True, "scale": False},
    "post-norm-separate": {
        "norm_first": False, "positions": "learned", "separate": True, "epsilon": 1e-2,
        "use_bias": False,
    },
}  # fmt: skip


def vocabulary(word, size=SIZE):
    return [*SPECIAL, *(f"{word}{number}" for number in range(4, size))]


def build_network(
    *, separate=False, positions="sinusoidal", scale=True, norm_first=True, epsilon=1e-5,
    num_heads=(2, 4), change=lambda name, settings: settings, **settings,
):  # fmt: skip
    """A network as `translation_network` makes it, with all the settings that blocks have."""
    settings = {"norm_first": norm_first, "epsilon": epsilon, **settings}

    def embedding(name, size):
        return PositionalEmbedding(LENGTH, size, DIM, positions=positions, scale=scale, name=name)

    def stack(kind, name, count, heads, *inputs):
        x = inputs[0]
        for number in range(count):
            arguments = change(f"{name}_{number}", {"num_heads": heads, **settings})
            x = kind(DIM, 24, name=f"{name}_{number}", **arguments)(x, *inputs[1:])
        if norm_first:
            x = keras.layers.LayerNormalization(epsilon=epsilon, name=f"{name}_norm")(x)
        return x

    if separate:
        source = embedding("source_embedding", SIZE)
        target = embedding("target_embedding", SIZE - 3)
    else:
        source = target = embedding("embedding", SIZE)
    source_ids = keras.Input((None,), dtype="int32", name="source_ids")
    target_ids = keras.Input((None,), dtype="int32", name="target_ids")
    x = stack(TransformerEncoder, "encoder", 2, num_heads[0], source(source_ids))
    y = stack(TransformerDecoder, "decoder", 1, num_heads[1], target(target_ids), x)
    return keras.Model([source_ids, target_ids], target(y, reverse=True))


def randomize(network, seed=4):
    """Sharp distributions, so that no two tokens are as good as equal. Biases and scales too.

    Small tables and large kernels: with tied tables the network would repeat its last token.
    """
    generator = np.random.default_rng(seed)
    for weight in network.trainable_variables:
        is_table, is_kernel = "embeddings" in weight.path, len(weight.shape) > 1
        spread = 0.3 if is_table else 4 / weight.shape[0] ** 0.5 if is_kernel else 0.2
        offset = 1.0 if weight.path.endswith("gamma") else 0.0
        weight.assign(offset + generator.normal(scale=spread, size=weight.shape))


@pytest.fixture(scope="module", params=NETWORKS.values(), ids=NETWORKS)
def both(request, tmp_path_factory):
    """A network, the engine with its weights, and the target's vocabulary."""
    network = build_network(**request.param)
    randomize(network)
    separate = request.param.get("separate", False)
    # Three ids more than tokens on the target's side: they get names of their own.
    target_tokens = vocabulary("mot", SIZE - 6) if separate else vocabulary("word")
    path = write_ctranslate2_model(
        network,
        tmp_path_factory.mktemp("engine") / "new" / "model",
        source_vocabulary=vocabulary("word"),
        target_vocabulary=target_tokens if separate else None,
        sequence_length=LENGTH,
    )
    names = json.loads((path / f"{'target' if separate else 'shared'}_vocabulary.json").read_text())
    assert len(names) == network.output_shape[-1] and names[: len(target_tokens)] == target_tokens
    engine = ctranslate2.Translator(
        str(path), compute_type="float32", inter_threads=1, intra_threads=1
    )
    return network, engine, names


def padded(rows):
    width = max(map(len, rows))
    return np.array([[*row, *[PADDING] * (width - len(row))] for row in rows], "int32")


def words(rows, names):
    return [[names[token] for token in row] for row in rows]


def source_words():
    return words(SOURCES, vocabulary("word"))


def test_log_probabilities_are_equal(both):
    network, engine, names = both
    targets = [[min(token, len(names) - 1) for token in row] for row in TARGETS]
    # The engine puts the end behind the source by itself, and the start before the target.
    source_ids = padded([[*row, END] for row in SOURCES])
    logits = network([source_ids, padded([[START, *row] for row in targets])], training=False)
    log_probabilities = keras.ops.convert_to_numpy(keras.ops.log_softmax(logits, axis=-1))
    scored = engine.score_batch(source_words(), words(targets, names))
    for row, (target, result) in enumerate(zip(targets, scored, strict=True)):
        expected = [log_probabilities[row, at, token] for at, token in enumerate([*target, END])]
        np.testing.assert_allclose(result.log_probs, expected, rtol=1e-5, atol=1e-4)


def test_greedy_translations_are_equal(both):
    network, engine, names = both
    results = engine.translate_batch(
        source_words(),
        beam_size=1,
        max_decoding_length=LENGTH,
        min_decoding_length=0,
        suppress_sequences=[[names[PADDING]], [names[START]]],
        disable_unk=True,
    )
    rows = [[names.index(word) for word in result.hypotheses[0]] for result in results]
    # One pass of the network over what the engine wrote: if each of its tokens is the best one
    # behind those before it, then a greedy search of ours writes the same.
    source_ids = padded([[*row, END] for row in SOURCES])
    logits = np.array(network([source_ids, padded([[START, *row[: LENGTH - 1]] for row in rows])]))
    logits[..., [PADDING, UNKNOWN, START]] = -np.inf
    best = logits.argmax(axis=-1)
    for row, tokens in enumerate(rows):
        expected = [*tokens, END][:LENGTH]  # at the bound the end is cut off
        assert best[row, : len(expected)].tolist() == expected
    # They say something, not all the same, and not one word again and again.
    assert len({tuple(row) for row in rows}) > 2 and len({t for row in rows for t in row}) > 4


@pytest.fixture(scope="module")
def plain():
    return build_network()


def write(network, directory, **changes):
    arguments = {"source_vocabulary": vocabulary("word"), "sequence_length": LENGTH, **changes}
    return write_ctranslate2_model(network, directory, **arguments)


def test_files_stand_beside_and_one_table_is_stored_once(plain, tmp_path):
    path = write(plain, str(tmp_path / "model"), files={"sentencepiece.model": b"pieces"})
    assert (path / "sentencepiece.model").read_bytes() == b"pieces"
    names = {"config.json", "model.bin", "sentencepiece.model", "shared_vocabulary.json"}
    assert {file.name for file in path.iterdir()} == names
    assert [file.name for file in tmp_path.iterdir()] == ["model"]
    # One table of tokens and one of positions; 4 bytes a number, and names.
    numbers = plain.count_params() + LENGTH * DIM
    assert 4 * numbers < (path / "model.bin").stat().st_size < 4 * numbers + 8000


def test_the_engine_is_told_ids_and_epsilon(tmp_path):
    network = build_network(epsilon=1e-3, norm_first=False)
    path = write(network, tmp_path / "model", special_ids=(3, 1, 2))
    configuration = json.loads((path / "config.json").read_text())
    expected = {
        "unk_token": "</s>", "bos_token": "<unk>", "decoder_start_token": "<unk>",
        "eos_token": "<s>", "add_source_bos": False, "add_source_eos": True,
        "layer_norm_epsilon": 1e-3,
    }  # fmt: skip
    assert {key: configuration[key] for key in expected} == expected


def one_block(name, **other):
    return lambda block, settings: {**settings, **(other if block == name else {})}


@pytest.mark.parametrize(
    ("network", "message"),
    [
        ({"activation": "elu"}, r"activation expected one of .*Received: activation='elu'"),
        ({"key_dim": 3}, r"key_dim expected .* = 8\. Received: key_dim=3 in 'encoder_0'"),
        (
            {"change": one_block("encoder_1", gated=True)},
            r"same gated in all blocks .* another one in 'encoder_1'",
        ),
        (
            {"change": one_block("decoder_0", epsilon=1e-3)},
            r"epsilon expected to be the same .* Received: \[1e-05, 0.001\]",
        ),
        ({"separate": True}, r"target_vocabulary expected tokens .* Received: .*None"),
    ],
)
def test_what_the_engine_has_no_form_for_is_named(network, message, tmp_path):
    with pytest.raises(ValueError, match=message):
        write(build_network(**network), tmp_path / "model")
    assert list(tmp_path.iterdir()) == []


def with_layer(plain, layer, behind="decoder_norm"):
    x = layer(plain.get_layer(behind).output)
    return keras.Model(plain.inputs, plain.get_layer("embedding")(x, reverse=True))


def test_other_layers_are_named(plain, tmp_path):
    with pytest.raises(ValueError, match=r"translation_network only\. Received: also 'more' \(De"):
        write(with_layer(plain, keras.layers.Dense(DIM, name="more")), tmp_path / "model")
    with pytest.raises(ValueError, match="'source_embedding' or 'embedding' and encoders from"):
        write(keras.Sequential([keras.layers.Input((3,)), keras.layers.Dense(2)]), tmp_path / "new")
    norm = keras.layers.LayerNormalization(name="encoder_norm")
    post_norm = build_network(norm_first=False)
    with pytest.raises(ValueError, match=r"behind post-norm blocks\. Received: 'encoder_norm'"):
        write(with_layer(post_norm, norm, "decoder_0"), tmp_path / "model")


@pytest.mark.parametrize(
    ("tokens", "message"),
    [
        (vocabulary("word", SIZE + 1), r"at most the 30 tokens .* Received: 31"),
        ([*SPECIAL, "dog", "dog"], r"each token once\. Received: \['dog'\] again"),
    ],
)
def test_a_vocabulary_that_does_not_fit(plain, tmp_path, tokens, message):
    with pytest.raises(ValueError, match=f"source_vocabulary expected {message}"):
        write(plain, tmp_path / "model", source_vocabulary=tokens)


def test_nothing_is_written_over(plain, tmp_path):
    (tmp_path / "model").mkdir()
    with pytest.raises(FileExistsError, match="expected a new directory"):
        write(plain, tmp_path / "model")


def test_half_a_model_is_never_found(plain, tmp_path):
    with pytest.raises(FileNotFoundError):  # in the middle: the network is written by then
        write(plain, tmp_path / "model", files={"no/such/folder": b""})
    assert list(tmp_path.iterdir()) == []


def test_a_missing_package_is_named(plain, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "ctranslate2", None)  # what an absent package looks like
    with pytest.raises(ImportError, match=r"extra ctranslate2: pip install 'keras_tx\[ctransl"):
        write(plain, tmp_path / "model")
    assert list(tmp_path.iterdir()) == []
