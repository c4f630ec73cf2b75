"""The whole examination of an account. What can't be asked is a finding too: one check that fails hides no other."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import Final, Literal, TypeAlias

import msgspec
import structlog

from db.encryption import EncryptionError
from gateway.billing.errors import StripeError, StripeForbiddenError
from gateway.billing.pace import Lane, in_lane
from gateway.doctor import (
    cases,
    clocks,
    connections,
    endpoints,
    events,
    key,
    permissions,
    portal,
    queues,
    rates,
    secrets,
    subscriptions,
)
from gateway.doctor.patient import Patient, patient
from gateway.domain.doctor import ACCOUNT, Finding, Level, notice, unknown, worst_first, wrong
from gateway.runtime import Runtime

log = structlog.get_logger()

Check: TypeAlias = Callable[[Patient], Awaitable[list[Finding]]]

AT_ONCE: Final = 4
CHECK_S: Final = 30.0
"""No check takes longer, whoever does not answer: somebody waits for the whole."""
AT_STRIPE: Final[Mapping[str, Check]] = {
    "permissions": permissions.look,
    "webhook": endpoints.look,
    "events": events.look,
    "portal": portal.look,
    "subscriptions": subscriptions.look_at_stripe,
}
HERE: Final[Mapping[str, Check]] = {
    "reachable": endpoints.look_from_outside,
    "signatures": events.look_at_door,
    "clock": clocks.look,
    "rate": rates.look,
    "connection": connections.look,
    "workers": queues.look_at_workers,
    "queue": queues.look,
    "encryption": secrets.look,
    "subscription": subscriptions.look,
    "cases": cases.look,
}
STILL: Final = ("signatures", "clock", "workers", "encryption", "cases")
"""What is looked at of a disabled account."""
FLOW: Final = ("workers", "queue", "signatures")
"""What our own rows alone say of webhooks and of the work on them."""


class Report(msgspec.Struct, frozen=True):
    """What was found, the worst first. `ok`: nothing is wrong; what can't be seen from here is no fault."""

    account: str
    name: str
    livemode: bool
    ok: bool
    checked: int
    findings: list[Finding]
    object: Literal["doctor"] = "doctor"


async def examine(runtime: Runtime, account: str) -> Report:
    """Everything about one account, which is looked at and not changed. Raises NotThereError."""
    known = await patient(runtime, account)
    with in_lane(Lane.CATCH_UP):
        told, asks = await _key(known)
        checks = _checks(known, asks_stripe=asks)
        gate = asyncio.Semaphore(AT_ONCE)
        found = await asyncio.gather(*(_guarded(gate, name, check, known) for name, check in checks.items()))
    return report(known, [*told, *(finding for findings in found for finding in findings)])


async def look_at_flow(known: Patient) -> list[Finding]:
    """Whether webhooks come in and work goes on, the worst first. Nobody else is asked for it."""
    names = [name for name in FLOW if known.account.enabled or name in STILL]
    return worst_first([finding for name in names for finding in await HERE[name](known)])


def _checks(known: Patient, *, asks_stripe: bool) -> Mapping[str, Check]:
    """A disabled account's objects wait on purpose, and nobody is asked for it."""
    if not known.account.enabled:
        return {name: HERE[name] for name in STILL}
    return {**HERE, **AT_STRIPE} if asks_stripe else HERE


def report(known: Patient, findings: list[Finding]) -> Report:
    """These findings, as the report on an account."""
    fine = not any(one.level is Level.WRONG for one in findings)
    account, now = known.account, int(known.now.timestamp())
    named = [msgspec.structs.replace(one, what_to_do=one.what_to_do.replace(ACCOUNT, account.name)) for one in findings]
    return Report(account.id, account.name, account.livemode, fine, now, worst_first(named))


async def _key(known: Patient) -> tuple[list[Finding], bool]:
    """Whether the key is good, and whether Stripe is worth asking any further."""
    if not known.account.enabled:
        why = "nothing is collected for it; its webhooks are still kept"
        return [notice("key", "the account is disabled", why, f"tollbridge accounts update {ACCOUNT} --enable")], False
    rest = f"not looked at therefore: {', '.join(AT_STRIPE)}"
    try:
        return await key.look(known), True
    except EncryptionError as error:
        to_do = "put the encryption key back, or give the account its Stripe key anew: "
        to_do += f"tollbridge accounts update {ACCOUNT} --stripe-key env:NAME"
        return [wrong("key", "the Stripe key can't be decrypted", f"{error}; {rest}", to_do)], False
    except StripeForbiddenError as error:
        if error.permission:
            # It's a key of somebody's, and may still do the rest.
            what = f"the key may not read which account it opens: Stripe calls that {error.permission}"
            return [unknown("key", what, str(error), "give the restricted key Account (read)")], True
        to_do = f"give the account a key that is good: tollbridge accounts update {ACCOUNT} --stripe-key env:NAME"
        return [wrong("key", "Stripe refuses the key", f"{error}; {rest}", to_do)], False
    except StripeError as error:
        return [
            wrong("key", "Stripe does not answer", f"{error}; {rest}", "see whether Stripe is reached from here")
        ], False


async def _guarded(gate: asyncio.Semaphore, name: str, check: Check, known: Patient) -> list[Finding]:
    async with gate:
        try:
            async with asyncio.timeout(CHECK_S):
                return await check(known)
        except TimeoutError:
            return [unknown(name, f"this did not come to its end within {CHECK_S:g} s", "somebody did not answer")]
        except StripeForbiddenError as error:
            what, to_do = "the key may not read what this looks at", "give the restricted key that permission"
            return [unknown(name, what, str(error), to_do, concerns=error.permission)]
        except StripeError as error:
            return [unknown(name, "Stripe did not show it", str(error))]
        except Exception as error:
            # A mistake in one check must not hide what the others find.
            log.exception("check_failed", check=name)
            return [unknown(name, "this could not be looked at", type(error).__name__)]
