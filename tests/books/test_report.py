"""The lines of the files that people take away."""

from __future__ import annotations

import pytest

from gateway.books.report import row


@pytest.mark.parametrize("cell", ["=1+1", "\n=1+1", "\uff1d1+1", "\uff0b1", "\uff0d1", "\u22121", "\uff20SUM(1)"])
def test_what_a_spreadsheet_takes_for_a_formula_is_text(cell: str) -> None:
    """OWASP, CSV injection: a line feed, and the wide forms of the signs, which Japanese and Chinese versions read."""
    assert row([cell]).lstrip('"').startswith("'")


@pytest.mark.parametrize("cell", ["-1.00", "12.30", "Ada", "a=b", ""])
def test_what_is_none_stays_as_it_is(cell: str) -> None:
    assert row([cell]).strip('\r\n"') == cell
