"""A throwaway certification authority, made by the program `openssl`."""

from __future__ import annotations

import subprocess
from pathlib import Path

# The names in the server's certificate. `127.0.0.1` is missing from that of another host.
NAMES = {"good": "DNS:localhost,IP:127.0.0.1", "expired": "DNS:localhost,IP:127.0.0.1", "other": "DNS:db.example"}
SETTINGS = """
[ca]
default_ca = own
[own]
new_certs_dir = {folder}
database = {folder}/index
rand_serial = yes
unique_subject = no
default_md = sha256
policy = any
copy_extensions = copy
x509_extensions = leaf
[any]
commonName = supplied
[leaf]
basicConstraints = CA:FALSE
"""
KEY = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]


def openssl(*arguments: str | Path) -> None:
    done = subprocess.run(["openssl", *arguments], capture_output=True, text=True)
    if done.returncode != 0:
        raise SystemExit(f"openssl {arguments[0]} failed: {done.stderr}")


def make(folder: Path) -> None:
    """Writes `ca.pem`, `stranger.pem` (an authority that has signed nothing), and for each name of NAMES a `.pem` and a `.key`."""
    for name in ("ca", "stranger"):
        authority = ["-subj", f"/CN={name} of these tests", "-addext", "basicConstraints=critical,CA:TRUE", "-days", "30"]
        openssl("req", "-x509", *KEY, *authority, "-keyout", folder / f"{name}.key", "-out", folder / f"{name}.pem")
    (folder / "index").touch()
    settings = folder / "settings"
    settings.write_text(SETTINGS.format(folder=folder), encoding="utf-8")
    for name, names in NAMES.items():
        request = folder / f"{name}.request"
        openssl(
            "req", *KEY, "-subj", "/CN=server", "-addext", f"subjectAltName={names}", "-keyout", folder / f"{name}.key", "-out", request
        )
        valid = ["-startdate", "20200101000000Z", "-enddate", "20200201000000Z"] if name == "expired" else ["-days", "30"]
        signed: list[str | Path] = [
            "-cert",
            folder / "ca.pem",
            "-keyfile",
            folder / "ca.key",
            "-in",
            request,
            "-out",
            folder / f"{name}.pem",
        ]
        openssl("ca", "-batch", "-notext", "-config", settings, *valid, *signed)
