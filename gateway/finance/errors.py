"""Why something that somebody asked for can't be done."""

from __future__ import annotations


class ByHandError(Exception):
    """What somebody asked for is not done."""


class NotNowError(ByHandError):
    """The invoice's state does not allow it. The message says what stands in the way."""


class AlreadyRunningError(ByHandError):
    """Just this is under way already."""


class NoMethodError(ByHandError):
    """The customer has no payment method that can be charged."""
