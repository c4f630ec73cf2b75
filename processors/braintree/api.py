"""Questions to Braintree: a charge, refund, dispute or payment method as it stands there, by id, reference or time."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Final, TypeVar

import msgspec

from processors.braintree import documents
from processors.braintree.config import Settings
from processors.braintree.graphql import GraphQl, some
from processors.braintree.wire import (
    ApiDispute,
    ApiKind,
    ApiMerchant,
    ApiMethod,
    ApiMethods,
    ApiOther,
    ApiRefund,
    ApiReversed,
    ApiTransaction,
    ApiViewer,
    Connection,
)
from processors.calls import if_there
from processors.errors import OutcomeUnknownError, RefusedError
from processors.reading import readable

PAGE: Final = 50
"""Of a list. unverified: how many may be asked for at once (docs name no number)."""

T = TypeVar("T")


class BraintreeApi:
    """One gateway account there. What comes back is held to be what was asked for, or refused."""

    def __init__(self, graphql: GraphQl, settings: Settings) -> None:
        self.graphql = graphql
        self._settings = settings

    async def merchant(self) -> ApiMerchant:
        """Whose key it is, with those of the configured merchant accounts that it has. Raises CallError."""
        wanted = sorted(self._settings.merchant_accounts.values())
        viewer = await self.graphql.want(
            documents.MERCHANT, "viewer", ApiViewer, input={"id": {"in": wanted}}, first=len(wanted)
        )
        return viewer.merchant

    # Charges

    async def transaction(self, processor_id: str) -> ApiTransaction | None:
        """None where there is none; raises CallError."""
        return await self._node(documents.TRANSACTION, processor_id, ApiTransaction)

    async def transactions_of(self, reference: str) -> list[ApiTransaction]:
        """Every charge under our reference; raises CallError, so also where they don't fit a page."""
        page = await self._search("transactions", ApiTransaction, {"orderId": {"is": reference}})
        return [self.own(one, reference) for one in _all(page)]

    def own(self, told: ApiTransaction, reference: str) -> ApiTransaction:
        """Raises OutcomeUnknownError for a charge that is another's, or not the one asked for."""
        if told.order_id != reference or not self.is_ours(told.merchant_account_id):
            raise OutcomeUnknownError("the processor answered with a charge that is not the one asked for")
        return told

    def is_ours(self, merchant_account: str | None) -> bool:
        """Whether a merchant account is one of this connection's."""
        return merchant_account in self._settings.merchant_accounts.values()

    async def original(self, duplicate_of: ApiOther, reference: str) -> ApiTransaction | None:
        """What a charge is a duplicate of, if it's under our reference too; raises CallError."""
        if duplicate_of.order_id != reference:
            return None
        found = await self.transaction(duplicate_of.id)
        return None if found is None else self.own(found, reference)

    # Money that goes back

    async def returned(self, processor_id: str) -> ApiRefund | ApiTransaction | None:
        """A refund by its id, which is the charge's own where that was voided; raises CallError."""
        raw = await self._node(documents.RETURN, processor_id, msgspec.Raw)
        return None if raw is None else either(raw, "node")

    async def refunds_under(self, reference: str) -> list[ApiRefund]:
        """Raises CallError."""
        return _all(await self._search("refunds", ApiRefund, {"orderId": {"is": reference}}))

    async def refunds_of(self, charge_id: str) -> ApiTransaction | None:
        """A charge with all of its refunds; raises CallError."""
        return await self._node(documents.RETURNS_OF, charge_id, ApiTransaction)

    async def reverse(self, charge_id: str) -> ApiRefund | ApiTransaction:
        """Void a charge that isn't settled yet. One that settles at that moment is refunded whole. Raises CallError."""
        answer = await self.graphql.want(
            documents.REVERSE, "reverseTransaction", ApiReversed, input={"transactionId": charge_id}
        )
        return either(answer.reversal, "reverseTransaction")

    async def dispute(self, processor_id: str) -> ApiDispute | None:
        """Raises CallError."""
        return await self._node(documents.DISPUTE, processor_id, ApiDispute)

    # What changed since: every page goes on where the last one ended

    async def created(self, since: datetime, after: str) -> Connection[ApiTransaction]:
        return await self._search("transactions", ApiTransaction, {**self._ours(), "createdAt": _from(since)}, after)

    async def passed(self, status: str, since: datetime, after: str) -> Connection[ApiTransaction]:
        """Charges that went through a status since: `settledAt`, `voidedAt`."""
        asked = {**self._ours(), "statusTransition": {status: _from(since)}}
        return await self._search("transactions", ApiTransaction, asked, after)

    async def refunds_since(self, since: datetime, after: str) -> Connection[ApiRefund]:
        return await self._search("refunds", ApiRefund, {**self._ours(), "createdAt": _from(since)}, after)

    async def disputes_since(self, since: datetime, after: str) -> Connection[ApiDispute]:
        """By the day on which something about one took effect."""
        asked = {
            "effectiveDate": {"greaterThanOrEqualTo": since.astimezone(UTC).date().isoformat()},
            "transaction": self._ours(),
        }
        return await self._search("disputes", ApiDispute, asked, after)

    def _ours(self) -> Mapping[str, Any]:
        return {"merchantAccountId": {"in": sorted(self._settings.merchant_accounts.values())}}

    # Payment methods

    async def method(self, token: str) -> ApiMethod | None:
        """None where there is none; raises CallError."""
        return await self._node(documents.METHOD, token, ApiMethod)

    async def method_with_address(self, token: str) -> ApiMethod | None:
        """None where there is none; raises CallError."""
        return await self._node(documents.ADDRESS, token, ApiMethod)

    async def methods_of(self, customer: str) -> list[ApiMethod]:
        """What a customer has in the vault, the first that came there first; raises CallError."""
        held = await self._node(documents.METHODS, customer, ApiMethods, first=PAGE)
        if held is None:
            raise RefusedError("the processor has no such customer", 404, "NOT_FOUND")
        found = _all(held.payment_methods)
        return sorted(found, key=lambda one: (one.created_at is None, one.created_at, one.id))

    # Ids

    async def global_id(self, legacy_id: str, kind: str) -> str:
        """The id under which the API knows what webhooks and the Control Panel name otherwise; raises CallError."""
        variables = {"legacyId": legacy_id, "type": kind}
        return await self.graphql.want(documents.GLOBAL_ID, "idFromLegacyId", str, **variables)

    async def _node(self, document: str, processor_id: str, kind: type[T], **more: Any) -> T | None:
        """What has this id; None where nothing has."""
        return await if_there(self.graphql.ask(document, "node", kind, id=checked_id(processor_id), **more))

    async def _search(self, what: str, kind: type[T], asked: Mapping[str, Any], after: str = "") -> Connection[T]:
        document = {
            "transactions": documents.TRANSACTIONS,
            "refunds": documents.RETURNS,
            "disputes": documents.DISPUTES,
        }[what]
        more = {"after": after} if after else {}
        lists = dict[str, Connection[kind]]  # type: ignore[valid-type]
        found = await self.graphql.want(document, "search", lists, input=asked, first=PAGE, **more)
        return some(found.get(what), what)


def either(raw: msgspec.Raw, field: str) -> ApiRefund | ApiTransaction:
    """A refund or a charge; raises OutcomeUnknownError for what can't be read as either."""
    named = readable(raw, ApiKind)
    kinds: dict[str, type[ApiRefund] | type[ApiTransaction]] = {"Refund": ApiRefund, "Transaction": ApiTransaction}
    kind = kinds.get(named.typename) if named else None
    read = readable(raw, kind) if kind else None
    if read is not None:
        return read
    raise OutcomeUnknownError(f"{field} answered 200 with what is neither a refund nor a charge")


def checked_id(value: str) -> str:
    """Raises RefusedError for what no global id looks like: base64 of a type and an id."""
    if not re.fullmatch(r"[A-Za-z0-9_=-]{1,200}", value):
        raise RefusedError("an id has letters that no id of this processor has", 400, "id_malformed")
    return value


def _all(page: Connection[T]) -> list[T]:
    """The whole of a list that must fit one page; raises OutcomeUnknownError."""
    if page.page_info.has_next_page:
        raise OutcomeUnknownError(f"the processor shows more than {len(page.edges)} where a few are to be expected")
    return page.nodes


def _from(moment: datetime) -> Mapping[str, str]:
    return {"greaterThanOrEqualTo": moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")}
