//! Redis' errors as errors of the engine. They never contain a password.

use std::io;

use redis::{ErrorKind, RedisError};

use super::settings::{RedisAddress, RedisSettings};
use crate::error::{Error, UnavailableCause};
use crate::remote::failure::{self, TlsFixes, causes};

/// The oldest release of Redis whose scripts do what is needed.
pub(super) const OLDEST_SERVER: (u32, u32) = (6, 2);

const TLS_FIXES: TlsFixes = TlsFixes {
    unknown_authority: (
        "no authority in cacert signed the certificate of the server",
        "name a file with the certificate of its authority in cacert",
    ),
    other_name: "connect by a name in its subjectAltName",
    client_certificate: "name one that it accepts in cert and key",
    old_versions: "let it speak TLS 1.2 or later: tls-protocols is its setting",
};

fn unavailable(cause: UnavailableCause, reason: impl Into<String>, fix: impl Into<String>) -> Error {
    Error::unavailable(cause, reason, fix)
}

/// The error of an attempt to connect to a server, before the first command.
pub(super) fn of_connect(problem: &RedisError, address: &RedisAddress) -> Error {
    let causes: Vec<_> = causes(problem).collect();
    if let Some(problem) = causes.iter().find_map(|cause| cause.downcast_ref::<rustls::Error>()) {
        let (reason, fix) = failure::of_tls(problem, &TLS_FIXES);
        return unavailable(UnavailableCause::Access, format!("{address}: {reason}"), fix);
    }
    let is_local = matches!(address, RedisAddress::Unix(_));
    if problem.is_connection_dropped() && !problem.is_connection_refusal() && !is_local {
        // A server with TLS ends a connection without it.
        return unavailable(
            UnavailableCause::Io,
            format!("Redis at {address} closed the connection"),
            "look at host and port in the URL, and whether the server speaks TLS there (rediss://)",
        );
    }
    let reason = match causes.iter().find_map(|cause| cause.downcast_ref::<io::Error>()) {
        Some(problem) => failure::of_socket(problem, is_local),
        None if problem.kind() == ErrorKind::Parse => return foreign(address),
        None => "it closed the connection",
    };
    unreachable(address, reason)
}

/// The error of the first commands on a connection: the login, the choice of a database, and what the server is.
pub(super) fn of_login(problem: &RedisError, address: &RedisAddress, settings: &RedisSettings) -> Error {
    use UnavailableCause::{Access, Location};
    let user = settings.user_name();
    let said = problem.detail().unwrap_or_default();
    let has = |text: &str| said.contains(text);
    match problem.code().unwrap_or_default() {
        "WRONGPASS" => unavailable(
            Access,
            format!("Redis at {address} refuses the password of the user {user}"),
            "correct user and password in the URL, or create the user at the server",
        ),
        "NOAUTH" => unavailable(
            Access,
            format!("Redis at {address} asks for a password, and none was given"),
            "write user:password@ before the host in the URL",
        ),
        "ERR" if has("without any password") => unavailable(
            Access,
            format!("Redis at {address} has no password for the user {user}, and the URL has one"),
            "leave it out of the URL, or set one at the server",
        ),
        "ERR" if has("DB index") => unavailable(
            Location,
            format!("Redis at {address} has no database {}", settings.database),
            "name another one in the URL, or raise databases at the server",
        ),
        "ERR" if has("unknown command") && has("HELLO") => too_old(address, None),
        "DENIED" => unavailable(
            Access,
            format!("Redis at {address} runs in protected mode and lets only its own machine in"),
            "set a password at the server and write it in the URL",
        ),
        "" if is_lost(problem) => of_connect(problem, address),
        _ => of_script(problem, settings),
    }
}

/// The error of a script.
pub(super) fn of_script(problem: &RedisError, settings: &RedisSettings) -> Error {
    use UnavailableCause::{Access, Busy, Full, Io, Location, ReadOnly};
    if is_lost(problem) {
        return lost();
    }
    if problem.code().is_none() {
        return nonsense();
    }
    // Release 6 puts the code of a command that fails inside of a script into the text of the error.
    let text = problem.to_string();
    let says = |code: &str| problem.code() == Some(code) || text.contains(code);
    if says("OOM") {
        let fix = "raise maxmemory, or let Redis drop other keys: maxmemory-policy volatile-ttl";
        unavailable(Full, "Redis is out of memory", fix)
    } else if says("READONLY") {
        let fix = "name the primary in the URL; after a failover, a name that always leads to it";
        unavailable(ReadOnly, "this Redis is a replica, or read-only, and takes no changes", fix)
    } else if says("NOPERM") || says("can't run this command") || says("ACL failure") {
        unavailable(
            Access,
            format!("the user {} may not do this at Redis", settings.user_name()),
            format!("grant it: {}", grant(settings)),
        )
    } else if says("NOREPLICAS") || says("MISCONF") {
        unavailable(ReadOnly, "Redis takes no changes", "look at the server's log: its disk or its replicas fail")
    } else if says("LOADING") || says("BUSY") || says("MASTERDOWN") || says("TRYAGAIN") {
        unavailable(Busy, "Redis is starting, or another script blocks it", "try again in a moment")
    } else if says("CLUSTERDOWN") {
        unavailable(Io, "the Redis cluster is down", "look at its servers: some slots have none")
    } else if says("MOVED") || says("ASK") || says("CROSSSLOT") {
        unavailable(Location, "this Redis is part of a cluster", "add cluster=yes to the URL")
    } else if says("NOAUTH") {
        unavailable(Access, "Redis asks for a password", "write user:password@ before the host in the URL")
    } else {
        let code = problem.code().unwrap_or_default();
        unavailable(Io, format!("Redis could not do it ({code})"), "look at the server's log")
    }
}

/// Whether the connection is gone, so that another one may do better.
pub(super) fn is_lost(problem: &RedisError) -> bool {
    problem.is_io_error() || problem.is_unrecoverable_error()
}

/// Whether the server is the wrong one now, and a new connection may lead to another.
pub(super) fn is_moved(error: &Error) -> bool {
    error.unavailable_cause() == Some(UnavailableCause::ReadOnly)
}

/// The rights that the user of the settings needs, as a rule of an ACL.
fn grant(settings: &RedisSettings) -> String {
    let cluster = if settings.cluster { " +cluster|slots" } else { "" };
    format!(
        "ACL SETUSER {} ~{{{}}}:* +hello +select +eval +evalsha +time +mget +set +del{cluster}",
        settings.user_name(),
        settings.prefix
    )
}

pub(super) fn too_old(address: &RedisAddress, told: Option<&str>) -> Error {
    let (major, minor) = OLDEST_SERVER;
    let runs = told.map_or_else(|| "an old release".to_owned(), |told| format!("release {told}"));
    let reason = format!("Redis at {address} runs {runs}, and Keywright needs {major}.{minor}");
    unavailable(UnavailableCause::Location, reason, "update the server")
}

/// The error for a server that is a part of a cluster, and for one that is not.
pub(super) fn wrong_mode(address: &RedisAddress, mode: &str) -> Error {
    let (what, fix) = match mode {
        "cluster" => ("is part of a cluster", "add cluster=yes to the URL"),
        "sentinel" => ("is a sentinel, which keeps no data", "name the primary in the URL"),
        _ => ("is no part of a cluster", "leave cluster=yes out of the URL"),
    };
    unavailable(UnavailableCause::Location, format!("Redis at {address} {what}"), fix)
}

pub(super) fn replica(address: &RedisAddress) -> Error {
    unavailable(
        UnavailableCause::ReadOnly,
        format!("Redis at {address} is a replica, and takes no changes"),
        "name the primary in the URL",
    )
}

/// The error for something that speaks another protocol.
pub(super) fn foreign(address: &RedisAddress) -> Error {
    unavailable(
        UnavailableCause::Foreign,
        format!("what answers at {address} is no Redis"),
        "look at host and port in the URL, and whether the server wants TLS (rediss://)",
    )
}

pub(super) fn connect_timeout(address: &RedisAddress, settings: &RedisSettings) -> Error {
    let reason = "it did not answer within connect_timeout";
    if settings.tls.is_none() {
        return unreachable(address, reason);
    }
    // A server without TLS waits for the end of the first line.
    unavailable(
        UnavailableCause::Io,
        format!("Redis at {address} cannot be reached: {reason}"),
        "look at the network and at the server; write redis:// if it does not speak TLS there",
    )
}

fn unreachable(address: &RedisAddress, reason: &str) -> Error {
    unavailable(
        UnavailableCause::Io,
        format!("Redis at {address} cannot be reached: {reason}"),
        "look at the network and at the server, and at host and port in the URL",
    )
}

/// The error of a purchase whose answer never came.
pub(super) fn no_answer() -> Error {
    let fix = "look at the network and at the server";
    unavailable(UnavailableCause::Io, "Redis did not answer within response_timeout", fix)
}

pub(super) fn lost() -> Error {
    unavailable(
        UnavailableCause::Io,
        "the connection to Redis broke off",
        "look at the network and at the server if it stays so",
    )
}

/// The error of an answer that the script does not give.
pub(super) fn nonsense() -> Error {
    unavailable(
        UnavailableCause::Foreign,
        "Redis gave an answer that the script of this release does not give",
        "connect to Redis or Valkey without a program in between that changes commands",
    )
}
