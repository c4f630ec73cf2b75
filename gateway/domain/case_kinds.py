"""What a human is asked about, and what closes each."""

from __future__ import annotations

from enum import StrEnum


class CaseKind(StrEnum):
    """Why a human must look."""

    ADVANCE_FAILED = "advance_failed"
    AMOUNT_INEXPRESSIBLE = "amount_inexpressible"
    ATTEMPT_REJECTED = "attempt_rejected"
    BALANCE_NOT_RETURNED = "balance_not_returned"
    BELOW_PROCESSOR_MINIMUM = "below_processor_minimum"
    ABOVE_AGREED_MAXIMUM = "above_agreed_maximum"
    ABOVE_PROCESSOR_MAXIMUM = "above_processor_maximum"
    BOOKS_DIFFER = "books_differ"
    BREAK_TO_EXPLAIN = "break_to_explain"
    CANCELLATION_REFUSED = "cancellation_refused"
    CAPTURE_FORGOTTEN = "capture_forgotten"
    CAPTURE_REVERSED = "capture_reversed"
    CATCH_UP_FAILED = "catch_up_failed"
    COLLECTION_EXHAUSTED = "collection_exhausted"
    CONNECTION_LOCKED = "connection_locked"
    CREDIT_NOTE_DENIED = "credit_note_denied"
    CREDIT_NOTE_NOT_OURS = "credit_note_not_ours"
    CREDIT_NOTE_REFUSED = "credit_note_refused"
    CREDIT_NOTE_UNMATCHED = "credit_note_unmatched"
    CREDIT_NOTE_VOIDED = "credit_note_voided"
    CUSTOMER_DELETED = "customer_deleted"
    DECLINE_UNMAPPED = "decline_unmapped"
    DELIVERY_PARKED = "delivery_parked"
    DISPUTE_INQUIRY = "dispute_inquiry"
    DISPUTE_LOST = "dispute_lost"
    DISPUTE_OPENED = "dispute_opened"
    DISPUTE_RECOVERED = "dispute_recovered"
    DISPUTE_UNCLEAR = "dispute_unclear"
    ENDPOINT_DISABLED = "endpoint_disabled"
    ENDPOINT_NOT_REPLACED = "endpoint_not_replaced"
    EVENT_UNDELIVERED = "event_undelivered"
    FINALIZATION_FAILED = "finalization_failed"
    HAND_OVER_DECLINED = "hand_over_declined"
    INVOICE_SENT_BY_STRIPE = "invoice_sent_by_stripe"
    NOBODY_COLLECTS = "nobody_collects"
    NOTICE_MISMATCH = "notice_mismatch"
    OUTCOME_UNKNOWN = "outcome_unknown"
    OVERPAID = "overpaid"
    OVERPAID_AT_STRIPE = "overpaid_at_stripe"
    OVERPAID_TO_CUSTOMER = "overpaid_to_customer"
    PAID_AFTER_DELETION = "paid_after_deletion"
    PAID_AT_STRIPE = "paid_at_stripe"
    PAID_AFTER_THE_END = "paid_after_the_end"
    PAID_BY_HAND = "paid_by_hand"
    PARTIAL_CAPTURE = "partial_capture"
    PENDING_TOO_LONG = "pending_too_long"
    RECONCILIATION_FAILED = "reconciliation_failed"
    RECORDING_FAILED = "recording_failed"
    REFUND_FAILED = "refund_failed"
    REFUND_NOT_SENT = "refund_not_sent"
    REFUND_PENDING_TOO_LONG = "refund_pending_too_long"
    REFUND_REFUSED = "refund_refused"
    REFUND_UNKNOWN = "refund_unknown"
    REFUND_WAITS = "refund_waits"
    REMAINDER_NOT_BILLED = "remainder_not_billed"
    STRIPE_ACCOUNT_TWICE = "stripe_account_twice"
    SURPLUS_CAPTURE = "surplus_capture"
    SWITCH_REFUSED = "switch_refused"
    USAGE_REFUSED = "usage_refused"
    USAGE_UNCONFIRMED = "usage_unconfirmed"
    USAGE_UNSENT = "usage_unsent"


REPAIR: dict[CaseKind, str] = {
    CaseKind.ADVANCE_FAILED: "Read the error, mend its cause, then collect again.",
    CaseKind.AMOUNT_INEXPRESSIBLE: "The processor can't take this amount exactly: collect it another way.",
    CaseKind.ATTEMPT_REJECTED: "The processor refuses our request itself: check the connection's configuration.",
    CaseKind.BALANCE_NOT_RETURNED: "Stripe kept what the void invoice took of the balance: adjust that in Stripe.",
    CaseKind.BELOW_PROCESSOR_MINIMUM: "Collect it another way, or credit it in Stripe.",
    CaseKind.ABOVE_AGREED_MAXIMUM: "Have the payer give another method (POST /v1/payment_method_sessions) or agree to "
    "more (store the method again with it); or record what is paid by hand, or mark the invoice in Stripe.",
    CaseKind.ABOVE_PROCESSOR_MAXIMUM: "Collect it another way, or split it in Stripe.",
    CaseKind.BOOKS_DIFFER: "Look at the breaks of the last reconciliation; each names what may mend it.",
    CaseKind.BREAK_TO_EXPLAIN: "Compare the ids on both sides; it closes by itself once the books agree.",
    CaseKind.CANCELLATION_REFUSED: "Have the subscription end in Stripe, or live on, or ask the payer how to pay.",
    CaseKind.CAPTURE_FORGOTTEN: "The database was restored, and no payment method is left to ask the processor with: "
    "look its payment up there by the invoice. It is in no ledger, so a refund of it is made there, too.",
    CaseKind.CAPTURE_REVERSED: "The payer's bank took it back, and Stripe shows it paid: ask the payer, or credit it.",
    CaseKind.CATCH_UP_FAILED: "What webhooks lost can't be listed: see that the key or connection may read it.",
    CaseKind.COLLECTION_EXHAUSTED: (
        "No try follows by itself: ask the payer and collect by hand, mark it uncollectible, or void it in Stripe."
    ),
    CaseKind.CONNECTION_LOCKED: "Nothing is charged there: ask the processor. Closing this case charges there again.",
    CaseKind.CREDIT_NOTE_DENIED: "Void the credit note at Stripe, or pay the payer by hand (at the processor, say).",
    CaseKind.CREDIT_NOTE_NOT_OURS: "Stripe collected this invoice: refund it there, or void the credit note.",
    CaseKind.CREDIT_NOTE_REFUSED: "The payer has the money: make the credit note in Stripe, or retry.",
    CaseKind.CREDIT_NOTE_UNMATCHED: "Say which refund it belongs to, or have it sent: resolve the credit note.",
    CaseKind.CREDIT_NOTE_VOIDED: "The payer has the money and Stripe credits nothing: make the credit note anew.",
    CaseKind.CUSTOMER_DELETED: "Void it in Stripe, or mark it uncollectible; nothing is charged for it any more.",
    CaseKind.DECLINE_UNMAPPED: "Say what the code means: class it in the connection's `declines`. Till then it's soft.",
    CaseKind.DELIVERY_PARKED: "Read the error, mend its cause, then replay the delivery.",
    CaseKind.DISPUTE_INQUIRY: "Answer the payer's question at the processor before it becomes a dispute.",
    CaseKind.DISPUTE_LOST: "The payer took the payment back: decide whether to serve and charge them any further.",
    CaseKind.DISPUTE_OPENED: "Send the evidence at the processor in time, or accept the dispute there.",
    CaseKind.DISPUTE_RECOVERED: "The money came back and is credited: invoice it again in Stripe, or return it.",
    CaseKind.DISPUTE_UNCLEAR: "Compare the dispute's money with the processor's dashboard: nothing is credited yet.",
    CaseKind.ENDPOINT_DISABLED: "Mend the webhook endpoint and enable it, or remove it; then replay what it missed.",
    CaseKind.ENDPOINT_NOT_REPLACED: "Ask `tollbridge accounts setup-webhook` again: it mends the one that is to "
    "stay, or makes another. The old one stays at Stripe until then.",
    CaseKind.EVENT_UNDELIVERED: "Look at the webhook endpoint's deliveries, mend what refuses them, and replay.",
    CaseKind.FINALIZATION_FAILED: "Fill in what Stripe misses at the customer; finalizing is tried again every hour.",
    CaseKind.HAND_OVER_DECLINED: "Have the payer give Stripe another method and hand it over again, or switch back.",
    CaseKind.INVOICE_SENT_BY_STRIPE: "Turn invoice mails off in Stripe's settings: payers may pay there too.",
    CaseKind.NOBODY_COLLECTS: "Switch its subscription here once more, or have Stripe advance the invoice again.",
    CaseKind.NOTICE_MISMATCH: "Compare the notice with the processor's dashboard; it changed nothing here.",
    CaseKind.OUTCOME_UNKNOWN: "Look the reference up at the processor; nothing is charged until this is known.",
    CaseKind.OVERPAID: "Return the difference to the payer.",
    CaseKind.OVERPAID_TO_CUSTOMER: "More went back than was captured: answer the dispute with the refund.",
    CaseKind.OVERPAID_AT_STRIPE: "Stripe credits the excess to the customer: refund it there, or let it stand.",
    CaseKind.PAID_AFTER_DELETION: "It goes back to the payer, as the policy `returns` says: see that it has.",
    CaseKind.PAID_AFTER_THE_END: "Refund it at Stripe, or give the payer a new subscription for it.",
    CaseKind.PAID_AT_STRIPE: "Nothing is owed. See how the payer came to Stripe's page: mails and portal must be off.",
    CaseKind.PAID_BY_HAND: "Somebody marked the invoice paid while we captured it: keep ours or return it.",
    CaseKind.PARTIAL_CAPTURE: "Less than the invoice was captured: credit the rest in Stripe or collect it.",
    CaseKind.PENDING_TOO_LONG: "Ask the processor; nothing is charged until this is known.",
    CaseKind.RECONCILIATION_FAILED: "Read the error and mend its cause; the next reconciliation compares it all.",
    CaseKind.RECORDING_FAILED: "The money is captured and Stripe can't be told: mend the key or the invoice.",
    CaseKind.REFUND_FAILED: "The payer does not have the money: retry the refund, or return it another way.",
    CaseKind.REFUND_NOT_SENT: "The processor turns it away: look at the connection; it is tried again every hour.",
    CaseKind.REFUND_PENDING_TOO_LONG: "Ask the processor; it counts as returned until this is known.",
    CaseKind.REFUND_REFUSED: "It was not made: mend the cause and retry, or return the money another way.",
    CaseKind.REFUND_UNKNOWN: "Look the reference up at the processor; it counts as returned until this is known.",
    CaseKind.REFUND_WAITS: "Somebody else decides: `tollbridge refunds approve` or `deny`, or by the API "
    "POST /v1/refunds/{id}/approve or /deny. Nothing goes back until then.",
    CaseKind.REMAINDER_NOT_BILLED: "The rest is credited, and nothing bills it: bill it in Stripe, or let it be.",
    CaseKind.STRIPE_ACCOUNT_TWICE: "Disable this account: another one here is that Stripe account's, so that "
    "nothing is asked of Stripe or charged for this one.",
    CaseKind.SURPLUS_CAPTURE: "Return this capture to the payer: the invoice is settled without it.",
    CaseKind.SWITCH_REFUSED: "Its payer gave Stripe a payment method, which is not charged: switch the subscription to "
    "Stripe once what it says is mended, or ask the payer how to pay.",
    CaseKind.USAGE_REFUSED: "Mend what Stripe says (the meter, the customer, the time), then report it again under new "
    "identifiers: GET /v1/usage?state=refused lists what is known. Nothing of it is billed until then.",
    CaseKind.USAGE_UNCONFIRMED: "Compare GET /v1/usage?state=unconfirmed with the meter's usage in Stripe, and report "
    "what is missing there under new identifiers.",
    CaseKind.USAGE_UNSENT: "It ended before all of its usage was at Stripe: see that nothing is missing on its last "
    "invoice, and bill the rest in Stripe, or let it be.",
}
