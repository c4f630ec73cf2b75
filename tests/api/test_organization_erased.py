"""A token for somebody who was erased since."""

from __future__ import annotations

from db import sql
from tests.api.conftest import Api
from tests.api.test_organization import _get, _token, organization

__all__ = ["organization"]


async def test_a_token_of_an_erased_customer_opens_nothing(organization: Api) -> None:
    """Erasing ends the customer's open sessions; the tokens that stand in browsers go on showing what was billed, and
    keep the address that the customer was to come back to."""
    token = (await _token(organization, return_url="https://market.example/ada.lovelace"))["token"]
    await sql.rows("update tollbridge.subscription set status = 'canceled', ended_at = created_at")
    asked = await organization.post("/v1/customers/cus_a/erase", {"reason": "asked for"})
    assert asked.status_code == 200, asked.text
    assert (await _get(organization, token, "/invoices")).status_code == 401
    assert await sql.value("select count(*) from tollbridge.organization_token where return_url like '%ada%'") == 0
