"""Policies between a form and their values: what is typed is read, and what is set is written, each kind in its way."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any, Final

import msgspec

from gateway.accounts.errors import FieldError
from gateway.console.amounts import AmountError, plain_amount, typed_money
from gateway.console.settings.frame import Posts, listed
from gateway.console.settings.policy_fields import FIELDS
from gateway.console.settings.policy_kinds import NOTHING, Kind, PolicyField, steps_in_words
from gateway.domain.policy import WEEKDAYS, Policy
from processors.errors import MoneyError
from processors.money import to_text

DEFAULTS: Final[Mapping[str, Any]] = msgspec.to_builtins(Policy())
DAYS: Final = dict(
    zip(WEEKDAYS, ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"), strict=True)
)


class Difference(msgspec.Struct, frozen=True):
    """A field that would change, in words."""

    field: PolicyField
    before: str
    after: str


def changed(posted: Posts, policy: Policy) -> dict[str, Any]:
    """What a form changes of an account's policies, as the API takes it: None for what goes back to its default.

    A field that was not posted stays as it is. Raises FieldError naming the field.
    """
    before: dict[str, Any] = msgspec.to_builtins(policy)
    after = msgspec.json.decode(msgspec.json.encode(before))
    for name, field in FIELDS.items():
        if name in posted.values:
            _put(after, name, _read(field, posted))
    differing = {name for name in before if _plain(before[name]) != _plain(after[name])}
    return {name: None if _plain(after[name]) == _plain(DEFAULTS[name]) else after[name] for name in sorted(differing)}


def differences(before: Policy, after: Policy) -> list[Difference]:
    """What differs, field by field, in the order of the form."""
    pairs = [(one, shown(one, before), shown(one, after)) for one in FIELDS.values()]
    return [Difference(*pair) for pair in pairs if pair[1] != pair[2]]


def typed(field: PolicyField, policy: Policy) -> str:
    """The value as it stands in the field."""
    value = _value(field, policy)
    if value is None:
        return ""
    match field.kind:
        case Kind.STEPS:
            return ",".join(value) or NOTHING
        case Kind.NUMBERS | Kind.WEEKDAYS:
            return ", ".join(str(one) for one in value)
        case Kind.HOURS:
            return f"{value[0]}-{value[1]}"
        case Kind.AMOUNTS:
            return "\n".join(_amount(minor, currency) for currency, minor in value.items())
        case Kind.CHOICE if isinstance(value, bool):
            return str(value).lower()
    return str(value)


def shown(field: PolicyField, policy: Policy) -> str:
    """The value in words."""
    text = typed(field, policy)
    match field.kind:
        case Kind.CHOICE:
            return field.options[text]
        case Kind.STEPS if text:
            return steps_in_words(_value(field, policy))
        case Kind.WEEKDAYS:
            return ", ".join(DAYS[day] for day in _value(field, policy)) or "none"
        case Kind.AMOUNTS:
            return text.replace("\n", ", ") or field.empty
        case Kind.NUMBER if text and field.unit:
            return f"{text} {field.unit}"
    return text or field.empty


def default_of(field: PolicyField) -> str:
    """The default in words."""
    return shown(field, Policy())


def _read(field: PolicyField, posted: Posts) -> Any:
    text = posted.text(field.name)
    match field.kind:
        case Kind.WEEKDAYS:
            return [day for day in WEEKDAYS if day in posted.all(field.name)]
        case Kind.AMOUNTS:
            return _amounts(field.name, text)
    if not text:
        return _default(field)
    match field.kind:
        case Kind.STEPS:
            return [] if text == NOTHING else text.split(",")
        case Kind.NUMBER:
            return _whole(field.name, text)
        case Kind.NUMBERS:
            return [_whole(field.name, one) for one in listed(text)]
        case Kind.HOURS:
            parts = text.split("-")
            if len(parts) != 2:
                raise FieldError(field.name, "must be from and until, as 7-20")
            return [_whole(field.name, one) for one in parts]
        case Kind.CHOICE if "true" in field.options:
            return text == "true"
    return text


def _whole(name: str, text: str) -> int:
    if not re.fullmatch(r"\s*[0-9]{1,9}\s*", text):
        raise FieldError(name, f"{text!r} is no whole number")
    return int(text)


def _amounts(name: str, text: str) -> dict[str, int]:
    found: dict[str, int] = {}
    for line in text.splitlines():
        if not line.strip():
            continue
        try:
            money = typed_money(line)
        except AmountError as error:
            raise FieldError(name, f"{line.strip()!r} can't be read. {error}") from None
        if money.currency in found:
            raise FieldError(name, f"{money.currency.upper()} stands there twice")
        found[money.currency] = money.amount
    return found


def _amount(minor: int, currency: str) -> str:
    """As it can be typed again."""
    try:
        return f"{plain_amount(minor, currency)} {currency.upper()}"
    except MoneyError:
        return to_text(minor, currency)


def _value(field: PolicyField, policy: Policy) -> Any:
    found: Any = msgspec.to_builtins(policy)
    for part in field.name.split("."):
        found = found[part]
    return found


def _default(field: PolicyField) -> Any:
    found: Any = DEFAULTS
    for part in field.name.split("."):
        found = found[part]
    return found


def _put(into: dict[str, Any], name: str, value: Any) -> None:
    *above, last = name.split(".")
    for part in above:
        into = into[part]
    into[last] = value


def _plain(value: Any) -> Any:
    """Lists and tuples alike."""
    return list(value) if isinstance(value, Sequence) and not isinstance(value, str) else value
