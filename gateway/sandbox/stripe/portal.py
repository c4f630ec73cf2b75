"""The customer portal's configurations: one default, changeable by a test."""

from __future__ import annotations

from gateway.sandbox.stripe.ids import new_id
from gateway.sandbox.stripe.objects import Obj, listing
from gateway.sandbox.stripe.routes import PAGE, Call, retrieves, route
from gateway.sandbox.stripe.store import Account


def default_configuration(own: Account) -> Obj:
    """Everything that Stripe switches on for a new account: payment method update included."""
    reasons = ["too_expensive", "missing_features", "switched_service", "unused", "other"]
    return {
        "id": new_id("bpc"),
        "object": "billing_portal.configuration",
        "active": True,
        "application": None,
        "business_profile": {"headline": None, "privacy_policy_url": None, "terms_of_service_url": None},
        "created": own.created,
        "default_return_url": None,
        "features": {
            "customer_update": {"allowed_updates": ["email", "address"], "enabled": True},
            "invoice_history": {"enabled": True},
            "payment_method_update": {"enabled": True, "payment_method_configuration": None},
            "subscription_cancel": {
                "cancellation_reason": {"enabled": False, "options": reasons},
                "enabled": True,
                "mode": "at_period_end",
                "proration_behavior": "none",
            },
            "subscription_update": {
                "default_allowed_updates": [],
                "enabled": False,
                "products": [],
                "proration_behavior": "none",
                "schedule_at_period_end": {"conditions": []},
                "trial_update_behavior": "end_trial",
            },
        },
        "is_default": True,
        "livemode": False,
        "login_page": {"enabled": False, "url": None},
        "metadata": {},
        "name": None,
        "updated": own.created,
    }


@route("GET", "/v1/billing_portal/configurations", f"active:bool is_default:bool {PAGE}")
def index(call: Call) -> Obj:
    own, params = call.account, call.params

    def keep(c: Obj) -> bool:
        return all(params.get(name) in (None, c[name]) for name in ("active", "is_default"))

    return listing("/v1/billing_portal/configurations", *own.portal_configurations.page(params, keep))


retrieves("/v1/billing_portal/configurations/{id}", lambda account: account.portal_configurations)
