"""The line that a page begins with after a form was carried out. An address names it, and is not itself shown."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

NOTICES: Final[Mapping[str, str]] = {
    "password": "Your password is set. Please sign in with it.",
    "signed_out": "You are signed out.",
    "refund_asked": "The refund is asked for. Its progress is shown here.",
    "refund_approved": "The refund is approved; it is sent now.",
    "refund_denied": "The refund is denied. Nothing goes back.",
    "refund_retried": "The refund is tried again.",
    "dispute_retried": "The credit note is tried again.",
    "session_ended": "The session has ended.",
    "view_kept": "The search is kept.",
    "view_shared": "Everybody who works in this account sees the search now.",
    "view_unshared": "The search is yours alone again.",
    "view_deleted": "The search is deleted.",
    "collecting": "It is collected as soon as a worker gets there.",
    "paused": "Nothing is charged for it until it is resumed.",
    "resumed": "It is collected again.",
    "payment_recorded": "The payment is noted, and Stripe is about to be told.",
    "voiding": "It is voided in Stripe as soon as a worker gets there.",
    "case_given": "The case is handed over.",
    "case_given_back": "Nobody sees to the case any more.",
    "case_noted": "Your note is kept.",
    "case_closed": "The case is closed; what it held up goes on.",
    "case_collect": "The invoice is being collected: its page shows what comes of it.",
    "case_ask_processor": "The processor is being asked; the case closes by itself once it is known.",
    "case_retry": "It is tried again.",
    "case_approve": "The refund is approved, and on its way.",
    "case_deny": "The refund is denied; nothing goes back.",
    "case_resolve_note": "The credit note is resolved.",
    "case_class_decline": "The code has its meaning, from the next answer on.",
    "case_replay_delivery": "The delivery is routed again.",
    "case_enable_endpoint": "The endpoint is enabled again.",
    "case_set_up_webhook": "Stripe's webhook is set up.",
    "case_compare_books": "The books are being compared.",
    "reconciliation_asked": "The books are being compared; a worker does it.",
    "repair_asked": "A worker is about to try it.",
    "settlement_taken": "The file is taken in; the next comparison goes by it.",
    "settlement_again": "This file was here already; nothing changed.",
    "customer_paused": "Collection is paused: nothing of this customer is charged meanwhile.",
    "customer_resumed": "Collection goes on. A try that became due in the pause is made at once.",
    "collection": "It is set. Open invoices follow, each once no charge for it is under way.",
    "left_alone": "The customer is left alone from now on; what was begun goes on to its end.",
    "taken_up": "The customer's invoices are collected again.",
    "method_moved": "The order is changed, from the next try on.",
    "method_removed": "Nothing is charged to it any more; a worker deletes it at the processor.",
    "erasing": "The personal data are erased, as soon as the payment methods are deleted at their processors.",
    "canceling": "Stripe is told in a moment.",
    "switching": "It is switched in a moment.",
    "granted": "Access is granted from now on.",
    "grant_revoked": "The grant is taken back: access is what its money makes of it.",
}


def notice(said: str) -> str:
    """Its sentence; nothing for a name that there is not."""
    return NOTICES.get(said, "")
