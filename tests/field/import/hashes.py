"""Hashes secrets with libraries of Python, as tables of one's own hold them: `hashes.py FOLDER`."""

import base64
import csv
import hashlib
import json
import os
import secrets
import sys
from pathlib import Path

import argon2
import bcrypt
from passlib.hash import pbkdf2_sha256, pbkdf2_sha512, scrypt

folder = Path(sys.argv[1])
texts = []


def write(name: str) -> None:
    (folder / f"{name}.texts").write_text("".join(json.dumps({"text": text, "code": "allowed"}) + "\n" for text in texts))
    texts.clear()


with (folder / "bcrypt-python.csv").open("w", newline="") as file:
    writer = csv.writer(file)
    writer.writerow(["prefix", "hash", "name", "level", "createdAt"])
    for cost, version in ((4, b"2a"), (6, b"2b"), (10, b"2b")):
        lookup, secret = secrets.token_hex(4), secrets.token_urlsafe(32)
        hashed = bcrypt.hashpw(secret.encode(), bcrypt.gensalt(cost, prefix=version)).decode()
        writer.writerow([lookup, hashed, f"cost {cost}", "full", "2026-01-02 03:04:05"])
        texts.append(f"lw_{lookup}_{secret}")
write("bcrypt-python.csv")


def salted(digest: str, text: str, after: bool) -> str:
    salt = secrets.token_hex(8)
    salted = (text + salt if after else salt + text).encode()
    return f"{digest}{'+after' if after else ''}${salt}${hashlib.new(digest, salted).hexdigest()}"


def with_bytes(digest: str, text: str) -> str:
    salt = os.urandom(16)
    hashed = hashlib.new(digest, salt + text.encode()).digest()
    return f"{digest}+base64${base64.b64encode(salt).decode()}${base64.b64encode(hashed).decode()}"


HASHES = {
    "sha256": lambda text: f"sha256${hashlib.sha256(text.encode()).hexdigest()}",
    "sha512": lambda text: f"sha512${base64.urlsafe_b64encode(hashlib.sha512(text.encode()).digest()).decode()}",
    "sha256, salt first": lambda text: salted("sha256", text, after=False),
    "sha512, salt last": lambda text: salted("sha512", text, after=True),
    "sha256, binary salt": lambda text: with_bytes("sha256", text),
    "argon2id": lambda text: argon2.PasswordHasher().hash(text),
    "argon2i": lambda text: argon2.PasswordHasher(type=argon2.Type.I).hash(text),
    "pbkdf2-sha256 of passlib": lambda text: pbkdf2_sha256.using(rounds=1000).hash(text),
    "pbkdf2-sha512 of passlib": lambda text: pbkdf2_sha512.using(rounds=1000).hash(text),
    "scrypt of passlib": lambda text: scrypt.using(rounds=10).hash(text),
    "bcrypt": lambda text: bcrypt.hashpw(text.encode(), bcrypt.gensalt(4)).decode(),
}
with (folder / "hashes.jsonl").open("w") as file:
    for number, (name, hashed) in enumerate(HASHES.items()):
        text = f"old.{number}.{secrets.token_hex(16)}"
        file.write(json.dumps({"name": name, "lookup": str(number), "verifier": hashed(text)}) + "\n")
        texts.append(text)
write("hashes.jsonl")
