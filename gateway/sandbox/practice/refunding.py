"""Refunds: asked for by the API or made in the dashboard; at once, later, refused, or failing in the end."""

from __future__ import annotations

from functools import partial
from typing import Final, Literal

from gateway.sandbox.practice.account import Account, Charge, Refund
from gateway.sandbox.practice.core import Core
from gateway.sandbox.practice.events import new_id
from gateway.sandbox.practice.kinds import REFUND_FAILED

OUTCOMES: Final = frozenset({"succeeded", "failed", "failed_later"})
"""How a refund ends. `failed_later`: it succeeds, and fails after another of the account's refund delays."""


class RefundRefused(ValueError):  # noqa: N818 - an answer, not a defect
    """The processor makes no such refund; `code` says why."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


class Refunding(Core):
    def make_refund(
        self,
        account: Account,
        charge: Charge,
        amount: int | None = None,
        *,
        reference: str = "",
        reason: str = "",
        origin: Literal["api", "dashboard"] = "api",
    ) -> Refund:
        """Give `amount` back (all that is left); raises RefundRefused."""
        amount = account.refundable(charge) if amount is None else amount
        self._check_refund(account, charge, amount)
        refund = Refund(
            id=new_id("prf"),
            charge=charge.id,
            charge_reference=charge.reference,
            reference=reference,
            amount=amount,
            currency=charge.currency,
            reason=reason,
            origin=origin,
            created_at=self.now(),
            updated_at=self.now(),
            ends_as=account.refund_script.popleft() if account.refund_script else "succeeded",
        )
        account.refunds[refund.id] = refund
        if account.manner.refunds == "async":
            self._tell_refund(account, refund, "created")
            self._end_later(account, refund)
        else:
            self._end_refund(account, refund)
        return refund

    def refund_from_dashboard(self, charge_id: str, amount: int | None = None, reason: str = "") -> Refund:
        """The merchant's own staff refund in the processor's dashboard; raises LookupError, RefundRefused."""
        account, charge = self._charge(charge_id)
        return self.make_refund(account, charge, amount, reason=reason, origin="dashboard")

    def script_refunds(self, api_key: str, *outcomes: str) -> Account:
        """How the account's next refunds shall end, in order; raises ValueError."""
        if unknown := [one for one in outcomes if one not in OUTCOMES]:
            raise ValueError(f"a refund can't end as {unknown[0]!r}; there are {', '.join(sorted(OUTCOMES))}")
        account = self.account(api_key)
        account.refund_script.extend(outcomes)
        return account

    def settle_refund(self, refund_id: str, outcome: str = "") -> Refund:
        """End a pending refund now, or let one that succeeded fail after all; raises LookupError, ValueError."""
        account, refund = self._find(_refunds, refund_id)
        if outcome not in ("", *OUTCOMES):
            raise ValueError(f"a refund can't end as {outcome!r}; there are {', '.join(sorted(OUTCOMES))}")
        if refund.status == "succeeded" and outcome == "failed":
            self._fail_refund(account, refund)
            return refund
        if refund.status != "pending":
            raise ValueError(f"the refund is {refund.status}")
        refund.ends_as = outcome or refund.ends_as
        self._end_refund(account, refund)
        return refund

    def balance(self, account: Account, currency: str) -> int:
        """What refunds may be paid from: the money of the day, as what came before is paid out already."""
        today = self.now() // 86400
        return sum(one.amount for one in account.entries if one.currency == currency and one.at // 86400 == today)

    def _check_refund(self, account: Account, charge: Charge, amount: int) -> None:
        """Raises RefundRefused."""
        manner = account.manner
        if manner.refunds == "off":
            raise RefundRefused("refunds_not_enabled", "refunds are not enabled for this account")
        if charge.status != "succeeded":
            raise RefundRefused("charge_not_refundable", f"the charge is {charge.status}")
        if any(one.is_open for one in account.disputes_of(charge)):
            raise RefundRefused("dispute_open", "a dispute about this charge is open")
        window, closed_at = manner.refund_window_days, charge.closed_at or charge.created_at
        if window is not None and self.now() > closed_at + window * 86400:
            raise RefundRefused("refund_too_late", f"a charge is refunded within {window} days")
        left = account.refundable(charge)
        if not 0 < amount <= left:
            raise RefundRefused("refund_exceeds_charge", f"{left} minor units of this charge are left")
        if not manner.partial_refunds and amount != charge.captured:
            raise RefundRefused("partial_refund_not_allowed", "only the whole charge can be refunded")
        if manner.refunds_need_balance and amount > self.balance(account, charge.currency):
            raise RefundRefused("insufficient_balance", "the balance does not hold enough for this refund")

    def _end_later(self, account: Account, refund: Refund) -> None:
        when = self.now() + self.delays(account).refund_delay_s
        self.clock.at(when, partial(_end_due, self, refund.id, refund.status))

    def _end_refund(self, account: Account, refund: Refund) -> None:
        if refund.ends_as == "failed":
            self._fail_refund(account, refund)
            return
        refund.status, refund.has_succeeded, refund.updated_at = "succeeded", True, self.now()
        self.book(account, "refund", account.charges[refund.charge], -refund.amount, refund.id)
        self._tell_refund(account, refund, "succeeded")
        if refund.ends_as == "failed_later":
            self._end_later(account, refund)

    def _fail_refund(self, account: Account, refund: Refund) -> None:
        if refund.has_succeeded:
            self.book(account, "refund_failed", account.charges[refund.charge], refund.amount, refund.id)
        refund.status, refund.failure, refund.updated_at = "failed", REFUND_FAILED, self.now()
        self._tell_refund(account, refund, "reversed" if refund.has_succeeded else "failed")

    def _tell_refund(self, account: Account, refund: Refund, what: str) -> None:
        """Some processors have no event for what is refunded in their dashboard: it must be asked for."""
        if refund.origin == "api" or account.manner.dashboard_events:
            self.announce(account, f"refund.{what}", refund.shown(account.id))


def _end_due(processor: Refunding, refund_id: str, status: str) -> None:
    """A timer's ring; it means nothing once the refund is no longer what it was."""
    refund = next((a.refunds[refund_id] for a in processor.accounts.values() if refund_id in a.refunds), None)
    if refund is not None and refund.status == status:
        processor.settle_refund(refund_id, "" if status == "pending" else "failed")


def _refunds(account: Account) -> dict[str, Refund]:
    return account.refunds
