"""Waits grow and differ, time is kept, and what cannot get better is not tried again."""

import itertools
import math

import pytest

from keras_tx.serving.client_retry import Backoff, with_retries
from keras_tx.serving.client_transport import ServerError


class Clock:
    """Time that passes only in `sleep`, and as much as a try takes."""

    def __init__(self, seconds_per_try=0.0):
        self.now = 100.0
        self.slept = []
        self.given = []
        self.seconds_per_try = seconds_per_try

    def sleep(self, seconds):
        self.slept.append(seconds)
        self.now += seconds

    def run(self, answers, deadline=60.0, backoff=None, draw=lambda: 0.0):
        answers = iter(answers)

        def send(seconds):
            self.given.append(seconds)
            self.now += self.seconds_per_try
            answer = next(answers)
            if isinstance(answer, Exception):
                raise answer
            return answer

        backoff = backoff or Backoff()
        return with_retries(send, deadline, backoff, draw, lambda: self.now, self.sleep)


AWAY = ServerError("nobody is there", "UNAVAILABLE")


def test_waits_grow_to_a_bound_and_are_drawn():
    backoff = Backoff(first=0.1, longest=5.0)
    lowest = [backoff.wait(n, 0.0) for n in range(1, 9)]
    assert lowest == pytest.approx([0.05, 0.1, 0.2, 0.4, 0.8, 1.6, 2.5, 2.5])
    # The draw decides within the upper half.
    assert [backoff.wait(3, draw) for draw in (0.0, 0.5, 1.0)] == pytest.approx([0.2, 0.3, 0.4])


def test_an_answer_after_some_tries():
    clock = Clock()
    assert clock.run([AWAY, AWAY, "here"]) == "here"
    assert clock.slept == pytest.approx([0.05, 0.1])


def test_each_try_gets_the_time_that_is_left():
    clock = Clock(seconds_per_try=1.0)
    clock.run([AWAY, AWAY, "here"], deadline=10)
    assert clock.given == pytest.approx([10, 10 - 1.05, 10 - 2.15])


def test_never_less_than_no_time_is_given():
    clock = Clock()
    assert clock.run(["answer"], deadline=1e-9) == "answer"
    assert clock.given == [1e-3]


def test_no_bound_is_a_day_for_each_try():
    for deadline in (math.inf, 1e10):
        clock = Clock()
        assert clock.run([AWAY, "here"], deadline=deadline) == "here"
        assert clock.given == [86_400.0, 86_400.0]


def test_waits_stay_the_longest_after_many_tries():
    assert Backoff(attempts=5000).wait(4999, 0.0) == 2.5


def test_tries_are_counted():
    clock = Clock()
    with pytest.raises(
        ServerError, match=r"^nobody is there \(tried 3 times in 0.1 s\)$"
    ) as caught:
        clock.run([AWAY] * 9, backoff=Backoff(3))
    assert len(clock.given) == 3 and caught.value.code == "UNAVAILABLE"
    with pytest.raises(ServerError, match=r"^nobody is there \(tried once\)$"):
        Clock().run([AWAY] * 9, backoff=Backoff(1))


def test_no_wait_goes_beyond_the_deadline():
    clock = Clock(seconds_per_try=0.5)
    with pytest.raises(ServerError, match="tried"):
        clock.run(itertools.repeat(AWAY), deadline=3.0, backoff=Backoff(1000))
    assert clock.now - 100 < 3.0 + 0.5
    assert all(seconds > 0 for seconds in clock.given)


def test_other_errors_come_at_once():
    for error in (ServerError("wrong", "INVALID_ARGUMENT"), KeyError("x")):
        clock = Clock()
        with pytest.raises(type(error)) as caught:
            clock.run([error, "never"])
        assert caught.value is error and clock.slept == []


@pytest.mark.parametrize("attempts", [0, 2.5, "3", None, True])
def test_attempts_are_counted_in_whole_numbers(attempts):
    message = f"attempts expected a positive integer. Received: attempts={attempts!r}"
    with pytest.raises(ValueError, match=message):
        Backoff(attempts)
