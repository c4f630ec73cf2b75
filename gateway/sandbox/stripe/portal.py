"""The customer portal's configurations: one default, changeable by a test."""

from __future__ import annotations

from gateway.sandbox.stripe.errors import invalid
from gateway.sandbox.stripe.events import record, updating
from gateway.sandbox.stripe.ids import new_id
from gateway.sandbox.stripe.objects import Obj, listing, merge_metadata, snapshot
from gateway.sandbox.stripe.routes import PAGE, Call, retrieves, route
from gateway.sandbox.stripe.store import Account

REASONS = "customer_service|low_quality|missing_features|other|switched_service|too_complex|too_expensive|unused"
PRORATION = "proration_behavior:always_invoice|create_prorations|none"
FEATURES = (
    "features:{customer_update:{enabled:bool allowed_updates:[address|email|name|phone|shipping|tax_id]?} "
    "invoice_history:{*enabled:bool} payment_method_update:{*enabled:bool} "
    f"subscription_cancel:{{enabled:bool mode:at_period_end|immediately {PRORATION} "
    f"cancellation_reason:{{*enabled:bool options:[{REASONS}]?}}}} "
    f"subscription_update:{{enabled:bool default_allowed_updates:[price|promotion_code|quantity]? {PRORATION} "
    "products:[{*product *prices:[str]}]?}}"
)
CONFIGURATION = (
    f"{FEATURES} business_profile:{{headline? privacy_policy_url terms_of_service_url}} default_return_url? "
    "login_page:{*enabled:bool} metadata:map? name?"
)


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


@route("POST", "/v1/billing_portal/configurations", CONFIGURATION)
def create(call: Call) -> Obj:
    """Like the default one with everything switched off, but for what is given."""
    own, params = call.account, call.params
    if "features" not in params:
        raise invalid("Missing required param: features.", code="parameter_missing", param="features")
    configuration = default_configuration(own)
    configuration |= {"created": own.now(), "is_default": False}
    for feature in configuration["features"].values():
        feature["enabled"] = False
    _set(configuration, params)
    own.portal_configurations.add(configuration["id"], configuration)
    record(own, "billing_portal.configuration.created", configuration)
    return configuration


@route("POST", "/v1/billing_portal/configurations/{id}", f"active:bool {CONFIGURATION}")
def update(call: Call) -> Obj:
    configuration = call.account.portal_configurations.need(call.id)
    if configuration["is_default"] and call.params.get("active") is False:
        raise invalid("The default configuration can't be deactivated.", param="active")
    with updating(call.account, configuration, "billing_portal.configuration.updated"):
        configuration["active"] = call.params.get("active", configuration["active"])
        _set(configuration, call.params)
        configuration["updated"] = call.account.now()
    return configuration


def _set(configuration: Obj, params: Obj) -> None:
    for name, given in params.get("features", {}).items():
        feature = configuration["features"][name]
        feature |= {key: value or [] if value == "" else value for key, value in snapshot(given).items()}
    for name in ("headline", "privacy_policy_url", "terms_of_service_url"):
        if name in params.get("business_profile", {}):
            configuration["business_profile"][name] = params["business_profile"][name] or None
    for name in ("default_return_url", "name"):
        if name in params:
            configuration[name] = params[name] or None
    if "login_page" in params:
        configuration["login_page"]["enabled"] = params["login_page"]["enabled"]
    merge_metadata(configuration, params)
