//! PostgreSQL's errors as errors of the engine. They never contain a password or a value of a row.

use std::error::Error as _;
use std::io;
use std::time::Duration;

use tokio_postgres::error::{DbError, SqlState};

use super::settings::{HostAddress, PostgresSettings};
use crate::error::{Error, UnavailableCause};
use crate::remote::failure::{self, TlsFixes, causes};
use crate::store::rows::foreign_row;

/// The fix for a pooler that does not keep sessions.
const POOLER: &str = "write prepared_statements=no&listen=no in the URL, as a pooler in transaction mode needs";

/// The fix for another refusal of a pooler.
const POOLER_LOG: &str = "look at the settings and the log of the pooler, and try again";

const TLS_FIXES: TlsFixes = TlsFixes {
    unknown_authority: (
        "no authority in sslrootcert signed the certificate of the server",
        "name a file with the certificate of its authority in sslrootcert",
    ),
    other_name: "connect by a name in its subjectAltName, or write sslmode=verify-ca",
    client_certificate: "name one that it accepts in sslcert and sslkey",
    old_versions: "let it speak TLS 1.2 or later: ssl_max_protocol_version is its setting",
};

type Described = (UnavailableCause, String, String);

fn described(cause: UnavailableCause, reason: impl Into<String>, fix: impl Into<String>) -> Described {
    (cause, reason.into(), fix.into())
}

fn unavailable((cause, reason, fix): Described) -> Error {
    Error::unavailable(cause, reason, fix)
}

/// The error of a statement.
pub(super) fn of_statement(error: &tokio_postgres::Error) -> Error {
    match error.as_db_error() {
        Some(error) => of_server(error),
        None if is_foreign(error) => foreign_row(),
        None => unavailable(lost()),
    }
}

/// Whether the connection is gone, so that another one may do better.
pub(super) fn is_lost(error: &tokio_postgres::Error) -> bool {
    match error.as_db_error() {
        Some(error) => {
            let code = error.code();
            // An administrator ended the session, or the server restarts.
            ["57P01", "57P02", "57P05", "25P03"].contains(&code.code())
        }
        None => !is_foreign(error),
    }
}

/// Whether the next statement on the same connection would fail as well: it is gone, it leads to a server that is no primary any
/// more, or its prepared statements were dropped.
pub(super) fn ends_connection(error: &tokio_postgres::Error) -> bool {
    let lacks_statement = error.code().is_some_and(|code| *code == SqlState::INVALID_SQL_STATEMENT_NAME);
    is_lost(error) || is_read_only(error) || lacks_statement
}

/// Whether the server takes no changes.
fn is_read_only(error: &tokio_postgres::Error) -> bool {
    error.code().is_some_and(|code| *code == SqlState::READ_ONLY_SQL_TRANSACTION)
}

/// Whether the same transaction may succeed when it runs again: the server ended it in favour of another one, or it takes no
/// changes any more, and the next connection leads to another server.
pub(super) fn may_succeed_again(error: &tokio_postgres::Error) -> bool {
    let ended = [SqlState::T_R_SERIALIZATION_FAILURE, SqlState::T_R_DEADLOCK_DETECTED];
    error.code().is_some_and(|code| ended.contains(code)) || is_read_only(error)
}

/// Whether the driver could not turn a column into the type that every release writes.
fn is_foreign(error: &tokio_postgres::Error) -> bool {
    !error.is_closed() && error.source().is_none_or(|cause| cause.downcast_ref::<io::Error>().is_none())
}

/// The error of a statement that the server refused.
fn of_server(error: &DbError) -> Error {
    use UnavailableCause::{Access, Busy, Corrupt, Foreign, Full, Io, Locked};
    let code = error.code();
    if *code == SqlState::CHARACTER_NOT_IN_REPERTOIRE || *code == SqlState::UNTRANSLATABLE_CHARACTER {
        return Error::validation_failed(
            "text",
            "holds a character that PostgreSQL cannot store",
            "leave out NUL and the like",
        );
    }
    unavailable(match code.code() {
        "53100" => {
            described(Full, "the disk of the PostgreSQL server is full", "free space on the server, and try again")
        }
        "53200" => described(Io, "the PostgreSQL server is out of memory", "give it more memory, and try again"),
        "57014" => described(
            Busy,
            "PostgreSQL stopped a statement at its time limit",
            "look for what slows the server down, or raise statement_timeout in the URL",
        ),
        "55P03" => described(
            Locked,
            "another program held a lock for longer than busy_timeout",
            "try again; end the program that holds a transaction open",
        ),
        "25P03" | "40001" | "40P01" => {
            described(Locked, "PostgreSQL ended the transaction because of another one", "try again")
        }
        "25006" => replica(),
        "42501" => described(
            Access,
            format!("the role may not do this: {}", error.message()),
            "grant it the rights that the guide's page on PostgreSQL lists",
        ),
        // The statement is missing, exists already, or ran on another session.
        "26000" | "42P05" => {
            described(Access, "a pooler between here and PostgreSQL loses prepared statements", POOLER)
        }
        "08P01" if error.message().contains("prepared statement") => {
            described(Access, "a pooler between here and PostgreSQL mixes up prepared statements", POOLER)
        }
        "08P01" => described(
            Io,
            format!("a pooler between here and PostgreSQL refuses the statement: {}", error.message()),
            POOLER_LOG,
        ),
        "3F000" | "42P01" | "42703" | "42883" => described(
            Corrupt,
            "the schema lacks a table or a column of this release",
            "restore it from a backup, or undo what another program changed",
        ),
        "42P06" | "42P07" | "42710" | "42723" => described(
            Foreign,
            format!("another program has taken a name in the schema: {}", error.message()),
            "rename what it has made, or name another schema in the URL with ?schema=",
        ),
        "57P01" | "57P02" | "57P03" | "57P05" => restarting(),
        "53300" => too_many(),
        code if code.starts_with("23") => described(
            Corrupt,
            "the database refuses the change",
            "restore it from a backup, or undo what another program changed",
        ),
        code if code.starts_with("XX") => {
            described(Corrupt, "PostgreSQL reports damaged data", "look at the server's log; restore it from a backup")
        }
        code if code.starts_with("22") => return foreign_row(),
        code if code.starts_with("42") => described(
            Foreign,
            format!("PostgreSQL does not understand a statement of this release (SQLSTATE {code})"),
            "connect to PostgreSQL 14 or later, without a program in between that changes statements",
        ),
        code => described(
            Io,
            format!("PostgreSQL could not do it (SQLSTATE {code})"),
            "look at the server's log, and try again",
        ),
    })
}

/// The error of an attempt to connect to a host.
pub(super) fn of_connect(error: &tokio_postgres::Error, host: &HostAddress, settings: &PostgresSettings) -> Error {
    use UnavailableCause::{Access, Location};
    let (user, database) = (settings.user_name(), settings.database.clone());
    if let Some(error) = error.as_db_error() {
        let code = error.code().code();
        return unavailable(match code {
            "28P01" => described(
                Access,
                format!("{host} refuses the password of the role {user}"),
                "correct the password in the URL, in PGPASSWORD or in the passfile",
            ),
            "28000" => described(
                Access,
                format!("{host} does not let the role {user} in: {}", error.message()),
                format!(
                    "create the role, or ALTER ROLE {user} LOGIN; add it to pg_hba.conf; set sslmode as the server asks for it"
                ),
            ),
            "3D000" => described(
                Location,
                format!("{host} has no database {}", database.unwrap_or(user)),
                "create it, or name another one in the URL",
            ),
            "42501" => described(
                Access,
                format!("the role {user} may not connect to the database at {host}"),
                "grant it CONNECT on the database",
            ),
            "08P01" => {
                let needs_pooler_settings =
                    settings.needs_sessions() || error.message().contains("unsupported startup parameter");
                let fix = if needs_pooler_settings { POOLER } else { POOLER_LOG };
                described(Access, format!("{host} refuses how this program connects: {}", error.message()), fix)
            }
            _ => return of_server(error),
        });
    }
    let causes: Vec<_> = causes(error).collect();
    if let Some(problem) = causes.iter().find_map(|cause| cause.downcast_ref::<rustls::Error>()) {
        return unavailable(of_tls(problem, host));
    }
    let texts: Vec<String> = causes.iter().map(ToString::to_string).collect();
    let says = |text: &str| texts.iter().any(|cause| cause.contains(text));
    if let Some(problem) = causes.iter().find_map(|cause| cause.downcast_ref::<io::Error>())
        && !says("authentication")
    {
        return unavailable(of_socket(problem, host));
    }
    // The driver has no codes for these.
    unavailable(if says("password missing") {
        described(
            Access,
            format!("{host} asks for a password, and none was given"),
            "write it in the URL, in PGPASSWORD or in a passfile",
        )
    } else if says("does not support TLS") {
        described(
            Access,
            format!("{host} does not speak TLS, which sslmode demands"),
            "turn TLS on at the server, or write sslmode=prefer if the network is trusted",
        )
    } else if says("channel binding") {
        described(
            Access,
            format!("{host} offers no SCRAM with channel binding, which channel_binding demands"),
            "use TLS and scram-sha-256 at the server, or write channel_binding=prefer",
        )
    } else if says("authentication") {
        described(
            Access,
            format!("{host} wants a way to log in that Keywright does not have"),
            "let the role log in with scram-sha-256 in pg_hba.conf",
        )
    } else {
        unreachable(host, "the connection broke off")
    })
}

fn of_socket(error: &io::Error, host: &HostAddress) -> Described {
    unreachable(host, failure::of_socket(error, host.socket_folder().is_some()))
}

fn of_tls(error: &rustls::Error, host: &HostAddress) -> Described {
    let (reason, fix) = failure::of_tls(error, &TLS_FIXES);
    described(UnavailableCause::Access, format!("{host}: {reason}"), fix)
}

/// The error for a server that ignores the settings of a session.
pub(super) fn session_ignored(host: &HostAddress) -> Error {
    let reason = format!("{host} ignores the time limits of the session, so it is a pooler in transaction mode");
    unavailable(described(UnavailableCause::Access, reason, POOLER))
}

/// The error for a server that was the primary before another one was promoted.
pub(super) fn former_primary(host: &HostAddress) -> Error {
    unavailable(described(
        UnavailableCause::Location,
        format!("{host} is a former primary: another server was promoted since"),
        "end it, or leave it out of the URL; if it is the primary by intention, restart this program",
    ))
}

/// The error for a session without triggers: no change would raise the sequence, and a revocation could be taken back.
pub(super) fn without_triggers(host: &HostAddress, settings: &PostgresSettings) -> Error {
    unavailable(described(
        UnavailableCause::Access,
        format!("{host} runs no triggers for this session, because its session_replication_role is replica"),
        format!("ALTER ROLE {} RESET session_replication_role, or ALTER DATABASE", settings.user_name()),
    ))
}

/// The error of an attempt to connect when no host answers.
pub(super) fn none_reached(refusals: Vec<Error>) -> Error {
    let reason = |refusal: &Error| match refusal {
        Error::Unavailable { reason, .. } => Some(reason.clone()),
        _ => None,
    };
    let reasons: Vec<String> = refusals.iter().filter_map(reason).collect();
    match refusals.into_iter().next() {
        Some(Error::Unavailable { cause, fix, .. }) => Error::unavailable(cause, reasons.join("; "), fix),
        Some(other) => other,
        None => connection_lost(),
    }
}

/// The error for a host that did not answer in time.
pub(super) fn connect_timeout(host: &HostAddress) -> Error {
    unavailable(unreachable(host, "it did not answer within connect_timeout"))
}

fn unreachable(host: &HostAddress, reason: &str) -> Described {
    described(
        UnavailableCause::Io,
        format!("PostgreSQL at {host} cannot be reached: {reason}"),
        "look at the network and at the server, and at host and port in the URL",
    )
}

/// The error of a call whose answer never came.
pub(super) fn no_answer() -> Error {
    unavailable(described(
        UnavailableCause::Io,
        "PostgreSQL did not answer within statement_timeout",
        "look at the network and at the server",
    ))
}

/// The error of a read whose answer did not come in time.
pub(super) fn no_answer_within(limit: Duration) -> Error {
    unavailable(described(
        UnavailableCause::Io,
        format!("PostgreSQL did not answer within {} ms", limit.as_millis()),
        "look at the network and at the server, or raise statement_timeout in the URL",
    ))
}

/// The error of a change whose commit got no answer.
pub(super) fn commit_unknown() -> Error {
    unavailable(described(
        UnavailableCause::Unconfirmed,
        "the connection to PostgreSQL broke off during the commit, so the change may have been made or not",
        "read the record to see; send changes with an Idempotency-Key, so that a repetition is safe",
    ))
}

pub(super) fn connection_lost() -> Error {
    unavailable(lost())
}

fn lost() -> Described {
    described(
        UnavailableCause::Io,
        "the connection to PostgreSQL broke off",
        "try again; look at the network and at the server if it stays so",
    )
}

fn restarting() -> Described {
    described(UnavailableCause::Io, "the PostgreSQL server is starting or stopping", "try again in a moment")
}

fn too_many() -> Described {
    described(
        UnavailableCause::Busy,
        "the PostgreSQL server has too many connections",
        "lower max_connections in the URL, raise it at the server, or put a pooler in between",
    )
}

fn replica() -> Described {
    described(
        UnavailableCause::ReadOnly,
        "this PostgreSQL server is a standby, or read-only, and takes no changes",
        "name the primary in the URL, or all servers with target_session_attrs=read-write",
    )
}

/// The error for a standby in place of the primary.
pub(super) fn lags(host: &HostAddress) -> Error {
    unavailable(described(
        UnavailableCause::Location,
        format!("{host} is a standby, where revocations may arrive late"),
        "name the primary in the URL, or all servers; if late revocations are acceptable, an engine with read_only takes a \
         standby with target_session_attrs=any",
    ))
}

/// The error for a primary on which the sessions of the role take no changes.
pub(super) fn reads_only(settings: &PostgresSettings) -> Error {
    unavailable(described(
        UnavailableCause::ReadOnly,
        format!(
            "the sessions of the role {} take no changes: default_transaction_read_only is on",
            settings.user_name()
        ),
        "turn it off for the role, the database or the server, or open the engine with read_only",
    ))
}

pub(super) fn not_writable() -> Error {
    unavailable(replica())
}
