"""A certificate authority of one: what PayPal's webhooks are signed with, made up for these tests."""

from __future__ import annotations

from base64 import b64encode
from datetime import datetime, timedelta
from functools import cache
from typing import Any
from zlib import crc32

import msgspec
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID

from processors.events import RawDelivery
from tests.processors.paypal.conftest import NOW, WEBHOOK_ID

CERT_PATH = "/v1/notifications/certs/CERT-360caa42-fca2a594-1d93a270"
CERT_URL = f"https://api.sandbox.paypal.com{CERT_PATH}"
TRANSMISSION = "69cd13f0-d67a-11e5-baa3-778b53f4ae55"
SENT_AT = "2027-03-01T12:00:01Z"


@cache
def rsa_key(name: str = "paypal", bits: int = 2048) -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(65537, bits)


@cache
def curve_key() -> ec.EllipticCurvePrivateKey:
    return ec.generate_private_key(ec.SECP256R1())


def certificate(key: Any = None, begins: datetime = NOW - timedelta(days=1), days: int = 30) -> bytes:
    key = key or rsa_key()
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "messageverificationcerts.sandbox.paypal.com")])
    made = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
    made = made.serial_number(1).not_valid_before(begins).not_valid_after(begins + timedelta(days=days))
    return made.sign(key, SHA256()).public_bytes(Encoding.PEM)


def sign(body: bytes, key: rsa.RSAPrivateKey | None = None, webhook_id: str = WEBHOOK_ID) -> str:
    message = f"{TRANSMISSION}|{SENT_AT}|{webhook_id}|{crc32(body)}".encode()
    return b64encode((key or rsa_key()).sign(message, PKCS1v15(), SHA256())).decode()


def deliver(event: Any, **headers: str | None) -> RawDelivery:
    """A signed delivery; a header that is None is left out."""
    body = event if isinstance(event, bytes) else msgspec.json.encode(event)
    names = {
        "content-type": "application/json",
        "paypal-transmission-id": TRANSMISSION,
        "paypal-transmission-time": SENT_AT,
        "paypal-transmission-sig": sign(body),
        "paypal-cert-url": CERT_URL,
        "paypal-auth-algo": "SHA256withRSA",
        **{name.replace("_", "-"): value for name, value in headers.items()},
    }
    given = tuple((name, value) for name, value in names.items() if value is not None)
    return RawDelivery("POST", "https://tollbridge.example/webhooks/acct/paypal", given, (), body)
