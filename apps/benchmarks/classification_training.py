"""Speed of training: steps of our encoder against PyTorch's, in turn.

    pip install 'keras_tx[benchmark]'
    python apps/benchmarks/classification_training.py --data aclImdb

Encoder, weights, batches, optimizer and precision are those of `classification.py`, whose options
this takes too. A machine's speed wanders by a third within minutes, so the two systems take
turns of `--steps` steps, each in a process of its own that waits meanwhile. What counts is the
median of the ratios of a turn of ours to the turns of PyTorch's before and after it.
"""

from __future__ import annotations

import argparse
import json
import pathlib
import statistics
import subprocess
import sys
import tempfile
from typing import Any

from classification import environment, new_encoder, parsed, training_speed, write_reviews
from from_apps import one_line_errors

TURNS = 7
SYSTEMS = ("ours", "pytorch")


def run_system(arguments: argparse.Namespace) -> None:
    """For each line that comes in, train for a turn and print the tokens a second."""
    reviews = json.loads(pathlib.Path(arguments.reviews).read_text(encoding="utf-8"))
    classifier, encoder, _ = new_encoder(arguments)
    ids, lengths = (part.numpy() for part in classifier.pack_for_encoders(reviews["texts"]))
    for _ in sys.stdin:
        speed = training_speed(encoder, ids, lengths, reviews["labels"], arguments)
        print(json.dumps(speed), flush=True)


class Turns:
    """A system in a process of its own, which works when it is asked."""

    def __init__(self, system: str, reviews: pathlib.Path, arguments: argparse.Namespace) -> None:
        command = [*sys.argv[1:], "--system", system, "--reviews", str(reviews)]
        self.process = subprocess.Popen(
            [sys.executable, __file__, *command],
            env=environment(arguments.threads, workers=1),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def take(self) -> float:
        """Tokens a second of the next turn."""
        self.process.stdin.write("\n")
        self.process.stdin.flush()
        answer = self.process.stdout.readline()
        if not answer:
            raise SystemExit(f"expected a figure. Received: exit status {self.process.wait()}")
        return json.loads(answer)

    def end(self) -> None:
        self.process.stdin.close()
        self.process.wait()


def ratios(ours: list[float], theirs: list[float]) -> list[float]:
    """Of each of our `n` turns to the mean of the two of the `n + 1` others around it."""
    around = zip(theirs, theirs[1:], strict=False)
    return [one / statistics.mean(pair) for one, pair in zip(ours, around, strict=True)]


@one_line_errors
def main() -> None:
    arguments: Any = parsed(None)
    if arguments.system:
        run_system(arguments)
        return
    speeds: dict[str, list[float]] = {system: [] for system in SYSTEMS}
    with tempfile.TemporaryDirectory() as directory:
        reviews = pathlib.Path(directory, "reviews.json")
        write_reviews(arguments, reviews)
        systems = {system: Turns(system, reviews, arguments) for system in SYSTEMS}
        for system in systems.values():
            system.take()  # Once for all that is made or read the first time.
        for system in ["pytorch", *["ours", "pytorch"] * TURNS]:
            speeds[system].append(systems[system].take())
            print(f"{system}: {speeds[system][-1]:,.0f} tokens/s", file=sys.stderr)
        for system in systems.values():
            system.end()
    found = sorted(ratios(speeds["ours"], speeds["pytorch"]))
    for system in SYSTEMS:
        print(f"{system}: {statistics.median(speeds[system]):,.0f} tokens/s (median of the turns)")
    print(
        f"ours to PyTorch: {statistics.median(found):.2f} "
        f"({found[0]:.2f} to {found[-1]:.2f} in {len(found)} turns)"
    )


if __name__ == "__main__":
    main()
