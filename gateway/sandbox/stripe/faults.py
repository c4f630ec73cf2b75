"""Faults on demand: errors before and after the effect, lost answers, latency."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any

EFFECTS = ("error_before", "error_after", "lost_before", "lost_after", "delay")


@dataclass(slots=True)
class Fault:
    """One rule; it is spent after `times` requests. `path` is a template (``/v1/invoices/{id}/pay``) or a glob."""

    effect: str
    method: str = "*"
    path: str = "*"
    status: int = 500
    delay_s: float = 0.0
    times: int = 1
    account: str | None = None

    def __post_init__(self) -> None:
        if self.effect not in EFFECTS:
            raise ValueError(f"unknown effect {self.effect!r}: one of {', '.join(EFFECTS)}")

    def matches(self, method: str, path: str, account: str | None) -> bool:
        if self.times <= 0 or self.method not in ("*", method) or self.account not in (None, account):
            return False
        parts = re.split(r"(\{[^}]*\}|\*)", self.path)
        pattern = "".join(
            "[^/]+" if part.startswith("{") else ".*" if part == "*" else re.escape(part) for part in parts
        )
        return re.fullmatch(pattern, path) is not None

    def shown(self) -> dict[str, Any]:
        match = {"method": self.method, "path": self.path}
        shown = {"match": match, "effect": self.effect, "status": self.status, "delay_s": self.delay_s}
        return {**shown, "times": self.times}


@dataclass(slots=True)
class Faults:
    rules: list[Fault] = field(default_factory=list)

    def add(self, effect: str, *, method: str = "*", path: str = "*", **more: Any) -> Fault:
        rule = Fault(effect, method.upper(), path, **more)
        self.rules.append(rule)
        return rule

    def take(self, method: str, path: str, account: str | None, *, replayed: bool) -> Fault | None:
        """The first rule that fits, spent once. A stored answer is replayed without errors, but can still be lost."""
        for rule in self.rules:
            if rule.matches(method, path, account) and not (replayed and rule.effect.startswith("error")):
                rule.times -= 1
                return rule
        return None

    def clear(self) -> None:
        self.rules.clear()
