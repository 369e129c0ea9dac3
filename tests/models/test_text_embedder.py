"""The vector of a text: the mean of its tokens' vectors."""

import numpy as np
import pytest

from keras_tx.models import Backbone, RegionBackbone
from keras_tx.text import WordTokenizer

TOKENIZER = WordTokenizer().fit(["a good film", "a bad film"])


@pytest.fixture(params=["masked", "regions"])
def model(request):
    if request.param == "masked":
        return Backbone.from_preset("tiny", TOKENIZER, sequence_length=6)
    return RegionBackbone(TOKENIZER, embed_dim=8)


def test_it_is_the_mean_over_tokens_and_end(model):
    texts = ["a good film", "", "bad"]
    found = model.embed(texts)
    for text, vector in zip(texts, found, strict=True):
        ids = [[*TOKENIZER.tokenize([text]).to_list()[0], TOKENIZER.end_id]]
        expected = np.asarray(model.encoder(np.array(ids)))[0].mean(axis=0)
        np.testing.assert_allclose(vector, expected, atol=1e-5)


def test_what_is_read_of_a_long_text(model):
    texts = [f"a good film {word} {word} {word} film bad" for word in ("good", "bad")]
    one, two = model.embed(texts)
    # A masked language model reads six tokens, head, tail and end; regions read them all.
    assert np.allclose(one, two, atol=1e-6) == isinstance(model, Backbone)
    assert len(model.embed([])) == 0
