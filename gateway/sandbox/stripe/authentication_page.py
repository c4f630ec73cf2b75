"""Where a payer authenticates a card payment or a set-up, in place of the bank's page."""

from __future__ import annotations

from gateway.sandbox.kit.asgi import Reply, Request
from gateway.sandbox.stripe import collection, payment_intents, setup_intents
from gateway.sandbox.stripe.objects import Obj
from gateway.sandbox.stripe.page import page, redirect, with_query
from gateway.sandbox.stripe.store import Account

FORM = (
    '<p>Your bank wants to know that it is you.</p><form method="post">'
    '<button name="result" value="complete">Complete authentication</button>'
    '<button name="result" value="fail">Fail authentication</button></form>'
)


def show(account: Account, intent: Obj, _: Request) -> Reply:
    if intent["status"] != "requires_action":
        return page("Done", "<p>There is nothing to authenticate any more. You may close this page.</p>")
    return page("Authenticate", FORM)


def answer(account: Account, intent: Obj, request: Request) -> Reply:
    result = request.form().get("result")
    if intent["status"] != "requires_action" or result not in ("complete", "fail"):
        return page("Not possible", "<p>There is nothing to authenticate.</p>", 409)
    back = ((intent["next_action"] or {}).get("redirect_to_url") or {}).get("return_url")
    if intent["object"] == "setup_intent":
        setup_intents.authenticated(account, intent, done=result == "complete")
    else:
        outcome = payment_intents.authenticated(account, intent, done=result == "complete")
        collection.after(account, intent, outcome)
    if not back:
        return page("Done", "<p>Thank you. You may close this page.</p>")
    name, status = intent["object"], "succeeded" if result == "complete" else "failed"
    secret = {f"{name}_client_secret": intent["client_secret"], "redirect_status": status}
    return redirect(with_query(back, **{name: intent["id"]}, **secret))
