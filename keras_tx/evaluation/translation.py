"""BLEU and chrF of a translator."""

from __future__ import annotations

from typing import Any

from keras_tx.data import SentencePairs
from keras_tx.evaluation.protocols import check_protocol, moses_lowercased, moses_signature
from keras_tx.models import Translator


def translation_scores(
    hypotheses: list[str],
    references: list[str],
    protocol: str = "detokenized",
    language: str = "fr",
) -> dict[str, Any]:
    """Corpus BLEU and chrF of translations, by sacreBLEU.

    Args:
        hypotheses: the translations, cased and detokenized.
        references: one reference each.
        protocol: `"detokenized"` (default) compares the texts as they are, and its scores
            can be compared with those of any other system. `"moses_lowercased"` is what
            most papers on Multi30k report, BLEU only: see
            `keras_tx.evaluation.protocols.moses_lowercased`. It gives two or three more.
        language: code of the translations' language, for the rules of Moses. Default `"fr"`.

    Returns:
        `bleu` (0–100, tokenization 13a), `chrf` (0–100), their sacreBLEU signatures, and
        `count`. With `"moses_lowercased"`: `bleu`, its signature with what was done before,
        and `count`.

    Raises:
        ValueError: when the numbers differ or there are none, or for another protocol.

    Example:
        >>> from keras_tx.evaluation.translation import translation_scores
        >>> translation_scores(["Le chat dort sur le lit."], ["Le chat dort sur le lit."])["bleu"]
        100.0

    Source: Post 2018, "A Call for Clarity in Reporting BLEU Scores"; Popović 2015, "chrF".
    """
    from sacrebleu.metrics import BLEU, CHRF

    check_protocol(protocol)
    if len(hypotheses) != len(references) or not references:
        raise ValueError(
            "references expected one for each of one or more hypotheses. "
            f"Received: {len(references)} references, {len(hypotheses)} hypotheses"
        )
    if protocol == "moses_lowercased":
        hypotheses = moses_lowercased(hypotheses, language)
        references = moses_lowercased(references, language)
        # `force`: it would warn that the texts are tokenized, which here they should be.
        bleu = BLEU(lowercase=True, tokenize="none", force=True)
        score = bleu.corpus_score(hypotheses, [references]).score
        signature = f"{bleu.get_signature()}|{moses_signature(language)}"
        return {"bleu": round(score, 2), "bleu_signature": signature, "count": len(references)}
    bleu, chrf = BLEU(), CHRF()
    return {
        "bleu": round(bleu.corpus_score(hypotheses, [references]).score, 2),
        "bleu_signature": str(bleu.get_signature()),
        "chrf": round(chrf.corpus_score(hypotheses, [references]).score, 2),
        "chrf_signature": str(chrf.get_signature()),
        "count": len(references),
    }


def evaluate_translator(
    translator: Translator,
    pairs: SentencePairs,
    batch_size: int = 64,
    protocol: str = "detokenized",
    **decoding: Any,
) -> dict[str, Any]:
    """Translate the sources of sentence pairs and score the result (`translation_scores`).

    Args:
        translator: the model.
        pairs: sources and references.
        batch_size: sentences at once. Default 64.
        protocol: see `translation_scores`. Default `"detokenized"`.
        **decoding: further arguments of `Translator.translate`, such as `beam_size`.

    Returns:
        See `translation_scores`.

    Raises:
        ValueError: when there are no pairs, or for another protocol.

    Example:
        >>> from keras_tx.data import SentencePairs
        >>> from keras_tx.evaluation import evaluate_translator
        >>> from keras_tx.models import Translator
        >>> from keras_tx.text import WordTokenizer
        >>> translator = Translator.from_preset("tiny", WordTokenizer().fit(["a dog", "un chien"]))
        >>> evaluate_translator(translator, SentencePairs(["a dog"], ["un chien"]))["count"]
        1
    """
    check_protocol(protocol)
    translations = translator.translate(pairs.sources, batch_size=batch_size, **decoding)
    return translation_scores(translations, pairs.targets, protocol, translator.target_language)
