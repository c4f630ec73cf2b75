"""Policies: what an account may choose. Structs with defaults; a value that can't work is refused when it is saved."""

from __future__ import annotations

from datetime import timedelta
from typing import Literal

import msgspec


class PolicyError(ValueError):
    """A policy that can't work. `param` names the field."""

    def __init__(self, param: str, message: str) -> None:
        super().__init__(f"{param}: {message}")
        self.param = param


class Policy(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How one account collects. Hours are whole hours of business time."""

    finalize: Literal["at_once", "leave"] = "at_once"
    """Subscription drafts: finalize them ourselves as soon as they are seen, or leave Stripe its hour."""
    ladder_hours: tuple[int, ...] = (0, 24, 72, 120)
    """When each try is made, in hours after the first."""
    margin_hours: int = 24
    """No try is made later than this before the due date."""
    due_soon_days: int = 3
    """How long before the due date of an open invoice the merchant is told of it; 0: not at all."""
    first_decline: Literal["fail", "retry"] = "fail"
    """A checkout whose first charge is declined: end its subscription, or leave it to the ladder."""
    session_hours: int = 24
    """How long a checkout session stays open."""
    token_metadata: Literal["reference", "none"] = "reference"  # noqa: S105 (a choice, not a secret)
    """Whether the processor's references are written to the Stripe customer's metadata, as Stripe's guide asks."""
    stripe_mails_off: bool = False
    """Whether invoice mails are off in Stripe's settings. Only then is an e-mail address written to the customer."""

    stripe_calls_per_second: int | None = None
    """Calls to Stripe in a second over all operations; null: what Stripe allows by itself (docs: rate-limits)."""
    stripe_calls_per_operation: int | None = None
    """The same for each operation, such as "finalize an invoice"."""

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
        if not 0 <= self.due_soon_days <= 90:
            raise PolicyError("due_soon_days", "between 0 and 90")
        if not 1 <= self.session_hours <= 24 * 7:
            raise PolicyError("session_hours", "between 1 and 168")
        for name in ("stripe_calls_per_second", "stripe_calls_per_operation"):
            rate = getattr(self, name)
            if rate is not None and not 1 <= rate <= 10_000:
                raise PolicyError(name, "between 1 and 10,000")
