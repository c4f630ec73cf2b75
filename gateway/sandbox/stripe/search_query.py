"""Stripe's search query language (docs: search).

    clause   -field:value   -metadata["key"]:'value'       `-` for all but these
    operator : exact   ~ part of (at least 3 characters)   > >= < <= =  for numbers
    value    "quoted" 'quoted' bare null                   null: the field is empty
    clauses stand beside each other or with AND, or all with OR; the two don't mix, and there are no brackets

Text is compared without regard to case. `:` on a string field matches where its words stand in this order.
"""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Literal

from gateway.sandbox.stripe.errors import Refusal, bad_params

Kind = Literal["token", "string", "numeric"]
Read = Callable[[dict[str, Any]], Any]
METADATA = "metadata"
MIN_PART = 3
CLAUSE = re.compile(
    r"""\s*(?P<not>-)?(?P<field>[a-z_.]+)(?:\[(?P<quote>["'])(?P<key>(?:\\.|(?!(?P=quote)).)*)(?P=quote)\])?
    (?P<op>>=|<=|[:~<>=])
    (?:"(?P<double>(?:\\.|[^"\\])*)"|'(?P<single>(?:\\.|[^'\\])*)'|(?P<bare>[^\s"']+))(?=\s|$)""",
    re.VERBOSE | re.DOTALL,
)
JOINT = re.compile(r"\s*(AND|OR)\s+", re.IGNORECASE)
NUMBER = re.compile(r"-?\d+(\.\d+)?")
COMPARE = {":": operator.eq, "=": operator.eq, ">": operator.gt, ">=": operator.ge, "<": operator.lt, "<=": operator.le}


@dataclass(frozen=True, slots=True)
class Field:
    """How a field is compared, and where an object has it (by its name, if `read` is None)."""

    kind: Kind
    read: Read | None = None


@dataclass(frozen=True, slots=True)
class Clause:
    negated: bool
    field: Field
    name: str
    key: str | None
    op: str
    value: str | None  # None: the field is empty

    def matches(self, obj: dict[str, Any]) -> bool:
        return self._holds(self._of(obj)) != self.negated

    def _of(self, obj: dict[str, Any]) -> Any:
        if self.key is not None:
            return obj[METADATA].get(self.key)
        return self.field.read(obj) if self.field.read else obj.get(self.name)

    def _holds(self, found: Any) -> bool:
        if self.value is None or found is None:
            return self.value is None and found in (None, "")
        if self.field.kind == "numeric":
            return bool(COMPARE[self.op](Decimal(found), Decimal(self.value)))
        text, value = _folded(found), self.value.casefold()
        if self.op == "~":
            return value in text
        if self.field.kind == "token":
            return text == value
        words, wanted = text.split(), value.split()
        return any(words[at : at + len(wanted)] == wanted for at in range(len(words) - len(wanted) + 1))


@dataclass(frozen=True, slots=True)
class Query:
    clauses: tuple[Clause, ...]
    any_of: bool

    def matches(self, obj: dict[str, Any]) -> bool:
        decide = any if self.any_of else all
        return decide(clause.matches(obj) for clause in self.clauses)


def parse(text: str, fields: Mapping[str, Field], resource: str) -> Query:
    """Raises Refusal 400 with Stripe's words, where they are known."""
    clauses: list[Clause] = []
    joints: set[str] = set()
    at = 0
    text = text.strip()
    while not clauses or at < len(text):
        if clauses and (joint := JOINT.match(text, at)):
            at = joint.end()
            joints.add(joint[1].upper())
        elif clauses:
            joints.add("AND")
        found = CLAUSE.match(text, at)
        if found is None:
            raise _unreadable()
        clauses.append(_clause(found, fields, resource))
        at = found.end()
    if len(joints) > 1:
        raise bad_params("AND and OR can't be combined in one search query.", param="query")
    return Query(tuple(clauses), joints == {"OR"})


def _clause(found: re.Match[str], fields: Mapping[str, Field], resource: str) -> Clause:
    name, key, op = found["field"], found["key"], found["op"]
    if (name == METADATA) != (key is not None):
        raise _unreadable()
    field = Field("token") if key is not None else fields.get(name)
    if field is None:
        raise bad_params(
            f"Field `{name}` is an unsupported search field for resource `{resource}`. See "
            f"http://stripe.com/docs/search#query-fields-for-{resource} for a list of supported fields.",
            param="query",
        )
    quoted = found["double"] if found["double"] is not None else found["single"]
    value = found["bare"] if quoted is None else re.sub(r"\\(.)", r"\1", quoted)
    clause = Clause(
        found["not"] is not None, field, name, key, op, None if quoted is None and value.lower() == "null" else value
    )
    _check(clause)
    return clause


def _check(clause: Clause) -> None:
    allowed = {"token": ":", "string": ":~", "numeric": ": = > >= < <="}[clause.field.kind]
    if clause.op not in allowed or (clause.value is None and clause.op != ":"):
        raise bad_params(f"Operator `{clause.op}` is not supported for field `{clause.name}`.", param="query")
    if clause.op == "~" and len(clause.value or "") < MIN_PART:
        raise bad_params(f"Substring searches need at least {MIN_PART} characters.", param="query")
    if clause.field.kind == "numeric" and clause.value is not None and not NUMBER.fullmatch(clause.value):
        raise bad_params(f"Field `{clause.name}` takes a number.", param="query")


def _folded(value: Any) -> str:
    return ("true" if value else "false") if isinstance(value, bool) else str(value).casefold()


def _unreadable() -> Refusal:
    return bad_params(
        'We were unable to parse your search query. Please try using the format `metadata["key"]:"value"` to query '
        'for metadata or key:"value" to query for other fields.',
        param="query",
    )
