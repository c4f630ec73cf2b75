"""Charges: what each comes to, step by step along its course, as its account's manner draws it out."""

from __future__ import annotations

from contextlib import suppress
from functools import partial
from typing import Any, Final

import msgspec

from gateway.sandbox.practice.account import Account, Charge, Method, Scripted
from gateway.sandbox.practice.disputing import Disputing
from gateway.sandbox.practice.events import new_id
from gateway.sandbox.practice.kinds import (
    ACCOUNT_LOCKED,
    AUTHENTICATION_FAILED,
    COURSES,
    DECLINES,
    INSUFFICIENT_FUNDS,
    MAGIC_AMOUNTS,
    METHOD_EXPIRED,
    METHOD_REPLACED,
    METHOD_REVOKED,
    Move,
    Refusal,
    Step,
    TokenKind,
    Wait,
)
from gateway.sandbox.practice.manner import Manner
from gateway.sandbox.practice.money import share

MAX_STEPS: Final = 20

UNCHARGEABLE: Final = {
    "revoked": METHOD_REVOKED,
    "replaced": METHOD_REPLACED,
    "expired": METHOD_EXPIRED,
    "suspended": ACCOUNT_LOCKED,
}
"""Why a method that is not active is declined."""


NEEDS: Final = {
    Move.LATE_FAILURE: "succeeded",
    Move.CHARGE_BACK: "succeeded",
    Move.LATE_FAILURE_SETTLED: "reversed",
    Move.PAY_AGAIN: "reversed",
}
"""What a charge must be for a step to happen to it: somebody may have led it another way meanwhile."""


class Charging(Disputing):
    def make_charge(
        self,
        account: Account,
        reference: str,
        amount: int,
        currency: str,
        method: Method,
        *,
        collects_at: int = 0,
        **rest: Any,
    ) -> Charge:
        """A charge, and what follows at once; `collects_at` is when it's sent to the payer's bank (now)."""
        now = self.now()
        earliest = now + account.manner.charge_after_days * 86400
        charge = Charge(
            id=new_id("pch"),
            reference=reference,
            amount=amount,
            currency=currency,
            method=method.token,
            customer=method.customer,
            created_at=now,
            collects_at=max(earliest, collects_at),
            **rest,
        )
        account.charges[charge.id] = charge
        account.by_reference.setdefault(reference, []).append(charge)
        charge.course = self._course(account, method, amount)
        self._plan(account, charge)
        if charge.next_at is not None and charge.status == "pending":
            self._announce_charge(account, charge)
        return charge

    def kind_of(self, account: Account, amount: int, method: Method) -> TokenKind:
        """What the next charge of `amount` with `method` would do."""
        if account.script:
            return account.script[0].kind
        magic = MAGIC_AMOUNTS.get(amount) if account.manner.magic_amounts else None
        return magic or method.kind

    def script(self, api_key: str, *outcomes: Scripted) -> Account:
        """What the account's next charges shall come to, in order, before methods and amounts are asked."""
        account = self.account(api_key)
        account.script.extend(outcomes)
        return account

    def go_on(self, charge_id: str) -> Charge:
        """What would happen next to a charge happens now; raises LookupError, ValueError if nothing would."""
        account, charge = self._charge(charge_id)
        if not charge.course:
            raise ValueError(f"the charge is {charge.status}, and nothing more happens to it by itself")
        self._step(account, charge)
        self._plan(account, charge)
        return charge

    def settle(self, charge_id: str, outcome: str = "") -> Charge:
        """End a pending or authorized charge now, as its course says or as `succeeded` or `failed`.

        Raises LookupError, ValueError.
        """
        account, charge = self._charge(charge_id)
        if charge.status not in ("pending", "authorized") and not charge.will_retry:
            raise ValueError(f"the charge is {charge.status}")
        if outcome not in ("", "succeeded", "failed"):
            raise ValueError("a charge settles as succeeded or failed")
        if not outcome:
            return self.go_on(charge_id)
        charge.course = []
        if outcome == "succeeded":
            self._succeed(account, charge, Step(Move.SUCCEED))
        else:
            self._fail(account, charge, INSUFFICIENT_FUNDS)
        return charge

    def act(self, charge_id: str, result: str) -> Charge:
        """The payer confirms or fails an action; raises LookupError, ValueError."""
        account, charge = self._charge(charge_id)
        if charge.status != "requires_action":
            raise ValueError(f"the charge is {charge.status}")
        if result not in ("confirm", "fail"):
            raise ValueError("an action is confirmed or failed")
        if result == "confirm":
            self._succeed(account, charge, Step(Move.SUCCEED))
        else:
            self._fail(account, charge, AUTHENTICATION_FAILED)
        return charge

    def fail_late(self, charge_id: str) -> Charge:
        """A charge that had succeeded fails after all; raises LookupError, ValueError."""
        account, charge = self._charge(charge_id)
        if charge.status != "succeeded":
            raise ValueError(f"the charge is {charge.status}")
        self._step_as(account, charge, Step(Move.LATE_FAILURE, refusal=INSUFFICIENT_FUNDS))
        return charge

    def pay_again(self, charge_id: str) -> Charge:
        """A charge that failed late is paid after all; raises LookupError, ValueError."""
        account, charge = self._charge(charge_id)
        if charge.status != "reversed":
            raise ValueError(f"the charge is {charge.status}")
        self._step_as(account, charge, Step(Move.PAY_AGAIN))
        return charge

    def tell_settled(self, charge_id: str) -> Charge:
        """The money of a charge that had succeeded is the merchant's for good, as far as that goes, and it is told so.

        Raises LookupError, ValueError.
        """
        account, charge = self._charge(charge_id)
        if charge.status != "succeeded":
            raise ValueError(f"the charge is {charge.status}")
        charge.settled_at = charge.settled_at or self.now()
        self._announce_charge(account, charge, "settled")
        return charge

    def cancel(self, account: Account, charge: Charge) -> Charge:
        """Withdraw a charge that is still open; a canceled one stays so. Raises ValueError for another."""
        if charge.status == "canceled":
            return charge
        if not charge.is_open:
            raise ValueError(f"the charge is {charge.status}")
        until = account.manner.cancel
        if until == "never" or (until == "until_charge_date" and self.now() >= charge.collects_at):
            raise ValueError(f"the charge is {charge.status} and can't be withdrawn any more")
        charge.course, charge.will_retry = [], False
        self._close(account, charge, "canceled")
        return charge

    # The course

    def _course(self, account: Account, method: Method, amount: int) -> list[Step]:
        if method.status != "active" and method.kind is not TokenKind.DECLINE_EXPIRED:
            return _slowed((Step(Move.FAIL, refusal=UNCHARGEABLE[method.status]),), account.manner)
        kind = self.kind_of(account, amount, method)
        scripted = account.script.popleft() if account.script else None
        if kind is TokenKind.SOFT_THEN_OK and method.declines_left > 0:
            method.declines_left -= 1
            kind = TokenKind.DECLINE_INSUFFICIENT_FUNDS
        course = _slowed(COURSES.get(kind) or (Step(Move.FAIL, refusal=DECLINES[kind]),), account.manner)
        return course if scripted is None else _scripted(course, scripted)

    def _plan(self, account: Account, charge: Charge) -> None:
        """Do what is to be done at once, and set a timer for what comes next."""
        for _ in range(MAX_STEPS):
            charge.next_at = self._when(account, charge)
            if charge.next_at is None:
                return
            if charge.next_at > self.now():
                self.clock.at(charge.next_at, partial(_go_on, self, charge.id, len(charge.course)))
                return
            self._step(account, charge)
        raise AssertionError("a course has an end")

    def _when(self, account: Account, charge: Charge) -> int | None:
        if not charge.course:
            return None
        step, delays = charge.course[0], self.delays(account)
        waits = {
            Wait.NONE: 0.0,
            Wait.PENDING: delays.pending_delay_s,
            Wait.CAPTURE: delays.capture_delay_s,
            Wait.RETRY: delays.retry_delay_s,
            Wait.LATE_FAILURE: delays.late_failure_delay_s,
            Wait.CHARGEBACK: delays.chargeback_delay_s,
            Wait.MADE_GOOD: delays.made_good_delay_s,
        }
        wait = waits[step.wait] if step.after_s is None else step.after_s
        return int(max(self.now(), charge.collects_at) + wait)

    def _step(self, account: Account, charge: Charge) -> None:
        step = charge.course.pop(0)
        charge.next_at = self._when(account, charge)
        if NEEDS.get(step.move, charge.status) == charge.status:
            self._step_as(account, charge, step)

    def _step_as(self, account: Account, charge: Charge, step: Step) -> None:
        match step.move:
            case Move.SUCCEED:
                self._succeed(account, charge, step)
            case Move.FAIL:
                self._fail(account, charge, step.refusal or INSUFFICIENT_FUNDS)
            case Move.FAIL_AND_RETRY:
                charge.status, charge.decline, charge.will_retry = "failed", step.refusal, True
                self._announce_charge(account, charge)
            case Move.REQUIRE_ACTION:
                charge.status, charge.action_url = "requires_action", f"{self.origin}/action/{charge.id}"
                self._announce_charge(account, charge)
            case Move.AUTHORIZE:
                charge.status = "authorized"
                self._announce_charge(account, charge)
            case Move.LATE_FAILURE:
                charge.status, charge.reversal_reason = "reversed", step.refusal
                charge.reversal = self.book(account, "capture_reversed", charge, -charge.captured)
                self._announce_charge(account, charge, "late_failure")
            case Move.LATE_FAILURE_SETTLED:
                self._announce_charge(account, charge, "late_failure_settled")
            case Move.PAY_AGAIN:
                charge.status = "succeeded"
                charge.reinstatement = self.book(account, "capture_reinstated", charge, charge.captured)
                self._announce_charge(account, charge, "paid_again")
            case Move.CHARGE_BACK:
                self.open_dispute(charge.id, stage="funds_withdrawn", reason="bank_chargeback")
            case Move.CANCEL_CHARGEBACK:
                for dispute in account.disputes_of(charge):
                    if dispute.status == "funds_withdrawn":
                        self.move_dispute(dispute.id, "won")

    def _succeed(self, account: Account, charge: Charge, step: Step) -> None:
        charge.captured = share(charge.amount, step.percent * 100)
        charge.decline, charge.will_retry = None, False
        self.book(account, "capture", charge, charge.captured)
        self._close(account, charge, "succeeded")
        delay_s = self.delays(account).settlement_delay_s
        if delay_s is not None:
            self.clock.at(self.now() + int(delay_s), partial(_settled, self, charge.id))

    def _fail(self, account: Account, charge: Charge, refusal: Refusal) -> None:
        charge.decline, charge.will_retry = refusal, False
        self._close(account, charge, "failed")

    def _close(self, account: Account, charge: Charge, status: Any) -> None:
        charge.status, charge.closed_at, charge.action_url = status, self.now(), ""
        self._announce_charge(account, charge)

    def _announce_charge(self, account: Account, charge: Charge, told: str = "") -> None:
        self.announce(account, f"charge.{told or charge.status}", charge.shown(account.id))


def _go_on(processor: Charging, charge_id: str, steps_left: int) -> None:
    """A timer's ring; it means nothing once the charge has gone another way."""
    for account in processor.accounts.values():
        charge = account.charges.get(charge_id)
        if charge is not None and len(charge.course) == steps_left:
            processor.go_on(charge_id)
            return


def _settled(processor: Charging, charge_id: str) -> None:
    """A timer's ring; what was taken back meanwhile is not settled."""
    with suppress(LookupError, ValueError):
        processor.tell_settled(charge_id)


def _slowed(course: tuple[Step, ...], manner: Manner) -> list[Step]:
    """The course in an account where nothing is known at once, or where capturing is a step of its own."""
    first, *rest = course
    if manner.capture == "later" and first.move is Move.SUCCEED and first.wait is Wait.NONE:
        rest = [msgspec.structs.replace(first, wait=Wait.CAPTURE), *rest]
        first = Step(Move.AUTHORIZE)
    if manner.collection in ("async", "debit") and first.wait is Wait.NONE and first.move is not Move.REQUIRE_ACTION:
        first = msgspec.structs.replace(first, wait=Wait.PENDING)
    return [first, *rest]


def _scripted(course: list[Step], scripted: Scripted) -> list[Step]:
    def changed(step: Step) -> Step:
        return msgspec.structs.replace(step, percent=scripted.percent) if step.move is Move.SUCCEED else step

    course = [changed(step) for step in course] if scripted.percent != 100 else course
    return [msgspec.structs.replace(course[0], after_s=scripted.after_s), *course[1:]]
