"""Colours repeat what the words of a state say, the same wherever it stands."""

from __future__ import annotations

import re
from enum import StrEnum

import pytest

from db import states
from db.states import CaseState, DisputeState, InvoiceState, RefundPartState
from gateway.console.tones import TONES, tone
from gateway.domain.roles import Role
from tests.api.seed import add_invoice, seed
from tests.console.conftest import Console


def badge(page: str, words: str) -> set[str]:
    """The classes of all badges of a page that say this."""
    return {one.strip() for one in re.findall(rf'<span class="badge([^"]*)">{words}</span>', page)}


async def test_one_state_has_one_colour_on_every_page(console: Console) -> None:
    seeded = await seed(console.api.runtime, console.api.ours.id)
    of = {"customer": seeded.customer, "subscription": seeded.subscription}
    amounts = {"currency": "eur", "amount_due": 500, "amount_remaining": 500, "total": 500}
    await add_invoice(seeded.account, "in_late", state="exhausted", status="open", **of, **amounts)
    pages = {
        "refused": ("/refunds", f"/refunds/{seeded.refund}"),
        "won": ("/disputes", f"/disputes/{seeded.dispute}"),
        "exhausted": (
            "/invoices",
            "/invoices/in_late",
            f"/customers/{seeded.customer}",
            f"/subscriptions/{seeded.subscription}",
        ),
    }
    told = {"refused": "bad", "won": "good", "exhausted": "bad"}
    for words, paths in pages.items():
        for path in paths:
            page = await console[Role.ADMIN].get(path)
            assert badge(page.text, words) == {told[words]}, path


@pytest.mark.parametrize(
    ("state", "wanted"),
    [
        (InvoiceState.PENDING, "warn"),
        (RefundPartState.PENDING, ""),
        (InvoiceState.CLOSED, ""),
        (CaseState.CLOSED, "good"),
        (DisputeState.LOST, "bad"),
        ("past_due", "warn"),
        ("a state of tomorrow", ""),
        (None, ""),
    ],
)
def test_a_word_of_two_enums_has_the_colour_of_its_own(state: object, wanted: str) -> None:
    assert tone(state) == wanted


def test_what_has_a_colour_is_a_state() -> None:
    for kind, tones in TONES.items():
        assert issubclass(kind, StrEnum)
        assert set(tones) <= set(kind), kind
        assert set(tones.values()) <= {"good", "warn", "bad"}, kind
    assert states.DisputeState in TONES
