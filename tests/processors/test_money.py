"""Money: Stripe's minor units, other systems' units, and the refusal of everything inexact."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import iso4217
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.sandbox.practice.money import minimum
from processors.errors import InexactMoneyError, UnknownCurrencyError
from processors.money import (
    MAX_AMOUNT_MINOR,
    STRIPE,
    Exponents,
    Money,
    check_positive,
    from_decimal_string,
    from_minor,
    to_decimal,
    to_decimal_string,
    to_minor,
    to_text,
)
from processors.practice.mapping import CURRENCIES, PRACTICE

# Stands for the processors that keep no decimals for HUF and TWD.
WHOLE_FORINTS = Exponents("a processor without decimals for HUF", differs={"huf": 0, "twd": 0})


@pytest.mark.parametrize(
    ("currency", "amount", "major", "iso_minor", "text"),
    [
        ("eur", 1050, "10.50", 1050, "10.50"),
        ("usd", 1, "0.01", 1, "0.01"),
        ("jpy", 500, "500", 500, "500"),
        ("isk", 50000, "500.00", 500, "500"),
        ("ugx", 50000, "500.00", 500, "500"),
        ("huf", 50000, "500.00", 50000, "500.00"),
        ("bhd", 10500, "10.500", 10500, "10.500"),
        ("mga", 500, "500", 50000, "500.00"),
        ("clp", 500, "500", 500, "500"),
        ("eur", -1050, "-10.50", -1050, "-10.50"),
        ("eur", 0, "0.00", 0, "0.00"),
    ],
)
def test_there_and_back(currency: str, amount: int, major: str, iso_minor: int, text: str) -> None:
    money = Money(amount, currency)
    assert to_decimal(money) == Decimal(major)
    assert to_minor(money, PRACTICE) == iso_minor
    assert from_minor(iso_minor, currency.upper(), PRACTICE) == money
    assert to_decimal_string(money, PRACTICE) == text
    assert from_decimal_string(text, currency.upper(), PRACTICE) == money


@pytest.mark.parametrize(
    ("amount", "currency", "text"),
    [
        (1200, "eur", "12.00 EUR"),
        (-1, "eur", "-0.01 EUR"),
        (123456789, "usd", "1,234,567.89 USD"),
        (1000, "jpy", "1,000 JPY"),
        (500, "isk", "5 ISK"),
        (123400, "ugx", "1,234 UGX"),
        (550, "isk", "5.50 ISK"),
        (1000, "mga", "1,000 MGA"),
        (1000, "clp", "1,000 CLP"),
        (50000, "huf", "500.00 HUF"),
        (50000, "twd", "500.00 TWD"),
        (12340, "kwd", "12.340 KWD"),
        (1200, "EUR", "12.00 EUR"),
        (1200, "zzz", "1200 ZZZ (minor units)"),
    ],
)
def test_as_people_read_it(amount: int, currency: str, text: str) -> None:
    """docs.stripe.com/currencies: zero-decimal, three-decimal and special ones."""
    assert to_text(amount, currency) == text


@pytest.mark.parametrize("money", [Money(50050, "isk"), Money(1, "ugx"), Money(50001, "isk")])
def test_a_fraction_that_the_system_does_not_keep_is_refused(money: Money) -> None:
    with pytest.raises(InexactMoneyError):
        to_minor(money, PRACTICE)
    with pytest.raises(InexactMoneyError):
        to_decimal_string(money, PRACTICE)


def test_forints_without_decimals() -> None:
    assert to_minor(Money(150000, "huf"), WHOLE_FORINTS) == 1500
    assert to_decimal_string(Money(150000, "huf"), WHOLE_FORINTS) == "1500"
    with pytest.raises(InexactMoneyError):
        to_minor(Money(150050, "huf"), WHOLE_FORINTS)


def test_a_fraction_that_stripe_does_not_keep_is_refused() -> None:
    with pytest.raises(InexactMoneyError):
        from_minor(50001, "mga", PRACTICE)  # 500.01 ariary; Stripe's have no decimals


@pytest.mark.parametrize("text", ["10.505", "0.001", "1e-3"])
def test_too_many_decimals_are_refused(text: str) -> None:
    with pytest.raises(InexactMoneyError):
        from_decimal_string(text, "eur", PRACTICE)


@pytest.mark.parametrize("text", ["", "ten", "NaN", "Infinity", "1e3", "1_000", " 1", "١", "9" * 40])
def test_what_is_no_number_is_refused(text: str) -> None:
    with pytest.raises(InexactMoneyError):
        from_decimal_string(text, "eur", PRACTICE)


@pytest.mark.parametrize("money", [Money(1001, "bhd"), Money(1005, "kwd"), Money(50050, "isk")])
def test_stripe_takes_only_its_steps(money: Money) -> None:
    with pytest.raises(InexactMoneyError):
        to_minor(money, STRIPE)


@pytest.mark.parametrize("currency", ["EUR", "eu", "euro", "", "éur", "12€"])
def test_a_currency_that_is_not_a_lower_case_code(currency: str) -> None:
    with pytest.raises(UnknownCurrencyError):
        Money(1, currency)


@pytest.mark.parametrize("currency", ["zzz", "xau"])
def test_a_currency_that_cannot_be_charged(currency: str) -> None:
    with pytest.raises(UnknownCurrencyError):
        to_minor(Money(100, currency), PRACTICE)


@pytest.mark.parametrize("amount", [10.5, 10.0, Decimal(10), "10", True])
def test_only_integers_are_money(amount: Any) -> None:
    with pytest.raises(TypeError):
        Money(amount, "eur")


@pytest.mark.parametrize("amount", [MAX_AMOUNT_MINOR + 1, -MAX_AMOUNT_MINOR - 1])
def test_an_amount_beyond_reason(amount: int) -> None:
    with pytest.raises(InexactMoneyError):
        Money(amount, "eur")


@pytest.mark.parametrize("amount", [0, -1])
def test_nothing_or_less_is_not_moved(amount: int) -> None:
    check_positive(Money(1, "eur"))
    with pytest.raises(InexactMoneyError):
        check_positive(Money(amount, "eur"))


def test_adding_up() -> None:
    assert Money(700, "eur") + Money(300, "eur") == Money(1000, "eur")
    assert Money(700, "eur") - Money(1000, "eur") == Money(-300, "eur")
    with pytest.raises(InexactMoneyError):
        Money(1, "eur") + Money(1, "usd")


@given(st.sampled_from(sorted(CURRENCIES)), st.integers(-(10**12), 10**12))
def test_every_currency_comes_back_the_same_or_is_refused(currency: str, amount: int) -> None:
    money = Money(amount, currency)
    try:
        minor = to_minor(money, PRACTICE)
    except InexactMoneyError:
        assert STRIPE.of(currency) > PRACTICE.of(currency)
        return
    assert from_minor(minor, currency, PRACTICE) == money
    assert from_decimal_string(to_decimal_string(money, PRACTICE), currency, PRACTICE) == money


def test_the_servers_own_table_is_iso_4217() -> None:
    """The server imports nothing of ours, so its table of decimals is held to the standard here."""
    for one in iso4217.Currency:
        if one.exponent is not None and one.exponent <= 3:
            assert minimum(one.code) == 10**one.exponent, one.code
