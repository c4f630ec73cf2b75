"""Users beside two accounts."""

from __future__ import annotations

from tests.api import conftest as of_api

api, keyring, served = of_api.api, of_api.keyring, of_api.served
