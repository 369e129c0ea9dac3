"""A translator with more layers that begins where a trained one is."""

from __future__ import annotations

import keras
import numpy as np

from keras_tx.layers.transformer_block import TransformerBlock
from keras_tx.layers.validation import positive_integer
from keras_tx.models.computing_precision import require_whole_weights
from keras_tx.models.ensemble_network import require_single
from keras_tx.models.translator import Translator


def deeper_translator(
    translator: Translator,
    *,
    num_encoder_layers: int | None = None,
    num_decoder_layers: int | None = None,
) -> Translator:
    """A copy with more layers, which translates just as the translator that it is made from.

    The new layers stand behind the others. Each is a copy of one of them, in order, whose last
    projections are zero: it adds nothing until it is trained, and then it has features to begin
    with. So a small model, which learns fast, becomes a larger one without losing what it learned.

    Args:
        translator: a translator, which stays as it is. Only one of pre-norm layers
            (`norm_first=True`) can have more of them.
        num_encoder_layers, num_decoder_layers: how many layers the copy has. `None` (default)
            for as many as there are.

    Returns:
        The deeper translator, with the same tokenizers and decoding options.

    Raises:
        ValueError: when fewer layers are asked for than there are, or more where they are
            post-norm: their normalizations change what passes through; and for an ensemble.

    Example:
        >>> from keras_tx.models import Translator, deeper_translator
        >>> from keras_tx.text import WordTokenizer
        >>> tokenizer = WordTokenizer().fit(["a dog", "un chien"])
        >>> small = Translator.from_preset("tiny", tokenizer)
        >>> deeper = deeper_translator(small, num_encoder_layers=4)
        >>> deeper.translate(["a dog"]) == small.translate(["a dog"])
        True

    Source: Chen et al. 2016, "Net2Net"; Gong et al. 2019, "Efficient Training of BERT by
    Progressively Stacking".
    """
    require_single(translator.network)
    require_whole_weights(translator.network, "deeper_translator")
    counts = {stack: _count(translator.network, stack) for stack in ("encoder", "decoder")}
    sizes = {}
    for stack, wanted in (("encoder", num_encoder_layers), ("decoder", num_decoder_layers)):
        name = f"num_{stack}_layers"
        sizes[name] = counts[stack] if wanted is None else positive_integer(name, wanted)
        if sizes[name] < counts[stack]:
            raise ValueError(
                f"{name} expected at least the {counts[stack]} layers that there are. "
                f"Received: {name}={wanted}"
            )
    if sum(sizes.values()) > sum(counts.values()) and not _is_pre_norm(translator.network):
        raise ValueError(
            "translator expected pre-norm layers (norm_first=True), to which layers can be added "
            "that pass everything on. Received: a translator with norm_first=False"
        )
    tokenizers = {
        "tokenizer": translator.tokenizer,
        "target_tokenizer": translator.target_tokenizer,
    }
    deeper = Translator(**{**translator.get_config(), **tokenizers, **sizes})
    for layer in deeper.network.layers:
        stack, _, number = layer.name.rpartition("_")
        is_new = isinstance(layer, TransformerBlock) and int(number) >= counts[stack]
        like = f"{stack}_{int(number) % counts[stack]}" if is_new else layer.name
        layer.set_weights(translator.network.get_layer(like).get_weights())
        if is_new:
            _silence(layer)
    return deeper


def _count(network: keras.Model, stack: str) -> int:
    blocks = [layer.name for layer in network.layers if isinstance(layer, TransformerBlock)]
    return sum(name.startswith(stack) for name in blocks)


def _is_pre_norm(network: keras.Model) -> bool:
    return network.get_layer("encoder_0").norm_first


def _silence(layer: TransformerBlock) -> None:
    """What the sublayers of a block add becomes zero."""
    for variable in layer.weights:
        if variable.path.split("/")[-2] in ("output", "down"):
            variable.assign(np.zeros(variable.shape, variable.dtype))
