"""Policies: what an account may choose. Structs with defaults; a value that can't work is refused when it is saved."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Final, Literal, TypeAlias, get_args

import msgspec

from gateway.domain.chart import Chart

EndStep: TypeAlias = Literal["case", "mark_uncollectible", "void", "cancel_subscription"]
AT_END: Final[Mapping[EndStep, str]] = {
    "case": "a case is opened, for a person to decide",
    "mark_uncollectible": "it is marked uncollectible in Stripe",
    "void": "it is voided in Stripe",
    "cancel_subscription": "its subscription is cancelled in Stripe",
}
"""What may be done in the end. To void says that nothing is owed; an uncollectible invoice can still be paid."""
Weekday: TypeAlias = Literal["mon", "tue", "wed", "thu", "fri", "sat", "sun"]
WEEKDAYS: Final[tuple[Weekday, ...]] = get_args(Weekday)


CURRENCY: Final = re.compile("[a-z]{3}")


class PolicyError(ValueError):
    """A policy that can't work. `param` names the field."""

    def __init__(self, param: str, message: str) -> None:
        super().__init__(f"{param}: {message}")
        self.param = param


class Policy(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How one account collects. Hours are whole hours of business time."""

    collection: Literal["processor", "hosted"] = "processor"
    """How invoices that are sent are collected: we charge a payment method at a processor, or the payer pays on
    Stripe's own page. A customer's own setting goes first, and a subscription's before that."""
    finalize: Literal["at_once", "leave"] = "at_once"
    """Subscription drafts: finalize them ourselves as soon as they are seen, or leave Stripe its hour."""
    usage_grace_minutes: int | None = None
    """How long, from its creation, a draft that bills usage waits for usage that is late, with `finalize: at_once`;
    null: until Stripe finalizes it by itself, after about an hour or the grace period that is set there. What comes
    later is billed with the next period. The last invoice of a subscription that was cancelled at once waits for
    nothing: no usage can be added to it."""
    ladder_hours: tuple[int, ...] = (0, 24, 72, 120)
    """When each try is made, in hours after the first."""
    margin_hours: int = 24
    """No try is made later than this before the due date."""
    days_until_due: int = 10
    """The days that this account's invoices usually leave; a ladder that can't fit in them is refused."""
    spacing: Literal["24_hours", "utc_day"] = "24_hours"
    """Two tries on one payment method: a day apart, or on different days (UTC). A ladder of hours keeps its hours."""
    jitter_minutes: int = 0
    """Later tries are spread over so many minutes, so that a month's declines don't all come back in one second."""
    hours_of_day: tuple[int, int] | None = None
    """Later tries are made within these hours (UTC, from and until), where the due date allows it."""
    avoid_weekdays: tuple[Weekday, ...] = ()
    """No later try on these days of the week (UTC), where the due date allows it."""
    avoid_days: tuple[int, ...] = ()
    """No later try on these days of the month (UTC), where the due date allows it."""
    fallback: Literal["never", "hard", "soft"] = "hard"
    """When the customer's next payment method is charged instead: never; after a decline that stops the one before; or
    also after some that don't."""
    fallback_after: int = 2
    """How many such declines on one payment method it takes (`fallback: soft`)."""
    end_after_hours: int | None = None
    """The end comes so long after the first try; null: at the due date less the margin."""
    at_end: tuple[EndStep, ...] = ("case",)
    """What is done in the end, in this order; `case` asks a human at once, nothing at all leaves the invoice open."""
    at_end_first: tuple[EndStep, ...] | None = None
    """The same for the first invoice of a subscription; null: as for all."""
    canceled_invoices: Literal["stop", "collect", "mark_uncollectible", "void"] = "stop"
    """What is still open when its subscription has ended: no try begins any more, and its end comes as for any other;
    or it is collected all the same; or closed at once. What bills the last of the subscription is always collected.
    What Stripe leaves open of a customer who was deleted is never collected: it is closed at once, or a human is asked.
    """
    canceled_in_flight: Literal["keep", "return"] = "keep"
    """A charge that was under way when its subscription ended, and succeeds: it pays its invoice, or goes back."""
    agreement_canceled: Literal["cancel_at_period_end", "cancel_now", "keep"] = "cancel_at_period_end"
    """The payer ended the agreement at the processor, and the customer has no other payment method: the subscription
    ends with its period, or at once; or it goes on, and another payment method is asked for."""
    late_success: Literal["if_alive", "return", "record"] = "if_alive"
    """Money that comes for an invoice already marked uncollectible: it pays the invoice while the subscription lives,
    or goes back always, or pays it always. So it is with what comes after its customer was deleted; a human is told."""
    partial_payment: Literal["split", "top_up"] = "split"
    """Less came than was due: what came pays the invoice and another one bills the rest, at once; or the rest is
    charged first, as long as tries are made."""
    partial_at_end: Literal["keep", "return"] = "keep"
    """The rest was never paid, and is given up: what came is kept, or goes back too."""
    small_differences: Mapping[str, int] = {}
    """So much less than what was due, in minor units, by currency, is credited and not billed anew."""
    overpayment: Literal["return", "customer_balance", "case"] = "return"
    """More came than was due: it goes back, as `returns` says, or becomes the customer's credit at Stripe, or a human
    is asked."""
    on_reversal: Literal["case", "reopen"] = "case"
    """The payer's bank took back what had paid an invoice: a human is asked, or the invoice is credited and a further
    one bills the same, with the payment methods that are left."""
    below_minimum: Literal["case", "carry", "waive"] = "case"
    """An invoice of less than its processor takes: a human is asked, or it is credited in Stripe, and the customer's
    balance there carries the amount over to the next invoice, or nothing is owed."""
    match_window_minutes: int = 5
    """How long a credit note made in Stripe, and a refund made at a processor, wait for each other: the same people may
    have made both."""
    returns: Literal["automatic", "case"] = "automatic"
    """Money that no invoice takes: it goes back by itself, or a human is asked."""
    returns_up_to: Mapping[str, int] = {}
    """What goes back by itself at most, in minor units, by currency; more is a case. A currency not named: no limit."""
    approval_above: Mapping[str, int] = {}
    """More than this of one invoice, in minor units, by currency, goes back only once a second person approves it: a
    refund waits that passes it together with those before to which nobody else has agreed. So does what a credit note
    made in Stripe says went back. That note stands already: where its refund is denied, a human voids it at Stripe or
    pays by hand."""
    access_closes: Literal["at_end", "overdue", "never"] = "at_end"
    """When an invoice that is not paid closes access: with the end of its recovery, at its due date, or never before
    the subscription ends."""
    access_without_first_invoice: Literal["at_once", "after_payment_method"] = "at_once"
    """What opens access where nothing is due at first (metered prices alone, a trial, a first invoice of zero): nothing
    is waited for, as nothing is owed; or a payment method is stored, or a later invoice paid."""
    tell_after_declines: int = 1
    """The merchant is told of failed tries from this one on; until then the ladder goes on silently."""
    refund_in_dispute: Literal["refuse", "queue"] = "refuse"
    """A refund of money that an open dispute is about: refused, or made once the dispute is won."""
    access_in_dispute: Literal["keep", "suspend"] = "keep"
    """Access while a dispute over an invoice of the subscription is open."""
    access_after_lost_dispute: Literal["keep", "suspend"] = "suspend"
    """Access once one is lost: kept, or closed until a later invoice of the subscription is paid."""
    due_soon_days: int = 3
    """How long before the due date of an open invoice the merchant is told of it; 0: not at all."""
    first_decline: Literal["fail", "retry"] = "fail"
    """A checkout whose first charge is declined: end its subscription, or leave it to the ladder."""
    session_hours: int = 24
    """How long a session stays open, of a checkout or for a payment method."""
    unused_methods: Literal["delete", "keep"] = "delete"
    """Payment methods that nothing needs after their customer's last subscription: deleted at the processor, or kept
    for the next one."""
    token_metadata: Literal["reference", "none"] = "reference"  # noqa: S105 (a choice, not a secret)
    """Whether the processor's references are written to the Stripe customer's metadata, as Stripe's guide asks."""
    stripe_mails_off: bool = False
    """Whether invoice mails are off in Stripe's settings. Only then is an e-mail address written to the customer."""

    settlement_margin_days: int = 3
    """How much longer than its processor's usual time money may take to be settled before it is a break."""
    journal: Chart = Chart()
    """What the accounts of the exported journal are called."""

    stripe_calls_per_second: int | None = None
    """Calls to Stripe in a second over all operations; null: what Stripe allows by itself (docs: rate-limits)."""
    stripe_calls_per_operation: int | None = None
    """The same for each operation, such as "finalize an invoice"."""

    def end_of(self, billing_reason: str) -> tuple[EndStep, ...]:
        """What is done in the end, for an invoice that was made for this reason."""
        first = billing_reason == "subscription_create" and self.at_end_first is not None
        return self.at_end_first or () if first else self.at_end

    def returns_by_itself(self, amount: int, currency: str) -> bool:
        """Whether so much goes back to the payer without asking anybody."""
        return self.returns == "automatic" and amount <= self.returns_up_to.get(currency, amount)

    def wants_approval(self, amount: int, currency: str, *, before: int) -> bool:
        """Whether a refund of so much waits for a second pair of eyes, where refunds of `before` were made of the same
        invoice without one: what is too much at once is not less in two halves."""
        limit = self.approval_above.get(currency)
        return limit is not None and before + amount > limit

    def is_small(self, short: int, currency: str) -> bool:
        """Whether so little is missing that it is let go."""
        return short <= self.small_differences.get(currency, 0)

    @property
    def match_window(self) -> timedelta:
        return timedelta(minutes=self.match_window_minutes)

    @property
    def margin(self) -> timedelta:
        return timedelta(hours=self.margin_hours)

    @property
    def ladder(self) -> tuple[timedelta, ...]:
        return tuple(timedelta(hours=hours) for hours in self.ladder_hours)

    def validate(self) -> None:
        """Raise PolicyError for a value that can't work."""
        if not self.ladder_hours or self.ladder_hours[0] != 0:
            raise PolicyError("ladder_hours", "starts with 0, the first try")
        if any(later <= earlier for earlier, later in zip(self.ladder_hours, self.ladder_hours[1:], strict=False)):
            raise PolicyError("ladder_hours", "each try is later than the one before")
        if len(self.ladder_hours) > 20 or self.ladder_hours[-1] > 24 * 90:
            raise PolicyError("ladder_hours", "at most 20 tries within 90 days")
        if not 0 <= self.margin_hours <= 24 * 30:
            raise PolicyError("margin_hours", "between 0 and 720")
        if self.usage_grace_minutes is not None and not 0 <= self.usage_grace_minutes <= 60:
            raise PolicyError("usage_grace_minutes", "between 0 and 60; after an hour Stripe finalizes it by itself")
        self._validate_end()
        self._validate_times()
        if not 1 <= self.tell_after_declines <= len(self.ladder_hours):
            raise PolicyError("tell_after_declines", f"between 1 and the ladder's {len(self.ladder_hours)} tries")
        if not 0 <= self.due_soon_days <= 90:
            raise PolicyError("due_soon_days", "between 0 and 90")
        if not 0 <= self.match_window_minutes <= 24 * 60:
            raise PolicyError("match_window_minutes", "between 0 and 1440")
        for name in ("returns_up_to", "approval_above", "small_differences"):
            for currency, limit in getattr(self, name).items():
                if not CURRENCY.fullmatch(currency) or limit < 0:
                    raise PolicyError(name, 'amounts in minor units by currency, such as {"eur": 10000}')
        if not 0 <= self.settlement_margin_days <= 60:
            raise PolicyError("settlement_margin_days", "between 0 and 60")
        if (wrong := self.journal.wrong()) is not None:
            raise PolicyError(f"journal.{wrong[0]}", wrong[1])
        if not 1 <= self.session_hours <= 24 * 7:
            raise PolicyError("session_hours", "between 1 and 168")
        for name in ("stripe_calls_per_second", "stripe_calls_per_operation"):
            rate = getattr(self, name)
            if rate is not None and not 1 <= rate <= 10_000:
                raise PolicyError(name, "between 1 and 10,000")

    def _validate_end(self) -> None:
        if not 1 <= self.days_until_due <= 365:
            raise PolicyError("days_until_due", "between 1 and 365")
        room, last = 24 * self.days_until_due - self.margin_hours, self.ladder_hours[-1]
        if last > room:
            raise PolicyError(
                "ladder_hours",
                f"the last try, after {last} hours, does not fit: an invoice is due after {self.days_until_due} days, "
                f"and {self.margin_hours} hours before it nothing is tried",
            )
        end = self.end_after_hours
        if end is not None and not max(last, 1) <= end <= room:
            raise PolicyError(
                "end_after_hours", f"after the last try, and before the margin: between {last} and {room}"
            )
        for name in ("at_end", "at_end_first"):
            steps = getattr(self, name) or ()
            if len(set(steps)) < len(steps):
                raise PolicyError(name, "each step once")
            if "case" in steps and len(steps) > 1:
                raise PolicyError(name, "a human is asked instead of everything else")
            if {"void", "mark_uncollectible"} <= set(steps):
                raise PolicyError(name, "an invoice is voided or marked uncollectible, not both")

    def _validate_times(self) -> None:
        if not 0 <= self.jitter_minutes <= 720:
            raise PolicyError("jitter_minutes", "between 0 and 720")
        if self.hours_of_day is not None and not 0 <= self.hours_of_day[0] < self.hours_of_day[1] <= 24:
            raise PolicyError("hours_of_day", "from and until, such as [7, 20]")
        if len(set(self.avoid_weekdays)) == len(WEEKDAYS):
            raise PolicyError("avoid_weekdays", "leaves no day")
        if any(not 1 <= day <= 31 for day in self.avoid_days) or len(set(self.avoid_days)) > 20:
            raise PolicyError("avoid_days", "at most 20 days of the month, 1 to 31")
        if not 1 <= self.fallback_after <= 20:
            raise PolicyError("fallback_after", "between 1 and 20")


def end_in_words(steps: Sequence[EndStep]) -> str:
    """What is done where recovery ends without a payment."""
    return ", and ".join(AT_END[step] for step in steps) or "it stays open"
