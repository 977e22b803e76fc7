"""Results come in order, few are under way, and a stop stops."""

from __future__ import annotations

import threading
import time

import pytest

from facebench.ordered import in_order


@pytest.mark.parametrize("workers", [1, 2, 5])
def test_results_come_in_order(workers):
    def slow_first(k):
        time.sleep(0.02 if k == 0 else 0)
        return k * k

    assert list(in_order(slow_first, range(20), workers=workers)) == [k * k for k in range(20)]


def test_one_worker_works_in_the_callers_thread_and_two_do_not():
    assert set(in_order(lambda _: threading.get_ident(), range(3), workers=1)) == {threading.get_ident()}
    assert threading.get_ident() not in set(in_order(lambda _: threading.get_ident(), range(3), workers=2))


def test_few_are_under_way():
    taken = []

    def items():
        for k in range(100):
            taken.append(k)
            yield k

    results = in_order(lambda k: k, items(), workers=3)
    assert next(results) == 0
    assert len(taken) == 6
    results.close()
    assert len(taken) == 6


@pytest.mark.parametrize("workers", [1, 3])
def test_what_is_raised_comes_in_its_turn_and_ends_the_rest(workers):
    begun = []

    def work(k):
        begun.append(k)
        if k == 2:
            raise KeyboardInterrupt
        return k

    results = in_order(work, range(1000), workers=workers)
    assert [next(results), next(results)] == [0, 1]
    with pytest.raises(KeyboardInterrupt):
        next(results)
    assert len(begun) < 50
