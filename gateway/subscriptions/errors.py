"""Why something that somebody wants of a subscription can't be done."""

from __future__ import annotations


class SubscriptionEndedError(Exception):
    """It has ended, which is final."""


class ScheduledError(Exception):
    """A schedule at Stripe would undo it."""
