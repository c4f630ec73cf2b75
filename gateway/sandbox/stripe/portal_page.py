"""The customer portal's page behind a session's address: the default payment method, cancellation, past invoices.

What it offers is what the session's configuration switches on; a session with a flow offers that alone.
"""

from __future__ import annotations

from html import escape

from gateway.sandbox.kit.asgi import Reply, Request
from gateway.sandbox.stripe import payment_methods
from gateway.sandbox.stripe.cycle import end_now
from gateway.sandbox.stripe.errors import Refusal
from gateway.sandbox.stripe.events import updating
from gateway.sandbox.stripe.money import text
from gateway.sandbox.stripe.objects import Obj
from gateway.sandbox.stripe.page import choices, method_buttons, not_found, page, redirect
from gateway.sandbox.stripe.standing import ENDED
from gateway.sandbox.stripe.store import Account
from gateway.sandbox.stripe.subscriptions import set_cancel

UNVISITED_S, VISITED_S = 300, 3600  # a session ends so long after its making, or its last use
DONE = "Your change is saved."


def _over(account: Account, session: Obj) -> bool:
    gone = account.customers[session["customer"]].get("deleted", False)
    limit = VISITED_S if session["_visited"] else UNVISITED_S
    return bool(gone) or account.now() - session["_used_at"] > limit


def show(account: Account, session: Obj, _: Request) -> Reply:
    if _over(account, session):
        return not_found()
    session |= {"_visited": True, "_used_at": account.now()}
    return _home(account, session)


def _offers(account: Account, session: Obj, feature: str) -> bool:
    flow = session["flow"]
    if flow is not None and not session["_done"]:
        return bool(flow["type"] == feature)
    return bool(account.portal_configurations[session["configuration"]]["features"][feature]["enabled"])


def _home(account: Account, session: Obj, said: str = "") -> Reply:
    customer = account.customers[session["customer"]]
    parts = [f"<p>{escape(said)}</p>" if said else ""]
    if _offers(account, session, "subscription_cancel"):
        parts.append(_subscriptions(account, session))
    if _offers(account, session, "payment_method_update"):
        parts.append(_method(account, customer))
    if _offers(account, session, "invoice_history"):
        parts.append(_invoices(account, customer))
    if session["return_url"]:
        parts.append(f'<p><a href="{escape(session["return_url"])}">Return to {escape(account.name)}</a></p>')
    return page(f"{account.name}: billing", "".join(parts))


def _cancellable(account: Account, session: Obj) -> list[Obj]:
    flow = session["flow"] if not session["_done"] else None
    wanted = ((flow or {}).get("subscription_cancel") or {}).get("subscription")
    owned = (account.subscriptions[id] for id in account.subscriptions_of_customer.get(session["customer"], []))
    return [s for s in owned if s["status"] not in ENDED and wanted in (None, s["id"])]


def _subscriptions(account: Account, session: Obj) -> str:
    found = []
    for subscription in _cancellable(account, session):
        name = ", ".join(account.products[item["price"]["product"]]["name"] for item in subscription["items"]["data"])
        if subscription["cancel_at_period_end"]:
            found.append(f"<p>{escape(name)} ends with its current period.</p>")
            continue
        button = f'<button name="cancel" value="{subscription["id"]}">Cancel {escape(name)}</button>'
        found.append(f'<form method="post">{button}</form>')
    return f"<h2>Subscriptions</h2>{''.join(found) or '<p>None.</p>'}"


def _method(account: Account, customer: Obj) -> str:
    default = customer["invoice_settings"]["default_payment_method"]
    now = "none"
    if default:
        method = account.payment_methods[default]
        now = f"{method['type'].replace('_', ' ')} ···· {method[method['type']]['last4']}"
    buttons = method_buttons(choices(customer["currency"] or account.default_currency).items())
    return f'<h2>Payment method: {escape(now)}</h2><form method="post">{buttons}</form>'


def _invoices(account: Account, customer: Obj) -> str:
    found = [
        account.invoices[id] for id in account.invoices_of_customer.get(customer["id"], []) if id in account.invoices
    ]
    lines = "".join(
        f'<tr><th><a href="{escape(i["hosted_invoice_url"])}">{escape(i["number"])}</a> {i["status"]}</th>'
        f"<td>{escape(text(i['total'], i['currency']))}</td></tr>"
        for i in reversed(found)
        if i["hosted_invoice_url"]
    )
    return f"<h2>Invoices</h2><table>{lines}</table>"


def act(account: Account, session: Obj, request: Request) -> Reply:
    if _over(account, session):
        return not_found()
    session["_used_at"] = account.now()
    form = request.form()
    customer = account.customers[session["customer"]]
    try:
        if "method" in form and _offers(account, session, "payment_method_update"):
            _change_method(account, customer, form["method"])
        elif "cancel" in form and _offers(account, session, "subscription_cancel"):
            _cancel(account, session, form["cancel"])
        else:
            return page("Not possible", "<p>This session does not offer that.</p>", 400)
    except Refusal as refusal:
        return _home(account, session, str(refusal))
    return _completed(account, session)


def _change_method(account: Account, customer: Obj, name: str) -> None:
    if name not in choices(customer["currency"] or account.default_currency):
        raise Refusal("There is no such payment method.")
    method = payment_methods.make(account, name, {"email": customer["email"], "name": customer["name"]})
    payment_methods.attach(account, method, customer)
    method["_set_up"] = True
    with updating(account, customer, "customer.updated"):
        customer["invoice_settings"]["default_payment_method"] = method["id"]


def _cancel(account: Account, session: Obj, id: str) -> None:
    subscription = next((s for s in _cancellable(account, session) if s["id"] == id), None)
    if subscription is None:
        raise Refusal("There is no such subscription.")
    feature = account.portal_configurations[session["configuration"]]["features"]["subscription_cancel"]
    if feature["mode"] == "at_period_end":
        with updating(account, subscription, "customer.subscription.updated"):
            set_cancel(account, subscription, {"cancel_at_period_end": True})
    else:
        prorate = feature["proration_behavior"]
        end_now(account, subscription, invoice_now=prorate == "always_invoice", credit_rest=prorate != "none")


def _completed(account: Account, session: Obj) -> Reply:
    """What the flow wants to come next; without one, the portal again."""
    after = (session["flow"] or {}).get("after_completion", {"type": "portal_homepage"})
    session["_done"] = True
    if after["type"] == "redirect":
        return redirect(after["redirect"]["return_url"])
    if after["type"] == "hosted_confirmation":
        return page("Done", f"<p>{escape(after['hosted_confirmation'].get('custom_message') or DONE)}</p>")
    return redirect(session["url"])
