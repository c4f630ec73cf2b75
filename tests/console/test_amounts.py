"""Amounts as people type them: exactly, or not at all."""

from __future__ import annotations

import pytest

from gateway.console.amounts import AmountError, plain_amount, typed_amount, typed_money
from processors.money import Money


@pytest.mark.parametrize(
    ("text", "currency", "amount"),
    [
        ("12.50", "eur", 1250),
        ("12", "eur", 1200),
        (" 12.5 EUR ", "eur", 1250),
        (".50", "eur", 50),
        ("1,234.50", "eur", 123450),
        ("1,000", "jpy", 1000),
        ("1000", "jpy", 1000),
        ("1.230", "kwd", 1230),
        ("5", "isk", 500),
        ("1,000", "isk", 100000),
        ("12,50", "eur", 1250),
        ("1234,50", "eur", 123450),
        ("1,234,567", "eur", 123456700),
        (",50", "eur", 50),
        ("12,00", "isk", 1200),
        ("€5", "eur", 500),
        ("€ 1,234.50", "eur", 123450),
        ("12,50 €", "eur", 1250),
        ("5 £", "gbp", 500),
        ("$5", "usd", 500),
        ("$5", "aud", 500),
        ("$5 CAD", "cad", 500),
        ("€5 EUR", "eur", 500),
    ],
)
def test_what_is_typed(text: str, currency: str, amount: int) -> None:
    assert typed_amount(text, currency) == amount
    assert typed_amount(plain_amount(amount, currency), currency) == amount


@pytest.mark.parametrize(
    ("text", "currency", "said"),
    [
        ("1,000", "eur", "reads in two ways"),
        ("12,345", "eur", "reads in two ways"),
        ("1,500", "kwd", "reads in two ways"),
        ("1.000", "eur", "1.000 reads in two ways"),
        ("12.505", "eur", "reads in two ways"),
        ("1.000 €", "eur", "reads in two ways"),
        ("1.000", "jpy", "reads in two ways"),
        ("1.000", "isk", "reads in two ways"),
        ("12,5", "eur", "exactly 2 decimals"),
        ("12,5000", "eur", "exactly 2 decimals"),
        ("12,50", "kwd", "exactly 3 decimals"),
        ("12,50", "jpy", "such as 1250"),
        ("1.234,50", "eur", "a point before decimals"),
        ("1,2,3", "eur", "a point before decimals"),
        ("1,234,50", "eur", "a point before decimals"),
        ("12,50.00", "eur", "a point before decimals"),
        ("1,23.50", "eur", "a point before decimals"),
        ("£5", "eur", "The invoice is in EUR, not in £"),
        ("5$", "eur", "The invoice is in EUR, not in \\$"),
        ("€5", "jpy", "The invoice is in JPY, not in €"),
        ("€5 USD", "usd", "The invoice is in USD, not in €"),
        ("€5 USD", "eur", "The invoice is in EUR, not in USD"),
        ("€5€", "usd", "The invoice is in USD, not in €"),
        ("€", "eur", "such as 12.50"),
        ("12.5055", "eur", "0.01 is the smallest step"),
        ("1.000.000", "eur", "0.01 is the smallest step"),
        ("1.5", "jpy", "1 is the smallest step"),
        ("5.50", "isk", "1 is the smallest step"),
        ("1.234", "kwd", "0.010 is the smallest step"),
        ("12 USD", "eur", "The invoice is in EUR"),
        ("0.00", "eur", "above zero"),
        ("-5", "eur", "such as 12.50"),
        ("1e3", "eur", "such as 12.50"),
        ("12.", "eur", "smallest step"),
        ("99999999999999999", "eur", "smallest step"),
        ("5", "", "currency is not known yet"),
        ("5 EUR", "", "currency is not known yet"),
        ("five", "", "currency is not known yet"),
        ("5", "zzz", "no currency ZZZ"),
        ("five", "zzz", "no currency ZZZ"),
    ],
)
def test_what_is_not_guessed(text: str, currency: str, said: str) -> None:
    with pytest.raises(AmountError, match=said):
        typed_amount(text, currency)


@pytest.mark.parametrize(
    ("text", "money"),
    [
        ("100.00 EUR", Money(10_000, "eur")),
        (" 1,000.50eur ", Money(100_050, "eur")),
        ("0 EUR", Money(0, "eur")),
        ("1,000 JPY", Money(1000, "jpy")),
        ("5.50 ISK", Money(550, "isk")),
        ("1.234 KWD", Money(1234, "kwd")),
        ("12,50 EUR", Money(1250, "eur")),
        ("€100", Money(10_000, "eur")),
        ("100,00 €", Money(10_000, "eur")),
        ("£1,000.50", Money(100_050, "gbp")),
        ("$100 USD", Money(10_000, "usd")),
        ("$100 CAD", Money(10_000, "cad")),
    ],
)
def test_what_is_typed_with_its_currency(text: str, money: Money) -> None:
    assert typed_money(text) == money
    assert typed_money(f"{plain_amount(money.amount, money.currency)} {money.currency}") == money


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("100", "with its currency"),
        ("EUR 100", "with its currency"),
        ("-1 EUR", "with its currency"),
        ("1,2,3 EUR", "a point before decimals"),
        ("1,000 EUR", "reads in two ways"),
        ("1,000 KWD", "reads in two ways"),
        ("1.000 EUR", "reads in two ways"),
        ("1.000 JPY", "reads in two ways"),
        ("1.000 ZZZ", "no currency ZZZ"),
        ("12,5 EUR", "exactly 2 decimals"),
        ("$100", "which dollars"),
        ("100$", "which dollars"),
        ("€100 USD", "€ is not USD"),
        ("€100$", "€ is not \\$"),
        ("12.5055 EUR", "such as 12.50"),
        ("12. EUR", "such as 12.50"),
        ("99999999999999999 EUR", "such as 12.50"),
        ("1 ZZZ", "no currency ZZZ"),
        ("1,000 ZZZ", "no currency ZZZ"),
    ],
)
def test_what_is_not_guessed_with_its_currency_either(text: str, said: str) -> None:
    with pytest.raises(AmountError, match=said):
        typed_money(text)
