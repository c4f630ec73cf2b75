"""Which way each kind of movement goes, and how a processor's settlement file calls it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from db.states import MovementKind
from processors.settlements import SettlementKind

SIGN: Final[Mapping[MovementKind, int]] = {
    MovementKind.CAPTURE: 1,
    MovementKind.RECEIPT: 1,
    MovementKind.CAPTURE_REVERSED: -1,
    MovementKind.CAPTURE_REINSTATED: 1,
    MovementKind.REFUND: -1,
    MovementKind.REFUND_FAILED: 1,
    MovementKind.DISPUTE_WITHDRAWN: -1,
    MovementKind.DISPUTE_RETURNED: 1,
    MovementKind.SURPLUS_RETURNED: -1,
}
"""From the merchant's side; the ledger itself keeps amounts without a sign."""

SETTLED_AS: Final[Mapping[MovementKind, SettlementKind]] = {
    MovementKind.CAPTURE: SettlementKind.CAPTURE,
    MovementKind.CAPTURE_REVERSED: SettlementKind.CAPTURE_REVERSED,
    MovementKind.CAPTURE_REINSTATED: SettlementKind.CAPTURE_REINSTATED,
    MovementKind.REFUND: SettlementKind.REFUND,
    MovementKind.REFUND_FAILED: SettlementKind.REFUND_FAILED,
    MovementKind.DISPUTE_WITHDRAWN: SettlementKind.DISPUTE_WITHDRAWN,
    MovementKind.DISPUTE_RETURNED: SettlementKind.DISPUTE_RETURNED,
    # What was too much goes back as a refund like any other.
    MovementKind.SURPLUS_RETURNED: SettlementKind.REFUND,
}
"""A receipt came without any processor, so no file shows it."""

MOVES: Final = frozenset(SETTLED_AS.values())
"""The rows of a settlement file that the ledger must know. Fees, adjustments and payouts are the processor's own."""

SETTLED_SIGN: Final[Mapping[SettlementKind, int]] = {
    SETTLED_AS[kind]: sign for kind, sign in SIGN.items() if kind in SETTLED_AS
}
