"""What is wrong in a form stands at its field, in the words of its label, and so does the line on top."""

from __future__ import annotations

import re

import pytest

from db import sql
from gateway.accounts.errors import FieldError
from gateway.billing.errors import StripeRefusedError
from gateway.console.errors import Wrong, wrong_of
from gateway.domain.roles import Role
from tests.api.seed import Seeded, seed
from tests.console.conftest import Console
from tests.console.test_reconciliations import FILE, ours, send
from tests.support.staff import text_of

PAST = "2001-01-01"
LABEL = "Until the end of this day"


@pytest.fixture
async def seeded(console: Console) -> Seeded:
    return await seed(console.api.runtime, console.api.ours.id)


POSTED = [
    ("/customers/{customer}/pause", {"until": PAST, "reason": "x"}, "pause-until", LABEL),
    ("/customers/{customer}/pause", {"until": "soon", "reason": "x"}, "pause-until", LABEL),
    ("/customers/{customer}/pause", {"reason": ""}, "pause-reason", "Why"),
    ("/customers/{customer}/collection", {"reason": ""}, "collection-reason", "Why"),
    ("/customers/{customer}/erase", {"sure": "yes", "reason": "x"}, "erase-sure", "The customer's id"),
    ("/subscriptions/{subscription}/grants", {"until": PAST, "reason": "x"}, "grant-until", LABEL),
    ("/subscriptions/{subscription}/grants", {"until": "2099-01-01"}, "grant-reason", "Why"),
    (
        "/subscriptions/{subscription}/switch",
        {"to": "hosted", "days_until_due": "abc", "reason": "x"},
        "days_until_due",
        "Days until an invoice is due",
    ),
    ("/cases/{case}/note", {"text": ""}, "note-text", "A note"),
    ("/cases/{case}/close", {"reason": ""}, "close-reason", "Why"),
    ("/cases/{case}/assign", {"owner": "nobody@example.com"}, "assign-owner", "Give it to"),
    ("/invoices/views", {"name": " "}, "name", "Name"),
    ("/settings/users/invite", {"email": "x", "role": "viewer", "reason": "x"}, "email", "Mail address"),
    ("/settings/endpoints", {"url": "x"}, "url", "Address"),
]


@pytest.mark.parametrize(("path", "fields", "at", "label"), POSTED)
async def test_what_is_wrong_stands_at_its_field(
    console: Console, seeded: Seeded, path: str, fields: dict[str, str], at: str, label: str
) -> None:
    answer = await console[Role.ADMIN].post(path.format_map(seeded.__dict__), fields)
    said_as_it_is_labelled(answer.text, at, label)
    assert answer.status_code == 400


ASKED = [
    ("/exports/journal?from=2027-03-31&to=2027-01-01", "to", "Last day"),
    ("/exports/journal?from=x&to=2027-01-01", "from", "First day"),
    ("/audit?from=2027-03-31&to=2027-01-01", "to", "To day"),
    ("/audit?from=x", "from", "From day"),
    ("/invoices?due_from=garbage", "due_from", "Due from"),
    ("/invoices?due_from=2027-03-31&due_until=2027-01-01", "due_until", "Due until"),
]


@pytest.mark.parametrize(("path", "at", "label"), ASKED)
async def test_a_filter_that_is_wrong_says_so_and_nothing_else(
    console: Console, seeded: Seeded, path: str, at: str, label: str
) -> None:
    answer = await console[Role.ADMIN].get(path)
    said_as_it_is_labelled(answer.text, at, label)
    assert answer.status_code == 400
    for lie in ("There is none yet", "Nothing matches", "No entry fits", "Nobody did anything"):
        assert lie not in text_of(answer)


async def test_a_column_that_is_missing_is_said_at_its_field(console: Console) -> None:
    await ours(console)
    answer = await send(console[Role.FINANCE], FILE, **{"map.date": ""})
    said_as_it_is_labelled(answer.text, "map.date", "Date")


def said_as_it_is_labelled(page: str, at: str, label: str) -> None:
    """The line on top begins with the label, and the field is marked and described by what is wrong."""
    [beside] = re.findall(f'<(?:p|span) class="wrong" id="{at}-wrong">([^<]+)<', page)
    [top] = re.findall('<p class="problem" role="alert">([^<]+)<', page)
    assert top.replace("&#39;", "'").startswith(f"{label}: ")
    assert beside.rstrip(".") in top
    [marked] = [one for one in re.findall("<(?:input|select|textarea|fieldset)[^>]*>", page) if f"{at}-wrong" in one]
    assert 'aria-invalid="true"' in marked


@pytest.mark.parametrize(
    "path",
    [
        "/refunds?state=bogus",
        "/refunds?approval=bogus",
        "/disputes?state=bogus",
        "/cases?kind=bogus",
        "/cases?state=bogus",
        "/customers?show=bogus",
        "/subscriptions?collected_by=bogus",
        "/subscriptions?access=bogus",
        "/events?delivery=bogus",
        "/webhooks?state=bogus",
    ],
)
async def test_a_filter_that_there_is_not_shows_no_list(console: Console, seeded: Seeded, path: str) -> None:
    answer = await console[Role.ADMIN].get(path)
    text = text_of(answer)
    assert answer.status_code == 400
    assert "This can't be read" in text
    assert "'data'" not in text
    assert "<table" not in answer.text


async def test_who_granted_access_is_named(console: Console, seeded: Seeded) -> None:
    admin = console[Role.ADMIN]
    path = f"/subscriptions/{seeded.subscription}"
    await admin.post(f"{path}/grants", {"until": "2099-01-01", "reason": "x"})
    await sql.rows("update tollbridge.access_grant set revoked_at = now(), revoked_by = granted_by")
    assert await sql.value("select count(*) from tollbridge.access_grant where granted_by = $1", admin.user)
    assert admin.user not in (await admin.get(path)).text


def test_a_sentence_that_names_no_field_stays_as_it_is() -> None:
    wrong = wrong_of(StripeRefusedError("No such price: 'price_x'", status=400, param="price"))
    assert (wrong.top, wrong.of("price")) == ("No such price: 'price_x'.", "No such price: 'price_x'")


def test_a_field_of_one_form_is_not_wrong_in_another() -> None:
    wrong = wrong_of(FieldError("reason", "must be said"), {"reason": "Why"}, form="pause")
    assert (wrong.of("reason", "pause"), wrong.of("reason", "void"), wrong.of("reason")) == ("Must be said", "", "")
    assert wrong.top == "Why: Must be said."
    assert Wrong().top == ""
