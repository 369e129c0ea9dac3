"""The quality of a translator while it is trained."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from keras_tx.data import SentencePairs
from keras_tx.evaluation.translation import translation_scores
from keras_tx.models import Translator


class TranslationQuality:
    """A scorer for `Translator.fit`: BLEU of translations of held-out sentences.

    At the end of each round it translates the sources, with greedy search unless told
    otherwise, and gives `val_bleu` (sacreBLEU, cased, detokenized, 13a). With
    `monitor="val_bleu"` the training keeps what has the highest.

    Args:
        pairs: sources and references; or name -> pairs of several sets, whose mean is
            `val_bleu` then, beside a `val_bleu_NAME` for each.
        batch_size: sentences at once. Default 64.
        **decoding: further arguments of `Translator.translate`. Default: `beam_size=1`.

    Raises:
        ValueError: when there are no pairs.

    Example:
        >>> from keras_tx.data import SentencePairs
        >>> from keras_tx.evaluation import TranslationQuality
        >>> from keras_tx.models import Translator
        >>> from keras_tx.text import WordTokenizer
        >>> pairs = SentencePairs(["a dog"], ["un chien"])
        >>> translator = Translator.from_preset("tiny", WordTokenizer().fit(["a dog", "un chien"]))
        >>> history = translator.fit(
        ...     pairs, pairs, epochs=1, scorers=[TranslationQuality(pairs)], monitor="val_bleu",
        ...     progress=False)
        >>> 0 <= history[0]["val_bleu"] <= 100
        True
    """

    def __init__(
        self,
        pairs: SentencePairs | Mapping[str, SentencePairs],
        batch_size: int = 64,
        **decoding: Any,
    ) -> None:
        self.sets = {"": pairs} if isinstance(pairs, SentencePairs) else dict(pairs)
        if not self.sets or not all(self.sets.values()):
            raise ValueError("pairs expected at least one in each set. Received: none")
        self.batch_size = batch_size
        self.decoding = {"beam_size": 1, **decoding}

    def __call__(self, translator: Translator) -> dict[str, float]:
        """The figures of a translator as it is."""
        figures = {}
        for name, pairs in self.sets.items():
            translations = translator.translate(
                pairs.sources, batch_size=self.batch_size, **self.decoding
            )
            figures[name] = translation_scores(translations, pairs.targets)["bleu"]
        mean = sum(figures.values()) / len(figures)
        return {
            **{f"val_bleu_{name}": value for name, value in figures.items() if name},
            "val_bleu": mean,
        }
