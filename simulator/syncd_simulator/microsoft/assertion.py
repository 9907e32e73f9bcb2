"""The app's certificate, and what the token host finds wrong with assertions (microsoft.md §2.1).

Public: private_pem, certificate_pem, fault.
"""

import base64
import functools
import hashlib
import time
from datetime import UTC, datetime, timedelta
from typing import Any

import jwt
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.x509.oid import NameOID

__all__ = ["certificate_pem", "fault", "private_pem"]

SKEW = 300.0
LONGEST = 86400.0  # an assertion that lives longer is refused


@functools.cache
def _key() -> rsa.RSAPrivateKey:
    """The key of this process: generating one is slow, so all worlds share it."""
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


@functools.cache
def _certificate() -> x509.Certificate:
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "syncd simulated app")])
    now = datetime.now(UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(name).issuer_name(name).public_key(_key().public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1)).not_valid_after(now + timedelta(days=3650))
        .sign(_key(), hashes.SHA256())
    )  # fmt: skip


@functools.cache
def private_pem() -> str:
    """The private key, PKCS 8."""
    form = serialization.PrivateFormat.PKCS8
    return _key().private_bytes(serialization.Encoding.PEM, form, serialization.NoEncryption()).decode()


@functools.cache
def certificate_pem() -> str:
    """The certificate."""
    return _certificate().public_bytes(serialization.Encoding.PEM).decode()


@functools.cache
def _thumbprints() -> dict[str, str]:
    der = _certificate().public_bytes(serialization.Encoding.DER)
    prints = {"x5t#S256": hashlib.sha256(der).digest(), "x5t": hashlib.sha1(der).digest()}  # noqa: S324
    return {name: base64.urlsafe_b64encode(digest).decode().rstrip("=") for name, digest in prints.items()}


def fault(text: str, client_id: str, audiences: set[str], used: set[str], now: float) -> int | None:
    """The AADSTS number of what is wrong with an assertion; None when it is good. Its `jti` is used up then."""
    try:
        header = jwt.get_unverified_header(text)
        named = [(name, header[name]) for name in ("x5t#S256", "x5t") if name in header]
        if not named or any(value.rstrip("=") != _thumbprints()[name] for name, value in named):
            return 700027
        options: Any = {"verify_exp": False, "verify_nbf": False, "verify_iat": False, "verify_aud": False}
        claims = jwt.decode(text, _key().public_key(), algorithms=["PS256", "RS256"], options=options)
    except (jwt.PyJWTError, AttributeError):
        return 700027
    if claims.get("iss") != client_id or claims.get("sub") != client_id:
        return 700027
    if claims.get("aud") not in audiences:
        return 700023
    # A client in another process cannot know a simulated time: the wall clock counts as well.
    if not any(_timely(claims, moment) for moment in (now, time.time())):
        return 700024
    if not claims.get("jti") or claims["jti"] in used:
        return 700025
    used.add(claims["jti"])
    return None


def _timely(claims: dict[str, Any], now: float) -> bool:
    expires, begins = claims.get("exp"), claims.get("nbf", 0)
    if not isinstance(expires, int | float) or not isinstance(begins, int | float):
        return False
    return begins - SKEW <= now < expires <= now + LONGEST
