"""The search for the largest number within a limit."""

import pytest

from mtshare_ros.evaluation.search import CLOSE_ENOUGH, largest_within

LIMIT = 0.05


def search(error_at, first=0.15, steps=8):
    """Search from 0.001 to 1; return what was found and the numbers that were tried."""
    tried = []

    def record(value):
        tried.append(value)
        return error_at(value)

    return largest_within(record, LIMIT, first=first, low=0.001, high=1.0, steps=steps), tried


@pytest.mark.parametrize('first', [0.001, 0.15, 1.0])
@pytest.mark.parametrize('factor, power', [(0.1, 1), (3.0, 1), (2.0, 2), (0.2, 0.5)])
def test_the_number_whose_error_is_the_limit_is_found(factor, power, first):
    found, _ = search(lambda value: factor * value ** power, first)
    assert found.within
    assert CLOSE_ENOUGH * LIMIT <= found.error <= LIMIT
    assert found.error == factor * found.value ** power


def test_a_power_law_takes_few_measurements():
    _, tried = search(lambda value: 3.0 * value ** 1.5)
    assert len(tried) <= 4


def test_an_error_that_jumps_over_the_limit_ends_below_the_jump():
    found, tried = search(lambda value: 0.01 if value < 0.3 else 2.0, steps=12)
    assert found.within
    assert 0.25 < found.value < 0.3
    assert len(tried) == 12


def test_a_limit_nothing_keeps_gives_the_smallest_number():
    found, _ = search(lambda value: 0.2)
    assert not found.within
    assert (found.value, found.error) == (0.001, 0.2)


def test_an_error_that_grows_but_never_comes_near_gives_the_highest():
    found, tried = search(lambda value: 0.01 * value)
    assert found.within
    assert found.value == 1.0 and tried[-1] == 0.5


def test_an_error_that_grows_no_more_gives_the_number_where_it_ceased_to():
    found, tried = search(lambda value: 0.01 * min(value, 0.2))
    assert found.within
    assert found.value == 0.25 and tried[-2:] == [0.25, 0.125]


def test_halving_ends_with_the_measurements_that_are_left():
    found, tried = search(lambda value: 0.0, first=1.0, steps=3)
    assert len(tried) == 3
    assert found.within and found.value == 0.25


def test_an_error_that_falls_again_does_not_confuse_the_search():
    found, tried = search(lambda value: 0.01 if value < 0.04 or value > 0.5 else 0.2)
    assert found.within
    assert all(0.001 <= value <= 1.0 for value in tried)
