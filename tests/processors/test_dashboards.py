"""Where people see a charge at its processor."""

from __future__ import annotations

import pytest

from gateway.connections import adapter_class
from processors.dashboards import charge_page

PAGES = {
    ("gocardless", "test"): "https://manage-sandbox.gocardless.com/payments/ID%2F1",
    ("gocardless", "live"): "https://manage.gocardless.com/payments/ID%2F1",
    ("paypal", "live"): "https://www.paypal.com/activity/payment/ID%2F1",
    ("adyen", "live"): "https://ca-live.adyen.com/ca/ca/accounts/showTx.shtml?txType=Payment&pspReference=ID%2F1",
    ("mollie", "live"): "",
    ("practice", "test"): "",
}


@pytest.mark.parametrize(("name", "environment"), PAGES)
def test_a_charge_has_a_page_where_that_is_known(name: str, environment: str) -> None:
    adapter, options = adapter_class(name), {"environment": environment}
    assert charge_page(adapter, options, "ID/1") == PAGES[name, environment]
    assert charge_page(adapter, {**options, "base_url": "http://127.0.0.1:1"}, "ID/1") == ""
    assert charge_page(adapter, options, "") == ""
