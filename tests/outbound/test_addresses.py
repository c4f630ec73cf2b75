"""No private address is ever called: neither as it is saved, nor as its name answers later."""

from __future__ import annotations

import asyncio
import ipaddress
import socket
from typing import Any

import pytest

from gateway.addresses import AddressError, PublicNetwork, checked_url, is_public, refuse_private
from gateway.outbound.post import posting
from tests.support.serving import open_door

PRIVATE = [
    "127.0.0.1", "127.8.8.8", "0.0.0.0", "10.0.0.1", "172.16.0.1", "192.168.1.1", "169.254.169.254", "100.64.0.1",
    "192.0.0.1", "198.18.0.1", "224.0.0.1", "239.1.1.1", "240.0.0.1", "255.255.255.255", "::", "::1", "fe80::1",
    "fc00::1", "fd00:ec2::254", "ff02::1", "ff0e::1", "2001:db8::1",
    # An IPv4 address inside an IPv6 one, in each way that there is.
    "::ffff:127.0.0.1", "::ffff:10.0.0.1", "::127.0.0.1", "64:ff9b::7f00:1", "64:ff9b:1::a00:1", "2002:7f00:1::",
    "2002:a9fe:a9fe::",
]  # fmt: skip
PUBLIC = ["8.8.8.8", "192.0.43.8", "2606:4700::1111", "64:ff9b::808:808", "::ffff:8.8.8.8"]


@pytest.mark.parametrize("address", PRIVATE)
def test_private_addresses_are_known(address: str) -> None:
    assert not is_public(ipaddress.ip_address(address))


@pytest.mark.parametrize("address", PUBLIC)
def test_public_addresses_are_known(address: str) -> None:
    assert is_public(ipaddress.ip_address(address))


@pytest.mark.parametrize(
    "url",
    [
        *(f"https://[{one}]/" if ":" in one else f"https://{one}/" for one in PRIVATE),
        "https://localhost/", "https://2130706433/", "https://0x7f.1/", "https://127.1/", "https://[::ffff:7f00:1]/",
    ],
)  # fmt: skip
async def test_none_is_saved_however_it_is_written(url: str) -> None:
    with pytest.raises(AddressError):
        await refuse_private(url, private=False)


@pytest.mark.parametrize(
    "url",
    [
        "", "shop.example", "http://192.0.43.8/", "ftp://192.0.43.8/", "file:///etc/passwd", "https:///hook",
        "https://user:secret@192.0.43.8/", "https://192.0.43.8/#part", "https://192.0.43.8:99999/", "https://[::1/",
        "https://192.0.43.8/ x", "https://192.0.43.8/\n", "https://192.0.43.8/" + "x" * 2048,
    ],
)  # fmt: skip
def test_only_plain_https_addresses_are_saved(url: str) -> None:
    with pytest.raises(AddressError):
        checked_url(url, private=False)


async def test_a_public_one_is_saved() -> None:
    await refuse_private("https://192.0.43.8:8443/hook?x=1", private=False)


def answering(monkeypatch: pytest.MonkeyPatch, *answers: list[str]) -> None:
    """A resolver that says each of these in turn, and then the last for ever."""
    said = list(answers)

    async def resolve(self: Any, host: str, port: int, **_: Any) -> list[Any]:
        found = said.pop(0) if len(said) > 1 else said[0]
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (one, port)) for one in found]

    monkeypatch.setattr(asyncio.get_running_loop().__class__, "getaddrinfo", resolve)


async def test_one_private_address_among_public_ones_is_enough_to_refuse(monkeypatch: pytest.MonkeyPatch) -> None:
    answering(monkeypatch, ["8.8.8.8", "10.0.0.1"])
    with pytest.raises(AddressError, match="not on the public internet"):
        await refuse_private("https://shop.example/", private=False)


async def test_a_name_that_answers_otherwise_later_gains_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    async with open_door() as door, posting(private=False) as poster:
        port = door.url.rpartition(":")[2]
        answering(monkeypatch, ["8.8.8.8"], ["127.0.0.1"])
        await refuse_private(f"https://shop.example:{port}/", private=False)
        answer = await poster.post(f"https://shop.example:{port}/", [], b"{}")
    assert answer.status is None
    assert answer.error.startswith("shop.example is not on the public internet")
    assert "TOLLBRIDGE_OUTBOUND_PRIVATE" in answer.error


async def test_the_address_that_was_looked_at_is_the_one_that_is_called(monkeypatch: pytest.MonkeyPatch) -> None:
    network, called = PublicNetwork(), []

    async def connect(host: str, *_: Any) -> None:
        called.append(host)

    monkeypatch.setattr(network._inner, "connect_tcp", connect)
    answering(monkeypatch, ["10.0.0.1", "8.8.8.8"], ["10.0.0.1"])
    await network.connect_tcp("shop.example", 443)
    assert called == ["8.8.8.8"], "not the name, which would be resolved once more"


async def test_what_was_saved_for_development_is_not_called_without_it() -> None:
    async with open_door() as door, posting(private=False) as poster:
        answer = await poster.post(door.url, [], b"{}")
    assert answer.status is None
