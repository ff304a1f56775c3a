"""Every row of docs/faults.md is kept by a test that carries its number."""

import ast
from pathlib import Path
import re

TEST = Path(__file__).resolve().parent
ROW = re.compile(r'^\| (\d+) \|', re.MULTILINE)


def rows_of_the_table():
    return {int(row) for row in ROW.findall((TEST.parent / 'docs' / 'faults.md').read_text())}


def rows_with_tests():
    """Return the rows that tests are marked with, those that skip themselves here included."""
    calls = (node for path in TEST.rglob('*.py') for node in ast.walk(ast.parse(path.read_text()))
             if isinstance(node, ast.Call))
    return {call.args[0].value for call in calls
            if ast.unparse(call.func) == 'pytest.mark.fault'}


def test_every_promise_is_kept_by_a_test_and_every_mark_is_a_promise():
    assert rows_of_the_table() == rows_with_tests()


def test_the_rows_are_numbered_without_a_gap():
    rows = rows_of_the_table()
    assert len(rows) >= 30 and rows == set(range(1, len(rows) + 1))
