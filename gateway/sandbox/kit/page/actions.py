"""What the page's buttons do: each mirrors a control. All clocks of the servers that run together move together."""

from __future__ import annotations

import calendar
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import msgspec

from gateway.sandbox.kit.faults import Broken, Effect, Fault, Match
from gateway.sandbox.kit.forgery import Forgery
from gateway.sandbox.kit.latency import parse
from gateway.sandbox.kit.sandbox import Sandbox

Form = dict[str, str]
STEP = timedelta(days=1)
OUTAGE_S = 5
ANSWER_LEAD_S = 0.5


async def act(sandbox: Sandbox, beside: Sequence[Sandbox], form: Form) -> str:
    """Do what a button says; what happened, in a sentence. Raises ValueError, LookupError."""
    match form.get("do", ""):
        case "move":
            return await _move([sandbox, *beside], sandbox, form.get("by", ""))
        case "skew":
            sandbox.clock.skew_s = int(form.get("skew_s") or 0)
            return f"The clock that others see is off by {sandbox.clock.skew_s} s."
        case "add_fault":
            sandbox.faults.put(fault(form))
            return "The fault waits."
        case "remove_fault":
            sandbox.faults.remove(form.get("id", ""))
            return "The fault is gone."
        case "clear_faults":
            sandbox.faults.clear()
            return "All faults are gone."
        case "outage":
            await sandbox.door.shut(OUTAGE_S, lead_s=ANSWER_LEAD_S)
            return f"Connections are refused for {OUTAGE_S} s."
        case _:
            return await _webhooks(sandbox, form)


async def _webhooks(sandbox: Sandbox, form: Form) -> str:
    match form.get("do", ""):
        case "flush":
            done = await sandbox.flush()
            return f"{done.sent} sent, {done.failed} not accepted."
        case "resend":
            return f"Sent again to {sandbox.resend(form.get('event', ''))} endpoints."
        case "forge":
            tries = await sandbox.forge(form.get("event", ""), Forgery(form.get("how", "signature")))
            accepted = sum(one.ok for one in tries)
            return f"Forged: {len(tries)} sent, {accepted} accepted. None should be."
        case "deliver":
            settings = sandbox.delivery.settings
            drop = "drop" in form and (settings.drop or True)
            latency = parse(form["latency"]) if form.get("latency") else None
            flags = {"double": "double" in form, "shuffle": "shuffle" in form, "drop": drop}
            sandbox.delivery.set(mode=form.get("mode", "auto"), latency=latency, **flags)
            return "Webhooks leave in this way from now on."
        case unknown:
            raise ValueError(f"there is no button {unknown!r}")


async def _move(all_of_them: list[Sandbox], first: Sandbox, by: str) -> str:
    """A day at a time, so that no server is ever far ahead of the other."""
    target = _target(all_of_them, first.now(), by)
    left = timedelta(seconds=target - first.now())
    while left > timedelta():
        step = min(left, STEP)
        for one in all_of_them:
            await one.deliver_until(one.now() + int(step.total_seconds()))
        left -= step
    return f"It is now {datetime.fromtimestamp(first.now(), UTC):%Y-%m-%d %H:%M:%S} UTC."


def _target(all_of_them: list[Sandbox], now: int, by: str) -> int:
    match by:
        case "hour":
            return now + 3600
        case "day":
            return now + 86400
        case "month":
            return _a_month_after(now)
        case "next":
            due = [at for one in all_of_them if (at := one.clock.next_at()) is not None]
            if not due:
                raise ValueError("nothing waits for its time")
            return max(now, min(due))
        case unknown:
            raise ValueError(f"time does not move by {unknown!r}")


def _a_month_after(now: int) -> int:
    """The same day of the next month, or its last."""
    moment = datetime.fromtimestamp(now, UTC)
    year, month = moment.year + moment.month // 12, moment.month % 12 + 1
    day = min(moment.day, calendar.monthrange(year, month)[1])
    return int(moment.replace(year=year, month=month, day=day).timestamp())


def fault(form: Form) -> Fault:
    """A fault from the page's form, whose empty fields mean their defaults; raises ValueError."""
    effect = Effect(form.get("effect", ""))
    share = float(form.get("percent") or 100) / 100
    if not 0 < share <= 1:
        raise ValueError("a share of the calls is more than 0 and at most 100 %")
    status = int(form.get("status") or 500)
    if not 400 <= status <= 599:
        raise ValueError("an error has a status from 400 to 599")
    return Fault(
        effect,
        Match(form.get("method") or "*", form.get("path") or "*"),
        status,
        max(0.0, float(form.get("delay_s") or 0)),
        _times(form.get("times", "")),
        probability=share,
        seed=int(form.get("seed") or 0),
        latency=parse(form.get("latency", "")) if effect is Effect.LATENCY else None,
        body=Broken(form["body"]) if form.get("body") else None,
    )


def _times(text: str) -> int | msgspec.UnsetType | None:
    if not text or text == "all":
        return None if text else msgspec.UNSET
    if not text.isdigit() or int(text) < 1:
        raise ValueError("a fault happens at least once")
    return int(text)
