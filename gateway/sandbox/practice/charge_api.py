"""Charges under `/v1/charges`: made once, found again as the account's manner allows, withdrawn while they are open."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec

from gateway.sandbox.kit.asgi import HttpError, Reply, Request, json_reply
from gateway.sandbox.practice.account import Account, Charge, Method
from gateway.sandbox.practice.api import Doors, Text, asked, conflict, need, number, page_of
from gateway.sandbox.practice.kinds import REFUSED_AT_ONCE
from gateway.sandbox.practice.money import minimum
from gateway.sandbox.practice.processor import PracticeProcessor


class NewLine(msgspec.Struct, forbid_unknown_fields=True):
    """One line without tax, in the account's minor units."""

    description: Annotated[str, msgspec.Meta(max_length=500)]
    amount: Annotated[int, msgspec.Meta(ge=1, le=10**12)]


class NewCharge(msgspec.Struct, forbid_unknown_fields=True):
    """`amount` in the account's minor units; `reference` is unique in the account unless its manner says otherwise.

    `collect_at`, in Unix seconds: not before then is it sent to the payer's bank. `lines` and the `tax` on them are
    what the amount is made of, where the account takes that.
    """

    amount: Annotated[int, msgspec.Meta(ge=1, le=10**12)]
    currency: Annotated[str, msgspec.Meta(pattern="^[A-Z]{3}$")]
    method: Text
    reference: Text
    description: Annotated[str, msgspec.Meta(max_length=500)] = ""
    metadata: dict[str, str] = {}
    lines: Annotated[list[NewLine], msgspec.Meta(max_length=1000)] = []
    tax: Annotated[int, msgspec.Meta(ge=0, le=10**12)] = 0
    collect_at: Annotated[int, msgspec.Meta(ge=0, le=10**11)] = 0
    idempotency_key: str = ""


class Action(msgspec.Struct, forbid_unknown_fields=True):
    result: str


class Cancel(msgspec.Struct, forbid_unknown_fields=True):
    idempotency_key: str = ""


class ChargeApi:
    """The handlers."""

    def __init__(self, processor: PracticeProcessor) -> None:
        self.processor = processor

    def add_routes(self, doors: Doors) -> None:
        doors.add_once("/v1/charges", self.create_charge, self.charge)
        doors.add("GET", "/v1/charges", self.list_charges)
        doors.add("GET", "/v1/charges/{id}", self.show_charge)
        doors.add_once("/v1/charges/{id}/cancel", self.cancel_charge, self.charge)
        doors.add("POST", "/v1/charges/{id}/action", self.act_on_charge)

    async def create_charge(self, account: Account, request: Request) -> Reply:
        if account.locked:
            raise HttpError(403, "account_locked", "this account is locked: ask the processor")
        new = request.read(NewCharge)
        if new.reference in account.by_reference and account.manner.unique_reference:
            raise HttpError(409, "reference_exists", "a charge with this reference exists under another key")
        method = account.methods.get(new.method)
        if method is None:
            raise HttpError(422, "method_not_found", "there is no such method in this account")
        self._check(account, new, method)
        charge = self.processor.make_charge(
            account,
            new.reference,
            new.amount,
            new.currency,
            method,
            collects_at=new.collect_at,
            description=new.description,
            metadata=new.metadata,
            lines=msgspec.to_builtins(new.lines),
            tax=new.tax,
        )
        charge.hidden_until = charge.created_at + max(request.hide_for_s, account.manner.lookup_lag_s)
        return json_reply(charge.shown(account.id), 201)

    async def show_charge(self, account: Account, request: Request) -> Reply:
        """With its refunds and disputes, so that one call tells all."""
        if account.manner.lookup == "none":
            raise HttpError(405, "method_not_allowed", "this account can't read charges back")
        charge = need(account.charges, request.params["id"], "charge")
        if charge.hidden_until > self.processor.now():
            raise HttpError(404, "charge_not_found", "there is no such charge")
        shown = charge.shown(account.id)
        shown["refunds"] = [one.shown(account.id) for one in account.refunds_of(charge)]
        shown["disputes"] = [one.shown(account.id) for one in account.disputes_of(charge)]
        return json_reply(shown)

    def charge(self, account: Account, charge_id: str) -> Reply:
        return json_reply(need(account.charges, charge_id, "charge").shown(account.id))

    async def list_charges(self, account: Account, request: Request) -> Reply:
        """Newest first. What may be asked for depends on the account's manner."""
        known = {"by_reference": ("reference",), "scan": ("customer", "method", "created_from")}
        if account.manner.lookup not in known:
            raise HttpError(405, "method_not_allowed", "this account can't list charges")
        query = asked(request, *known[account.manner.lookup])
        if account.manner.lookup == "by_reference":
            found = account.by_reference.get(query.get("reference", ""), [])
        else:
            found = [charge for charge in account.charges.values() if _fits(charge, query)]
        now = self.processor.now()
        visible = [charge for charge in reversed(found) if charge.hidden_until <= now]
        return page_of(request, visible, _id, lambda charge: charge.shown(account.id))

    async def cancel_charge(self, account: Account, request: Request) -> Reply:
        request.read(Cancel)
        charge = need(account.charges, request.params["id"], "charge")
        with conflict("charge_closed"):
            return json_reply(self.processor.cancel(account, charge).shown(account.id))

    async def act_on_charge(self, account: Account, request: Request) -> Reply:
        charge = need(account.charges, request.params["id"], "charge")
        with conflict("no_action_possible"):
            self.processor.act(charge.id, request.read(Action).result)
        return json_reply(charge.shown(account.id))

    def _check(self, account: Account, new: NewCharge, method: Method) -> None:
        """Raises HttpError 422 for what this account can't charge."""
        manner = account.manner
        if manner.currencies is not None and new.currency not in manner.currencies:
            raise HttpError(422, "currency_not_supported", f"this account does not charge {new.currency}")
        _check_lines(account, new)
        smallest = manner.minimum.get(new.currency, minimum(new.currency, manner.decimals))
        if new.amount < smallest:
            raise HttpError(422, "amount_too_small", f"the smallest charge is {smallest} minor units")
        largest = manner.maximum.get(new.currency)
        if largest is not None and new.amount > largest:
            raise HttpError(422, "amount_too_large", f"the largest charge is {largest} minor units")
        if self.processor.kind_of(account, new.amount, method) in REFUSED_AT_ONCE:
            if account.script:
                account.script.popleft()
            raise HttpError(422, "method_not_chargeable", "this method can't be charged")


def _check_lines(account: Account, new: NewCharge) -> None:
    if not new.lines and not new.tax:
        return
    if not account.manner.takes_lines:
        raise HttpError(422, "lines_not_taken", "this account takes no lines")
    if sum(line.amount for line in new.lines) + new.tax != new.amount:
        raise HttpError(422, "lines_do_not_add_up", "lines and tax must add up to the amount")


def _fits(charge: Charge, query: dict[str, str]) -> bool:
    return (
        query.get("customer") in (None, charge.customer)
        and query.get("method") in (None, charge.method)
        and charge.created_at >= number(query, "created_from", 0)
    )


def _id(one: Any) -> str:
    return str(one.id)
