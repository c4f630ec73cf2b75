"""Values on the command line: name=value pairs, spans of time, secrets."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import timedelta
from typing import Any, Final

import click
import msgspec

from gateway.accounts.secrets import found
from processors.values import Secret


class MinorUnits(click.ParamType[int]):
    """An amount as a whole number of minor units; one with a decimal point is refused with what to write."""

    name = "amount"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """At least 1; raises click's error."""
        text = str(value)
        if not (text.isascii() and text.isdigit() and 0 < int(text) < 1 << 62):
            self.fail(f"{text!r} is no amount in minor units: write 600 for 6.00 EUR, 1000 for 1,000 JPY", param, ctx)
        return int(text)


UNITS: Final = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days", "w": "weeks"}
SPAN: Final = re.compile(r"(\d+)([smhdw])")


def span(_ctx: click.Context, _param: click.Parameter, value: str | None) -> timedelta | None:
    """A span of time such as `31d`, `36h` or `1d12h`: the callback of an option, which may be left out."""
    if value is None:
        return None
    parts = SPAN.findall(value)
    if not parts or "".join(number + unit for number, unit in parts) != value:
        raise click.BadParameter(f"{value!r} is no span of time: write 31d, 36h or 1d12h")
    return sum((timedelta(**{UNITS[unit]: int(number)}) for number, unit in parts), timedelta())


def pairs(given: Sequence[str], option: str) -> dict[str, str]:
    """`name=value` several times; raises click's error."""
    named = {}
    for one in given:
        name, equals, value = one.partition("=")
        if not equals or not name:
            # Not quoted: what stands here may be a secret.
            raise click.BadParameter("write NAME=VALUE", param_hint=f"'{option}'")
        named[name] = value
    return named


def secrets(given: Sequence[str], option: str) -> dict[str, Secret]:
    """`name=env:NAME` or `name=file:PATH` several times; raises FieldError, click's error."""
    return {name: found(reference, f"{option} {name}") for name, reference in pairs(given, option).items()}


def policies(given: Sequence[str]) -> dict[str, Any] | None:
    """`name=value` several times, the values JSON where they are; None where none was given."""
    if not given:
        return None
    return {name: _json(value) for name, value in pairs(given, "--policy").items()}


def typed(value: Any) -> str:
    """A policy's value as it is typed: what `policies` reads as this value again."""
    if isinstance(value, str) and _json(value) == value:
        return value
    return msgspec.json.encode(value).decode()


def _json(text: str) -> Any:
    try:
        return msgspec.json.decode(text)
    except msgspec.DecodeError:
        return text
