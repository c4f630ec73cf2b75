"""The key: whether it opens the account that it is known to open; and by the answer's date, Stripe's clock."""

from __future__ import annotations

import time

from gateway.billing import configured
from gateway.doctor.patient import Patient
from gateway.domain.doctor import ACCOUNT, Finding, notice, ok, wrong
from gateway.domain.doctor_stripe import judge_clock

CHECK = "key"
DATE_S = 1.0
"""The header `Date` has whole seconds."""


async def look(patient: Patient) -> list[Finding]:
    """Raises StripeError: without a good key nothing else can be asked."""
    began = time.time()
    whose = await configured.whose(await patient.stripe())
    ended = time.time()
    told, known = [], patient.account.stripe_account
    mode = "live" if patient.account.livemode else "test"
    if known and whose.account.id != known:
        what = f"the key opens {whose.account.id}, and this account is {known}"
        to_do = f"give it that account's key: tollbridge accounts update {ACCOUNT} --stripe-key env:NAME"
        told.append(wrong(CHECK, what, "invoices of another business would be looked for and charged here", to_do))
    elif not known:
        what, why = f"the key opens {whose.account.id} ({mode})", "which this account is not bound to yet"
        told.append(notice(CHECK, what, why, f"tollbridge accounts check {ACCOUNT}", concerns=whose.account.id))
    else:
        told.append(ok(CHECK, f"the {mode} key opens {known}", concerns=known))
    if whose.clock is not None:
        # Stripe's second began up to a second before, somewhere between our question and its answer.
        ahead_s = (began + ended) / 2 - (whose.clock.timestamp() + DATE_S / 2)
        told.append(judge_clock("clock.stripe", "Stripe's", ahead_s, DATE_S / 2 + (ended - began) / 2))
    return told
