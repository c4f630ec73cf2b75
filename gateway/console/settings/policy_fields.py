"""Every policy as a field of a form: in which group, under which label, what it means, in which unit.

The values, their bounds and their defaults are `domain/policy.py`'s; a test holds that none is missing here.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from gateway.console.settings.policy_kinds import STEPS, Group, Kind, PolicyField, amounts, choice, number
from gateway.domain.chart import Chart

CLOSED: Final = {"mark_uncollectible": "they are marked uncollectible", "void": "they are voided"}
SUSPEND: Final = {"keep": "it stays open", "suspend": "it is closed"}
PEOPLE: Final = "a person is asked"
YES: Final = {"true": "yes", "false": "no"}
RETRIES: Final = Group(
    "When it is tried again",
    (
        PolicyField(
            "ladder_hours", Kind.NUMBERS, "Tries", "When each try is made; 0 is the first.", "hours after the first try"
        ),
        number("margin_hours", "Margin before the due date", "hours", "No try is made later than this before it."),
        number(
            "days_until_due",
            "Days until due",
            "days",
            "What this account's invoices usually leave. Tries that can't fit in them are refused.",
        ),
        number(
            "end_after_hours",
            "End of recovery",
            "hours after the first try",
            "When the invoice is given up.",
            "at the due date less the margin",
        ),
        choice(
            "spacing",
            "Distance between two tries",
            "On one payment method. Tries that are hours apart on purpose keep their hours.",
            **{"24_hours": "24 hours at least", "utc_day": "on different days (UTC)"},
        ),
        number(
            "jitter_minutes",
            "Spread",
            "minutes",
            "Later tries are spread over so long, so that a month's declines don't all come back in one second.",
        ),
        PolicyField(
            "hours_of_day",
            Kind.HOURS,
            "Hours of the day",
            "Later tries are made within them, where the due date allows it.",
            "from-until in UTC, as 7-20",
            empty="at any hour",
        ),
        PolicyField(
            "avoid_weekdays",
            Kind.WEEKDAYS,
            "Days of the week to avoid",
            "No later try on them (UTC), where the due date allows it.",
        ),
        PolicyField(
            "avoid_days",
            Kind.NUMBERS,
            "Days of the month to avoid",
            "No later try on them (UTC), where the due date allows it.",
            "1 to 31",
            empty="none",
        ),
        choice(
            "fallback",
            "The customer's next payment method",
            "When it is charged instead.",
            never="never",
            hard="after a decline that stops the one before",
            soft="also after some declines that don't stop it",
        ),
        number("fallback_after", "… after so many declines", "declines", "Counts only where some declines suffice."),
        choice(
            "first_decline",
            "A checkout whose first charge is declined",
            "",
            fail="its subscription ends",
            retry="it is tried again like any other invoice",
        ),
        number(
            "tell_after_declines",
            "You are told of a failed try",
            "from so many declines on",
            "Until then it is tried again silently.",
        ),
    ),
)
ENDING: Final = Group(
    "When nothing worked",
    (
        PolicyField("at_end", Kind.STEPS, "At the end", "What is done with an invoice that was not paid.", "", STEPS),
        PolicyField(
            "at_end_first",
            Kind.STEPS,
            "At the end of a subscription's first invoice",
            "",
            "",
            STEPS,
            empty="as for all",
        ),
        choice(
            "canceled_invoices",
            "Open invoices of a subscription that has ended",
            "What bills the last of the subscription is always collected.",
            stop="no try begins any more; their end comes as for any other",
            collect="they are collected all the same",
            **CLOSED,
        ),
        choice(
            "canceled_in_flight",
            "A charge under way when the subscription ended",
            "If it succeeds.",
            keep="it pays its invoice",
            **{"return": "it goes back"},
        ),
        choice(
            "agreement_canceled",
            "The payer ended the agreement at the processor",
            "And the customer has no other payment method.",
            cancel_at_period_end="the subscription ends with its period",
            cancel_now="the subscription ends at once",
            keep="it goes on, and another payment method is asked for",
        ),
        choice(
            "late_success",
            "Money for an invoice that was marked uncollectible",
            "",
            if_alive="it pays the invoice while the subscription lives",
            record="it pays the invoice always",
            **{"return": "it goes back always"},
        ),
        choice(
            "below_minimum",
            "An invoice of less than its processor takes",
            "",
            case=PEOPLE,
            carry="it is credited, and added to the customer's next invoice",
            waive="it is credited, and nothing is owed",
        ),
        choice(
            "on_reversal",
            "The payer's bank takes a payment back",
            "",
            case=PEOPLE,
            reopen="the invoice is credited, and another one bills the same",
        ),
    ),
)
COLLECTION: Final = Group(
    "How invoices are collected",
    (
        choice(
            "collection",
            "Invoices that are sent",
            "A customer's or a subscription's own setting goes first.",
            processor="we charge a payment method",
            hosted="the payer pays on Stripe's page",
        ),
        choice(
            "finalize",
            "Drafts of subscriptions",
            "",
            at_once="we finalize them as soon as they are seen",
            leave="Stripe finalizes them after its hour",
        ),
        number(
            "usage_grace_minutes",
            "Wait for late usage",
            "minutes",
            "How long a draft that bills usage waits, where we finalize drafts.",
            "until Stripe finalizes it by itself",
        ),
        number(
            "due_soon_days",
            "You are told before the due date",
            "days before it",
            "Of an invoice that is open; 0: not at all.",
        ),
        number(
            "session_hours",
            "A session stays open",
            "hours",
            "Of a checkout, or for a payment method.",
        ),
        choice(
            "unused_methods",
            "Payment methods that nothing needs any more",
            "After their customer's last subscription.",
            delete="they are deleted at the processor",
            keep="they are kept for the next one",
        ),
    ),
)
MONEY: Final = Group(
    "Too little, too much, and money back",
    (
        choice(
            "partial_payment",
            "Less came than was due",
            "",
            split="it pays the invoice, and another one bills the rest",
            top_up="the rest is charged first, as long as tries are made",
        ),
        choice(
            "partial_at_end",
            "The rest is never paid",
            "",
            keep="what came is kept",
            **{"return": "what came goes back"},
        ),
        amounts(
            "small_differences",
            "Differences that are let go",
            "So much less than was due is credited and not billed anew.",
            "none",
        ),
        choice(
            "overpayment",
            "More came than was due",
            "",
            customer_balance="it becomes the customer's credit in Stripe",
            case=PEOPLE,
            **{"return": "it goes back"},
        ),
        choice("returns", "Money that no invoice takes", "", automatic="it goes back by itself", case=PEOPLE),
        amounts("returns_up_to", "… by itself up to", "More is for a person to decide.", "no limit"),
        amounts(
            "approval_above",
            "Refunds that need a second person",
            "Somebody else approves or denies what makes an invoice's refunds more than this in all, also where it "
            "began as a credit note in Stripe.",
            "none does",
        ),
        number(
            "match_window_minutes",
            "Wait for the other half",
            "minutes",
            "A credit note made in Stripe and a refund made at the processor wait so long for each other.",
        ),
        choice(
            "refund_in_dispute",
            "A refund of disputed money",
            "While the dispute is open.",
            refuse="it is refused",
            queue="it is made once the dispute is won",
        ),
    ),
)
ACCESS: Final = Group(
    "Access",
    (
        choice(
            "access_closes",
            "An unpaid invoice closes access",
            "",
            at_end="when its recovery ends",
            overdue="at its due date",
            never="not before the subscription ends",
        ),
        choice(
            "access_without_first_invoice",
            "Access where nothing is due at first",
            "Metered prices alone, a trial, a first invoice of zero.",
            at_once="it opens at once",
            after_payment_method="it opens with a stored payment method",
        ),
        PolicyField("access_in_dispute", Kind.CHOICE, "Access while a dispute is open", "", "", SUSPEND),
        choice(
            "access_after_lost_dispute",
            "Access after a lost dispute",
            "",
            keep="it stays open",
            suspend="it is closed until a later invoice is paid",
        ),
    ),
)
STRIPE: Final = Group(
    "With Stripe",
    (
        choice(
            "token_metadata",
            "References on the Stripe customer",
            "Whether the processor's references stand in its metadata, as Stripe's guide asks.",
            reference="they are written",
            none="they are not",
        ),
        PolicyField(
            "stripe_mails_off",
            Kind.CHOICE,
            "Invoice mails are off in Stripe",
            "Only then is a mail address written to the customer.",
            "",
            YES,
        ),
        number(
            "stripe_calls_per_second",
            "Calls to Stripe",
            "a second, all operations together",
            "Lower it if something else uses the Stripe account.",
            "what Stripe allows",
        ),
        number(
            "stripe_calls_per_operation",
            "Calls of one operation",
            "a second",
            "Such as finalizing an invoice.",
            "what Stripe allows",
        ),
    ),
)
CHART: Final[Mapping[str, tuple[str, str]]] = {
    "clearing": ("Money at a processor", "{connection} becomes the connection's name."),
    "bank": ("The bank", "Where payouts arrive."),
    "receipts": ("Payments recorded by hand", ""),
    "receivable": ("Receivables", "What invoices are owed."),
    "refunds": ("Refunds", "What credit notes promised to payers."),
    "surplus": ("Surplus", "Captures that their invoice did not need, until they are returned."),
    "disputes": ("Disputed money", "Withdrawn for disputes, and not given back."),
    "fees": ("Fees", ""),
    "adjustments": ("Adjustments", "A processor's own corrections."),
    "conversion": ("Conversion", "Between the currency charged and the one paid out."),
}
BOOKS: Final = Group(
    "The books",
    (
        number(
            "settlement_margin_days",
            "Late settlement",
            "days",
            "How much longer than usual money may take until it counts as a break.",
        ),
        *(
            PolicyField(f"journal.{name}", Kind.TEXT, f"Journal: {CHART[name][0]}", CHART[name][1])
            for name in Chart.__struct_fields__
        ),
    ),
)
GROUPS: Final = (RETRIES, ENDING, COLLECTION, MONEY, ACCESS, STRIPE, BOOKS)
FIELDS: Final[Mapping[str, PolicyField]] = {one.name: one for group in GROUPS for one in group.fields}
