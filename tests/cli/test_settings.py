"""Settings from the environment: what can't be is refused by the variable's full name."""

from __future__ import annotations

import pytest

from gateway.settings import SettingsError, load_settings


def test_what_is_given_is_taken() -> None:
    given = {"TOLLBRIDGE_WORKERS": "7", "TOLLBRIDGE_LOG_LEVEL": "DEBUG", "TOLLBRIDGE_SWEEP_INTERVAL_S": "0.5"}
    settings = load_settings(given)
    assert (settings.workers, settings.log_level, settings.sweep_interval_s) == (7, "debug", 0.5)


@pytest.mark.parametrize(
    ("name", "value", "told"),
    [
        ("TOLLBRIDGE_WORKERS", "0", ">= 1"),
        ("TOLLBRIDGE_WORKERS", "-3", ">= 1"),
        ("TOLLBRIDGE_WORKERS", "many", "int"),
        ("TOLLBRIDGE_PORT", "70000", "<= 65535"),
        ("TOLLBRIDGE_PORT", "0", ">= 1"),
        ("TOLLBRIDGE_LOG_LEVEL", "loud", "Invalid enum value 'loud'"),
        ("TOLLBRIDGE_LOG_FORMAT", "xml", "Invalid enum value 'xml'"),
        ("TOLLBRIDGE_DATABASE_POOL", "1", ">= 2"),
        ("TOLLBRIDGE_STRIPE_TIMEOUT_S", "0", ">= 1"),
        ("TOLLBRIDGE_STRIPE_TIMEOUT_S", "nan", ""),
        ("TOLLBRIDGE_WORKRES", "5", "unknown"),
        ("TOLLBRIDGE_PUBLIC_URL", "pay.shop.example", "must begin with https://"),
    ],
)
def test_what_can_not_be_is_refused_by_its_name(name: str, value: str, told: str) -> None:
    with pytest.raises(SettingsError, match=f"`{name}`") as caught:
        load_settings({name: value})
    assert told in str(caught.value)
