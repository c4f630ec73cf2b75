"""What somebody may mean by what they type into the search of invoices."""

from __future__ import annotations

import pytest

from gateway.domain.searching import Sought, understood

AMOUNTS = {
    "119.00 EUR": {"eur": 11900},
    "eur 119": {"eur": 11900},
    "119 JPY": {"jpy": 119},
    "119.50 JPY": {},
    "1.234 BHD": {"bhd": 1234},
    "1,190.00 USD": {"usd": 119000},
    "1.190,00 EUR": {"eur": 119000},
    "1190,5 EUR": {"eur": 119050},
    "1,190 USD": {"usd": 119000},
    "1'190.00 CHF": {"chf": 119000},
    "119.00 XYZ": {},
    "EUR 119 EUR": {},
    "in_119": {},
    "9" * 40: {},
}


@pytest.mark.parametrize("typed", AMOUNTS)
def test_an_amount_is_understood_in_its_currency(typed: str) -> None:
    sought = understood(typed)
    assert sought is not None
    assert {code: one.minor for one in sought.amounts for code in one.currencies} == AMOUNTS[typed]


def test_an_amount_without_a_currency_is_that_many_of_any() -> None:
    sought = understood("119.00")
    assert sought is not None
    found = {code: one.minor for one in sought.amounts for code in one.currencies}
    assert (found["eur"], found["jpy"], found["kwd"]) == (11900, 119, 119000)


def test_what_may_be_a_mail_address_is_looked_for_as_one() -> None:
    assert understood("  Ada@Example.com ") == Sought("Ada@Example.com", mail="ada@example.com")
    assert understood(" \0 ") is None
