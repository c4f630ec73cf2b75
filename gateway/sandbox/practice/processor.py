"""The state of the practice processor, and every control over it as a method.

Its parts: `core` (accounts, events, books), `methods`, `charging` upon `disputing`, `refunding`.
"""

from __future__ import annotations

from gateway.sandbox.practice.charging import Charging
from gateway.sandbox.practice.methods import Methods
from gateway.sandbox.practice.refunding import Refunding


class PracticeProcessor(Methods, Charging, Refunding):
    """All accounts of one practice processor, and what their payers, their banks and their staff do there."""
