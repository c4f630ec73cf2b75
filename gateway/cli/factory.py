"""The application of one server process, from its environment."""

from __future__ import annotations

from litestar import Litestar

from gateway.app import create_app
from gateway.logs import configure_logging
from gateway.settings import load_keyring, load_settings


def app() -> Litestar:
    """Raises SettingsError, KeyringError."""
    settings = load_settings()
    configure_logging(settings.log_level, settings.log_format)
    return create_app(settings, load_keyring())
