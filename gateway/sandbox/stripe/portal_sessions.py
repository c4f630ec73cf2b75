"""Customer portal sessions: a short-lived address for one customer, perhaps with a flow. The page: `portal_page.py`."""

from __future__ import annotations

from gateway.sandbox.stripe import hosting
from gateway.sandbox.stripe.errors import invalid
from gateway.sandbox.stripe.events import record
from gateway.sandbox.stripe.holders import living
from gateway.sandbox.stripe.ids import new_id
from gateway.sandbox.stripe.objects import Obj
from gateway.sandbox.stripe.routes import Call, route
from gateway.sandbox.stripe.standing import ENDED
from gateway.sandbox.stripe.store import Account

FLOW = (
    "flow_data:{*type:payment_method_update|subscription_cancel subscription_cancel:{*subscription} "
    "after_completion:{*type:hosted_confirmation|portal_homepage|redirect "
    "hosted_confirmation:{custom_message} redirect:{*return_url}}}"
)


@route("POST", "/v1/billing_portal/sessions", f"*customer configuration return_url locale {FLOW}")
def create(call: Call) -> Obj:
    account, params = call.account, call.params
    customer = living(account, params["customer"], "customer")
    configuration = _configuration(account, params.get("configuration"))
    session: Obj = {
        "id": new_id("bps"),
        "object": "billing_portal.session",
        "configuration": configuration["id"],
        "created": account.now(),
        "customer": customer["id"],
        "customer_account": None,
        "flow": _flow(account, customer, configuration, params["flow_data"]) if "flow_data" in params else None,
        "livemode": False,
        "locale": params.get("locale"),
        "on_behalf_of": None,
        "return_url": params.get("return_url") or configuration["default_return_url"],
        "_used_at": account.now(),
        "_visited": False,
        "_done": False,
    }
    session["url"] = hosting.of_session(account, session)
    account.portal_sessions.add(session["id"], session)
    record(account, "billing_portal.session.created", session)
    return session


def _configuration(account: Account, id: str | None) -> Obj:
    if id is not None:
        configuration = account.portal_configurations.need(id, "configuration")
        if not configuration["active"]:
            raise invalid("The portal configuration is not active.", param="configuration")
        return configuration
    return next(c for c in account.portal_configurations.values() if c["is_default"])


def _flow(account: Account, customer: Obj, configuration: Obj, given: Obj) -> Obj:
    kind = given["type"]
    if not configuration["features"][kind]["enabled"]:
        raise invalid(f"The {kind} feature is disabled in the portal configuration.", param="flow_data[type]")
    if (kind == "subscription_cancel") != ("subscription_cancel" in given):
        raise invalid("flow_data[subscription_cancel] goes with that type.", param="flow_data[subscription_cancel]")
    cancel = given.get("subscription_cancel")
    if cancel is not None:
        where = "flow_data[subscription_cancel][subscription]"
        subscription = account.subscriptions.need(cancel["subscription"], where)
        if subscription["customer"] != customer["id"]:
            raise invalid("This subscription belongs to another customer.", param=where)
        if subscription["status"] in ENDED or subscription["cancel_at"] is not None:
            raise invalid("This subscription is already set to be canceled.", param=where)
        cancel = {"retention": None, **cancel}
    after = given.get("after_completion", {"type": "portal_homepage"})
    if after["type"] == "redirect" and "redirect" not in after:
        name = "flow_data[after_completion][redirect]"
        raise invalid(f"Missing required param: {name}.", code="parameter_missing", param=name)
    blank = dict.fromkeys(("customer_update", "subscription_update", "subscription_update_confirm"))
    return {
        **blank,
        "after_completion": {"hosted_confirmation": None, "redirect": None, **after},
        "subscription_cancel": cancel,
        "type": kind,
    }
