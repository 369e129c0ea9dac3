"""The forms, besides a SavedModel, in which a translator can leave the house."""

from __future__ import annotations

import functools
import os
import pathlib
from collections.abc import Callable
from typing import TYPE_CHECKING

from keras_tx.models.computing_precision import require_whole_weights
from keras_tx.models.ensemble_network import require_single
from keras_tx.serving.ctranslate2_model import write_ctranslate2_model
from keras_tx.text import SentencePieceTokenizer, Tokenizer

if TYPE_CHECKING:
    from keras_tx.models.translator import Translator

SENTENCEPIECE_FILE = "sentencepiece.model"


def translator_formats(translator: Translator) -> dict[str, Callable]:
    """The values that `Translator.export` takes as `format`, each with what writes it."""
    return {"ctranslate2": functools.partial(export_ctranslate2, translator)}


def export_ctranslate2(translator: Translator, directory: str | os.PathLike) -> pathlib.Path:
    """Write a translator's network as a new CTranslate2 model directory.

    The tokens are those of `translator.tokenizer.vocabulary`. A SentencePiece model lies
    beside, so that the folder can be used alone: as `sentencepiece.model`, or as
    `source_sentencepiece.model` and `target_sentencepiece.model` where the languages have one
    each. What a tokenizer does outside of that model is not in it: with `lowercase=True` the
    sources must come in lower case, and a `WordTokenizer` has no model at all.

    Args:
        translator: a translator with fitted tokenizers.
        directory: the new directory.

    Returns:
        The directory.

    Raises:
        FileExistsError: when there is something at `directory`.
        ImportError: when the package `ctranslate2` is missing.
        ValueError: when the engine has no form for the network; says for which part of it. For
            a model that was loaded in bfloat16.

    Example:
        >>> import tempfile
        >>> from keras_tx.models import Translator
        >>> from keras_tx.models.translator_formats import export_ctranslate2
        >>> from keras_tx.text import WordTokenizer
        >>> translator = Translator.from_preset("tiny", WordTokenizer().fit(["a dog", "un chien"]))
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     path = export_ctranslate2(translator, f"{folder}/engine")
        ...     sorted(file.name for file in path.iterdir())
        ['config.json', 'model.bin', 'shared_vocabulary.json']
    """
    require_single(translator.network)
    require_whole_weights(translator.network, "export to ctranslate2")
    source, target = translator.tokenizer, translator.target_tokenizer
    if target is None:
        files = _tokenizer_file("", source)
    else:
        files = {**_tokenizer_file("source_", source), **_tokenizer_file("target_", target)}
    return write_ctranslate2_model(
        translator.network,
        directory,
        source_vocabulary=source.vocabulary,
        target_vocabulary=target and target.vocabulary,
        sequence_length=translator.sequence_length,
        special_ids=(source.unknown_id, source.start_id, source.end_id),
        files=files,
    )


def _tokenizer_file(prefix: str, tokenizer: Tokenizer) -> dict[str, bytes]:
    if not isinstance(tokenizer, SentencePieceTokenizer):
        return {}
    return {prefix + SENTENCEPIECE_FILE: tokenizer.model_proto}
