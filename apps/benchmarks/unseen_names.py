"""How often a translator keeps a name that it has never seen.

    python apps/benchmarks/unseen_names.py --data en-fr --model translator_en_fr

Names of newstest2013 that the training sets of `train_en_fr.py` do not have, and parts of them
joined to new ones, take the place of the names in sentences of Tatoeba's dev and test sets. Prints
how many translations have the name, letter for letter.
"""

from __future__ import annotations

import argparse
import json
import pathlib
import re

from from_apps import one_line_errors
from train_en_fr import TRAINING_CORPORA

import keras_tx
from keras_tx.data import SentencePairs, mix, read_parallel, shared_names, swap_names

# The names in whose place others are put: those that Tatoeba's sentences mostly have.
USUAL = {"Tom", "Mary", "Marie", "Boston"}


def sentences_and_names(data: pathlib.Path, seed: int) -> list[tuple[str, list[str]]]:
    """English sentences, each with the unseen names in it."""

    def read(name: str) -> SentencePairs:
        return read_parallel(data / name, "en", "fr")

    training = {name: read(f"train/{name}") for name in TRAINING_CORPORA}
    seen = set(shared_names(mix(training, dict.fromkeys(training, 1))))
    unseen = set(shared_names(read("dev/newstest2013"))) - seen
    everyday = read("dev/tatoeba") + read("test/tatoeba")
    swapped = swap_names(everyday, sorted(unseen | USUAL), len(everyday), seed)
    found = []
    for source, target in zip(swapped.sources, swapped.targets, strict=True):
        words = re.findall(r"[A-Z]\w+", source)
        found.append((source, [word for word in words if word in target and word not in seen]))
    return [(source, names) for source, names in found if names]


@one_line_errors
def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--data", type=pathlib.Path, required=True)
    parser.add_argument("--model", default="translator_en_fr")
    parser.add_argument("--seed", type=int, default=5)
    arguments = parser.parse_args()
    chosen = sentences_and_names(arguments.data, arguments.seed)
    translations = keras_tx.load(arguments.model).translate([source for source, _ in chosen])
    kept = [
        all(name in translation for name in names)
        for (_, names), translation in zip(chosen, translations, strict=True)
    ]
    print(json.dumps({"sentences": len(kept), "with_their_names": sum(kept)}))


if __name__ == "__main__":
    main()
