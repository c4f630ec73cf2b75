"""Stripe's customer portal: whether it leads payers past us, and how that is switched off."""

from __future__ import annotations

import msgspec

from db.engine import DB
from gateway.accounts.audit import Author
from gateway.billing import configured
from gateway.doctor.patient import Patient
from gateway.domain.doctor import Finding, ok
from gateway.domain.doctor_stripe import PORTAL, Portal, Portals, judge_portals


async def look(patient: Patient) -> list[Finding]:
    """Raises StripeError."""
    if not await patient.charges():
        return [ok(PORTAL, "payers pay at Stripe, where its portal may lead them")]
    return judge_portals(await seen(patient))


async def seen(patient: Patient) -> Portals:
    """What a fix would look at. Raises StripeError."""
    return await configured.portals(await patient.stripe())


async def unsafe(patient: Patient) -> list[Portal]:
    """The configurations that a fix would change. Raises StripeError."""
    return (await seen(patient)).unsafe


async def fix(patient: Patient, by: Author, portals: list[Portal]) -> None:
    """Payers change neither payment methods nor plans there any more. Raises StripeError.

    That it is asked for stands in the audit log before Stripe hears of it, and that it is done after. Twice does no
    harm: what is set is absolute.
    """
    stripe = await patient.stripe()
    off = {"payment_method_update": False, "subscription_update": False}
    for one in portals:
        before = {name: value for name, value in msgspec.to_builtins(one).items() if name in off}
        await _note(patient, by, "portal.fix_asked", one, before)
        await configured.make_portal_safe(stripe, one.id)
        await _note(patient, by, "portal.fixed", one, before, off)


async def _note(
    patient: Patient,
    by: Author,
    action: str,
    one: Portal,
    before: dict[str, bool],
    after: dict[str, bool] | None = None,
) -> None:
    async with DB.transaction():
        await by.note(patient.id, action, one.id, name=patient.account.name, before=before, after=after)
