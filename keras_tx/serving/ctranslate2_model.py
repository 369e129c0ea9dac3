"""Translation networks as models of CTranslate2, an engine that shares no code with this one."""

from __future__ import annotations

import os
import pathlib
import shutil
from collections.abc import Mapping, Sequence
from types import ModuleType
from typing import Any, NamedTuple

import keras
import numpy as np
from keras import ops

from keras_tx.layers import (
    PositionalEmbedding,
    SinusoidalPositionalEncoding,
    TransformerDecoder,
    TransformerEncoder,
)
from keras_tx.layers.layer_normalization import LayerNormalization

ACTIVATIONS = {"relu": "RELU", "gelu": "GELU", "silu": "SWISH"}
# What all blocks of a stack must have in common: the engine knows one value for each.
STACK_SETTINGS = ("num_heads", "norm_first", "activation", "gated")


class _Stack(NamedTuple):
    """One half of a translation network."""

    embedding: PositionalEmbedding
    blocks: list[TransformerEncoder] | list[TransformerDecoder]
    norm: keras.layers.LayerNormalization | None  # behind the last block


def write_ctranslate2_model(
    network: keras.Model,
    directory: str | os.PathLike,
    *,
    source_vocabulary: Sequence[str],
    target_vocabulary: Sequence[str] | None = None,
    sequence_length: int,
    special_ids: tuple[int, int, int] = (1, 2, 3),
    files: Mapping[str, bytes] | None = None,
) -> pathlib.Path:
    """Write a translation network as the model directory of CTranslate2.

    The engine gives the same log-probabilities in float32. It puts the end behind each source
    and the start before each translation by itself: it takes and gives the text's tokens alone.

    Args:
        network: what `translation_network` makes: layers `source_embedding` and
            `target_embedding`, or `embedding` for both; `encoder_0` …, `decoder_0` …, and
            `encoder_norm`, `decoder_norm` in a pre-norm network.
        directory: the new directory. It appears when it is complete.
        source_vocabulary: the source's tokens in the order of their ids. Ids of the network
            behind them get names of their own.
        target_vocabulary: the target's. Default `None`: the source's, with one embedding.
        sequence_length: how many sinusoidal positions the engine shall know.
        special_ids: the ids of an unknown token, the start and the end. Default 1, 2, 3.
        files: further files, name -> content, such as a tokenizer's model. Default none.

    Returns:
        The directory.

    Raises:
        FileExistsError: when there is something at `directory`.
        ImportError: when the package `ctranslate2` is missing.
        ValueError: for what the engine has no form for: another activation or size of heads
            (not `embed_dim / num_heads`), blocks that differ, other layers, a token twice.

    Example:
        >>> import tempfile
        >>> from keras_tx.models import translation_network
        >>> from keras_tx.serving.ctranslate2_model import write_ctranslate2_model
        >>> network = translation_network(
        ...     source_vocabulary_size=6, embed_dim=8, dense_dim=8, num_heads=2,
        ...     num_encoder_layers=1, num_decoder_layers=1)
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     path = write_ctranslate2_model(
        ...         network, f"{folder}/engine", sequence_length=20,
        ...         source_vocabulary=["<pad>", "<unk>", "<s>", "</s>", "yes", "no"])
        ...     sorted(file.name for file in path.iterdir())
        ['config.json', 'model.bin', 'shared_vocabulary.json']

    Source: Klein et al. 2020, "Efficient and High-Quality Neural Machine Translation with
    OpenNMT"; the engine's `TransformerSpec`.
    """
    directory = pathlib.Path(directory)
    if directory.exists():
        raise FileExistsError(f"expected a new directory. Received: {directory}, which exists")
    specs = _import_specs()
    encoder, decoder = _stacks(network)
    if target_vocabulary is None:
        if encoder.embedding is not decoder.embedding:
            raise ValueError(
                "target_vocabulary expected tokens for a network with two embeddings. "
                "Received: target_vocabulary=None"
            )
        target_vocabulary = source_vocabulary
    specification = specs.TransformerSpec(
        _half(specs, "TransformerEncoderSpec", encoder, sequence_length),
        _half(specs, "TransformerDecoderSpec", decoder, sequence_length),
    )
    source_tokens = _tokens("source_vocabulary", source_vocabulary, encoder.embedding)
    target_tokens = _tokens("target_vocabulary", target_vocabulary, decoder.embedding)
    specification.register_source_vocabulary(source_tokens)
    specification.register_target_vocabulary(target_tokens)
    configuration = specification.config
    unknown, start, end = (target_tokens[special] for special in special_ids)
    configuration.unk_token, configuration.bos_token, configuration.eos_token = unknown, start, end
    configuration.decoder_start_token = start
    configuration.add_source_bos = False
    configuration.add_source_eos = True
    configuration.layer_norm_epsilon = _epsilon(encoder, decoder)
    specification.validate()
    specification.optimize()  # A table that stands in several places is stored once.
    _save(specification, directory, files or {})
    return directory


def _import_specs() -> ModuleType:
    try:
        from ctranslate2 import specs
    except ImportError as error:
        needed = "expected the extra ctranslate2: pip install 'keras_tx[ctranslate2]'"
        raise ImportError(f"{needed}. Received: {error}") from error
    return specs


def _save(specification: Any, directory: pathlib.Path, files: Mapping[str, bytes]) -> None:
    """Write beside and rename, so that nobody finds half a model."""
    directory.parent.mkdir(parents=True, exist_ok=True)
    beside = directory.with_name(f".{directory.name}.{os.getpid()}.part")
    try:
        beside.mkdir()
        specification.save(str(beside))
        for name, content in files.items():
            (beside / name).write_bytes(content)
        os.rename(beside, directory)
    finally:
        shutil.rmtree(beside, ignore_errors=True)


def _stacks(network: keras.Model) -> tuple[_Stack, _Stack]:
    """The halves of the network; all its layers must be known."""
    left = {layer.name: layer for layer in network.layers}
    shared = left.pop("embedding", None)
    halves = []
    kinds = {"source": ("encoder", TransformerEncoder), "target": ("decoder", TransformerDecoder)}
    for side, (name, kind) in kinds.items():
        embedding = shared or left.pop(f"{side}_embedding", None)
        blocks = []
        while type(left.get(f"{name}_{len(blocks)}")) is kind:
            blocks.append(left.pop(f"{name}_{len(blocks)}"))
        if type(embedding) is not PositionalEmbedding or not blocks:
            raise ValueError(
                f"network expected a layer '{side}_embedding' or 'embedding' and {name}s from "
                f"'{name}_0' on. Received: layers {[layer.name for layer in network.layers]}"
            )
        halves.append(_Stack(embedding, blocks, left.pop(f"{name}_norm", None)))
    for layer in left.values():
        if not isinstance(layer, (keras.layers.InputLayer, keras.layers.Dropout)):
            raise ValueError(
                "network expected the layers of a translation_network only. "
                f"Received: also {layer.name!r} ({type(layer).__name__})"
            )
    return halves[0], halves[1]


def _settings(stack: _Stack) -> dict[str, Any]:
    """What the engine is told once for all blocks of a stack."""
    settings = {name: getattr(stack.blocks[0], name) for name in STACK_SETTINGS}
    for block in stack.blocks:
        different = [name for name, value in settings.items() if getattr(block, name) != value]
        if different:
            raise ValueError(
                f"network expected the same {different[0]} in all blocks of a stack. "
                f"Received: another one in {block.name!r}"
            )
        if block.key_dim * block.num_heads != block.embed_dim:
            raise ValueError(
                f"key_dim expected embed_dim / num_heads = {block.embed_dim / block.num_heads:g}. "
                f"Received: key_dim={block.key_dim} in {block.name!r}"
            )
    if stack.norm is not None and not settings["norm_first"]:
        raise ValueError(
            "network expected no normalization behind post-norm blocks. "
            f"Received: {stack.norm.name!r}"
        )
    return settings


def _activation(specs: ModuleType, activation: Any) -> int:
    name = getattr(activation, "__name__", repr(activation))
    if name not in ACTIVATIONS or activation is not keras.activations.get(name):
        raise ValueError(
            f"activation expected one of {tuple(ACTIVATIONS)}. Received: activation={name!r}"
        )
    return specs.common_spec.Activation[ACTIVATIONS[name]]


def _epsilon(*stacks: _Stack) -> float:
    layers = [layer for stack in stacks for layer in (*stack.blocks, stack.norm) if layer]
    epsilons = {float(layer.epsilon) for layer in layers}
    if len(epsilons) > 1:
        raise ValueError(
            f"epsilon expected to be the same in all normalizations. Received: {sorted(epsilons)}"
        )
    return epsilons.pop()


def _half(specs: ModuleType, name: str, stack: _Stack, sequence_length: int) -> Any:
    """The engine's encoder or decoder, with all weights."""
    settings = _settings(stack)
    half = getattr(specs.transformer_spec, name)(
        len(stack.blocks),
        settings["num_heads"],
        pre_norm=settings["norm_first"],
        no_final_norm=stack.norm is None,
        activation=_activation(specs, settings["activation"]),
        ffn_glu=settings["gated"],
    )
    is_decoder = hasattr(half, "projection")
    table = half.embeddings if is_decoder else half.embeddings[0]
    _set_embedding(half, table, stack.embedding, sequence_length)
    if is_decoder:
        half.projection.weight = table.weight
    for layer, block in zip(half.layer, stack.blocks, strict=True):
        _set_attention(layer.self_attention, block.self_attention, block.self_attention_norm)
        if is_decoder:
            _set_attention(layer.attention, block.cross_attention, block.cross_attention_norm)
        _set_feed_forward(layer.ffn, block)
    if stack.norm is not None:
        _set_norm(half.layer_norm, stack.norm)
    return half


def _set_embedding(half: Any, table: Any, embedding: PositionalEmbedding, length: int) -> None:
    table.weight = _array(embedding.token_embeddings.embeddings)
    half.scale_embeddings = embedding.scale
    if embedding.positions == "learned":
        positions = _array(embedding.position_embeddings.embeddings)
    else:
        # As a table, for the engine's own formula puts all sines before all cosines.
        wavelength = embedding.position_encoding.max_wavelength
        encoding = SinusoidalPositionalEncoding(wavelength, dtype="float32")
        positions = _array(encoding(np.zeros((1, length, embedding.output_dim), "float32")))[0]
    half.position_encodings.encodings = positions


def _set_attention(target: Any, attention: Any, norm: Any) -> None:
    _set_norm(target.layer_norm, norm)
    own = attention.is_self_attention
    inputs = [attention.query_key_value] if own else [attention.query, attention.key_value]
    for linear, layer in zip(target.linear, [*inputs, attention.output_projection], strict=True):
        _set_linear(linear, layer)


def _set_feed_forward(target: Any, block: Any) -> None:
    _set_norm(target.layer_norm, block.feed_forward_norm)
    feed_forward = block.feed_forward
    _set_linear(target.linear_0, feed_forward.up, slice(feed_forward.dense_dim))
    if feed_forward.gated:  # One kernel here: behind the gate's columns those without activation.
        _set_linear(target.linear_0_noact, feed_forward.up, slice(feed_forward.dense_dim, None))
    _set_linear(target.linear_1, feed_forward.down)


def _set_linear(target: Any, layer: keras.layers.Dense, units: slice = slice(None)) -> None:
    target.weight = np.ascontiguousarray(_array(layer.kernel)[:, units].T)  # (out, in)
    if layer.use_bias:
        target.bias = _array(layer.bias)[units]


def _set_norm(target: Any, norm: keras.layers.LayerNormalization) -> None:
    known = type(norm) in (keras.layers.LayerNormalization, LayerNormalization)
    if not known or not (norm.center and norm.scale):
        raise ValueError(
            f"network expected layer normalizations with scale and center. Received: {norm.name!r}"
        )
    target.gamma, target.beta = _array(norm.gamma), _array(norm.beta)


def _array(weight: Any) -> np.ndarray:
    return np.asarray(ops.convert_to_numpy(weight), "float32")


def _tokens(name: str, vocabulary: Sequence[str], embedding: PositionalEmbedding) -> list[str]:
    """One token for each row of the table, all different."""
    tokens = list(vocabulary)
    if len(tokens) > embedding.input_dim:
        raise ValueError(
            f"{name} expected at most the {embedding.input_dim} tokens of the network. "
            f"Received: {len(tokens)}"
        )
    tokens += [f"<unused {number}>" for number in range(len(tokens), embedding.input_dim)]
    seen: set[str] = set()
    twice = {token for token in tokens if token in seen or seen.add(token)}
    if twice:
        raise ValueError(f"{name} expected each token once. Received: {sorted(twice)[:5]} again")
    return tokens
