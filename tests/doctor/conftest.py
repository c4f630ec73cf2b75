"""Worlds that are well: one for a test that changes much, one for many that break a thing and mend it again."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from db import sql
from gateway.accounts import accounts, stripe_key
from gateway.accounts.audit import Author
from gateway.doctor import portal
from gateway.doctor.patient import patient
from gateway.settings import Settings
from tests.cli.conftest import tollbridge as tollbridge
from tests.cli.conftest import zygote as zygote
from tests.database import Cleaner
from tests.sandbox.spec import SpecChecked
from tests.scenarios.conftest import _description_is_here
from tests.support.world import Doors, World
from tests.support.world import world as new_world

BY = Author("test")
BEAT = "insert into tollbridge.worker values ('wrk_test', clock_timestamp(), clock_timestamp() + interval '1 hour')"


def settings(doors: Doors) -> Settings:
    return Settings(outbound_private=True, public_url=doors.gateway.url)


LONG_AGO = "update tollbridge.business_clock set moved_at = moved_at - interval '30 days'"
"""The fixture moved the clock; nothing has waited for longer than since then."""


@pytest.fixture
async def world(database: str, doors: Doors) -> AsyncIterator[World]:
    """Whose every call to Stripe is held to its description, where that is here."""
    checked: list[SpecChecked] = []

    def wrap(app: object) -> object:
        if not _description_is_here():
            return app
        checked.append(SpecChecked(app))
        return checked[0]

    async with new_world(doors, settings=settings(doors), stripe_wrapper=wrap) as made:
        yield made
    for checker in checked:
        checker.raise_violations()


@pytest.fixture(scope="module")
async def well(cleaner: Cleaner, doors: Doors) -> AsyncIterator[World]:
    """An account with one paid subscription, in which nothing is wrong. Who breaks something mends it."""
    await cleaner.clean()
    async with new_world(doors, settings=settings(doors)) as made:
        account = made.shop.account
        await stripe_key.check(made.runtime, BY, account)
        change = accounts.AccountChange(policies={"stripe_mails_off": True})
        await accounts.update(made.runtime.keyring, BY, account, change)
        known = await patient(made.runtime, account)
        await portal.fix(known, BY, await portal.unsafe(known))
        await made.signup("ok")
        await made.later(minutes=5)
        await sql.rows(BEAT)
        await sql.rows(LONG_AGO)
        yield made
