"""A deeper translator begins as the one that it is made from, and its new layers learn."""

import keras
import numpy as np
import pytest

from keras_tx.models import Translator, deeper_translator, load
from keras_tx.text import WordTokenizer

IDS = [np.array([[5, 9, 7, 2]]), np.array([[1, 8, 6, 11, 4]])]


def biased(model):
    """No weight is zero or the same as another: a copy of the wrong one would be seen."""
    generator = np.random.default_rng(0)
    weights = model.network.get_weights()
    noise = [0.1 * generator.normal(size=weight.shape) for weight in weights]
    model.network.set_weights([a + b for a, b in zip(weights, noise, strict=True)])
    return model


@pytest.mark.parametrize("network", [{}, {"use_bias": False}])
def test_it_computes_what_the_shallow_one_computes(random_translator, network):
    shallow = biased(random_translator(num_encoder_layers=2, num_decoder_layers=2, **network))
    deeper = deeper_translator(shallow, num_encoder_layers=5, num_decoder_layers=3)
    blocks = [layer.name for layer in deeper.network.layers if layer.name[-1].isdigit()]
    assert sorted(blocks) == [
        *("decoder_0", "decoder_1", "decoder_2"),
        *("encoder_0", "encoder_1", "encoder_2", "encoder_3", "encoder_4"),
    ]
    np.testing.assert_array_equal(deeper.network(IDS), shallow.network(IDS))


def test_new_layers_are_copies_but_for_their_last_projections(random_translator):
    shallow = biased(random_translator(num_encoder_layers=2))
    deeper = deeper_translator(shallow, num_encoder_layers=4).network
    for new, old in (("encoder_2", "encoder_0"), ("encoder_3", "encoder_1")):
        pairs = zip(deeper.get_layer(new).weights, deeper.get_layer(old).weights, strict=True)
        for copy, weight in pairs:
            last = "/output/" in weight.path or "/down/" in weight.path
            np.testing.assert_array_equal(copy, np.zeros_like(weight) if last else weight)


def test_all_of_it_learns_and_the_shallow_one_stays(learned_translator, pairs, tmp_path):
    shallow = learned_translator[0]
    before = shallow.network.get_weights()
    deeper = deeper_translator(shallow, num_encoder_layers=2, num_decoder_layers=2)
    begun = {weight.path: np.array(weight) for weight in deeper.network.weights}
    deeper.fit(pairs, pairs, epochs=8, tokens_per_batch=512, average=None, progress=False)
    for weight in deeper.network.trainable_weights:
        assert not np.array_equal(weight, begun[weight.path]), weight.path
    for weight, old in zip(shallow.network.get_weights(), before, strict=True):
        np.testing.assert_array_equal(weight, old)
    deeper.save(tmp_path / "deeper.keras")
    translations = load(tmp_path / "deeper.keras").translate(pairs.sources)
    assert translations == deeper.translate(pairs.sources) == pairs.targets


def test_vocabularies_and_options_come_along():
    keras.utils.set_random_seed(0)
    source, target = WordTokenizer().fit(["a dog"]), WordTokenizer().fit(["un chien gris"])
    shallow = Translator.from_preset(
        "tiny", source, target_tokenizer=target, target_language="fr", decoding={"beam_size": 3}
    )
    deeper = deeper_translator(shallow, num_decoder_layers=2)
    assert deeper.get_config() == {
        **shallow.get_config(),
        "num_encoder_layers": 1,
        "num_decoder_layers": 2,
    }
    assert deeper.translate(["a dog"]) == shallow.translate(["a dog"])


def test_fewer_layers_and_layers_that_change_what_passes_are_errors(random_translator):
    shallow = random_translator(num_encoder_layers=2)
    message = "num_encoder_layers expected at least the 2 layers that there are. Received: num_enc"
    with pytest.raises(ValueError, match=message):
        deeper_translator(shallow, num_encoder_layers=1)
    with pytest.raises(ValueError, match="num_decoder_layers expected .*Received: .*0"):
        deeper_translator(shallow, num_decoder_layers=0)
    with pytest.raises(ValueError, match="pre-norm .*Received: a translator with norm_first=False"):
        deeper_translator(random_translator(norm_first=False), num_encoder_layers=3)


def test_of_as_many_layers_it_is_a_copy(random_translator):
    shallow = biased(random_translator(norm_first=False))
    copy = deeper_translator(shallow, num_encoder_layers=1)
    assert copy is not shallow
    np.testing.assert_array_equal(copy.network(IDS), shallow.network(IDS))
