"""Subscription schedules: a subscription that changes by itself, phase by phase, and then is let go or ends.

Docs: billing/subscriptions/subscription-schedules. Chosen where they are silent: a schedule whose last phase ends
with end_behavior=release becomes `released`, with `cancel` it becomes `completed`.
"""

from __future__ import annotations

from functools import partial
from typing import Any

from gateway.sandbox.stripe import cycle, schedule_phases
from gateway.sandbox.stripe.errors import Refusal, invalid
from gateway.sandbox.stripe.events import record, updating
from gateway.sandbox.stripe.holders import living
from gateway.sandbox.stripe.ids import new_id
from gateway.sandbox.stripe.objects import Obj, in_range, listing, merge_metadata
from gateway.sandbox.stripe.payment_methods import owned
from gateway.sandbox.stripe.routes import PAGE, Call, retrieves, route
from gateway.sandbox.stripe.schedule_phases import PHASE, SETTINGS, read_phases, tax_setting
from gateway.sandbox.stripe.standing import ENDED
from gateway.sandbox.stripe.store import Account
from gateway.sandbox.stripe.subscriptions import MODE, shown_mode

NOTICE_S = 7 * 86400
CHANGEABLE = ("not_started", "active")
TIMES = ("created", "canceled_at", "completed_at", "released_at")


@route(
    "POST",
    "/v1/subscription_schedules",
    f"customer from_subscription start_date:int|now end_behavior:cancel|release metadata:map? {MODE} "
    f"phases:[{{end_date:int currency {PHASE}}}] default_settings:{{{SETTINGS}}}",
)
def create(call: Call) -> Obj:
    account, params = call.account, call.params
    if "from_subscription" in params:
        if params.keys() - {"from_subscription", "metadata"}:
            raise invalid("`from_subscription` can't be combined with other parameters.", param="from_subscription")
        return _of_subscription(account, params)
    for name in ("customer", "phases", "start_date"):
        if name not in params:
            raise invalid(f"Missing required param: {name}.", code="parameter_missing", param=name)
    customer = living(account, params["customer"], "customer")
    start = account.now() if params["start_date"] == "now" else params["start_date"]
    if start < account.now():
        raise invalid("A start in the past is not covered here.", param="start_date")
    _own_methods(account, customer, params)
    phases = read_phases(account, params["phases"], start)
    schedule = _new(account, customer["id"], phases, params)
    record(account, "subscription_schedule.created", schedule)
    if start > account.now():
        account.clock.at(start, partial(_start, account, schedule, start))
    else:
        _begin(account, schedule)
    return schedule


def _own_methods(account: Account, customer: Obj, params: Obj) -> None:
    """Default payment methods must be the customer's; a ready-made one becomes theirs. Raises Refusal."""
    settings = [("default_settings", params.get("default_settings", {}))]
    phases = [(f"phases[{at}]", phase) for at, phase in enumerate(params.get("phases", []))]
    for where, given in settings + phases:
        if given.get("default_payment_method"):
            name = f"{where}[default_payment_method]"
            given["default_payment_method"] = owned(account, given["default_payment_method"], customer, name)


def _new(account: Account, customer: str, phases: list[Obj], params: Obj) -> Obj:
    schedule: Obj = {
        "id": new_id("sub_sched"),
        "object": "subscription_schedule",
        "application": None,
        "billing_mode": shown_mode(params.get("billing_mode", {"type": "flexible"})),
        "canceled_at": None,
        "completed_at": None,
        "created": account.now(),
        "current_phase": None,
        "customer": customer,
        "default_settings": _defaults(params.get("default_settings", {})),
        "end_behavior": params.get("end_behavior", "release"),
        "livemode": False,
        "metadata": {},
        "phases": phases,
        "released_at": None,
        "released_subscription": None,
        "status": "not_started",
        "subscription": None,
        "test_clock": account.customers[customer].get("test_clock"),
    }
    merge_metadata(schedule, params)
    return account.subscription_schedules.add(schedule["id"], schedule)


def _defaults(given: Obj) -> Obj:
    return {
        "application_fee_percent": None,
        "automatic_tax": tax_setting(given.get("automatic_tax", {}).get("enabled", False)),
        "billing_cycle_anchor": given.get("billing_cycle_anchor", "automatic"),
        "billing_thresholds": None,
        "collection_method": given.get("collection_method", "charge_automatically"),
        "default_payment_method": given.get("default_payment_method"),
        "description": given.get("description") or None,
        "invoice_settings": {
            "account_tax_ids": None,
            "days_until_due": given.get("invoice_settings", {}).get("days_until_due"),
            "issuer": {"type": "self"},
        },
        "on_behalf_of": None,
        "transfer_data": None,
    }


def _of_subscription(account: Account, params: Obj) -> Obj:
    subscription = account.subscriptions.need(params["from_subscription"], "from_subscription")
    if subscription["status"] in ENDED or subscription["schedule"] is not None:
        raise invalid("The subscription has ended, or has a schedule already.", param="from_subscription")
    settings = {
        "collection_method": subscription["collection_method"],
        "default_payment_method": subscription["default_payment_method"],
        "invoice_settings": {"days_until_due": subscription["days_until_due"]},
        "automatic_tax": subscription["automatic_tax"],
    }
    phases = [schedule_phases.of_subscription(account, subscription)]
    mode = {"type": subscription["billing_mode"]["type"]}
    more = {"default_settings": settings, "billing_mode": mode, "metadata": params.get("metadata", {})}
    schedule = _new(account, subscription["customer"], phases, more)
    _attach(account, schedule, subscription, phases[0])
    record(account, "subscription_schedule.created", schedule)
    return schedule


def _start(account: Account, schedule: Obj, start: int) -> None:
    """A start date has come; one that was moved meanwhile rings again. Chosen: what can't begin is canceled."""
    if schedule["status"] == "not_started" and schedule["phases"][0]["start_date"] == start:
        with updating(account, schedule, "subscription_schedule.updated"):
            try:
                _begin(account, schedule)
            except Refusal:  # the customer or a price is gone
                schedule |= {"status": "canceled", "canceled_at": account.now()}
                record(account, "subscription_schedule.canceled", schedule)


def _begin(account: Account, schedule: Obj) -> None:
    phase = schedule["phases"][0]
    _attach(account, schedule, schedule_phases.begin(account, schedule, phase), phase)


def _attach(account: Account, schedule: Obj, subscription: Obj, phase: Obj) -> None:
    with updating(account, subscription, "customer.subscription.updated"):
        subscription["schedule"] = schedule["id"]
    schedule |= {"status": "active", "subscription": subscription["id"]}
    _arm(account, schedule, phase)


def _arm(account: Account, schedule: Obj, phase: Obj) -> None:
    """`phase` is the current one, until its end rings, or the renewal of the same moment asks for the next."""
    end = phase["end_date"]
    schedule["current_phase"] = {"end_date": end, "start_date": phase["start_date"]}
    account.subscriptions[schedule["subscription"]]["_phase_ends"] = end
    account.clock.at(end, partial(_phase_over, account, schedule, end))
    if phase is schedule["phases"][-1] and end - NOTICE_S > account.now():
        account.clock.at(end - NOTICE_S, partial(_expiring, account, schedule, end))


def _expiring(account: Account, schedule: Obj, end: int) -> None:
    last = schedule["phases"][-1]["end_date"]
    if schedule["status"] == "active" and last == end and schedule.get("_warned") != end:
        schedule["_warned"] = end
        record(account, "subscription_schedule.expiring", schedule)


def _phase_over(account: Account, schedule: Obj, end: int) -> None:
    if schedule["status"] != "active" or schedule["current_phase"]["end_date"] != end:
        return
    subscription = account.subscriptions[schedule["subscription"]]
    following = next((phase for phase in schedule["phases"] if phase["start_date"] == end), None)
    if following is None:
        _finish(account, schedule, subscription)
        return
    with updating(account, schedule, "subscription_schedule.updated"):
        _arm(account, schedule, following)
        schedule_phases.enter(account, schedule, subscription, following, following["proration_behavior"])


def _before_renewal(account: Account, subscription: Obj, moment: int) -> None:
    """The renewal of this moment bills the phase that begins with it."""
    schedule = account.subscription_schedules.get(subscription["schedule"] or "")
    if schedule is not None:
        _phase_over(account, schedule, moment)


cycle.BEFORE_RENEWAL.append(_before_renewal)


def _finish(account: Account, schedule: Obj, subscription: Obj) -> None:
    if schedule["end_behavior"] == "release":
        _release(account, schedule)
        return
    subscription["_phase_ends"] = None
    schedule |= {"status": "completed", "completed_at": account.now(), "current_phase": None}
    record(account, "subscription_schedule.completed", schedule)
    cycle.end_as_planned(account, subscription, credit_rest=account.now() < cycle.current_end(subscription))


retrieves("/v1/subscription_schedules/{id}", lambda account: account.subscription_schedules)


@route(
    "POST",
    "/v1/subscription_schedules/{id}",
    "end_behavior:cancel|release metadata:map? proration_behavior:always_invoice|create_prorations|none "
    f"phases:[{{start_date:int|now end_date:int|now {PHASE}}}] default_settings:{{{SETTINGS}}}",
)
def update(call: Call) -> Obj:
    account, params = call.account, call.params
    schedule = _changeable(call, "updated")
    _own_methods(account, living(account, schedule["customer"]), params)
    with updating(account, schedule, "subscription_schedule.updated"):
        schedule["end_behavior"] = params.get("end_behavior", schedule["end_behavior"])
        merge_metadata(schedule, params)
        if "default_settings" in params:
            schedule["default_settings"] = _defaults(params["default_settings"])
        if "phases" in params:
            _replace(account, schedule, params["phases"], params.get("proration_behavior", "create_prorations"))
    return schedule


def _changeable(call: Call, what: str) -> Obj:
    schedule = call.account.subscription_schedules.need(call.id)
    if schedule["status"] not in CHANGEABLE:
        raise invalid(
            f"You cannot {what[:-1]} a subscription schedule that is currently in the `{schedule['status']}` status."
        )
    return schedule


def _replace(account: Account, schedule: Obj, given: list[Obj], behavior: str) -> None:
    """The current phase and all that follow; past ones stay (docs: "past phases can be omitted")."""
    if schedule["status"] == "not_started":
        _restart(account, schedule, given)
        return
    start = schedule["current_phase"]["start_date"]
    given = [entry for entry in given if not _past(entry, start)]
    phases = read_phases(account, given, start)
    if phases[0]["end_date"] < account.now():
        raise invalid("The current phase can't end in the past.", param="phases[0][end_date]")
    schedule["phases"] = [phase for phase in schedule["phases"] if phase["end_date"] <= start] + phases
    subscription = account.subscriptions[schedule["subscription"]]
    _arm(account, schedule, phases[0])
    if phases[0]["end_date"] > account.now():
        schedule_phases.enter(account, schedule, subscription, phases[0], behavior)
    else:
        _phase_over(account, schedule, phases[0]["end_date"])


def _past(entry: Obj, start: int) -> bool:
    end: Any = entry.get("end_date")
    return isinstance(end, int) and end <= start


def _restart(account: Account, schedule: Obj, given: list[Obj]) -> None:
    wanted = (given[0] if given else {}).get("start_date", schedule["phases"][0]["start_date"])
    start = account.now() if wanted == "now" else wanted
    schedule["phases"] = read_phases(account, given, start)
    if start <= account.now():
        _begin(account, schedule)
    else:
        account.clock.at(start, partial(_start, account, schedule, start))


@route("POST", "/v1/subscription_schedules/{id}/release", "preserve_cancel_date:bool")
def release(call: Call) -> Obj:
    """The subscription goes on by itself. A schedule sets no cancel_at here, so there is none to preserve."""
    schedule = _changeable(call, "released")
    _release(call.account, schedule)
    return schedule


def _release(account: Account, schedule: Obj) -> None:
    subscription = account.subscriptions.get(schedule["subscription"] or "")
    schedule |= {
        "status": "released",
        "released_at": account.now(),
        "released_subscription": schedule["subscription"],
        "subscription": None,
        "current_phase": None,
    }
    record(account, "subscription_schedule.released", schedule)
    if subscription is not None:
        with updating(account, subscription, "customer.subscription.updated"):
            subscription |= {"schedule": None, "_phase_ends": None}


@route("POST", "/v1/subscription_schedules/{id}/cancel", "invoice_now:bool prorate:bool")
def cancel(call: Call) -> Obj:
    """Its subscription ends at once, invoiced and prorated unless told otherwise; the end of it ends the schedule."""
    account, params, schedule = call.account, call.params, _changeable(call, "canceled")
    if schedule["status"] == "active":
        cycle.end_now(
            account,
            account.subscriptions[schedule["subscription"]],
            invoice_now=params.get("invoice_now", True),
            credit_rest=params.get("prorate", True),
        )
        return schedule
    schedule |= {"status": "canceled", "canceled_at": account.now()}
    record(account, "subscription_schedule.canceled", schedule)
    return schedule


@route(
    "GET",
    "/v1/subscription_schedules",
    f"customer scheduled:bool created:range canceled_at:range completed_at:range released_at:range {PAGE}",
)
def index(call: Call) -> Obj:
    params = call.params

    def keep(s: Obj) -> bool:
        return (
            params.get("customer", s["customer"] if s["test_clock"] is None else None) == s["customer"]
            and (not params.get("scheduled") or s["status"] == "not_started")
            and all(in_range(s[name], params.get(name)) for name in TIMES)
        )

    return listing("/v1/subscription_schedules", *call.account.subscription_schedules.page(params, keep))
