"""BLEU of the best of several Multi30k translators' translations, as all of them see it.

    python apps/rank_translations.py --data en-fr --reverse runs/reverse/translator_multi30k.keras \
        --models runs/student/translator_multi30k.keras runs/short/translator_multi30k.keras

The weights of the ranking (`TranslationRanker`), in which a language model of `train/multi30k`
has a part, are fitted on `dev/multi30k` and used for `test/multi30k_2016`; both protocols of
`train_multi30k.py` are printed, and what each translator gives alone with a beam as large. With
`--ensemble` one more translator is ranked, which takes the mean of the models' probabilities
(`translator_ensemble`). Needs the extra `evaluation`.
"""

from __future__ import annotations

import argparse
import json
import pathlib

from bad_input import one_line_errors, positive_integer

import keras_tx
from keras_tx.data import read_parallel
from keras_tx.evaluation import NGramLanguageModel, TranslationRanker, translation_scores
from keras_tx.models import translator_ensemble
from keras_tx.text import reverse_words

PROTOCOLS = ("detokenized", "moses_lowercased")


def options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--data", type=pathlib.Path, required=True)
    parser.add_argument("--models", nargs="+", required=True, help="from English to French")
    parser.add_argument("--reverse", nargs="*", default=[], help="from French to English")
    parser.add_argument(
        "--right-to-left", nargs="*", default=[], help="trained with the option of that name"
    )
    parser.add_argument(
        "--ensemble", type=int, metavar="N", default=0, help="the first N models as one more"
    )
    parser.add_argument(
        "--n-best", type=positive_integer, default=8, help="proposals of each translator"
    )
    arguments = parser.parse_args()
    count, names = len(arguments.models), [*arguments.models, *arguments.right_to_left]
    if arguments.ensemble and not 2 <= arguments.ensemble <= count:
        parser.error(
            f"--ensemble expected 2 or more of the --models, which are {count}. "
            f"Received: {arguments.ensemble}"
        )
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:  # Each has a row of its own.
        parser.error(f"--models and --right-to-left expected each model once. Received: {twice}")
    return arguments


@one_line_errors
def main() -> None:
    arguments = options()
    for protocol in PROTOCOLS:  # Long before the scores: whether each has what it needs.
        translation_scores(["a"], ["a"], protocol)
    train, dev, test = (
        read_parallel(arguments.data / name, "en", "fr")
        for name in ("train/multi30k", "dev/multi30k", "test/multi30k_2016")
    )
    models, reverse, right_to_left = (
        [keras_tx.load(name) for name in names]
        for names in (arguments.models, arguments.reverse, arguments.right_to_left)
    )
    names = list(arguments.models)
    if arguments.ensemble:
        names.append(f"ensemble of {arguments.ensemble}")
        models.append(translator_ensemble(models[: arguments.ensemble]))
    translations = {
        name: model.translate(test.sources, beam_size=arguments.n_best)
        for name, model in zip(names, models, strict=True)
    }
    for name, model in zip(arguments.right_to_left, right_to_left, strict=True):
        found = model.translate(test.sources, beam_size=arguments.n_best)
        translations[name] = [reverse_words(translation) for translation in found]
    ranker = TranslationRanker(
        models,
        reverse,
        arguments.n_best,
        language_model=NGramLanguageModel().fit(train.targets),
        right_to_left_translators=right_to_left,
    )
    results = {"dev": ranker.fit(dev), "weights": ranker.weights.round(4).tolist()}
    translations["ranked"] = ranker.translate(test.sources)
    results["multi30k_2016"] = {
        name: {
            protocol: translation_scores(texts, test.targets, protocol) for protocol in PROTOCOLS
        }
        for name, texts in translations.items()
    }
    print(json.dumps(results, indent=2))


if __name__ == "__main__":
    main()
