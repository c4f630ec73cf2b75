"""An amount to credit, spread over an invoice's lines, so that tax follows (docs: programmatic credit notes). Pure.

A credit note by `amount` alone is an adjustment after tax. One by invoice lines takes each line's taxes and discounts
along in proportion. Stripe computes them: what stands here is a proposal, and its preview accepts it or does not.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import combinations
from typing import Final, TypeAlias

import msgspec

MOST_LINES: Final = 100
"""A credit note of so many lines is none that a human reads; the amount is credited without lines."""


SEARCHED_LINES: Final = 6
SEARCHED_STEPS: Final = (1, -1, 2, -2, 3, -3)


class BilledLine(msgspec.Struct, frozen=True):
    """One line. `amount` is as Stripe shows it, before discounts and exclusive tax; `added` its exclusive taxes, each
    by itself, and its discounts, below zero; `credited` what credit notes have taken of `amount` already.
    """

    id: str
    amount: int
    added: tuple[int, ...] = ()
    quantity: int = 1
    credited: int = 0
    description: str = ""

    @property
    def gross(self) -> int:
        """What the customer pays of it."""
        return self.amount + sum(self.added)

    @property
    def left(self) -> int:
        """What is left of `amount`."""
        return self.amount - self.credited

    def gross_of(self, part: int) -> int:
        """What the customer paid of `part` of the amount, as far as we can tell: what is left adds up to the whole.

        Each tax and discount is rounded by itself, as Stripe shows each by itself.
        """

        def until(amount: int) -> int:
            return amount + sum(_share(one, amount, self.amount) for one in self.added)

        return until(self.credited + part) - until(self.credited)


Share: TypeAlias = tuple[str, int]
"""A line's id, and what is credited of its `amount`."""


def proposals(lines: Sequence[BilledLine], gross: int) -> Iterator[tuple[Share, ...]]:
    """Ways to credit `gross`, the likeliest first; none where the lines have not so much left.

    In proportion to what is left of each. Where our rounding is not Stripe's, its neighbours follow.
    """
    usable = {line.id: line for line in lines if line.left > 0 and line.gross > 0}
    whole = sum(line.gross_of(line.left) for line in usable.values())
    if not usable or len(usable) > MOST_LINES or not 0 < gross <= whole:
        return
    shares = {id_: min(round(line.left * gross / whole), line.left) for id_, line in usable.items()}
    shares = _nearest(usable, shares, gross)
    neighbours = [_moved(usable, shares, nudge) for nudge in (1, -1)]
    for tried in (shares, *(one for one in neighbours if one != shares)):
        if any(tried.values()):
            yield _shown(tried)


def _nearest(lines: Mapping[str, BilledLine], shares: dict[str, int], gross: int) -> dict[str, int]:
    """The shares, moved until they come to `gross` by our reckoning, or as near as a few steps lead."""
    for _ in range(5):
        moved = _moved(lines, shares, gross - _gross_of(lines, shares))
        if moved == shares:
            break
        shares = moved
    if _gross_of(lines, shares) == gross:
        return shares
    # With tax on it, a line may step over the amount; another one, or two together, may meet it.
    near = (_stepped(lines, shares, *moves) for moves in _moves(sorted(shares, key=lambda id_: -shares[id_])))
    return next((one for one in near if one is not None and _gross_of(lines, one) == gross), shares)


def _moves(ids: Sequence[str]) -> Iterator[tuple[tuple[str, int], ...]]:
    steps = [(id_, step) for id_ in ids[:SEARCHED_LINES] for step in SEARCHED_STEPS]
    yield from ((one,) for one in steps)
    yield from ((one, other) for one, other in combinations(steps, 2) if one[0] != other[0])


def _stepped(
    lines: Mapping[str, BilledLine], shares: Mapping[str, int], *moves: tuple[str, int]
) -> dict[str, int] | None:
    stepped = dict(shares)
    for id_, step in moves:
        stepped[id_] += step
        if not 0 <= stepped[id_] <= lines[id_].left:
            return None
    return stepped


def _gross_of(lines: Mapping[str, BilledLine], shares: Mapping[str, int]) -> int:
    return sum(lines[id_].gross_of(part) for id_, part in shares.items())


def _share(value: int, part: int, whole: int) -> int:
    """Half away from zero, as money is rounded."""
    share = (2 * abs(value) * part + whole) // (2 * whole)
    return share if value >= 0 else -share


def _moved(lines: Mapping[str, BilledLine], shares: dict[str, int], off_by: int) -> dict[str, int]:
    """One share moved by about `off_by` of gross: the largest that has room for it."""
    for id_, part in sorted(shares.items(), key=lambda share: -share[1]) if off_by else ():
        line = lines[id_]
        step = round(off_by * line.amount / line.gross) or (1 if off_by > 0 else -1)
        if 0 <= part + step <= line.left:
            return shares | {id_: part + step}
    return shares


def _shown(shares: Mapping[str, int]) -> tuple[Share, ...]:
    return tuple((id_, part) for id_, part in shares.items() if part > 0)
