"""Where the attempts of an invoice are seen in their processors' own dashboards."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import msgspec

from db import sql
from gateway.connections import UnknownAdapterError, adapter_class
from gateway.readers.attempts import AttemptBody
from processors.dashboards import charge_page

CONNECTIONS: Final = "select name, adapter, options from tollbridge.connection where account = $1 and name = any($2)"


async def pages_of(account: str, attempts: Sequence[AttemptBody]) -> dict[str, str]:
    """By the attempt's id; only those that have one. An adapter that is not installed any more knows none."""
    found: dict[str, str] = {}
    names = sorted({one.connection for one in attempts})
    rows = {row["name"]: row for row in await sql.rows(CONNECTIONS, account, names)} if names else {}
    for one in attempts:
        row = rows[one.connection]
        try:
            adapter = adapter_class(row["adapter"])
        except UnknownAdapterError:
            continue
        options = msgspec.json.decode(row["options"], type=dict[str, str])
        if page := charge_page(adapter, options, one.processor_id or ""):
            found[one.id] = page
    return found
