"""What the fields of a connection are held to in most adapters."""

from __future__ import annotations

import pytest

from processors.configuration import base_url, check_credentials, check_options
from processors.errors import ConfigurationError
from processors.values import Secret

HOSTS = {"test": "https://api.test.example", "live": "https://api.example"}


def secrets(**given: str) -> dict[str, Secret]:
    return {name: Secret(value) for name, value in given.items()}


def test_what_is_there_is_enough() -> None:
    check_credentials(secrets(key="k"), ("key",), ("previous",))
    check_credentials(secrets(key="k", previous="p"), ("key",), ("previous",))
    check_options({"account": "a"}, ("account",))


@pytest.mark.parametrize("wrong", [{}, {"key": ""}, {"key": " "}, {"key": "made up"}, {"key": "é"}, {"key": "k\r\n"}])
def test_a_credential_that_no_header_carries_is_named_and_not_shown(wrong: dict[str, str]) -> None:
    with pytest.raises(ConfigurationError, match=r"^key ") as refused:
        check_credentials(secrets(**wrong), ("key",))
    assert "made up" not in str(refused.value)


def test_an_optional_credential_is_not_empty() -> None:
    with pytest.raises(ConfigurationError, match=r"^previous "):
        check_credentials(secrets(key="k", previous=""), ("key",), ("previous",))


@pytest.mark.parametrize("wrong", [{}, {"account": ""}, {"account": "  "}])
def test_an_option_is_not_empty(wrong: dict[str, str]) -> None:
    with pytest.raises(ConfigurationError, match=r"^account "):
        check_options(wrong, ("account",))


def test_the_environment_chooses_the_host_and_another_may_be_named() -> None:
    assert base_url({"environment": "live"}, HOSTS) == "https://api.example"
    assert base_url({"environment": "test", "base_url": ""}, HOSTS) == "https://api.test.example"
    assert base_url({"environment": "test", "base_url": "http://127.0.0.1:1/"}, HOSTS) == "http://127.0.0.1:1"


@pytest.mark.parametrize(
    ("options", "field"),
    [
        ({}, "environment"),
        ({"environment": "sandbox"}, "environment"),
        ({"environment": "test", "base_url": "x"}, "base_url"),
    ],
)
def test_an_address_that_nothing_says_is_refused_by_name(options: dict[str, str], field: str) -> None:
    with pytest.raises(ConfigurationError, match=f"^{field} "):
        base_url(options, HOSTS)
