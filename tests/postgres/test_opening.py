"""Databases that cannot be opened: each error names the setting, the reason and the fix."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from database import refusal, trouble
from fake import old
from listening import listening, silent, web
from postgres import OWNER, PASSWORD, free_port

if TYPE_CHECKING:
    from database import Database


def test_a_wrong_password(database: Database) -> None:
    said = str(refusal(database, database.url(password="hunter2 of nobody")))
    trouble(said, "refuses the password of the role owner", "correct the password in the URL, in PGPASSWORD or in the passfile")
    assert "hunter2" not in said


def test_no_password(database: Database) -> None:
    trouble(str(refusal(database, database.url(password=""))), "asks for a password", "PGPASSWORD or in a passfile")


def test_an_unknown_database(database: Database) -> None:
    url = database.url().replace("/postgres?", "/nowhere?")
    trouble(str(refusal(database, url)), "has no database nowhere", "create it, or name another one in the URL")


def test_nothing_listens(database: Database) -> None:
    port = free_port()
    said = str(refusal(database, database.url(port=port)))
    trouble(said, f"127.0.0.1:{port}", "nothing listens there", "host and port in the URL")


def test_a_server_that_says_nothing(database: Database) -> None:
    with listening(silent) as port:
        said = str(refusal(database, database.url(port=port, sslmode="disable", connect_timeout="1")))
        trouble(said, f"127.0.0.1:{port}", "within connect_timeout")


def test_a_server_of_another_kind(database: Database) -> None:
    with listening(web) as port:
        for sslmode in ("disable", "prefer"):
            said = str(refusal(database, database.url(port=port, sslmode=sslmode)))
            trouble(said, f"PostgreSQL at 127.0.0.1:{port} cannot be reached", "host and port in the URL")


@pytest.mark.parametrize(("told", "named"), [("13.14 (Debian 13.14-0+deb11u1)", "13"), ("9.6.24", "9")])
def test_a_server_that_is_too_old(database: Database, told: str, named: str) -> None:
    with listening(old(told)) as port:
        said = str(refusal(database, database.url(port=port, sslmode="disable")))
        trouble(said, f"127.0.0.1:{port} runs PostgreSQL {named}, and Keywright needs 14", "update the server")


def test_an_encoding_that_cannot_hold_every_text(database: Database) -> None:
    database.servers("sql", database.server, statement="create database latin encoding 'LATIN1' template template0")
    try:
        said = str(refusal(database, database.url().replace("/postgres?", "/latin?")))
        trouble(said, "encoding LATIN1", "ENCODING 'UTF8'")
    finally:
        database.servers("sql", database.server, statement="drop database latin with (force)")


def test_a_standby_in_place_of_the_primary(database: Database) -> None:
    servers = database.servers
    primary = servers("postgres", version=database.server)
    database.on(primary).open().close()
    standby = database.on(servers("standby", of=primary["name"]))
    trouble(str(refusal(standby, standby.url())), "is a standby", "target_session_attrs=read-write")
    for target, read_only in (({"target_session_attrs": "primary"}, False), ({}, True)):
        trouble(str(refusal(standby, standby.url(**target), read_only=read_only)), "is a standby", "target_session_attrs=any")
    # A reader takes it if the URL asks for one.
    for target in ("any", "standby", "read-only"):
        with standby.open(standby.url(target_session_attrs=target), read_only=True) as reader:
            assert reader.verify("liq_live_x").code == "invalid"
    wanted = str(refusal(database, database.on(primary).url(target_session_attrs="standby"), read_only=True))
    trouble(wanted, "is a primary", "target_session_attrs=any")


def test_a_schema_that_is_newer_than_the_code(database: Database) -> None:
    database.open().close()
    database.sql("update meta set schema = 905, oldest_reader = 904")
    for read_only in (False, True):
        trouble(str(refusal(database, database.url(), read_only=read_only)), "905", "904", "update Keywright here")
    assert database.sql("select schema, oldest_reader from meta") == "905|904"


@pytest.mark.parametrize(
    "tables",
    [
        "create table invoices (id int)",
        "create view keys as select 1 as id",
        # The names of our tables, and not their columns.
        "create table meta (id int); create table orgs (id int); create table keys (id int); create table secrets (id int); "
        "create table audit (id int)",
    ],
)
def test_a_schema_of_somebody_else(database: Database, tables: str) -> None:
    database.sql(f"create schema {database.schema}; {tables}")
    before = database.sql(f"select count(*) from pg_class where relnamespace = '{database.schema}'::regnamespace")
    for read_only in (False, True):
        said = str(refusal(database, database.url(), read_only=read_only))
        trouble(said, f"the schema {database.schema} holds tables of another program", "?schema=")
    assert database.sql(f"select count(*) from pg_class where relnamespace = '{database.schema}'::regnamespace") == before


def test_a_reader_needs_tables(database: Database) -> None:
    said = str(refusal(database, database.url(), read_only=True))
    trouble(said, f"no tables of Keywright in the schema {database.schema}", "open it once without read_only")


def role(database: Database, **rights: str) -> str:
    """A role of its own for a test, with these attributes."""
    name = f"role_of_{database.schema}"
    attributes = " ".join(rights.values())
    database.servers("sql", database.server, statement=f"create role {name} login password '{PASSWORD}' {attributes}")
    return name


def test_a_role_that_may_not_create_the_schema(database: Database) -> None:
    said = str(refusal(database, database.url(role=role(database))))
    parts = (f"there is no schema {database.schema}", "GRANT CREATE ON DATABASE postgres", f"as the owner of the schema {database.schema}")
    trouble(said, *parts)


@pytest.mark.parametrize("granted", ["usage", "create"])
def test_a_role_that_may_not_fill_the_schema(database: Database, granted: str) -> None:
    name = role(database)
    database.sql(f"create schema {database.schema}; grant {granted} on schema {database.schema} to {name}")
    said = str(refusal(database, database.url(role=name)))
    trouble(said, f"may not create tables in the schema {database.schema}", f"GRANT USAGE, CREATE ON SCHEMA {database.schema} TO {name}")
    # Both suffice, without a right on the database.
    database.sql(f"grant usage, create on schema {database.schema} to {name}")
    with database.open(database.url(role=name)) as kw:
        assert kw.verify(kw.keys.create(name="CI").api_key)


def test_a_session_without_triggers(apart: Database) -> None:
    apart.open().close()
    apart.sql(f"alter database {apart.name} set session_replication_role = replica")
    parts = ("runs no triggers for this session", f"ALTER ROLE {OWNER} RESET session_replication_role")
    trouble(str(refusal(apart, apart.url())), *parts)


def test_a_role_whose_sessions_only_read(apart: Database) -> None:
    apart.open().close()
    apart.sql(f"alter database {apart.name} set default_transaction_read_only = on")
    trouble(str(refusal(apart, apart.url())), f"the sessions of the role {OWNER}", "default_transaction_read_only is on")


def test_a_role_that_may_not_log_in(database: Database) -> None:
    name = role(database)
    database.sql(f"alter role {name} nologin")
    trouble(str(refusal(database, database.url(role=name))), "is not permitted to log in", f"ALTER ROLE {name} LOGIN")


def test_no_host_answers(database: Database) -> None:
    ports = [free_port(), free_port()]
    url = database.url(port=ports[0]).replace(f":{ports[0]}/", f":{ports[0]},127.0.0.1:{ports[1]}/")
    trouble(str(refusal(database, url)), *(f"127.0.0.1:{port} cannot be reached" for port in ports))


@pytest.mark.parametrize("pooled", [False, True])
def test_somebody_holds_the_lock_of_migrations(database: Database, pooled: bool) -> None:
    given = {"prepared_statements": "no", "listen": "no"} if pooled else {}
    port = database.servers("pooler", to=database.server)["port"] if pooled else None
    with database.locked(f"select pg_advisory_lock({0x4B595754}, hashtext('{database.schema}'))"):
        said = str(refusal(database, database.url(port=port, **given), busy_timeout="1s"))
        trouble(said, "held a lock for longer than busy_timeout")


def test_a_role_that_may_not_read(database: Database) -> None:
    database.open().close()
    name = role(database)
    trouble(str(refusal(database, database.url(role=name))), "permission denied for schema", "the guide's page on PostgreSQL")
    database.sql(f"grant usage on schema {database.schema} to {name}")
    trouble(str(refusal(database, database.url(role=name))), "permission denied for table meta", "the guide's page on PostgreSQL")


def test_a_role_that_may_not_migrate(database: Database) -> None:
    database.open().close()
    name = role(database)
    database.sql(f"grant usage on schema {database.schema} to {name}; grant select on all tables in schema {database.schema} to {name}")
    database.sql("drop table usage_flushes; update meta set schema = 1")
    said = str(refusal(database, database.url(role=name)))
    trouble(said, f"open the engine once as the owner of the schema {database.schema}")


def test_too_many_connections(database: Database) -> None:
    database.open().close()
    name = role(database, limit="connection limit 0")
    said = str(refusal(database, database.url(role=name)))
    trouble(said, "too many connections", "lower max_connections in the URL, raise it at the server, or put a pooler in between")


@pytest.mark.parametrize(
    ("parameters", "parts"),
    [
        ({"sslmode": "full"}, ["sslmode", "verify-full"]),
        ({"sslmod": "require"}, ["sslmod", "did you mean sslmode?"]),
        ({"sslmode": "verify-full", "sslrootcert": "/nowhere/ca.pem"}, ["sslrootcert", "PEM file"]),
        ({"passfile": "/nowhere/passwords"}, ["passfile", "cannot be read"]),
        ({"connect_timeout": "0"}, ["connect_timeout", "no time limit"]),
        ({"statement_timeout": "never"}, ["statement_timeout", "no time limit"]),
        ({"target_session_attrs": "standby"}, ["target_session_attrs", "read-write"]),
    ],
)
def test_a_wrong_parameter(database: Database, parameters: dict[str, str], parts: list[str]) -> None:
    password = "" if "passfile" in parameters else PASSWORD
    error: Any = refusal(database, database.url(password=password, **parameters))
    trouble(str(error), *parts)
    assert error.field in ("url", "passfile", None), error.field
