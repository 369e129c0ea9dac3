"""One translator of several."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from keras_tx.models.computing_precision import require_whole_weights
from keras_tx.models.ensemble_network import ensemble_members, require_single
from keras_tx.models.translator import Translator
from keras_tx.text import Tokenizer


def translator_ensemble(translators: Sequence[Translator]) -> Translator:
    """A translator that takes at each step the mean of several translators' probabilities.

    It is a `Translator` like any other one, with all of the networks in it: it translates,
    scores, aligns, is saved, loaded and exported in the same ways, and takes about as long as
    all of them together. Networks that were trained apart make different mistakes; most often
    their ensemble translates better than the best of them.

    Args:
        translators: from 1 to 32, which stay as they are. Their tokenizers must have the same
            settings and vocabularies; the networks' sizes may differ.

    Returns:
        The ensemble, with languages, tokenizers and decoding options of the first one; it reads
        as many tokens as the one that reads the fewest.

    Raises:
        ValueError: without a translator, for more than 32, or when languages or vocabularies
            differ, or one of them is an ensemble itself.

    Example:
        >>> from keras_tx.models import Translator, translator_ensemble
        >>> from keras_tx.text import WordTokenizer
        >>> tokenizer = WordTokenizer().fit(["a dog", "un chien"])
        >>> models = [Translator.from_preset("tiny", tokenizer) for _ in range(2)]
        >>> ensemble = translator_ensemble(models)
        >>> scores = [model.score(["a dog"], [""])[0] for model in [*models, ensemble]]
        >>> first, second, both = (score.log_probability for score in scores)
        >>> min(first, second) <= both <= max(first, second)  # Of one token, the end.
        True

    Source: Sutskever et al. 2014, "Sequence to Sequence Learning with Neural Networks".
    """
    translators = list(translators)
    if not translators:
        raise ValueError("translators expected one or more. Received: none")
    first = translators[0]
    for translator in translators:
        require_single(translator.network)
        require_whole_weights(translator.network, "translator_ensemble")
        _check_alike(first, translator)
    members = [
        {"sequence_length": translator.sequence_length, **translator.network_arguments}
        for translator in translators
    ]
    ensemble = Translator(
        first.tokenizer,
        first.target_tokenizer,
        source_language=first.source_language,
        target_language=first.target_language,
        sequence_length=min(translator.sequence_length for translator in translators),
        decoding=first.decoding,
        source_vocabulary_size=first.source_vocabulary_size,
        target_vocabulary_size=first.target_vocabulary_size,
        members=members,
    )
    networks = ensemble_members(ensemble.network)
    for network, translator in zip(networks, translators, strict=True):
        network.set_weights(translator.network.get_weights())
    return ensemble


def _check_alike(first: Translator, other: Translator) -> None:
    ways = [(model.source_language, model.target_language) for model in (first, other)]
    if ways[0] != ways[1]:
        raise ValueError(
            f"translators expected from {ways[0][0]!r} to {ways[0][1]!r}. "
            f"Received: one from {ways[1][0]!r} to {ways[1][1]!r}"
        )
    known = [
        (
            model.source_vocabulary_size,
            model.target_vocabulary_size,
            [_facts(tokenizer) for tokenizer in model.tokenizers()],
        )
        for model in (first, other)
    ]
    if known[0] != known[1]:
        raise ValueError(
            "translators expected the same tokenizers, with the same vocabularies. Received: "
            "some that differ"
        )


def _facts(tokenizer: Tokenizer) -> tuple[Any, ...]:
    config = {key: value for key, value in tokenizer.get_config().items() if key != "name"}
    return type(tokenizer), config, tuple(tokenizer.vocabulary)
