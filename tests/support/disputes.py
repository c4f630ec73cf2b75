"""What a payer's bank and the processor's staff do about disputes, and what is shown of them."""

from __future__ import annotations

from typing import Any

from db import sql
from tests.support.world import World


def object_to(world: World, amount: int | None = None, *, stage: str = "opened", reason: str = "general") -> Any:
    """The payer objects to `amount` of the last charge, or to all of it."""
    return world.practice.open_dispute(world.captures()[-1].id, amount, stage=stage, reason=reason)


async def disputed(world: World, amount: int | None = None, *, stage: str = "opened", reason: str = "general") -> Any:
    """The same, and we have heard of it; the dispute at the processor."""
    made = object_to(world, amount, stage=stage, reason=reason)
    await world.settle()
    return made


async def becomes(world: World, dispute: Any, *stages: str, lost: int | None = None) -> None:
    """The dispute goes on at the processor, and we hear of each step."""
    for stage in stages:
        world.practice.move_dispute(dispute.id, stage, lost if stage == "partly_lost" else None)
        await world.settle()


async def disputes(world: World, invoice: str) -> list[dict[str, Any]]:
    """The disputes of an invoice as the API shows them, oldest first."""
    answer = await world.call("GET", f"/v1/disputes?invoice={invoice}&limit=100")
    assert answer.status_code == 200, answer.text
    return list(answer.json()["data"])[::-1]


async def refundable(world: World, invoice: str) -> int:
    """What can still be returned of its captures."""
    found = await sql.value(
        """select sum(tollbridge.refundable(id))::bigint from tollbridge.attempt
           where invoice = $1 and state = 'succeeded'""",
        invoice,
    )
    return int(found)


async def moved(world: World, invoice: str) -> list[int]:
    """What disputes took of an invoice's money and gave back, oldest first."""
    movements = (await world.gateway_invoice(invoice))["movements"]
    signs = {"dispute_withdrawn": -1, "dispute_returned": 1}
    return [signs[m["kind"]] * m["amount"] for m in movements if m["kind"] in signs]


async def cases_of(world: World, kind: str) -> list[dict[str, Any]]:
    """The open cases of a kind."""
    answer = await world.call("GET", "/v1/cases?state=open&limit=100")
    return [case for case in answer.json()["data"] if case["kind"] == kind]


async def told(world: World) -> list[str]:
    """What the merchant was told of disputes, oldest first."""
    found = await sql.rows(
        """select type from tollbridge.outbound_event where object_kind = 'dispute' order by created_at, sequence"""
    )
    return [row["type"].removeprefix("tollbridge.dispute.") for row in found]
