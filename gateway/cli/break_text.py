"""What the kinds of breaks and their repairs mean, as `tollbridge reconcile` says it to who must mend them."""

from __future__ import annotations

from typing import Final

from gateway.books import formats
from gateway.domain.breaks import BREAKS, REPAIRS
from processors.settlements import SettlementKind

ROW_KINDS: Final = ", ".join((*SettlementKind, formats.IGNORED))
BREAK_KINDS: Final = "\b\nKinds:\n" + "\n".join(f"  {kind:<28} {means}" for kind, means in BREAKS.items())
BREAK_REPAIRS: Final = "\b\nRepairs:\n" + "\n".join(f"  {one:<18} {what}" for one, what in REPAIRS.items())
