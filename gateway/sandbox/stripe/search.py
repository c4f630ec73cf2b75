"""Search over customers, invoices, subscriptions, prices and products (docs: search).

The index may lag: with `account.search_lag_s` a search sees objects as they were so many sandbox seconds ago, and not
at all what was made since ("searchable in under 1 minute"). Chosen: an answer shows them as the index has them, and
what was deleted is gone at once.
"""

from __future__ import annotations

import base64
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from gateway.sandbox.stripe.errors import bad_params
from gateway.sandbox.stripe.objects import Obj
from gateway.sandbox.stripe.routes import Call, route
from gateway.sandbox.stripe.search_query import Field, parse
from gateway.sandbox.stripe.store import Account, Collection

TOKEN, STRING, NUMERIC = Field("token"), Field("string"), Field("numeric")


def _subscription_of(invoice: Obj) -> Any:
    return ((invoice["parent"] or {}).get("subscription_details") or {}).get("subscription")


def _finalization_error(name: str, invoice: Obj) -> Any:
    return (invoice["last_finalization_error"] or {}).get(name)


FIELDS: dict[str, dict[str, Field]] = {
    "customers": {"created": NUMERIC, "email": STRING, "name": STRING, "phone": STRING},
    "invoices": {
        "created": NUMERIC,
        "currency": TOKEN,
        "customer": TOKEN,
        "last_finalization_error_code": Field("token", partial(_finalization_error, "code")),
        "last_finalization_error_type": Field("token", partial(_finalization_error, "type")),
        "number": STRING,
        "receipt_number": STRING,
        "status": STRING,
        "subscription": Field("string", _subscription_of),
        "total": NUMERIC,
    },
    "subscriptions": {"canceled_at": NUMERIC, "created": NUMERIC, "status": TOKEN},
    "prices": {"active": TOKEN, "currency": TOKEN, "lookup_key": STRING, "product": TOKEN, "type": TOKEN},
    "products": {"active": TOKEN, "description": STRING, "name": STRING, "shippable": TOKEN, "url": STRING},
}
COLLECTIONS: dict[str, Callable[[Account], Collection[Obj]]] = {
    "customers": lambda account: account.customers,
    "invoices": lambda account: account.invoices,
    "subscriptions": lambda account: account.subscriptions,
    "prices": lambda account: account.prices,
    "products": lambda account: account.products,
}


def _search(resource: str, fields: Mapping[str, Field], call: Call) -> Obj:
    account, params = call.account, call.params
    query = parse(params["query"], fields, resource)
    index = Index(account)
    asked = {"limit": params.get("limit", 10)}
    if "page" in params:
        asked["starting_after"] = _cursor(params["page"])
    of = COLLECTIONS[resource](account)

    def keep(obj: Obj) -> bool:
        known = index.view(obj)
        return known is not None and query.matches(known)

    rows, more = of.page(asked, keep)
    return {
        "object": "search_result",
        "data": [index.view(row) for row in rows],
        "has_more": more,
        "next_page": base64.urlsafe_b64encode(rows[-1]["id"].encode()).decode() if more else None,
        "url": f"/v1/{resource}/search",
        "_total": partial(_count, of, keep),
    }


def _count(of: Collection[Obj], keep: Callable[[Obj], bool]) -> int:
    return sum(map(keep, of.values()))


def _cursor(page: str) -> str:
    try:
        return base64.urlsafe_b64decode(page).decode()
    except ValueError:
        raise bad_params("Invalid page token.", param="page") from None


class Index:
    """What search knows now."""

    def __init__(self, account: Account) -> None:
        self._unseen: dict[str, Obj | None] = {}
        account.forget_searchable()
        for _, id, before in account.unsearchable:
            self._unseen.setdefault(id, before)

    def view(self, obj: Obj) -> Obj | None:
        """An object as the index has it; None where it has it not."""
        if obj.get("deleted"):
            return None
        return self._unseen.get(obj["id"], obj)


for _resource, _fields in FIELDS.items():
    route("GET", f"/v1/{_resource}/search", "*query limit:int page")(partial(_search, _resource, _fields))
