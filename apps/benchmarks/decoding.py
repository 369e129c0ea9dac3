"""Speed of decoding: ours against CTranslate2 and the book's loop, same weights, same sentences.

    python apps/benchmarks/decoding.py --sentences multi30k_2016.en

Each system runs in a process of its own, on `--threads` processors, which prints what it measured:
sentences a second (tokenizing and detokenizing included) for greedy search and a beam of 5, one
sentence at a time and in batches of 32 and 64, and the most memory it took. Before it is measured,
each cell is run on 64 sentences, and by XLA on all, so that it has compiled what it needs.

"graph" and "xla" run as `keras-tx translate` does: without oneDNN's kernels, and with one thread
for an operation, so that two batches run side by side. "graph-one-thread" has a single thread for
all operations, which do not wander between processors then. "graph-bfloat16" computes in bfloat16
(`keras-tx translate --precision bfloat16`), which takes oneDNN's kernels and a processor with
instructions for it; its translations are not all the same. "graph-onednn" is the portable graph as
TensorFlow starts by itself: oneDNN, and both threads for each operation of one batch.
CTranslate2 shares each operation between two threads, and "-side-by-side" runs two batches.
Ends with a table: sentences a second, and in brackets how many times as fast as CTranslate2 in
float32, of its two ways the one that is faster in the cell. A system that fails is left out of
the table, and the exit code is 1 then. Needs the extra `ctranslate2`.
"""

from __future__ import annotations

import argparse
import json
import os
import pathlib
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence

from from_apps import names_of, one_line_errors, positive_integer

PEERS = ("ctranslate2-float32", "ctranslate2-float32-side-by-side")
SYSTEMS = (
    *("graph", "graph-one-thread", "graph-bfloat16", "graph-onednn", "xla"),
    *(*PEERS, "ctranslate2-int8", "ctranslate2-int8-side-by-side", "book"),
)
ONE_THREAD = {"TF_NUM_INTRAOP_THREADS": "1", "TF_ENABLE_ONEDNN_OPTS": "0"}
SETTINGS = {
    "graph": ONE_THREAD,
    "xla": ONE_THREAD,
    "graph-bfloat16": {  # As `keras-tx translate --precision bfloat16` starts.
        **ONE_THREAD,
        **{"TF_ENABLE_ONEDNN_OPTS": "1", "TF_ONEDNN_ASSUME_FROZEN_WEIGHTS": "1"},
    },
    "graph-one-thread": {**ONE_THREAD, "TF_NUM_INTEROP_THREADS": "1"},
}
BEAMS, BATCH_SIZES = (1, 5), (1, 32, 64)
Translate = Callable[[list[str], int, int], list[str]]  # sentences, beam size, batch size


def graph_system(arguments: argparse.Namespace) -> Translate:
    """Ours: the portable graph, which is what an export runs, or the search by XLA."""
    import keras_tx

    precision = "bfloat16" if arguments.system == "graph-bfloat16" else None
    translator = keras_tx.load(arguments.model, precision=precision)

    def translate(sentences: list[str], beam_size: int, batch_size: int) -> list[str]:
        # CTranslate2's options and rule to stop, so that both do the same work.
        return translator.translate(
            sentences,
            batch_size=batch_size,
            beam_size=beam_size,
            length_penalty=1.0,
            length_penalty_kind="average",
            coverage_penalty=0.0,
            min_length=0,
            stop="count",
            jit_compile=arguments.system == "xla",
        )

    return translate


def ctranslate2_system(
    arguments: argparse.Namespace, compute_type: str, *side_by_side: str
) -> Translate:
    """CTranslate2 on the exported weights, with SentencePiece around it."""
    import ctranslate2
    import sentencepiece

    threads = (arguments.threads, 1) if side_by_side else (1, arguments.threads)
    engine = ctranslate2.Translator(
        arguments.engine_model,
        compute_type=compute_type,
        inter_threads=threads[0],
        intra_threads=threads[1],
    )
    processor = sentencepiece.SentencePieceProcessor(
        model_file=f"{arguments.engine_model}/sentencepiece.model"
    )

    def translate(sentences: list[str], beam_size: int, batch_size: int) -> list[str]:
        tokens = processor.encode(sentences, out_type=str)
        results = engine.translate_batch(
            tokens, beam_size=beam_size, max_batch_size=batch_size, disable_unk=True
        )
        return [processor.decode(result.hypotheses[0]) for result in results]

    return translate


def book_system(arguments: argparse.Namespace) -> Translate:
    """The book's way: `predict` on all tokens so far, a whole pass of the network for each."""
    import numpy as np
    import tensorflow as tf

    import keras_tx
    from keras_tx.text import pack

    translator = keras_tx.load(arguments.model)
    tokenizer = translator.tokenizer

    def decode(sentences: list[str]) -> list[str]:
        source, lengths = pack(
            tokenizer.tokenize(sentences), translator.sequence_length, end_id=tokenizer.end_id
        )
        limits = np.minimum(2 * lengths.numpy() + 10, translator.sequence_length)
        target = np.full((len(sentences), 1), tokenizer.start_id, "int32")
        finished = np.zeros(len(sentences), bool)
        while not finished.all():
            logits = translator.network.predict([source.numpy(), target], verbose=0)[:, -1]
            chosen = np.where(finished, tokenizer.padding_id, logits.argmax(axis=-1))
            target = np.concatenate([target, chosen[:, None].astype("int32")], axis=1)
            finished |= (chosen == tokenizer.end_id) | (target.shape[1] - 1 >= limits)
        return [text.decode() for text in tokenizer.detokenize(tf.constant(target)).numpy()]

    def translate(sentences: list[str], beam_size: int, batch_size: int) -> list[str]:
        order = sorted(range(len(sentences)), key=lambda row: len(sentences[row]))
        results = [""] * len(sentences)
        for start in range(0, len(order), batch_size):
            rows = order[start : start + batch_size]
            for row, text in zip(rows, decode([sentences[row] for row in rows]), strict=True):
                results[row] = text
        return results

    return translate


def read_sentences(arguments: argparse.Namespace) -> list[str]:
    if arguments.sentences is None:
        from keras_tx.data import sample_pairs

        return sample_pairs().sources[: arguments.count]
    lines = arguments.sentences.read_text(encoding="utf-8").split("\n")
    sentences = [line for line in lines if line][: arguments.count]
    if not sentences:
        raise ValueError(f"--sentences expected lines. Received: {arguments.sentences} with none")
    return sentences


def bind(threads: int) -> None:
    """Leave this process so many processors: TensorFlow's threads would take all there are."""
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:threads])


def run_system(arguments: argparse.Namespace) -> None:
    """Measure one system; print one JSON object."""
    bind(arguments.threads)  # Before TensorFlow is imported, which counts the processors.
    sentences = read_sentences(arguments)
    name, *kind = arguments.system.split("-")
    if name == "ctranslate2":
        translate = ctranslate2_system(arguments, *kind)
    else:
        translate = (book_system if name == "book" else graph_system)(arguments)
    speeds, translations = {}, {}
    for beam_size in BEAMS if name != "book" else (1,):
        for batch_size in BATCH_SIZES:
            # One at a time is slow, and the book's loop slower still: a part tells enough.
            few = 8 if name == "book" else 100
            chosen = sentences[:: max(len(sentences) // few, 1)] if batch_size == 1 else sentences
            if name == "book" and batch_size > 1:
                chosen = chosen[: 2 * batch_size]
            calls = [[sentence] for sentence in chosen] if batch_size == 1 else [chosen]
            for call in calls if name == "xla" else [chosen[:64]]:
                translate(call, beam_size, batch_size)
            started = time.perf_counter()
            found = sum([translate(call, beam_size, batch_size) for call in calls], [])
            speeds[f"beam {beam_size}, batch {batch_size}"] = len(chosen) / (
                time.perf_counter() - started
            )
            translations[f"beam {beam_size}"] = found
    print(
        json.dumps({"speeds": speeds, "megabytes": peak_megabytes(), "translations": translations})
    )


def peak_megabytes() -> float:
    """The most memory this process has had."""
    try:
        # Of this program alone: `getrusage` would count what the one before `exec` had.
        status = pathlib.Path("/proc/self/status").read_text()
        return int(status.split("VmHWM:")[1].split()[0]) / 1024
    except (OSError, IndexError):
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def print_table(results: dict[str, dict]) -> None:
    cells = [f"beam {beam}, batch {batch}" for beam in BEAMS for batch in BATCH_SIZES]
    peers = [results[name]["speeds"] for name in PEERS if name in results]
    peer = {cell: max(speeds[cell] for speeds in peers) for cell in cells if peers}
    print("| system | " + " | ".join(cells) + " | peak memory |")
    print("|---" * (len(cells) + 2) + "|")
    for system, result in results.items():
        row = []
        for cell in cells:
            speed = result["speeds"].get(cell)
            ratio = f" ({speed / peer[cell]:.2f})" if speed and cell in peer else ""
            row.append(f"{speed:.1f}{ratio}" if speed else "")
        print(f"| {system} | " + " | ".join(row) + f" | {result['megabytes']:.0f} MB |")


def print_agreement(results: dict[str, dict]) -> None:
    peer = results.get("ctranslate2-float32", {}).get("translations", {})
    compared = ("graph", "graph-bfloat16", "ctranslate2-int8")
    for system in [name for name in compared if peer and name in results]:
        for beam, found in results[system]["translations"].items():
            same = sum(map(str.__eq__, found, peer[beam]))
            print(f"{system}, {beam}: {same} of {len(found)} as CTranslate2's in float32")


def measured(command: Sequence[str], environment: Mapping[str, str]) -> dict | None:
    """What a process of its own prints; None when it failed."""
    process = subprocess.run(command, env=environment, stdout=subprocess.PIPE)
    return json.loads(process.stdout.splitlines()[-1]) if process.returncode == 0 else None


@one_line_errors
def main(argv: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--model", default="translator_en_fr")
    parser.add_argument("--sentences", type=pathlib.Path, help="default: the sample sentences")
    parser.add_argument("--count", type=positive_integer, default=1000)
    parser.add_argument("--threads", type=positive_integer, default=2)
    parser.add_argument("--systems", type=names_of(SYSTEMS), default=",".join(SYSTEMS))
    parser.add_argument("--system", choices=SYSTEMS, help=argparse.SUPPRESS)
    parser.add_argument("--engine-model", help=argparse.SUPPRESS)
    arguments = parser.parse_args(argv)
    if arguments.system:
        run_system(arguments)
        return
    if arguments.sentences:
        read_sentences(arguments)  # A mistake there would be one of each system.
    environment = {**os.environ, "OMP_NUM_THREADS": str(arguments.threads)}
    results = {}
    with tempfile.TemporaryDirectory() as directory:
        engine_model = f"{directory}/engine"
        if any(system.startswith("ctranslate2") for system in arguments.systems):
            import keras_tx

            keras_tx.load(arguments.model).export(engine_model, format="ctranslate2")
        for system in arguments.systems:
            command = [sys.executable, __file__, *(sys.argv[1:] if argv is None else argv)]
            command += ["--system", system, "--engine-model", engine_model]
            result = measured(command, environment | SETTINGS.get(system, {}))
            if result:
                results[system] = result
            print(system, "measured" if result else "failed", file=sys.stderr)
    print_table(results)
    print_agreement(results)
    sys.exit(0 if len(results) == len(arguments.systems) else 1)


if __name__ == "__main__":
    main()
