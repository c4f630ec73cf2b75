"""Money that goes back, under `/v1`: refunds and disputes; and the settlement files that show it."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec

from gateway.sandbox.kit.asgi import HttpError, Reply, Request, json_reply
from gateway.sandbox.practice.account import Account
from gateway.sandbox.practice.api import Doors, Text, asked, conflict, need, number, page_of
from gateway.sandbox.practice.processor import PracticeProcessor
from gateway.sandbox.practice.refunding import RefundRefused
from gateway.sandbox.practice.settlements import Settlement, settlements


class NewRefund(msgspec.Struct, forbid_unknown_fields=True):
    """Without an `amount`, all that is left of the charge."""

    reference: Text
    amount: Annotated[int, msgspec.Meta(ge=1, le=10**12)] | None = None
    reason: Annotated[str, msgspec.Meta(max_length=500)] = ""
    idempotency_key: str = ""


class Evidence(msgspec.Struct, forbid_unknown_fields=True):
    text: Annotated[str, msgspec.Meta(min_length=1, max_length=5000)]


class ReturnApi:
    """The handlers."""

    def __init__(self, processor: PracticeProcessor) -> None:
        self.processor = processor

    def add_routes(self, doors: Doors) -> None:
        doors.add_once("/v1/charges/{id}/refunds", self.create_refund, self.refund)
        doors.add("GET", "/v1/charges/{id}/refunds", self.list_refunds_of_charge)
        doors.add("GET", "/v1/refunds", self.list_refunds)
        doors.add("GET", "/v1/refunds/{id}", self.show_refund)
        doors.add("GET", "/v1/disputes", self.list_disputes)
        doors.add("GET", "/v1/disputes/{id}", self.show_dispute)
        doors.add("POST", "/v1/disputes/{id}/evidence", self.submit_evidence)
        doors.add("GET", "/v1/settlements", self.list_settlements)
        doors.add("GET", "/v1/settlements/{file}", self.show_settlement)

    async def create_refund(self, account: Account, request: Request) -> Reply:
        new = request.read(NewRefund)
        charge = need(account.charges, request.params["id"], "charge")
        try:
            refund = self.processor.make_refund(account, charge, new.amount, reference=new.reference, reason=new.reason)
        except RefundRefused as refused:
            raise HttpError(422, refused.code, str(refused)) from None
        return json_reply(refund.shown(account.id), 201)

    async def list_refunds_of_charge(self, account: Account, request: Request) -> Reply:
        _readable(account)
        asked(request)
        charge = need(account.charges, request.params["id"], "charge")
        return page_of(request, account.refunds_of(charge)[::-1], _id, lambda one: one.shown(account.id))

    async def list_refunds(self, account: Account, request: Request) -> Reply:
        """Newest first; with `updated_from` what changed since, in the order of the changes, on behind `after`."""
        _readable(account)
        query = asked(request, "reference", "updated_from", "after")
        found = [one for one in account.refunds.values() if query.get("reference") in (None, one.reference)]
        found = _updated(found, query)
        return page_of(request, found, _id, lambda one: one.shown(account.id))

    async def show_refund(self, account: Account, request: Request) -> Reply:
        _readable(account)
        return self.refund(account, request.params["id"])

    def refund(self, account: Account, refund_id: str) -> Reply:
        return json_reply(need(account.refunds, refund_id, "refund").shown(account.id))

    async def list_disputes(self, account: Account, request: Request) -> Reply:
        _readable(account)
        found = _updated(list(account.disputes.values()), asked(request, "updated_from", "after"))
        return page_of(request, found, _id, lambda one: one.shown(account.id))

    async def show_dispute(self, account: Account, request: Request) -> Reply:
        _readable(account)
        return json_reply(need(account.disputes, request.params["id"], "dispute").shown(account.id))

    async def submit_evidence(self, account: Account, request: Request) -> Reply:
        dispute = need(account.disputes, request.params["id"], "dispute")
        with conflict("dispute_closed"):
            self.processor.submit_evidence(dispute.id, request.read(Evidence).text)
        return json_reply(dispute.shown(account.id))

    async def list_settlements(self, account: Account, request: Request) -> Reply:
        """Oldest first; `day_from` as 2027-03-01."""
        day_from = asked(request, "day_from").get("day_from", "")
        found = [one for one in self._settlements(account) if one.day >= day_from]
        return page_of(request, found, _id, Settlement.shown)

    async def show_settlement(self, account: Account, request: Request) -> Reply:
        wanted, _, kind = request.params["file"].partition(".")
        found = need({one.id: one for one in self._settlements(account)}, wanted, "settlement")
        if kind == "csv":
            return Reply(200, found.csv(), {"content-type": "text/csv; charset=utf-8"})
        if kind:
            raise HttpError(404, "settlement_not_found", "a settlement's file ends with .csv")
        return json_reply(found.shown())

    def _settlements(self, account: Account) -> list[Settlement]:
        return settlements(account, self.processor.now())


def _readable(account: Account) -> None:
    if account.manner.lookup == "none":
        raise HttpError(405, "method_not_allowed", "this account can't read anything back")


def _updated(found: list[Any], query: dict[str, str]) -> list[Any]:
    if "updated_from" not in query:
        return found[::-1]
    since, at, _, id = number(query, "updated_from", 0), *query.get("after", "").partition(":")
    after = (number({"after": at or "0"}, "after", 0), id)
    changed = [one for one in found if one.updated_at >= since and _change(one) > after]
    return sorted(changed, key=_change)


def _change(one: Any) -> tuple[int, str]:
    """Where a change stands among the others; as `after`, with a colon between the two.

    It is not the id alone: what changes again moves to the end, and nothing that it passes may be missed.
    """
    return one.updated_at, one.id


def _id(one: Any) -> str:
    return str(one.id)
