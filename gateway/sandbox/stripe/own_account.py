"""The account itself: a standard account that may do everything."""

from __future__ import annotations

from gateway.sandbox.stripe.errors import no_access
from gateway.sandbox.stripe.objects import Obj
from gateway.sandbox.stripe.routes import Call, route
from gateway.sandbox.stripe.store import Account


@route("GET", "/v1/account")
def current(call: Call) -> Obj:
    return _shown(call.account)


@route("GET", "/v1/accounts/{id}")
def retrieve(call: Call) -> Obj:
    """Only its own; another would be a connected account."""
    if call.id != call.account.id:
        raise no_access("sk_test_********", call.id)
    return _shown(call.account)


def _shown(own: Account) -> Obj:
    return {
        "id": own.id,
        "object": "account",
        "business_profile": _profile(own),
        "business_type": "company",
        "capabilities": {"card_payments": "active", "sepa_debit_payments": "active", "transfers": "active"},
        "charges_enabled": True,
        "controller": {"type": "account"},
        "country": own.country,
        "created": own.created,
        "default_currency": own.default_currency,
        "details_submitted": True,
        "email": "owner@example.com",
        "external_accounts": {
            "object": "list", "data": [], "has_more": False, "url": f"/v1/accounts/{own.id}/external_accounts",
        },
        "future_requirements": _requirements(),
        "metadata": {},
        "payouts_enabled": True,
        "requirements": _requirements(),
        "settings": _settings(own),
        "tos_acceptance": {"date": own.created, "ip": None, "user_agent": None},
        "type": "standard",
    }  # fmt: skip


def _profile(own: Account) -> Obj:
    return {
        "annual_revenue": None,
        "estimated_worker_count": None,
        "mcc": "5734",
        "minority_owned_business_designation": None,
        "name": own.name,
        "product_description": None,
        "support_address": None,
        "support_email": None,
        "support_phone": None,
        "support_url": None,
        "url": "https://example.com",
    }


def _requirements() -> Obj:
    nothing: dict[str, list[str]] = {
        name: []
        for name in ("alternatives", "currently_due", "errors", "eventually_due", "past_due", "pending_verification")
    }
    return {**nothing, "current_deadline": None, "disabled_reason": None}


def _settings(own: Account) -> Obj:
    return {
        "bacs_debit_payments": {"display_name": None, "service_user_number": None},
        "branding": {"icon": None, "logo": None, "primary_color": None, "secondary_color": None},
        "card_issuing": {"tos_acceptance": {"date": None, "ip": None}},
        "card_payments": {
            "decline_on": {"avs_failure": False, "cvc_failure": False},
            "statement_descriptor_prefix": None,
            "statement_descriptor_prefix_kana": None,
            "statement_descriptor_prefix_kanji": None,
        },
        "dashboard": {"display_name": own.name, "timezone": "Etc/UTC"},
        "invoices": {"default_account_tax_ids": None, "hosted_payment_method_save": "offer"},
        "payments": {
            "statement_descriptor": own.name.upper()[:22],
            "statement_descriptor_kana": None,
            "statement_descriptor_kanji": None,
        },
        "payouts": {
            "debit_negative_balances": True,
            "schedule": {"delay_days": 7, "interval": "daily"},
            "statement_descriptor": None,
        },
        "sepa_debit_payments": {},
    }
