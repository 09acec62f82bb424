"""Makes keys, their JWKS and tokens with one library: `sign.py LIBRARY` prints them as JSON for session.py."""

from __future__ import annotations

import json
import sys
import time
import warnings
from collections.abc import Callable
from typing import Any

CLAIMS = {"sub": "alice", "org": "acme", "exp": int(time.time()) + 3_600}
Signer = tuple[dict[str, Any], Callable[[], str]]


def pyjwt(kind: str) -> Signer:
    import jwt
    from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
    from jwt.algorithms import ECAlgorithm, OKPAlgorithm, RSAAlgorithm

    if kind == "RS256":
        key: Any = rsa.generate_private_key(65537, 2048)
        public = RSAAlgorithm.to_jwk(key.public_key(), as_dict=True)
    elif kind == "ES256":
        key = ec.generate_private_key(ec.SECP256R1())
        public = ECAlgorithm.to_jwk(key.public_key(), as_dict=True)
    else:
        key = ed25519.Ed25519PrivateKey.generate()
        public = OKPAlgorithm.to_jwk(key.public_key(), as_dict=True)
    return public, lambda: jwt.encode(CLAIMS, key, algorithm=kind, headers={"kid": kind})


def joserfc(kind: str) -> Signer:
    from joserfc import jwt
    from joserfc.jwk import ECKey, OKPKey, RSAKey

    kind = "Ed25519" if kind == "EdDSA" else kind
    make = {"RS256": lambda: RSAKey.generate_key(2048), "ES256": lambda: ECKey.generate_key("P-256")}
    key: Any = make.get(kind, lambda: OKPKey.generate_key("Ed25519"))()
    return key.as_dict(private=False), lambda: jwt.encode({"alg": kind, "kid": kind}, CLAIMS, key, algorithms=[kind])


def authlib(kind: str) -> Signer:
    warnings.simplefilter("ignore")
    from authlib.jose import JsonWebKey, JsonWebToken

    kty, size = {"RS256": ("RSA", 2048), "ES256": ("EC", "P-256"), "EdDSA": ("OKP", "Ed25519")}[kind]
    key: Any = JsonWebKey.generate_key(kty, size, is_private=True)
    public = json.loads(key.as_json(is_private=False))
    return public, lambda: JsonWebToken([kind]).encode({"alg": kind, "kid": kind}, CLAIMS, key).decode()


def python_jose(kind: str) -> Signer:
    from cryptography.hazmat.primitives.asymmetric import ec, rsa
    from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
    from jose import jwk, jwt

    key: Any = rsa.generate_private_key(65537, 2048) if kind == "RS256" else ec.generate_private_key(ec.SECP256R1())
    pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
    public = jwk.construct(pem, kind).public_key().to_dict()
    return public, lambda: jwt.encode(CLAIMS, pem, algorithm=kind, headers={"kid": kind})


def jwcrypto(kind: str) -> Signer:
    from jwcrypto.jwk import JWK
    from jwcrypto.jwt import JWT

    more = {"RS256": {"kty": "RSA", "size": 2048}, "ES256": {"kty": "EC", "crv": "P-256"}, "EdDSA": {"kty": "OKP", "crv": "Ed25519"}}
    key = JWK.generate(kid=kind, **more[kind])

    def sign() -> str:
        token = JWT(header={"alg": kind, "kid": kind}, claims=CLAIMS)
        token.make_signed_token(key)
        return token.serialize()

    return key.export_public(as_dict=True), sign


LIBRARIES = {"PyJWT": pyjwt, "joserfc": joserfc, "authlib": authlib, "python-jose": python_jose, "jwcrypto": jwcrypto}


def main(name: str) -> None:
    make = LIBRARIES[name]
    # python-jose has no Ed25519.
    kinds = ["RS256", "ES256"] if name == "python-jose" else ["RS256", "ES256", "EdDSA"]
    keys, good, bad = [], [], []
    for kind in kinds:
        public, sign = make(kind)
        keys.append({**public, "kid": "Ed25519" if (name, kind) == ("joserfc", "EdDSA") else kind})
        good.append(sign())
        bad.append(make(kind)[1]())
    print(json.dumps({"jwks": {"keys": keys}, "good": good, "bad": bad}))


main(sys.argv[1])
