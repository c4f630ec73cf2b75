"""How long calls take, as a distribution: what is said as `p50 120 ms, p99 380 ms` can be drawn again from its seed."""

from __future__ import annotations

import math
import random
from statistics import NormalDist
from typing import Annotated

import msgspec

MAX_DELAY_S = 300
Z99 = NormalDist().inv_cdf(0.99)
Ms = Annotated[float, msgspec.Meta(ge=0, le=MAX_DELAY_S * 1000)]
PositiveMs = Annotated[float, msgspec.Meta(gt=0, le=MAX_DELAY_S * 1000)]


class Constant(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag_field="kind", tag="constant"):
    """Always the same."""

    ms: Ms

    def draw_s(self, dice: random.Random) -> float:
        return self.ms / 1000

    def __str__(self) -> str:
        return f"{self.ms:g} ms"

    @property
    def text(self) -> str:
        """As `parse` reads it."""
        return f"{self.ms:g}"


class Uniform(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag_field="kind", tag="uniform"):
    """Anything between the two, equally often."""

    min_ms: Ms
    max_ms: Ms

    def __post_init__(self) -> None:
        if self.min_ms > self.max_ms:
            raise ValueError("min_ms is at most max_ms")

    def draw_s(self, dice: random.Random) -> float:
        return dice.uniform(self.min_ms, self.max_ms) / 1000

    def __str__(self) -> str:
        return f"{self.min_ms:g} to {self.max_ms:g} ms"

    @property
    def text(self) -> str:
        """As `parse` reads it."""
        return f"{self.min_ms:g}-{self.max_ms:g}"


class Lognormal(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag_field="kind", tag="lognormal"):
    """Half of the calls take at most `p50_ms`, 99 of 100 at most `p99_ms`; the tail ends at five minutes."""

    p50_ms: PositiveMs
    p99_ms: PositiveMs

    def __post_init__(self) -> None:
        if self.p50_ms > self.p99_ms:
            raise ValueError("p50_ms is at most p99_ms")

    def draw_s(self, dice: random.Random) -> float:
        sigma = math.log(self.p99_ms / self.p50_ms) / Z99
        return min(MAX_DELAY_S, dice.lognormvariate(math.log(self.p50_ms), sigma) / 1000)

    def __str__(self) -> str:
        return f"p50 {self.p50_ms:g} ms, p99 {self.p99_ms:g} ms"

    @property
    def text(self) -> str:
        """As `parse` reads it."""
        return f"{self.p50_ms:g},{self.p99_ms:g}"


Latency = Constant | Uniform | Lognormal


def parse(text: str) -> Latency:
    """`120` is constant, `50-200` uniform, `120,380` p50 and p99, all in milliseconds; raises ValueError."""
    try:
        if "," in text:
            p50, p99 = map(float, text.split(","))
            return _checked(Lognormal(p50, p99))
        if "-" in text:
            low, high = map(float, text.split("-"))
            return _checked(Uniform(low, high))
        return _checked(Constant(float(text)))
    except ValueError as error:
        raise ValueError(f"{text!r} is no latency in ms (120, or 50-200, or 120,380 for p50,p99): {error}") from None


def _checked(latency: Latency) -> Latency:
    """With its bounds, which msgspec checks only where it converts; raises ValidationError, a ValueError."""
    found: Latency = msgspec.convert(msgspec.to_builtins(latency), Latency)
    return found
