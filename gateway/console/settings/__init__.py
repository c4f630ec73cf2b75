"""The account's settings: a page each for what stands in `TABS`. All of it is for admins but the doctor."""

from __future__ import annotations

from typing import Any, Final

from gateway.console.settings.users import user_routes

settings_routes: Final[list[Any]] = [*user_routes]
