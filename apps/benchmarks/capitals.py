"""How well a translator translates what is written in capitals throughout.

    python apps/benchmarks/capitals.py --data test/multi30k_2016 --model translator_en_fr

`--data` is the PREFIX of PREFIX.en and PREFIX.fr. Prints BLEU against the references in
capitals, of the sources as they are (whose translations are put into capitals), of the sources
in capitals, and of these without the option `lower_capitals`.
"""

from __future__ import annotations

import argparse
import json

from from_apps import one_line_errors

import keras_tx
from keras_tx.data import read_pairs
from keras_tx.evaluation import translation_scores


@one_line_errors
def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--data", required=True)
    parser.add_argument("--model", default="translator_en_fr")
    arguments = parser.parse_args()
    translator = keras_tx.load(arguments.model)
    pairs = read_pairs(arguments.data, translator.source_language, translator.target_language)
    sources, references = (
        [text.upper() for text in texts] for texts in (pairs.sources, pairs.targets)
    )
    translations = {
        "as_they_are": [text.upper() for text in translator.translate(pairs.sources)],
        "in_capitals": translator.translate(sources),
        "in_capitals_as_read": translator.translate(sources, lower_capitals=False),
    }
    print(
        json.dumps(
            {
                name: translation_scores(texts, references)["bleu"]
                for name, texts in translations.items()
            }
        )
    )


if __name__ == "__main__":
    main()
