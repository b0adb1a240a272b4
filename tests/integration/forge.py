"""A forger of tokens: every token is built from its bytes up, so that no library refuses to make a bad one."""

from __future__ import annotations

import json
import time
from base64 import urlsafe_b64encode
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

KID = "2026-11"
AUDIENCE, ISSUER = "assistant", "https://login.example.com"
CSRF = "a-csrf-value"
REVOKED = "revoked-jti"
# An allowance for clocks that differ; seconds.
LEEWAY = 10


@dataclass(frozen=True)
class Forge:
    """What signs (`private`) and what checks (`public`); the same for HS256. `stranger` is a key nobody trusts."""

    alg: str
    private: Any
    public: Any
    stranger: Any

    def claims(self, **changes: Any) -> dict[str, Any]:
        """The claims of a good token; a change to `...` takes a claim away."""
        now = int(time.time())
        good = {
            "sub": "ann",
            "type": "access",
            "fresh": False,
            "jti": "j1",
            "csrf": CSRF,
            "aud": AUDIENCE,
            "iss": ISSUER,
        }
        return _changed({**good, "iat": now, "nbf": now, "exp": now + 300}, changes)

    def token(
        self, header: Mapping[str, Any] | None = None, *, key: Any = None, alg: str | None = None, **claims: Any
    ) -> str:
        """A token that is good but for what is given. `alg` signs; the header says the same unless it is given too."""
        head = _changed({"typ": "JWT", "kid": KID, "alg": alg or self.alg}, header or {})
        return self.sealed(json.dumps(head).encode(), json.dumps(self.claims(**claims)).encode(), key=key, alg=alg)

    def sealed(self, header: bytes, payload: bytes, *, key: Any = None, alg: str | None = None) -> str:
        """Any header and payload, signed."""
        message = b".".join((_b64(header), _b64(payload)))
        return b".".join((message, _b64(self.signature(message, key=key, alg=alg)))).decode()

    def signature(self, message: bytes, *, key: Any = None, alg: str | None = None) -> bytes:
        signer: Any = jwt.get_algorithm_by_name(alg or self.alg)
        signed: bytes = signer.sign(message, self.private if key is None else key)
        return signed

    def public_pem(self) -> bytes:
        pem: bytes = self.public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
        return pem


def hs256() -> Forge:
    secret = b"a-secret-for-tests-that-is-long-enough"
    return Forge("HS256", secret, secret, b"another-secret-that-nobody-here-trusts")


def rs256() -> Forge:
    private, stranger = (rsa.generate_private_key(public_exponent=65537, key_size=2048) for _ in range(2))
    return Forge("RS256", private, private.public_key(), stranger)


def private_pem(forge: Forge) -> str:
    pem: bytes = forge.private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    return pem.decode()


# Each token of RFC 8725 and of the lists of attacks behind it: its name, and how it is forged.
Recipe = Callable[[Forge], str]
FORGED: dict[str, Recipe] = {
    # whose signature it is
    **{
        f"alg {alg}": (lambda f, a=alg: f.token({"alg": a}).rpartition(".")[0] + ".")
        for alg in ("none", "None", "NONE", "nOnE")
    },
    "alg none, signed": lambda f: f.token({"alg": "none"}),
    "no alg": lambda f: f.token({"alg": ...}),
    "alg a list": lambda f: f.token({"alg": ["HS256", "RS256"]}),
    "empty signature": lambda f: f.token().rpartition(".")[0] + ".",
    "no signature": lambda f: f.token().rpartition(".")[0],
    "cut signature": lambda f: f.token()[:-8],
    "another's signature": lambda f: f.token(sub="eve").rpartition(".")[0] + "." + f.token().rpartition(".")[2],
    "another key": lambda f: f.token(key=f.stranger),
    "a stronger hash": lambda f: f.token(alg=f.alg.replace("256", "512")),
    "the public key as a secret": lambda f: (
        f.token(alg="HS256", key=f.public_pem()) if f.alg == "RS256" else f.token({"alg": "RS256"})
    ),
    "an empty secret": lambda f: f.token(alg="HS256", key=b""),
    # when and for whom it is
    "expired": lambda f: f.token(exp=int(time.time()) - LEEWAY - 5),
    "expired long ago": lambda f: f.token(exp=0),
    "no exp": lambda f: f.token(exp=...),
    "exp null": lambda f: f.token(exp=None),
    "exp a text": lambda f: f.token(exp=str(int(time.time()) + 300)),
    "exp a list": lambda f: f.token(exp=[9999999999]),
    "exp without end": lambda f: f.token(exp=10**400),
    "exp infinite": lambda f: f.token(exp=float("inf")),
    "nbf in the future": lambda f: f.token(nbf=int(time.time()) + LEEWAY + 60),
    "iat in the future": lambda f: f.token(iat=int(time.time()) + LEEWAY + 60),
    "another aud": lambda f: f.token(aud="billing"),
    "no aud": lambda f: f.token(aud=...),
    "a list of other auds": lambda f: f.token(aud=["billing", "mail"]),
    "another iss": lambda f: f.token(iss="https://login.example.com.evil.example"),
    "no iss": lambda f: f.token(iss=...),
    # what it was made for
    "a refresh token": lambda f: f.token(type="refresh"),
    "typ of another use": lambda f: f.token({"typ": "dpop+jwt"}),
    "typ a list": lambda f: f.token({"typ": ["JWT"]}),
    "revoked": lambda f: f.token(jti=REVOKED),
    # which key it asks for
    "no kid": lambda f: f.token({"kid": ...}),
    "kid a path": lambda f: f.token({"kid": "../../../../dev/null"}, alg="HS256", key=b"\0" * 32),
    "kid SQL": lambda f: f.token({"kid": "x' UNION SELECT 'secret' --"}),
    "kid a URL": lambda f: f.token({"kid": "http://127.0.0.1:9/key"}),
    "kid a list": lambda f: f.token({"kid": [KID]}),
    "kid of 1 MB": lambda f: f.token({"kid": "k" * 2**20}),
    "jku": lambda f: f.token({"jku": "http://127.0.0.1:9/jwks"}, key=f.stranger),
    "x5u": lambda f: f.token({"x5u": "http://127.0.0.1:9/cert"}, key=f.stranger),
    "jwk": lambda f: f.token({"jwk": {"kty": "oct", "k": "AAAA", "kid": KID}}, key=f.stranger),
    "x5c": lambda f: f.token({"x5c": ["AAAA"]}, key=f.stranger),
    "unknown crit": lambda f: f.token({"crit": ["example"], "example": 1}),
    "crit empty": lambda f: f.token({"crit": []}),
    "crit a text": lambda f: f.token({"crit": "exp"}),
    "detached": lambda f: f.token({"b64": False, "crit": ["b64"]}),
    # who it names
    **{
        f"sub {name}": (lambda f, s=sub: f.token(sub=s))
        for name, sub in {
            "missing": ...,
            "null": None,
            "a number": 42,
            "a list": ["ann"],
            "an object": {"id": "ann"},
            "empty": "",
            "with NUL": "ann\0admin",
            "with a line break": "ann\r\nadmin",
            "with a control character": "ann\x1b[2J",
            "too long": "a" * 256,
            "a lone surrogate": "\ud800",
        }.items()
    },
    # what is no token at all
    "garbage": lambda f: "garbage",
    "only dots": lambda f: "..",
    "five parts": lambda f: "a.b.c.d.e",
    "a header that is no JSON": lambda f: f.sealed(b"{", b"{}"),
    "a header that is no object": lambda f: f.sealed(b"[1]", b"{}"),
    "a payload that is no object": lambda f: f.sealed(_head(f), b"[1]"),
    "a payload that is no UTF-8": lambda f: f.sealed(_head(f), b'{"sub":"\xff"}'),
    "a deep payload": lambda f: f.sealed(_head(f), b"[" * 5_000),
    "a deep header": lambda f: f.sealed(b"[" * 5_000, b"{}"),
    "a token of 1 MB": lambda f: f.token(padding="p" * 2**20),
}


def _head(forge: Forge) -> bytes:
    return json.dumps({"typ": "JWT", "kid": KID, "alg": forge.alg}).encode()


def _changed(values: dict[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in {**values, **changes}.items() if value is not ...}


def _b64(raw: bytes) -> bytes:
    return urlsafe_b64encode(raw).rstrip(b"=")
