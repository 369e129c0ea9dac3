"""Whether XLA compiles a search: where it has been seen to pay."""

from __future__ import annotations

import dataclasses
import statistics
import threading
import time
from collections.abc import Callable, Hashable
from typing import Any

# Seconds that a compilation is taken to need before one has been measured.
COMPILATION = 2.0
TRIALS = 3
LOSSES = 2


@dataclasses.dataclass
class _Bucket:
    plain: list[float] = dataclasses.field(default_factory=list)
    compiled: list[float] = dataclasses.field(default_factory=list)
    compiling: bool = False
    winner: str | None = None


class CompilationChoice:
    """Runs searches by the plain graph or compiled by XLA, whichever is faster here.

    XLA compiles anew for each bucket of sizes. A bucket is compiled when its plain searches have
    taken as long as a compilation does, so that few searches are never compiled, and many pay
    at most twice. Then both are compared by the medians of their times, and the faster one stays.
    Where the first two buckets were no faster compiled, no others are tried.

    Args:
        clock: gives seconds. Default: `time.perf_counter`.

    Example:
        >>> from keras_tx.models.compilation_choice import CompilationChoice
        >>> choice = CompilationChoice()
        >>> choice.run((32, 16), plain=lambda: "by the graph", compiled=lambda: "by XLA")
        'by the graph'

    Source: the break-even rule of renting or buying, Karlin et al. 1988, "Competitive Snoopy
    Caching", section 2.
    """

    def __init__(self, clock: Callable[[], float] = time.perf_counter) -> None:
        self.clock = clock
        self.compilation = COMPILATION
        self.buckets: dict[Hashable, _Bucket] = {}
        self.lock = threading.Lock()  # Searches may run on several threads.

    def run(self, bucket: Hashable, plain: Callable[[], Any], compiled: Callable[[], Any]) -> Any:
        """What one of the two returns.

        Args:
            bucket: all that XLA compiles for by itself.
            plain, compiled: do the same.
        """
        with self.lock:
            times = self.buckets.setdefault(bucket, _Bucket())
            kind = times.winner or self._on_trial(times)
            # What others ran meanwhile would wait for the compilation, and seem as slow.
            compiles = times.winner is None and kind == "compiled" and not times.compiled
            if compiles:
                times.compiling = True
        start = self.clock()
        try:
            result = (plain if kind == "plain" else compiled)()
        finally:
            if compiles:
                times.compiling = False
        with self.lock:
            if times.winner is None:
                getattr(times, kind).append(self.clock() - start)
                self._judge(times)
        return result

    def _on_trial(self, times: _Bucket) -> str:
        if times.compiled:
            return "compiled"
        if times.compiling:
            return "plain"
        winners = [other.winner for other in self.buckets.values() if other.winner]
        if winners.count("plain") >= LOSSES and "compiled" not in winners:
            return "plain"
        return "compiled" if sum(times.plain) >= self.compilation else "plain"

    def _judge(self, times: _Bucket) -> None:
        if len(times.compiled) == 1:  # The one that compiled.
            self.compilation = times.compiled[0]
        if len(times.compiled) > TRIALS:
            faster = statistics.median(times.compiled[1:]) < statistics.median(times.plain)
            times.winner = "compiled" if faster else "plain"
