"""Strange input to the console: a page that says what to mend, never a failure."""

from __future__ import annotations

import httpx
import pytest

from gateway.domain.roles import Role
from tests.api.seed import seed
from tests.console.conftest import Console
from tests.support.staff import text_of

UNTIL = ["collected_until", "created_until", "declined_until", "due_until"]


@pytest.mark.parametrize("field", UNTIL)
async def test_the_last_day_that_a_browser_can_send_is_no_failure(console: Console, field: str) -> None:
    answer = await console[Role.FINANCE].get(f"/invoices?{field}=9999-12-31")
    assert answer.status_code in (200, 400)


async def test_the_journal_of_the_last_days_there_are_is_no_broken_file(console: Console) -> None:
    """The failure comes after 200 was said: a browser keeps the stump."""
    finance = console[Role.FINANCE]
    behind = httpx.ASGITransport(app=console.api.app)  # what breaks a file off is raised
    async with httpx.AsyncClient(transport=behind, base_url="http://test") as finance.http:
        answer = await finance.get("/exports/journal?from=9999-12-01&to=9999-12-31&format=csv")
    assert answer.status_code in (200, 400)


async def test_a_number_of_very_many_digits_is_told_to_be_wrong(console: Console) -> None:
    seeded, many, admin = await seed(console.api.runtime, console.api.ours.id), "1" * 5000, console[Role.ADMIN]
    forms = {
        f"/customers/{seeded.customer}/payment_methods/{seeded.method}/move": {"position": many},
        f"/subscriptions/{seeded.subscription}/switch": {"to": "gateway", "days_until_due": many},
        f"/settings/endpoints/{seeded.endpoint}/roll": {"keep_s": "99999999999999999999999"},
    }
    found = {path: (await admin.post(path, fields)).status_code for path, fields in forms.items()}
    assert set(found.values()) == {400}, found


@pytest.mark.parametrize("key", ["", " ", "sk_test_\n", "sk_test_\u00e9"])
async def test_a_key_that_can_be_none_is_told_to_be_wrong(console: Console, key: str) -> None:
    answer = await console[Role.ADMIN].post("/settings/account/key", {"api_key": key, "reason": "rolled"})
    assert answer.status_code == 400, text_of(answer)
