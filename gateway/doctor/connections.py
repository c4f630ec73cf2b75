"""The connections to processors: each is checked as `tollbridge connections check` does it."""

from __future__ import annotations

import asyncio
from typing import Final

from gateway.accounts import connections
from gateway.accounts.connections import Connection
from gateway.accounts.errors import AccountsError
from gateway.doctor.patient import Patient
from gateway.domain.doctor import Finding, ok, unknown, wrong
from gateway.inbox.connection_check import check
from processors.checked import Finding as Checked
from processors.checked import Proved, Unseen
from processors.errors import ProcessorError

CHECK: Final = "connection"


async def look(patient: Patient) -> list[Finding]:
    known = [one for one in await connections.listed(patient.id) if one.enabled]
    if not known and not await patient.charges():
        return [ok(CHECK, "no connection to a processor, and none is needed: payers pay on Stripe's page")]
    if not known:
        why, to_do = "invoices that are sent stay unpaid until somebody pays by hand", "tollbridge connections add"
        return [wrong(CHECK, "the account has no enabled connection to a processor", why, to_do)]
    found = await asyncio.gather(*(_check(patient, one) for one in known))
    return [finding for findings in found for finding in findings]


async def _check(patient: Patient, one: Connection) -> list[Finding]:
    try:
        checked = await check(patient.runtime, patient.id, one.id)
    except AccountsError as error:
        to_do = f"tollbridge connections update {one.name}"
        return [wrong(CHECK, str(error), "nothing is charged or refunded there", to_do, concerns=one.name)]
    except ProcessorError as error:
        why = f"the processor did not answer the check ({type(error).__name__})"
        return [unknown(CHECK, f"connection {one.name} can't be checked now", why, concerns=one.name)]
    return [_told(one.name, finding) for finding in checked.findings]


def _told(name: str, finding: Checked) -> Finding:
    check = f"{CHECK}.{finding.about}"
    match finding:
        case Proved(text=text):
            return ok(check, text, concerns=name)
        case Unseen(text=text):
            return unknown(check, text, concerns=name)
        case _:
            return wrong(check, finding.text, "the processor shows it otherwise", finding.to_do, concerns=name)
