"""What an adapter declares: complete, serialisable, in itself without contradiction, and shown by a shape."""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import timedelta

import msgspec

from processors.capabilities import Capabilities, Lookup, RefundMode, Replay
from processors.conformance.checks.check import check
from processors.conformance.subject import Impossible, Shape, Subject
from processors.declines import DeclineTable
from processors.outcome import DeclineClass
from processors.values import MethodState

REFERENCES = ("in_1KitKitKitKitKitKitKitKit.1", "in_1KitKitKitKitKitKitKitKit.999")
KEY_LENGTH = 36
"""Of a UUID, which is what the gateway sends."""
LONGEST = timedelta(days=400)


@check()
async def capabilities_can_be_written_down(subject: Subject, _case: str) -> None:
    """They are static values that JSON holds without loss."""
    declared = subject.adapter.capabilities
    assert msgspec.json.decode(msgspec.json.encode(declared), type=Capabilities) == declared
    assert subject.adapter.capabilities is declared, "they change from one look to the next"
    assert re.fullmatch(r"[a-z][a-z0-9_]{1,40}", subject.adapter.name), f"{subject.adapter.name!r} is no plain name"


@check()
async def schedules_make_sense(subject: Subject, _case: str) -> None:
    """Each schedule has waits that grow, none of nothing; time-outs and windows are real spans."""
    declared = subject.adapter.capabilities
    for name, schedule in {"unknown": declared.unknown_schedule, "pending": declared.pending_schedule}.items():
        assert schedule, f"the {name} schedule is empty"
        assert min(schedule) >= timedelta(seconds=1), f"the {name} schedule asks without a wait"
        assert list(schedule) == sorted(schedule), f"the {name} schedule asks more often as time goes by"
        assert schedule[-1] <= timedelta(days=7), f"the {name} schedule ends with a wait of {schedule[-1]}"
    assert timedelta(seconds=5) <= declared.call_timeout <= timedelta(minutes=3), (
        f"calls may take {declared.call_timeout}"
    )
    assert timedelta(0) < declared.max_pending <= LONGEST, f"pending for {declared.max_pending}"
    assert timedelta(0) <= declared.lookup_lag <= timedelta(days=2), f"a look-up lags by {declared.lookup_lag}"
    assert timedelta(0) <= declared.settlement <= timedelta(days=60), f"settled after {declared.settlement}"
    assert declared.reversal_window is None or timedelta(0) < declared.reversal_window <= LONGEST


@check()
async def the_idempotency_window_makes_sense(subject: Subject, _case: str) -> None:
    """A key lives longer than a call and holds a UUID."""
    declared = subject.adapter.capabilities
    assert declared.idempotency.max_key_length >= KEY_LENGTH, "our keys are 36 characters long"
    assert declared.idempotency.window > 2 * declared.call_timeout, "a key dies before its call has ended"
    assert declared.idempotency.window <= LONGEST


@check()
async def our_references_fit(subject: Subject, _case: str) -> None:
    """The processor takes references as the gateway makes them: `{invoice}.{n}`."""
    rules = subject.adapter.capabilities.reference
    for reference in REFERENCES:
        assert len(reference) <= rules.max_length, f"{rules.max_length} characters are too few for {reference}"
        assert re.fullmatch(f"[{rules.alphabet}]+", reference), f"[{rules.alphabet}] does not take {reference}"


@check()
async def declarations_do_not_contradict(subject: Subject, _case: str) -> None:
    """What follows from one declaration is not denied by another."""
    declared = subject.adapter.capabilities
    if declared.lookup is Lookup.NONE:
        assert not declared.not_found_is_conclusive, "what can't be asked for is never conclusively not found"
    if declared.idempotency.replay is Replay.RUNS_AGAIN_AFTER_ERROR:
        assert declared.lookup in (Lookup.BY_REFERENCE, Lookup.SCAN), "such a key is of use only after a look-up"
    if declared.refunds.mode is RefundMode.NONE:
        assert not declared.lists_refunds, "refunds are listed where there are none"
    assert not declared.events & declared.polled_events, "events are told, or found by a poll alone"
    for currency in declared.currencies or ():
        assert re.fullmatch("[a-z]{3}", currency), f"{currency!r} is no currency in lower case"
    if declared.currencies is not None:
        assert subject.currency in declared.currencies, "the subject's currency is not taken"


@check()
async def the_decline_table_can_be_written_down(subject: Subject, _case: str) -> None:
    """Decline codes are data that operators are shown."""
    table = subject.adapter.declines
    assert msgspec.json.decode(msgspec.json.encode(table), type=DeclineTable) == table
    assert all(isinstance(one, DeclineClass) for one in table.classes.values())
    assert all(code.strip() == code and code for code in table.classes), "a code with blanks is never met"


def _claims(subject: Subject) -> dict[str, tuple[bool, Shape]]:
    """What is declared, and the shape that shows it."""
    declared, lookups, charges = subject.adapter.capabilities, subject.lookups, subject.charges
    asked = declared.lookup is not Lookup.NONE
    claims: dict[str, tuple[bool, Shape]] = {
        "charges succeed at once": (not declared.asynchronous, charges.succeeded),
        "charges are pending": (declared.asynchronous, charges.pending),
        "charges are found": (asked, lookups.found),
        "charges are not found": (asked, lookups.missing),
        "a new method is active": (True, subject.methods.states.get(MethodState.ACTIVE, Impossible("it has no shape"))),
        "events are polled": (bool(declared.polled_events) or declared.tells_again, subject.polled),
    }
    if not isinstance(subject.cancels, Impossible):
        claims["charges are withdrawn"] = (declared.cancel, subject.cancels.done)
    if not isinstance(subject.refunds, Impossible):
        claims["refunds"] = (declared.refunds.mode is not RefundMode.NONE, subject.refunds.full)
        claims["refunds in part"] = (declared.refunds.partial, subject.refunds.part)
        claims["refunds are listed"] = (declared.lists_refunds, subject.refunds.listed)
    return claims


def _claimed(subject: Subject) -> Iterable[str]:
    return _claims(subject)


@check(_claimed)
async def what_is_declared_is_shown(subject: Subject, case: str) -> None:
    """What the capabilities promise has a recorded shape that shows it."""
    promised, shape = _claims(subject)[case]
    assert not promised or not isinstance(shape, Impossible), f"it's declared, and the subject says: {shape}"


@check()
async def what_is_left_out_is_not_declared(subject: Subject, _case: str) -> None:
    """A subject without cancels, refunds, settlement files or states of a method belongs to an adapter without them."""
    declared = subject.adapter.capabilities
    assert not (isinstance(subject.cancels, Impossible) and declared.cancel), "cancelling is declared"
    assert isinstance(subject.methods.addresses, Impossible) != declared.payer_address, (
        "addresses are declared or shown"
    )
    none = declared.refunds.mode is RefundMode.NONE
    assert isinstance(subject.refunds, Impossible) == none, "refunds are declared, or recorded, and not the other"
    no_files = isinstance(subject.settlements, Impossible)
    assert no_files != declared.settlement_files, "settlement files are declared, or recorded, and not the other"
    missing = set(MethodState) - set(subject.methods.states) - {MethodState.PENDING}
    assert not missing, f"no shape, and no reason, for a method that is {', '.join(sorted(missing))}"
