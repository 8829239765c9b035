"""Tokens of every kind, good and forged, built from bytes: nothing here shares code with what checks them."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature

Sign = Callable[[bytes], bytes]
PrivateKey = ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey | rsa.RSAPrivateKey


def b64(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def number(value: int, size: int | None = None) -> str:
    return b64(value.to_bytes(size or (value.bit_length() + 7) // 8, "big"))


@dataclass(frozen=True, slots=True, kw_only=True)
class Signer:
    """A key pair with its id."""

    kid: str
    alg: str
    private: PrivateKey

    def sign(self, content: bytes) -> bytes:
        match self.private:
            case ec.EllipticCurvePrivateKey():
                r, s = decode_dss_signature(self.private.sign(content, ec.ECDSA(hashes.SHA256())))
                return r.to_bytes(32, "big") + s.to_bytes(32, "big")
            case ed25519.Ed25519PrivateKey():
                return self.private.sign(content)
            case _:
                return self.private.sign(content, padding.PKCS1v15(), hashes.SHA256())

    def jwk(self, **more: object) -> dict[str, object]:
        public: dict[str, object] = {"kid": self.kid, "alg": self.alg, "use": "sig"}
        match self.private:
            case ec.EllipticCurvePrivateKey():
                point = self.private.public_key().public_numbers()
                public |= {"kty": "EC", "crv": "P-256", "x": number(point.x, 32), "y": number(point.y, 32)}
            case ed25519.Ed25519PrivateKey():
                public |= {"kty": "OKP", "crv": "Ed25519", "x": b64(self.private.public_key().public_bytes_raw())}
            case _:
                numbers = self.private.public_key().public_numbers()
                public |= {"kty": "RSA", "n": number(numbers.n), "e": number(numbers.e)}
        return public | more

    def pem(self) -> bytes:
        return self.private.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)


def ec_signer(kid: str) -> Signer:
    return Signer(kid=kid, alg="ES256", private=ec.generate_private_key(ec.SECP256R1()))


def ed_signer(kid: str) -> Signer:
    return Signer(kid=kid, alg="EdDSA", private=ed25519.Ed25519PrivateKey.generate())


def rsa_signer(kid: str, bits: int = 2048) -> Signer:
    return Signer(kid=kid, alg="RS256", private=rsa.generate_private_key(65537, bits))


def hs256(secret: bytes) -> Sign:
    return lambda content: hmac.new(secret, content, hashlib.sha256).digest()


def key_set(*signers: Signer) -> bytes:
    return json.dumps({"keys": [signer.jwk() for signer in signers]}).encode()


def compact(header: object, claims: object, sign: Sign) -> str:
    """A token of those parts; text goes in as it is, anything else as JSON."""
    parts = [b64((part if isinstance(part, str) else json.dumps(part)).encode()) for part in (header, claims)]
    content = ".".join(parts)
    return f"{content}.{b64(sign(content.encode()))}"


REMOVE: Any = object()


def changed(members: dict[str, Any], changes: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in (members | changes).items() if value is not REMOVE}


def bearer(token: str) -> list[bytes]:
    return [b"Bearer " + token.encode()]
