"""BLEU and chrF of a translator."""

from __future__ import annotations

from typing import Any

from keras_tx.data import SentencePairs
from keras_tx.models import Translator


def translation_scores(hypotheses: list[str], references: list[str]) -> dict[str, Any]:
    """Corpus BLEU and chrF of translations, by sacreBLEU.

    Args:
        hypotheses: the translations, cased and detokenized.
        references: one reference each.

    Returns:
        `bleu` (0–100, tokenization 13a), `chrf` (0–100), their sacreBLEU signatures, and
        `count`.

    Raises:
        ValueError: when the numbers differ or there are none.

    Example:
        >>> from keras_tx.evaluation.translation import translation_scores
        >>> translation_scores(["Le chat dort sur le lit."], ["Le chat dort sur le lit."])["bleu"]
        100.0

    Source: Post 2018, "A Call for Clarity in Reporting BLEU Scores"; Popović 2015, "chrF".
    """
    from sacrebleu.metrics import BLEU, CHRF

    if len(hypotheses) != len(references) or not references:
        raise ValueError(
            "references expected one for each of one or more hypotheses. "
            f"Received: {len(references)} references, {len(hypotheses)} hypotheses"
        )
    bleu, chrf = BLEU(), CHRF()
    return {
        "bleu": round(bleu.corpus_score(hypotheses, [references]).score, 2),
        "bleu_signature": str(bleu.get_signature()),
        "chrf": round(chrf.corpus_score(hypotheses, [references]).score, 2),
        "chrf_signature": str(chrf.get_signature()),
        "count": len(references),
    }


def evaluate_translator(
    translator: Translator, pairs: SentencePairs, batch_size: int = 64
) -> dict[str, Any]:
    """Translate the sources of sentence pairs and score the result (`translation_scores`).

    Args:
        translator: the model.
        pairs: sources and references.
        batch_size: sentences at once. Default 64.

    Returns:
        See `translation_scores`.

    Raises:
        ValueError: when there are no pairs.

    Example:
        >>> from keras_tx.data import SentencePairs
        >>> from keras_tx.evaluation import evaluate_translator
        >>> from keras_tx.models import Translator
        >>> from keras_tx.text import WordTokenizer
        >>> translator = Translator.from_preset("tiny", WordTokenizer().fit(["a dog", "un chien"]))
        >>> evaluate_translator(translator, SentencePairs(["a dog"], ["un chien"]))["count"]
        1
    """
    translations = translator.translate(pairs.sources, batch_size=batch_size)
    return translation_scores(translations, pairs.targets)
