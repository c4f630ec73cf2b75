"""Disputes of Stripe charges, opened by test cards as soon as they have paid.

Evidence whose uncategorized_text is ``winning_evidence`` or ``losing_evidence`` decides at once (docs: testing). Chosen
where the documents are silent: other evidence is under review for 60 days and then loses; none is lost when it was due.
"""

from __future__ import annotations

from functools import partial

from gateway.sandbox.stripe.errors import invalid
from gateway.sandbox.stripe.events import record, updating
from gateway.sandbox.stripe.ids import new_id
from gateway.sandbox.stripe.objects import Obj, in_range, listing, merge_metadata
from gateway.sandbox.stripe.payment_methods import behaviour
from gateway.sandbox.stripe.routes import PAGE, Call, retrieves, route
from gateway.sandbox.stripe.store import Account

RESPOND_S = 9 * 86400
REVIEW_S = 60 * 86400
TEXTS = (
    "access_activity_log", "billing_address", "cancellation_policy_disclosure", "cancellation_rebuttal",
    "customer_email_address", "customer_name", "customer_purchase_ip", "duplicate_charge_explanation",
    "duplicate_charge_id", "product_description", "refund_policy_disclosure", "refund_refusal_explanation",
    "service_date", "shipping_address", "shipping_carrier", "shipping_date", "shipping_tracking_number",
    "uncategorized_text",
)  # fmt: skip
FILES = (
    "cancellation_policy", "customer_communication", "customer_signature", "duplicate_charge_documentation", "receipt",
    "refund_policy", "service_documentation", "shipping_documentation", "uncategorized_file",
)  # fmt: skip
OVER = ("won", "lost", "warning_closed")


def follow(account: Account, charge: Obj) -> None:
    """Open the dispute that the charge's card stands for."""
    method = account.payment_methods[charge["payment_method"]]
    reason = behaviour(method).dispute
    if not reason:
        return
    inquiry = reason == "inquiry"
    dispute: Obj = {
        "id": new_id("du"),
        "object": "dispute",
        "amount": charge["amount"],
        "balance_transactions": [],
        "charge": charge["id"],
        "created": account.now(),
        "currency": charge["currency"],
        "enhanced_eligibility_types": [],
        "evidence": dict.fromkeys(TEXTS + FILES) | {"enhanced_evidence": {}},
        "evidence_details": {
            "due_by": account.now() + RESPOND_S, "enhanced_eligibility": {}, "has_evidence": False, "past_due": False,
            "submission_count": 0,
        },
        "is_charge_refundable": inquiry,
        "livemode": False,
        "metadata": {},
        "payment_intent": charge["payment_intent"],
        "reason": "general" if inquiry else reason,
        "status": "warning_needs_response" if inquiry else "needs_response",
        "_lane": charge["customer"],
    }  # fmt: skip
    if method["type"] == "card":
        brand, case = method["card"]["brand"], "inquiry" if inquiry else "chargeback"
        card = {"brand": brand, "case_type": case, "network": brand, "network_reason_code": "83"}
        dispute["payment_method_details"] = {"card": card, "type": "card"}
    account.disputes.add(dispute["id"], dispute)
    if not inquiry:
        with updating(account, charge, "charge.updated"):
            charge["disputed"] = True
    record(account, "charge.dispute.created", dispute)
    if not inquiry:
        record(account, "charge.dispute.funds_withdrawn", dispute)
    account.clock.at(dispute["evidence_details"]["due_by"], partial(_past_due, account, dispute))


def _past_due(account: Account, dispute: Obj) -> None:
    if dispute["status"] in ("needs_response", "warning_needs_response"):
        dispute["evidence_details"]["past_due"] = True
        _decide(account, dispute, won=False)


def _reviewed(account: Account, dispute: Obj) -> None:
    if dispute["status"] not in OVER:
        _decide(account, dispute, won=False)


def _decide(account: Account, dispute: Obj, *, won: bool) -> None:
    warning = dispute["status"].startswith("warning")
    dispute["status"] = "warning_closed" if warning else "won" if won else "lost"
    record(account, "charge.dispute.closed", dispute)
    if won and not warning:
        record(account, "charge.dispute.funds_reinstated", dispute)


retrieves("/v1/disputes/{id}", lambda account: account.disputes)


@route("POST", "/v1/disputes/{id}", f"evidence:{{{' '.join(f'{name}?' for name in TEXTS)}}} metadata:map? submit:bool")
def update(call: Call) -> Obj:
    account, params, dispute = call.account, call.params, call.account.disputes.need(call.id)
    if "evidence" in params and dispute["status"] in OVER:
        raise invalid("This dispute is already closed.")
    with updating(account, dispute, "charge.dispute.updated"):
        merge_metadata(dispute, params)
        for name, value in params.get("evidence", {}).items():
            dispute["evidence"][name] = value or None
        details = dispute["evidence_details"]
        details["has_evidence"] = any(dispute["evidence"][name] for name in TEXTS)
        submitted = params.get("submit", True) and "evidence" in params
        if submitted:
            details["submission_count"] += 1
            warning = dispute["status"].startswith("warning")
            dispute["status"] = "warning_under_review" if warning else "under_review"
    if submitted:
        text = dispute["evidence"]["uncategorized_text"]
        if text in ("winning_evidence", "losing_evidence"):
            _decide(account, dispute, won=text == "winning_evidence")
        else:
            account.clock.at(account.now() + REVIEW_S, partial(_reviewed, account, dispute))
    return dispute


@route("POST", "/v1/disputes/{id}/close")
def close(call: Call) -> Obj:
    """The dispute is accepted: lost."""
    dispute = call.account.disputes.need(call.id)
    if dispute["status"] in OVER:
        raise invalid("This dispute is already closed.")
    _decide(call.account, dispute, won=False)
    return dispute


@route("GET", "/v1/disputes", f"charge payment_intent created:range {PAGE}")
def index(call: Call) -> Obj:
    params = call.params

    def keep(dispute: Obj) -> bool:
        wanted = all(params.get(name) in (None, dispute[name]) for name in ("charge", "payment_intent"))
        return wanted and in_range(dispute["created"], params.get("created"))

    return listing("/v1/disputes", *call.account.disputes.page(params, keep))
