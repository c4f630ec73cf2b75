"""What a processor tells of a payer's address, and what of it is one."""

from __future__ import annotations

import msgspec
import pytest

from processors.address import PayerAddress, address_of
from processors.checkout_com import setups
from processors.checkout_com.wire import ApiInstrument
from processors.paypal import vault
from processors.paypal.wire import ApiPaymentToken

HOME = {"country_code": "DE", "postal_code": "10115", "admin_area_2": "Berlin"}


@pytest.mark.parametrize("country", [None, "", "ZZ", "DEU", "Germany", "d1"])
def test_without_a_country_it_is_no_address(country: str | None) -> None:
    assert address_of(country, "10115", city="Berlin") is None


def test_parts_that_are_not_told_are_empty_and_nothing_of_it_is_printed() -> None:
    address = address_of(" de ", " 10115 ", None, "Berlin")
    assert address == PayerAddress("DE", "10115", city="Berlin")
    assert "Berlin" not in f"{address} {address!r}"


@pytest.mark.parametrize(
    ("source", "postal_code"),
    [
        ({"card": {"billing_address": HOME}}, "10115"),
        ({"paypal": {"address": HOME}}, "10115"),
        ({"paypal": {"address": {"country_code": "FR"}, "shipping": {"address": HOME}}}, "10115"),
        ({"paypal": {"address": {"country_code": "FR"}}}, ""),
        ({"paypal": {"shipping": {"address": None}}}, None),
    ],
)
def test_paypal_shows_it_in_several_places(source: dict[str, object], postal_code: str | None) -> None:
    token = msgspec.convert({"id": "8kk8451t", "payment_source": source}, ApiPaymentToken)
    address = vault.payer_address(token)
    assert (address and address.postal_code) == postal_code


@pytest.mark.parametrize("told", [{"country": "GB"}, {"country": None, "zip": "SW1"}, {}, None])
def test_the_country_of_our_own_set_up_is_not_the_payers_word(told: dict[str, object] | None) -> None:
    holder = {"account_holder": {"billing_address": told}}
    assert setups.payer_address(msgspec.convert({"id": "src_1", **holder}, ApiInstrument)) is None
