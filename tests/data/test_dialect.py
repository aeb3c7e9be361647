"""What stands between the cells."""

import pytest

from chainrule.data.dialect import delimiter_of


@pytest.mark.parametrize(
    ("head", "expected"),
    [
        (["a,b", "1,2"], ","),
        (["a;b", "1,5;2,5"], ";"),
        (["a|b;c", "1|2", "3|4"], "|"),  # cuts every row alike
        (["a\tb\tc", "1\t2\t3"], "\t"),
        (["a,b,c;d", "1,2,3", "4,5,6"], ","),  # into more cells
        (['"a;b",c', '"1;2",3'], ","),
        (["a", "1"], ","),
        ([], ","),
        (["last, first\ty", "Doe, J\t1"], ","),
    ],
)
def test_the_delimiter_cuts_most_rows_alike(head, expected):
    assert delimiter_of(head) == expected


@pytest.mark.parametrize(
    ("head", "expected"),
    [
        (["last, first\ty", "Doe, J\t1"], "\t"),
        (["last, first\ty", "Doe\t1", "a;b;c"], "\t"),
        (["a;b", "1;2"], ";"),
        (["a", "1"], "\t"),
    ],
)
def test_where_the_name_says_tab_it_wins_if_it_cuts_the_first_line(head, expected):
    assert delimiter_of(head, prefers_tab=True) == expected
