"""Disputes: a payer objects to a charge, and money goes back and forth until somebody has it for good."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from gateway.sandbox.practice.account import Account, Charge, Dispute, DisputeStatus, Entry
from gateway.sandbox.practice.core import Core
from gateway.sandbox.practice.events import new_id

EVIDENCE_DAYS: Final = 14

NEXT: Final[Mapping[str, frozenset[str]]] = {
    "inquiry": frozenset({"opened", "funds_withdrawn", "closed"}),
    "opened": frozenset({"funds_withdrawn", "won", "lost", "partly_lost", "closed"}),
    "funds_withdrawn": frozenset({"won", "lost", "partly_lost"}),
    "won": frozenset({"funds_withdrawn"}),  # a second chargeback
    "lost": frozenset({"won"}),  # reversed in the merchant's favour after all
    "partly_lost": frozenset({"won"}),
    "closed": frozenset(),
}
"""What a dispute may become. `closed` is an end without money; every other end says who has it."""

FIRST: Final = frozenset({"inquiry", "opened", "funds_withdrawn"})


class Disputing(Core):
    def open_dispute(
        self, charge_id: str, amount: int | None = None, *, stage: str = "opened", reason: str = "general"
    ) -> Dispute:
        """A payer objects to `amount` of a charge (all of it); `stage` is how it begins.

        It may be opened after a refund too, as in life. Raises LookupError, ValueError.
        """
        account, charge = self._charge(charge_id)
        if stage not in FIRST:
            raise ValueError(f"a dispute begins as {', '.join(sorted(FIRST))}")
        if charge.status != "succeeded":
            raise ValueError(f"the charge is {charge.status}: there is nothing to dispute")
        amount = charge.captured if amount is None else amount
        if not 0 < amount <= charge.captured:
            raise ValueError(f"a dispute is about 1 to {charge.captured} minor units")
        dispute = self._new_dispute(account, charge, amount, reason, stage == "inquiry")
        if stage == "funds_withdrawn":
            self.move_dispute(dispute.id, "funds_withdrawn")
        return dispute

    def move_dispute(self, dispute_id: str, to: str, lost: int | None = None) -> Dispute:
        """The dispute becomes `to`, with the money that this moves; `lost` is the payer's part of `partly_lost`.

        Raises LookupError, and ValueError for what can't follow.
        """
        account, dispute = self._find(_disputes, dispute_id)
        if to not in NEXT:
            raise ValueError(f"a dispute can't become {to!r}; there are {', '.join(NEXT)}")
        if to not in NEXT[dispute.status]:
            raise ValueError(f"the dispute is {dispute.status}, which can't become {to}")
        held = self._held(dispute, to, lost)
        charge = account.charges[dispute.charge]
        moved = self._move(account, charge, dispute, dispute.withdrawn - held)
        dispute.status, dispute.withdrawn, dispute.updated_at = _status(to), held, self.now()
        self._tell_dispute(account, dispute, moved)
        return dispute

    def submit_evidence(self, dispute_id: str, evidence: str) -> Dispute:
        """The merchant answers; raises LookupError, ValueError."""
        account, dispute = self._find(_disputes, dispute_id)
        if not dispute.is_open:
            raise ValueError(f"the dispute is {dispute.status}: no evidence is taken")
        if not evidence.strip():
            raise ValueError("evidence is not empty")
        dispute.evidence, dispute.updated_at = evidence, self.now()
        self.announce(account, "dispute.evidence_submitted", dispute.shown(account.id) | {"moved": None})
        return dispute

    def _held(self, dispute: Dispute, to: str, lost: int | None) -> int:
        """What the dispute holds back from the merchant once it is `to`."""
        if to == "partly_lost":
            if lost is None or not 0 < lost < dispute.amount:
                raise ValueError(f"partly lost: say how much, 1 to {dispute.amount - 1} minor units")
            return lost
        if lost is not None:
            raise ValueError("only what is partly lost has an amount")
        return dispute.amount if to in ("funds_withdrawn", "lost") else 0

    def _move(self, account: Account, charge: Charge, dispute: Dispute, amount: int) -> Entry | None:
        if amount == 0:
            return None
        kind = "dispute_withdrawn" if amount < 0 else "dispute_returned"
        moved = self.book(account, kind, charge, amount, dispute.id)
        dispute.moves.append(moved)
        return moved

    def _new_dispute(self, account: Account, charge: Charge, amount: int, reason: str, is_inquiry: bool) -> Dispute:
        id = new_id("pdp")
        dispute = Dispute(
            id=id,
            charge=charge.id,
            charge_reference=charge.reference,
            amount=amount,
            currency=charge.currency,
            reason=reason,
            created_at=self.now(),
            updated_at=self.now(),
            evidence_due_at=self.now() + EVIDENCE_DAYS * 86400,
            evidence_url=f"{self.origin}/dispute/{id}",
            status="inquiry" if is_inquiry else "opened",
        )
        account.disputes[id] = dispute
        self._tell_dispute(account, dispute, None)
        return dispute

    def _tell_dispute(self, account: Account, dispute: Dispute, moved: Entry | None) -> None:
        shown = dispute.shown(account.id) | {"moved": moved and moved.shown()}
        self.announce(account, f"dispute.{dispute.status}", shown)


def _disputes(account: Account) -> dict[str, Dispute]:
    return account.disputes


def _status(to: str) -> DisputeStatus:
    return to  # type: ignore[return-value]  # `NEXT` has no other keys
