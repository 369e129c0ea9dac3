"""How often an independent engine, CTranslate2, gives the same translation from our weights.

    python apps/benchmarks/agreement.py [--model translator_en_fr] [--sentences FILE]

Exports the model as a CTranslate2 directory, translates the same sentences (one a line) with
both, greedily and with a beam of five, and compares string for string. Nothing of ours helps
the engine: it tokenizes with the SentencePiece model in its own directory. The engine ends a
search by the count of finished hypotheses, so ours does too (`--stop count`). Prints one JSON
object: for each beam the share that is identical, and every difference with

- `scores`: what the engine itself gives both translations, log-probability / length ** penalty;
- `first_difference`: the first two tokens that differ, and the log-probability of each there.
  Two that are as good as equal are a tie that rounding decides.

Our translation is tokenized anew for its score, for only its string is known. Needs the extra
`ctranslate2`.
"""

from __future__ import annotations

import argparse
import json
import pathlib
import tempfile
from typing import Any

import ctranslate2
import sentencepiece
from from_apps import one_line_errors, positive_integer

import keras_tx
from keras_tx.data import sample_pairs
from keras_tx.models import Translator


class Engine:
    """CTranslate2 with a translator's weights, used as its own documentation says."""

    def __init__(self, translator: Translator, directory: pathlib.Path, threads: int) -> None:
        path = translator.export(directory / "engine", format="ctranslate2")
        self.sequence_length = translator.sequence_length
        self.model = ctranslate2.Translator(
            str(path), compute_type="float32", inter_threads=1, intra_threads=threads
        )
        self.pieces = sentencepiece.SentencePieceProcessor(
            model_file=str(path / "sentencepiece.model")
        )
        # No translation holds padding or a start; the engine bans unknown words by itself.
        never = (self.pieces.pad_id(), self.pieces.bos_id())
        self.never = [[self.pieces.id_to_piece(number)] for number in never]

    def tokens(self, text: str) -> list[str]:
        """Tokens of a text; the engine puts the end behind them, which needs one place."""
        return self.pieces.encode(text, out_type=str)[: self.sequence_length - 1]

    def translate(self, texts: list[str], beam_size: int, penalty: float) -> list[list[str]]:
        """The tokens of each translation, under the bounds that ours has."""
        sources = [self.tokens(text) for text in texts]
        rows_of: dict[int, list[int]] = {}  # The bound is one for a whole call.
        for row, source in enumerate(sources):
            bound = min(2 * (len(source) + 1) + 10, self.sequence_length)
            rows_of.setdefault(bound, []).append(row)
        translations: list[list[str]] = [[]] * len(texts)
        for bound, rows in rows_of.items():
            results = self.model.translate_batch(
                [sources[row] for row in rows],
                max_batch_size=32,
                beam_size=beam_size,
                length_penalty=penalty,
                max_decoding_length=bound,
                min_decoding_length=0,
                suppress_sequences=self.never,
                disable_unk=True,
            )
            for row, result in zip(rows, results, strict=True):
                translations[row] = result.hypotheses[0]
        return translations

    def log_probabilities(self, text: str, tokens: list[str]) -> list[float]:
        """That of each token, and of the end."""
        return self.model.score_batch([self.tokens(text)], [tokens])[0].log_probs


def describe_difference(
    engine: Engine, text: str, ours: str, theirs: list[str], penalty: float
) -> dict[str, Any]:
    """Both translations of a text, with what decides between them."""
    tokens = {"ours": engine.tokens(ours), "engine": theirs}
    scored = {name: engine.log_probabilities(text, words) for name, words in tokens.items()}
    ended = {name: [*words, "(end)"] for name, words in tokens.items()}
    pairs = list(zip(*ended.values(), strict=False))
    at = next((number for number, (a, b) in enumerate(pairs) if a != b), None)
    return {
        "source": text,
        "ours": ours,
        "engine": engine.pieces.decode(theirs),
        "scores": {
            name: round(sum(values) / len(values) ** penalty, 5) for name, values in scored.items()
        },
        # None: the same tokens, with a string that is put together in another way.
        "first_difference": None
        if at is None
        else {name: [ended[name][at], round(scored[name][at], 5)] for name in tokens},
    }


def compare(
    translator: Translator,
    engine: Engine,
    texts: list[str],
    beam_size: int,
    penalty: float,
    stop: str,
) -> dict[str, Any]:
    """The share of identical translations, and the others."""
    # Whatever the model's own options are: the engine knows these only.
    ours = translator.translate(
        texts,
        beam_size=beam_size,
        length_penalty=penalty,
        length_penalty_kind="average",
        coverage_penalty=0.0,
        min_length=0,
        stop=stop,
    )
    theirs = engine.translate(texts, beam_size, penalty)
    different = [
        describe_difference(engine, *row, penalty)
        for row in zip(texts, ours, theirs, strict=True)
        if row[1] != engine.pieces.decode(row[2])
    ]
    same = len(texts) - len(different)
    return {
        "identical": f"{same}/{len(texts)}",
        "share": round(same / len(texts), 4),
        "differences": different,
    }


@one_line_errors
def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--model", default="translator_en_fr")
    parser.add_argument("--sentences", type=pathlib.Path, help="default: the sample pairs")
    parser.add_argument("--count", type=positive_integer, default=1000)
    parser.add_argument("--beams", type=positive_integer, nargs="+", default=[1, 5])
    parser.add_argument("--length-penalty", type=float, default=1.0)
    parser.add_argument("--stop", choices=["count", "safe"], default="count")
    parser.add_argument("--threads", type=positive_integer, default=2)
    arguments = parser.parse_args()
    if arguments.sentences:
        texts = arguments.sentences.read_text(encoding="utf-8").split("\n")
    else:
        texts = sample_pairs().sources
    texts = [text for text in texts if text][: arguments.count]
    if not texts:
        raise ValueError(f"--sentences expected lines. Received: {arguments.sentences} with none")
    translator = keras_tx.load(arguments.model)
    with tempfile.TemporaryDirectory() as folder:
        engine = Engine(translator, pathlib.Path(folder), arguments.threads)
        results = {
            f"beam_{size}": compare(
                translator, engine, texts, size, arguments.length_penalty, arguments.stop
            )
            for size in arguments.beams
        }
    print(json.dumps(results, indent=2, ensure_ascii=False))


if __name__ == "__main__":
    main()
