"""API keys: which account each opens, what a restricted one may do, and when one ends.

A key that nobody made opens an account of its own at its first use, with every permission; that is all most tests
need. Keys made here share the account that they were made for.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from gateway.sandbox.stripe.errors import bad_key, key_expired
from gateway.sandbox.stripe.ids import account_id, new_id
from gateway.sandbox.stripe.permissions import Level

SECRET, RESTRICTED = "sk_test", "rk_test"
MAX_KEYS = 1000


@dataclass(slots=True)
class ApiKey:
    """`permissions` by resource, None for all; `expires_at` in sandbox time, the second from which it is refused."""

    key: str
    account: str
    permissions: dict[str, Level] | None = None
    expires_at: int | None = None

    def shown(self) -> dict[str, object]:
        """As the control API shows it: whole, for these keys open nothing but a sandbox."""
        return {
            "key": self.key,
            "account": self.account,
            "permissions": self.permissions,
            "expires_at": self.expires_at,
        }


class KeyRing:
    """All keys of a sandbox."""

    def __init__(self, now: Callable[[], int]) -> None:
        self._now = now
        self._keys: dict[str, ApiKey] = {}

    def __iter__(self) -> Iterator[ApiKey]:
        return iter(self._keys.values())

    def open(self, text: str) -> ApiKey:
        """The key that a caller presents; raises Refusal for a live, malformed or expired one."""
        key = self._keys.get(text)
        if key is None:
            if not text.startswith((f"{SECRET}_", f"{RESTRICTED}_")) or len(text) <= len(SECRET) + 1:
                raise bad_key(masked(text))
            key = self._keys[text] = ApiKey(text, account_id(text))
        if key.expires_at is not None and key.expires_at <= self._now():
            raise key_expired(masked(text))
        return key

    def make(self, account: str, permissions: Mapping[str, str] | None = None) -> ApiKey:
        """Another key of an account: secret, or restricted where `permissions` are given. Raises ValueError."""
        if len(self._keys) >= MAX_KEYS:
            raise ValueError(f"at most {MAX_KEYS} keys")
        levels = None if permissions is None else {name: Level(level) for name, level in permissions.items()}
        key = ApiKey(new_id(SECRET if levels is None else RESTRICTED), account, levels)
        self._keys[key.key] = key
        return key

    def roll(self, text: str, expires_in_s: int = 0) -> ApiKey:
        """A new key with the same account and permissions; the old one lives on for `expires_in_s` (the Dashboard
        offers now to seven days). Raises LookupError."""
        old = self.need(text)
        new = self.make(old.account, old.permissions)
        self.expire(text, expires_in_s)
        return new

    def expire(self, text: str, in_s: int = 0) -> ApiKey:
        """Let a key end. Raises LookupError."""
        key = self.need(text)
        key.expires_at = self._now() + max(0, in_s)
        return key

    def need(self, text: str) -> ApiKey:
        if text not in self._keys:
            raise LookupError(f"there is no key {masked(text)}")
        return self._keys[text]

    def clear(self) -> None:
        self._keys.clear()


def masked(key: str) -> str:
    return f"{key[:8]}{'*' * 8}{key[-4:]}" if len(key) > 12 else "*" * len(key)
