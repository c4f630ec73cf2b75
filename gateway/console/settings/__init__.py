"""The account's settings: a page each for what stands in `TABS`. All of it is for admins but the doctor."""

from __future__ import annotations

from typing import Any, Final

from gateway.console.settings.account import account_setting_routes
from gateway.console.settings.connection_check import connection_check_routes
from gateway.console.settings.connections import connection_routes
from gateway.console.settings.declines import decline_routes
from gateway.console.settings.doctor import doctor_routes
from gateway.console.settings.endpoints import endpoint_routes
from gateway.console.settings.keys import key_routes
from gateway.console.settings.policies import policy_routes
from gateway.console.settings.users import user_routes

settings_routes: Final[list[Any]] = [
    *account_setting_routes,
    *connection_routes,
    *connection_check_routes,
    *policy_routes,
    *decline_routes,
    *user_routes,
    *key_routes,
    *endpoint_routes,
    *doctor_routes,
]
