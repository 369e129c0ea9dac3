"""Backbones: saved, loaded, embedded, exported; with our encoders and with KerasHub's."""

import keras
import keras_hub
import numpy as np
import pytest
import tensorflow as tf

import keras_tx
from keras_tx.models import BACKBONE_PRESETS, Backbone, EncoderNetwork
from keras_tx.serving import check_export
from keras_tx.text import SentencePieceTokenizer, WordTokenizer

WORDS = [f"word{number}" for number in range(20)]
TEXTS = ["word1 word2", "word3", "", "word4 word5 " * 30]


@pytest.fixture(scope="module")
def tokenizer():
    return WordTokenizer().fit(WORDS)


def bert(tokenizer, **changes):
    size = tokenizer.vocabulary_size + 1
    return keras_hub.models.BertBackbone(size, 1, 2, 12, 16, max_sequence_length=16, **changes)


@pytest.fixture(scope="module", params=["ours", "learned positions", "keras_hub"])
def backbone(request, tokenizer):
    keras.utils.set_random_seed(0)
    if request.param == "keras_hub":
        return Backbone(tokenizer, 16, encoder=bert(tokenizer))
    learned = {"positions": "learned"} if request.param == "learned positions" else {}
    return Backbone.from_preset("tiny", tokenizer, sequence_length=16, **learned)


def test_the_whole_is_one_file(backbone, tmp_path):
    path = tmp_path / "backbone.keras"
    generator = np.random.default_rng(0)
    for weight in backbone.network.trainable_variables:
        weight.assign(generator.normal(scale=0.3, size=weight.shape))
    backbone.save(path)
    again = keras_tx.load(path)
    assert isinstance(again, Backbone)
    assert (again.sequence_length, again.mask_id) == (16, backbone.mask_id)
    np.testing.assert_allclose(again.embed(TEXTS), backbone.embed(TEXTS), atol=1e-5)
    ids, positions = np.array([[5, 6, again.mask_id, 3]]), np.array([[2]])
    expected = backbone.network([ids, positions])
    np.testing.assert_allclose(again.network([ids, positions]), expected, atol=1e-5)


def test_a_vector_is_the_mean_of_its_tokens(backbone):
    vectors = backbone.embed(TEXTS, batch_size=2)
    ids = [*backbone.tokenizer.tokenize(["word1 word2"]).to_list()[0], 3]
    layer = backbone.network.get_layer("encoder")
    expected = np.asarray(layer(np.array([ids])))[0].mean(axis=0)
    np.testing.assert_allclose(vectors[0], expected, atol=1e-5)
    assert vectors.shape[0] == 4 and np.isfinite(vectors).all()
    np.testing.assert_allclose(backbone.embed(["word3"])[0], vectors[1], atol=1e-5)
    assert backbone.embed([]).shape == (0, vectors.shape[1])


def test_the_exported_function_is_embed(backbone):
    function, specification = backbone.signatures()["serving_default"]
    found = tf.function(function, input_signature=specification)(tf.constant(TEXTS))
    np.testing.assert_allclose(found["vector"], backbone.embed(TEXTS), atol=1e-5)


def test_weights_of_a_given_encoder_are_kept(tokenizer):
    size = tokenizer.vocabulary_size + 4
    ours = EncoderNetwork(size, embed_dim=8, dense_dim=8, num_heads=2, num_layers=1)
    for encoder in (ours, bert(tokenizer)):
        copied = Backbone(tokenizer, 16, encoder=encoder).encoder
        assert copied is not encoder
        for one, two in zip(copied.get_weights(), encoder.get_weights(), strict=True):
            np.testing.assert_array_equal(one, two)


def test_the_mask_is_an_id_that_no_text_has(tokenizer):
    backbone = Backbone.from_preset("tiny", tokenizer)
    assert backbone.mask_id == tokenizer.vocabulary_size
    assert backbone.vocabulary_size == tokenizer.vocabulary_size + 1
    fitted = keras_hub.models.BertBackbone(tokenizer.vocabulary_size, 1, 2, 8, 8)
    with pytest.raises(ValueError, match="one more than the tokenizer's is enough. Received"):
        Backbone(tokenizer, encoder=fitted)
    assert Backbone(tokenizer, encoder=fitted, mask_id=2).mask_id == 2


def test_wrong_arguments(tokenizer):
    with pytest.raises(ValueError, match="at least the tokenizer's 24 ids"):
        Backbone(tokenizer, vocabulary_size=10)
    with pytest.raises(ValueError, match=r"no further arguments.*Received: \['embed_dim'\]"):
        Backbone(tokenizer, encoder=bert(tokenizer), embed_dim=4)
    with pytest.raises(ValueError, match="one of 'tiny', 'small', 'base'. Received: preset='big'"):
        Backbone.from_preset("big", tokenizer)
    with pytest.raises(TypeError, match="expected a list of str. Received: texts='word1'"):
        Backbone.from_preset("tiny", tokenizer).embed("word1")


@pytest.mark.parametrize("preset", BACKBONE_PRESETS)
def test_presets(preset):
    tokenizer = SentencePieceTokenizer(vocabulary_size=300).fit([" ".join(WORDS)])
    backbone = Backbone.from_preset(preset, tokenizer)
    assert np.isfinite(backbone.embed(["word1"])).all()


def test_a_model_of_keras_hub_with_its_own_tokenizer(tmp_path):
    words = ["[PAD]", "[unused]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "a", "good", "film", "##s"]
    hub = keras_hub.tokenizers.BertTokenizer(words, lowercase=True)
    encoder = keras_hub.models.BertBackbone(len(words), 1, 2, 8, 12, max_sequence_length=16)
    backbone = Backbone.from_hub(encoder, hub, sequence_length=16)
    text = "A good films"
    theirs = np.array([[*np.asarray(hub(text)), hub.end_token_id]])
    expected = encoder(
        {
            "token_ids": theirs,
            "padding_mask": np.ones_like(theirs),
            "segment_ids": np.zeros_like(theirs),
        }
    )["sequence_output"]
    found = backbone.embed([text, "film " * 9])[0]
    np.testing.assert_allclose(found, np.asarray(expected)[0].mean(axis=0), atol=1e-5)
    assert backbone.tokenizer.vocabulary[backbone.mask_id] == "[MASK]"
    backbone.save(tmp_path / "bert.keras")
    again = keras_tx.load(tmp_path / "bert.keras")
    np.testing.assert_allclose(again.embed([text])[0], found, atol=1e-5)
    export = again.export(tmp_path / "export")
    assert check_export(export, again).problems == []
    with pytest.raises(ValueError, match="expected a token \\[MASK\\]"):
        plain = keras_hub.tokenizers.WordPieceTokenizer(words[:5], lowercase=True)
        Backbone.from_hub(encoder, plain)
