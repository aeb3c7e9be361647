"""What is counted of a column, block by block."""

import numpy as np
import pytest

from chainrule.data.tally import FEW_NUMBERS, Frequent, Tally


def tally(*blocks, texts=1000, numbers=50, comma=False):
    one, start = Tally(texts, numbers), 0
    for cells in blocks:
        one.add(cells, np.arange(start, start + len(cells)), comma)
        start += len(cells)
    return one


def test_kinds_and_where_each_was_first():
    one = tally(["", "1", "x"], ["2024-01-01", "1e999", "2", "1,5", ""])
    assert one.kinds == {"missing": 2, "number": 2, "text": 1, "date": 1, "infinite": 1, "separated": 1}
    assert one.first == {
        "missing": (0, ""), "number": (1, "1"), "text": (2, "x"), "date": (3, "2024-01-01"), "infinite": (4, "1e999"),
        "separated": (6, "1,5"),
    }  # fmt: skip
    assert (one.n_values, one.low, one.high, one.is_text) == (6, 1, 2, True)


@pytest.mark.parametrize("as_array", [True, False])
def test_numbers_are_counted_alike_as_numbers_and_as_texts(as_array):
    values = [3.0, np.nan, 1.0, 3.0, 0.5]
    cells = np.array(values) if as_array else ["3", "", "1", "3", "0.5"]
    one = tally(cells)
    assert one.levels == {"3": 2, "1": 1, "0.5": 1}
    assert (one.n_values, one.low, one.high, one.is_text) == (4, 0.5, 3, False)


def test_levels_by_frequency_and_then_by_the_alphabet():
    frequent = Frequent(tally(["b", "a", "c", "c", "", "d"]), 3)
    assert (frequent.is_complete, frequent.levels()) == (True, ["c", "a", "b"])


@pytest.mark.parametrize("seed", range(5))
def test_levels_that_were_not_counted_one_by_one_are_found_by_their_hashes(seed):
    cells = [f"t{i}" for i in range(40) for _ in range(1 + i % 4)]
    np.random.default_rng(seed).shuffle(cells)
    frequent = Frequent(tally(cells, texts=5), 15)
    assert not frequent.is_complete
    for start in range(0, len(cells), 7):
        frequent.add(cells[start : start + 7])
    fours, threes = (sorted(f"t{i}" for i in range(40) if i % 4 == rest) for rest in (3, 2))
    assert frequent.levels() == [*fours, *threes[:5]]


def test_different_texts_are_counted_beyond_the_levels():
    cells = [f"t{i % 300}" for i in range(900)]
    one = tally(cells[:450], cells[450:], texts=100)
    assert len(one.levels) == 100
    assert one.n_different == 300


@pytest.mark.parametrize(
    ("blocks", "expected"),
    [
        ((["4", "5"], ["6", "7"]), True),
        ((np.array([4.0, 5.0]), np.array([6.0])), True),
        ((["4", "5"], ["7"]), False),
        ((["4", ""], ["6"]), False),
        ((["4", "5"], ["x"]), False),
    ],
)
def test_counting_the_rows_goes_on_across_blocks(blocks, expected):
    assert tally(*blocks).counts_rows is expected


def test_numbers_alone_stop_being_counted_and_a_text_further_down_is_told():
    numbers = [str(i) for i in range(60)]
    one = tally(numbers, ["0"] * 10)
    assert (len(one.levels), one.is_incomplete, one.has_many_numbers) == (0, False, True)
    one = tally(numbers, ["0"] * 10, ["x", "y"])
    assert one.is_incomplete
    assert tally(numbers, ["", ""]).is_incomplete is False
    again = tally(numbers, ["0"] * 10, ["x", "y"], numbers=None)
    assert (again.is_incomplete, again.levels["0"], again.n_different) == (False, 11, 62)
    assert tally(["x"], numbers, ["0"] * 10).levels["0"] == 11  # numbers below a text are counted at once


def test_many_numbers_are_told_whatever_stands_before_them():
    few, many = ([str(i) for i in range(n)] for n in (FEW_NUMBERS, FEW_NUMBERS + 1))
    assert not tally(["x", "inf"], few, few).has_many_numbers
    assert tally(["x"], many).has_many_numbers
    assert tally([f"t{i}" for i in range(200)], many, texts=100).has_many_numbers
    assert tally(many[:10], [*many[10:], "x"]).has_many_numbers
