"""What proves a webhook: an RSA signature by a certificate of PayPal's own (docs: webhooks, "self-verification").

The address of the certificate comes with the delivery, so it proves nothing: only PayPal's own hosts are asked, over
https, and only for what looks like a certificate there. It is kept, and held to its own time at each use.

The time of a transmission is signed, but not compared with ours: the same delivery is sent again for three days, and
the id of its event tells it from others for ever (law 9).
"""

from __future__ import annotations

import re
from base64 import b64decode
from collections.abc import Set as AbstractSet
from datetime import datetime
from typing import Final
from zlib import crc32

import httpx
from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.hashes import SHA256

from processors.errors import RefusedError, SignatureInvalidError
from processors.events import RawDelivery
from processors.transport import Transport
from processors.values import PreparedCall

ALGORITHM: Final = "SHA256withRSA"
FETCH_TIMEOUT_S: Final = 5.0
MOST: Final = 8
"""Certificates that are kept: PayPal changes its own once in many months."""
LARGEST_BYTES: Final = 1 << 16
SMALLEST_KEY_BITS: Final = 2048

PATH: Final = re.compile(r"/v1/notifications/certs/[A-Za-z0-9_.-]{1,200}")
FETCHED: Final = "/v1/notifications/certs/{id}"


class Certificates:
    """The certificates of one environment's hosts. `origins` are the only ones asked: `https://host[:port]`."""

    def __init__(self, http: httpx.AsyncClient, origins: AbstractSet[str]) -> None:
        self._transports = {
            origin: Transport(http, origin, FETCH_TIMEOUT_S, max_answer_bytes=LARGEST_BYTES) for origin in origins
        }
        self._known: dict[str, x509.Certificate] = {}

    async def check(self, delivery: RawDelivery, webhook_id: str, at: datetime) -> None:
        """Raises SignatureInvalidError unless the delivery is signed for this webhook; CallError where the certificate
        can't be fetched now. `at` is machine time."""
        if delivery.header("paypal-auth-algo") != ALGORITHM:
            raise SignatureInvalidError(f"paypal-auth-algo is not {ALGORITHM}")
        signature = _signature(delivery.header("paypal-transmission-sig"))
        message = signed_message(delivery, webhook_id)
        certificate = await self._certificate(delivery.header("paypal-cert-url"))
        if not certificate.not_valid_before_utc <= at <= certificate.not_valid_after_utc:
            raise SignatureInvalidError("the certificate is not valid now")
        try:
            _key(certificate).verify(signature, message, PKCS1v15(), SHA256())
        except InvalidSignature:
            raise SignatureInvalidError("paypal-transmission-sig does not sign this body for this webhook") from None

    async def _certificate(self, address: str) -> x509.Certificate:
        origin, path = self._split(address)
        known = self._known.get(address)
        if known is None:
            # Nobody waits for anybody else's: a stranger may name any number of certificates that are not there.
            known = await self._fetch(origin, path)
            if len(self._known) >= MOST:
                self._known.pop(next(iter(self._known)))
            self._known[address] = known
        return known

    def _split(self, address: str) -> tuple[str, str]:
        try:
            url = httpx.URL(address)
        except httpx.InvalidURL:
            url = httpx.URL("")
        origin = f"{url.scheme}://{url.netloc.decode('ascii', 'replace')}"
        if origin not in self._transports or url.userinfo or url.fragment or not PATH.fullmatch(url.raw_path.decode()):
            raise SignatureInvalidError("paypal-cert-url is missing, or not the address of a certificate of PayPal's")
        return origin, url.path

    async def _fetch(self, origin: str, path: str) -> x509.Certificate:
        call = PreparedCall("GET", path, (("accept", "*/*"),), b"")
        try:
            answer = await self._transports[origin].send(call, {}, template=FETCHED)
        except RefusedError:
            raise SignatureInvalidError("there is no certificate at paypal-cert-url") from None
        try:
            certificate = x509.load_pem_x509_certificates(answer.body)[0]
        except ValueError:
            raise SignatureInvalidError("what stands at paypal-cert-url is no certificate") from None
        _key(certificate)
        return certificate


def signed_message(delivery: RawDelivery, webhook_id: str) -> bytes:
    """What PayPal signs: ids, time and the checksum of the raw bytes as a decimal number.

    Raises SignatureInvalidError where the delivery lacks any of it.
    """
    transmission, sent_at = delivery.header("paypal-transmission-id"), delivery.header("paypal-transmission-time")
    if not (transmission and sent_at and webhook_id):
        raise SignatureInvalidError("paypal-transmission-id or -time is missing, or no webhook_id is configured")
    return f"{transmission}|{sent_at}|{webhook_id}|{crc32(delivery.body)}".encode()


def _signature(header: str) -> bytes:
    try:
        signature = b64decode(header, validate=True)
    except ValueError:
        signature = b""
    if not signature:
        raise SignatureInvalidError("paypal-transmission-sig is missing or not base64")
    return signature


def _key(certificate: x509.Certificate) -> RSAPublicKey:
    key = certificate.public_key()
    if not isinstance(key, RSAPublicKey) or key.key_size < SMALLEST_KEY_BITS:
        raise SignatureInvalidError(f"the certificate has no RSA key of {SMALLEST_KEY_BITS} bits or more")
    return key
