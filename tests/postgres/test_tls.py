"""TLS with the modes of libpq, logins, and several hosts."""

from __future__ import annotations

from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

import certificates
from database import Database, refusal, trouble
from postgres import OWNER, PASSWORD, free_port

if TYPE_CHECKING:
    from client import Servers

NAMES = count(1)


@pytest.fixture
def server(servers: Servers, version: str) -> Database:
    """A server of its own, whose certificates a test may change."""
    assert servers("state", version)["speaks_tls"], "choose a version that was built with TLS"
    running = servers("postgres", version=version, settings={"ssl_ca_file": servers("certificates") + "/ca.pem"})
    return Database(servers, running["name"], running["tcp_url"], "keys")


def encrypted(database: Database, **parameters: str) -> bool:
    """Opens an engine, and asks the server whether its connections are encrypted."""
    name = f"tls_{next(NAMES)}"
    with database.open(database.url(application_name=name, **parameters)) as kw:
        assert kw.verify(kw.keys.create(name="CI").api_key)
        asked = f"select distinct ssl from pg_stat_ssl join pg_stat_activity using (pid) where application_name = '{name}'"
        return {"t": True, "f": False}[database.sql(asked)]


def change(database: Database, certificate: str) -> None:
    """Gives the server another certificate."""
    database.servers("stop", database.server)
    database.servers("certify", database.server, certificate=certificate)
    database.servers("start", database.server)


def test_modes_with_a_good_certificate(server: Database) -> None:
    ca = server.servers("certificates") + "/ca.pem"
    for mode, wanted in (("disable", False), ("allow", False), ("prefer", True), ("require", True)):
        assert encrypted(server, sslmode=mode) == wanted, mode
    assert encrypted(server), "prefer is the default"
    for mode in ("require", "verify-ca", "verify-full"):
        assert encrypted(server, sslmode=mode, sslrootcert=ca)


def test_roles_of_which_the_server_asks_for_tls_or_refuses_it(server: Database) -> None:
    for role, tls in (("tls_only", True), ("plain_only", False)):
        server.servers("sql", server.server, statement=f"alter role {role} superuser")
        for mode in ("allow", "prefer"):
            assert encrypted(server, role=role, sslmode=mode) == tls, (role, mode)
    said = str(refusal(server, server.url(role="tls_only", sslmode="disable")))
    trouble(said, "does not let the role tls_only in", "set sslmode as the server asks for it")
    said = str(refusal(server, server.url(role="plain_only", sslmode="require")))
    trouble(said, "does not let the role plain_only in", "set sslmode as the server asks for it")


def test_a_server_without_tls(servers: Servers, version: str) -> None:
    running = servers("postgres", version=version, settings={"ssl": "off"})
    plain = Database(servers, running["name"], running["tcp_url"], "keys")
    for mode in ("disable", "allow", "prefer"):
        assert not encrypted(plain, sslmode=mode)
    ca = servers("certificates") + "/ca.pem"
    for parameters in ({"sslmode": "require"}, {"sslmode": "verify-full", "sslrootcert": ca}):
        said = str(refusal(plain, plain.url(**parameters)))
        trouble(said, "does not speak TLS, which sslmode demands", "turn TLS on at the server")
    said = str(refusal(plain, plain.url(channel_binding="require")))
    trouble(said, "which channel_binding demands", "use TLS and scram-sha-256", "channel_binding=prefer")


def test_an_expired_certificate(server: Database) -> None:
    change(server, "expired")
    ca = server.servers("certificates") + "/ca.pem"
    for mode in ("verify-ca", "verify-full"):
        said = str(refusal(server, server.url(sslmode=mode, sslrootcert=ca)))
        trouble(said, "the certificate of the server has expired", "renew it at the server")
    assert encrypted(server, sslmode="prefer", sslrootcert=ca), "prefer checks nothing"


def test_a_certificate_for_another_name(server: Database) -> None:
    change(server, "other")
    ca = server.servers("certificates") + "/ca.pem"
    said = str(refusal(server, server.url(sslmode="verify-full", sslrootcert=ca)))
    trouble(said, "the certificate of the server is for another name", "subjectAltName, or write sslmode=verify-ca")
    assert encrypted(server, sslmode="verify-ca", sslrootcert=ca)


def test_an_authority_that_signed_nothing(server: Database) -> None:
    stranger = server.servers("certificates") + "/stranger.pem"
    for mode in ("require", "verify-ca", "verify-full"):
        said = str(refusal(server, server.url(sslmode=mode, sslrootcert=stranger)))
        fix = "name a file with the certificate of its authority in sslrootcert"
        trouble(said, "no authority in sslrootcert signed the certificate", fix)
    said = str(refusal(server, server.url(sslmode="verify-full", sslrootcert="system")))
    trouble(said, "sslrootcert")


def test_scram_is_bound_to_the_channel(server: Database) -> None:
    for mode in ("disable", "prefer", "require"):
        assert encrypted(server, sslmode="require", channel_binding=mode)
    said = str(refusal(server, server.url(sslmode="disable", channel_binding="require")))
    trouble(said, "no SCRAM with channel binding", "channel_binding=prefer")


def test_client_certificates(server: Database, tmp_path: Path) -> None:
    folder = Path(server.servers("certificates"))
    request = ["-subj", f"/CN={OWNER}", "-keyout", tmp_path / "client.key", "-out", tmp_path / "client.request"]
    certificates.openssl("req", *certificates.KEY, *request)
    (tmp_path / "extensions").write_text("basicConstraints=CA:FALSE", encoding="utf-8")
    signed = [
        "-extfile",
        tmp_path / "extensions",
        "-CA",
        folder / "ca.pem",
        "-CAkey",
        folder / "ca.key",
        "-CAcreateserial",
        "-CAserial",
        tmp_path / "serial",
        "-days",
        "2",
    ]
    certificates.openssl("x509", "-req", "-in", tmp_path / "client.request", *signed, "-out", tmp_path / "client.pem")
    access = Path(server.sql("show hba_file"))
    access.write_text(f"hostssl all {OWNER} 127.0.0.1/32 cert\n{access.read_text(encoding='utf-8')}", encoding="utf-8")
    server.sql("select pg_reload_conf()")
    files = {"sslcert": str(tmp_path / "client.pem"), "sslkey": str(tmp_path / "client.key")}
    change(server, "good")
    assert encrypted(server, sslmode="require", password="", **files)
    said = str(refusal(server, server.url(sslmode="require", password="")))
    trouble(said, "certificate")
    wrong = {**files, "sslkey": str(folder / "stranger.key")}
    trouble(str(refusal(server, server.url(sslmode="require", password="", **wrong))), "sslkey")
    trouble(str(refusal(server, server.url(sslmode="require", sslcert=files["sslcert"]))), "sslcert", "give both, or neither")


def hosts(database: Database, *places: str, **parameters: str) -> str:
    """The URL of several hosts."""
    url = database.url(**parameters)
    start, _, rest = url.rpartition("@")
    return f"{start}@{','.join(places)}/{rest.partition('/')[2]}"


def place(database: Database) -> str:
    return database.url().rpartition("@")[2].partition("/")[0]


def test_the_first_host_that_takes_changes_is_used(database: Database, until: Any) -> None:
    servers = database.servers
    running = servers("postgres", version=database.server)
    primary = database.on(running)
    primary.open().close()
    standby = database.on(servers("standby", of=running["name"]))
    dead = f"127.0.0.1:{free_port()}"
    for target in ({}, {"target_session_attrs": "read-write"}, {"target_session_attrs": "primary"}):
        with primary.open(hosts(primary, dead, place(standby), place(primary), **target)) as kw:
            new = kw.keys.create(name="CI")
            assert kw.verify(new.api_key)
    for target in ("standby", "read-only"):
        url = hosts(primary, dead, place(primary), place(standby), target_session_attrs=target)
        with primary.open(url, read_only=True, max_staleness=0) as reader:
            until(lambda reader=reader: reader.verify(new.api_key).allowed)
    said = str(refusal(primary, hosts(primary, dead, place(standby))))
    trouble(said, "is a standby", "name the primary in the URL")
    said = str(refusal(primary, hosts(primary, dead, dead)))
    trouble(said, dead, "nothing listens there")


def test_a_passfile(database: Database, tmp_path: Path) -> None:
    file = tmp_path / "passwords"
    escaped = PASSWORD.replace("\\", "\\\\").replace(":", "\\:")
    file.write_text(f"# passwords\nelsewhere:*:*:*:wrong\n*:*:postgres:{OWNER}:{escaped}\n", encoding="utf-8")
    file.chmod(0o600)
    url = database.url(password="", passfile=str(file))
    with database.open(url) as kw:
        assert kw.verify(kw.keys.create(name="CI").api_key)
    file.chmod(0o644)
    trouble(str(refusal(database, url)), "passfile", "can be read by other users", "chmod 0600")
