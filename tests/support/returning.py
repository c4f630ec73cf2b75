"""Money that goes back, as tests ask for it and look at it: by the API, in Stripe, in the processor's dashboard."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

import httpx

from db import sql
from tests.support.world import World

ASK = {"method": "POST", "path": "/v1/charges/{id}/refunds"}
LIST = {"method": "GET", "path": "*refunds*"}
NOTE = {"method": "POST", "path": "/v1/credit_notes"}


async def post(world: World, path: str, body: dict[str, Any] | None = None, *, key: str = "") -> httpx.Response:
    """A call that moves money, with an idempotency key of its own."""
    return await world.call("POST", path, body or {}, key=key, headers={"idempotency-key": uuid4().hex})


async def refund(world: World, invoice: str, **body: Any) -> dict[str, Any]:
    """Finance staff ask for a refund; its state when the answer came."""
    answer = await post(world, "/v1/refunds", {"invoice": invoice, **body})
    assert answer.status_code in (200, 202), answer.text
    return dict(answer.json())


async def refund_later(world: World, invoice: str, **body: Any) -> dict[str, Any]:
    """The same, without waiting for its end; then everything comes to rest."""
    asked = await refund(world, invoice, wait_s=0, **body)
    await world.settle()
    return asked


async def refunds(world: World, invoice: str) -> list[dict[str, Any]]:
    """The refunds of an invoice, oldest first."""
    answer = await world.call("GET", f"/v1/refunds?invoice={invoice}&limit=100")
    return list(answer.json()["data"])[::-1]


async def the_refund(world: World, invoice: str) -> dict[str, Any]:
    """The invoice's only one."""
    [found] = await refunds(world, invoice)
    return found


async def retry(world: World, refund_id: str) -> httpx.Response:
    """Somebody presses "try again"; then everything comes to rest."""
    answer = await post(world, f"/v1/refunds/{refund_id}/retry", {"wait_s": 0})
    await world.settle()
    return answer


async def credit(world: World, invoice: str, **params: Any) -> Any:
    """Staff make a credit note in Stripe."""
    return await world.shop.client.v1.credit_notes.create_async({"invoice": invoice, **params})


async def credit_and_wait(world: World, invoice: str, amount: int, **params: Any) -> Any:
    """The same, for money that is to go back outside Stripe, and the time in which a refund may turn up."""
    made = await credit(world, invoice, **{"amount": amount, "out_of_band_amount": amount, **params})
    await world.settle()
    await world.later(minutes=6)
    return made


def in_dashboard(world: World, amount: int | None = None) -> Any:
    """Staff refund the last capture in the processor's dashboard."""
    return world.practice.refund_from_dashboard(world.captures()[-1].id, amount)


def returned(world: World) -> list[int]:
    """`r`: what went back at the processor, oldest first."""
    account = world.practice.account(world.shop.practice_key)
    return [one.amount for one in account.refunds.values() if one.status == "succeeded"]


def notes(world: World, invoice: str) -> list[dict[str, Any]]:
    """The invoice's credit notes at Stripe, oldest first."""
    account = world.stripe_account()
    return [account.credit_notes[id_] for id_ in account.credit_notes_of_invoice.get(invoice, [])]


def credited(world: World, invoice: str) -> list[int]:
    """What Stripe shows as returned outside it, note by note."""
    return [note["out_of_band_amount"] for note in notes(world, invoice) if note["status"] == "issued"]


def refund_calls(world: World) -> list[Any]:
    """The refund requests that reached the processor."""
    return [c for c in world.practice.calls if c.method == "POST" and c.path.endswith("/refunds")]


def refund_keys(world: World) -> set[str]:
    return {call.idempotency_key for call in refund_calls(world)}


async def cases(world: World) -> dict[str, str]:
    """The open cases: kind to subject."""
    rows = await sql.rows("select kind, subject from tollbridge.review_case where state = 'open'")
    return {row["kind"]: row["subject"] for row in rows}


async def speak_like(world: World, like: str) -> None:
    """The shop's processor is one with the manner of a real one; before its connection was used."""
    world.practice.set_manner(world.shop.practice_key, like=like, charge_after_days=0, refunds_need_balance=False)
    await sql.rows(
        "update tollbridge.connection set adapter = $2 where id = $1", world.shop.connection, f"practice_{like}"
    )
