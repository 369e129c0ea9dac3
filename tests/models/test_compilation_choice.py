"""When a bucket is compiled, and what it is that stays."""

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from keras_tx.models import DecodingOptions
from keras_tx.models.compilation_choice import CompilationChoice
from keras_tx.models.compiled_search import search_bucket


class Machine:
    """Searches that take the seconds they are said to, on a clock of their own."""

    def __init__(self, plain, compiled, compilation):
        self.seconds = {"plain": plain, "compiled": compiled}
        self.compilation, self.now, self.seen = compilation, 0.0, set()
        self.choice = CompilationChoice(clock=lambda: self.now)

    def run(self, bucket=0):
        def search(kind):
            def work():
                first = kind == "compiled" and bucket not in self.seen
                self.seen |= {bucket} if first else set()
                self.now += self.seconds[kind] + (self.compilation if first else 0)
                return kind

            return work

        return self.choice.run(bucket, search("plain"), search("compiled"))


def test_few_searches_are_never_compiled():
    machine = Machine(plain=0.5, compiled=0.1, compilation=3)
    assert [machine.run(bucket) for bucket in (0, 1, 0, 1, 0, 1)] == ["plain"] * 6


def test_the_faster_one_stays():
    machine = Machine(plain=0.5, compiled=0.25, compilation=3)
    # 4 times half a second are 2 seconds, which is what a compilation was taken to need.
    assert [machine.run() for _ in range(50)] == ["plain"] * 4 + ["compiled"] * 46
    # The next bucket waits as long as the compilation did take.
    assert [machine.run(1) for _ in range(50)] == ["plain"] * 7 + ["compiled"] * 43
    slow = Machine(plain=0.5, compiled=0.6, compilation=3)
    assert [slow.run() for _ in range(50)] == ["plain"] * 4 + ["compiled"] * 4 + ["plain"] * 42


def test_many_searches_cost_twice_the_best_at_most_and_the_trials():
    for plain, compiled in ((0.5, 0.25), (0.5, 0.6), (3.0, 0.01), (0.01, 1.0)):
        machine = Machine(plain, compiled, compilation=2)
        for _ in range(1000):
            machine.run()
        best = min(1000 * plain, 2 + 1000 * compiled)
        assert machine.now <= 2 * best + 4 * compiled + 2 * plain


def test_after_two_losses_nothing_else_is_compiled():
    machine = Machine(plain=0.5, compiled=0.6, compilation=1)
    for bucket in (0, 1):
        assert "compiled" in [machine.run(bucket) for _ in range(20)]
    assert {machine.run(2) for _ in range(100)} == {"plain"}


def test_an_error_counts_for_nothing():
    machine = Machine(plain=0.5, compiled=0.1, compilation=1)

    def broken():
        raise MemoryError

    with pytest.raises(MemoryError):
        machine.choice.run(0, broken, broken)
    assert [machine.run() for _ in range(5)] == ["plain"] * 4 + ["compiled"]


def test_buckets_are_what_is_compiled_for():
    assert search_bucket(1, 1, 256) == (1, 16)
    assert search_bucket(33, 25, 256) == (64, 32)
    assert search_bucket(64, 256, 256) == (64, 256)


def test_options_are_checked():
    assert DecodingOptions(jit_compile="auto").jit_compile == "auto"
    with pytest.raises(ValueError, match="True, False or 'auto'. Received: jit_compile='always'"):
        DecodingOptions(jit_compile="always")


def test_while_one_thread_compiles_the_others_run_the_plain_graph():
    choice = CompilationChoice(clock=lambda: 0.0)
    choice.compilation = 0.0  # The first search compiles.
    compiling, go_on = threading.Event(), threading.Event()

    def compiled():
        compiling.set()
        assert go_on.wait(20)
        return "compiled"

    with ThreadPoolExecutor(1) as pool:
        first = pool.submit(choice.run, 0, lambda: "plain", compiled)
        assert compiling.wait(20)
        assert choice.run(0, lambda: "plain", compiled) == "plain"
        go_on.set()
        assert first.result(20) == "compiled"
    assert choice.run(0, lambda: "plain", compiled) == "compiled"


def test_a_compilation_that_failed_may_be_tried_again():
    choice = CompilationChoice(clock=lambda: 0.0)
    choice.compilation = 0.0

    def fails():
        raise ValueError("no XLA here")

    with pytest.raises(ValueError, match="no XLA"):
        choice.run(0, lambda: "plain", fails)
    assert choice.run(0, lambda: "plain", lambda: "compiled") == "compiled"
