//! The URL of a PostgreSQL database, in the syntax of libpq. It is read strictly: a parameter that is not known, or a value
//! that means nothing, is an error. No error and no `Debug` output holds the password.

use std::fmt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use tokio_postgres::config::{ChannelBinding, LoadBalanceHosts};
use zeroize::Zeroizing;

use crate::error::Error;
use crate::remote::url::{UrlParameters, decode, invalid, port, split_port};

const SCHEMES: [&str; 2] = ["postgresql://", "postgres://"];
const DEFAULT_PORT: u16 = 5_432;
const DEFAULT_SCHEMA: &str = "keywright";
const DEFAULT_CONNECTIONS: usize = 4;
const MAX_CONNECTIONS: usize = 64;
const DEFAULT_CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
const DEFAULT_STATEMENT_TIMEOUT: Duration = Duration::from_secs(10);

/// How much longer than the server this side waits for an answer. The server's own time limit gives the clearer error.
pub(super) const ANSWER_SLACK: Duration = Duration::from_secs(2);

/// A verification waits for this part of `statement_timeout`, and no less than this time if the server's own limit allows it.
const VERIFICATION_PART: u32 = 5;
const LEAST_VERIFICATION_WAIT: Duration = Duration::from_secs(2);

/// The longest name of a schema. The name of the channel of notifications is made from it and has at most 63 bytes.
const MAX_SCHEMA: usize = 48;

/// The parameters that a URL may have after `?`.
const PARAMETERS: [&str; 21] = [
    "host",
    "port",
    "dbname",
    "user",
    "password",
    "passfile",
    "sslmode",
    "sslrootcert",
    "sslcert",
    "sslkey",
    "channel_binding",
    "target_session_attrs",
    "load_balance_hosts",
    "connect_timeout",
    "statement_timeout",
    "application_name",
    "keepalives_idle",
    "schema",
    "max_connections",
    "prepared_statements",
    "listen",
];

/// Parameters of other programs, and what to write instead.
const ELSEWHERE: [(&str, &str); 6] = [
    ("pgbouncer", "write prepared_statements=no&listen=no"),
    ("ssl", "write sslmode=verify-full"),
    ("pool_size", "write max_connections"),
    ("connection_limit", "write max_connections"),
    ("max_staleness", "give it to the engine, which has the option max_staleness"),
    ("busy_timeout", "give it to the engine, which has the option busy_timeout"),
];

/// The caller that waits for a read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ReadRole {
    /// A request to the host, which is better refused than held up.
    Verification,
    /// A call about keys, which may read many rows.
    Management,
}

/// A database, and how to connect to it.
#[derive(Clone)]
pub(crate) struct PostgresSettings {
    pub(super) hosts: Vec<HostAddress>,
    /// `None` for the name of the user of the process.
    pub(super) user: Option<String>,
    pub(super) password: Option<Zeroizing<String>>,
    pub(super) passfile: Option<PathBuf>,
    /// `None` for the name of the user.
    pub(super) database: Option<String>,
    pub(super) tls: TlsSettings,
    pub(super) channel_binding: ChannelBinding,
    /// `None` for a server that takes changes, or the primary if the engine only reads.
    pub(super) session: Option<SessionTarget>,
    pub(super) load_balance: LoadBalanceHosts,
    /// The time limit of one attempt to connect to one host, from the look-up of its name to the first query.
    pub(super) connect_timeout: Duration,
    /// The time limit of a read. A change has a multiple of it.
    pub(super) statement_timeout: Duration,
    /// How long a change waits for the lock of another program.
    pub(super) lock_timeout: Duration,
    pub(super) application_name: String,
    pub(super) keepalives_idle: Duration,
    pub(super) schema: String,
    /// The number of connections for reads. One more writes, and one more listens.
    pub(super) max_connections: usize,
    /// Whether sessions keep prepared statements. A pooler in transaction mode may drop them.
    pub(super) prepared_statements: bool,
    /// Whether a connection listens for notifications. A pooler in transaction mode does not deliver them.
    pub(super) listen: bool,
}

/// One server, by name or address, or by the folder of its Unix socket.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct HostAddress {
    pub(super) host: String,
    pub(super) port: u16,
}

impl HostAddress {
    /// The folder of the Unix socket, if the host is one.
    pub(super) fn socket_folder(&self) -> Option<&Path> {
        self.host.starts_with('/').then(|| Path::new(&self.host))
    }
}

impl fmt::Display for HostAddress {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.host.contains(':') {
            write!(out, "[{}]:{}", self.host, self.port)
        } else {
            write!(out, "{}:{}", self.host, self.port)
        }
    }
}

/// The settings of TLS, named as in libpq.
#[derive(Debug, Clone)]
pub(super) struct TlsSettings {
    pub(super) mode: TlsMode,
    /// A file with the certificates of authorities, or `system` for those of the operating system.
    pub(super) root_certificates: Option<PathBuf>,
    pub(super) client_certificate: Option<PathBuf>,
    pub(super) client_key: Option<PathBuf>,
}

/// `sslmode`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum TlsMode {
    Disable,
    Allow,
    Prefer,
    Require,
    VerifyCa,
    VerifyFull,
}

/// `target_session_attrs`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum SessionTarget {
    Any,
    ReadWrite,
    ReadOnly,
    Primary,
    Standby,
}

impl PostgresSettings {
    #[cfg(feature = "cli")]
    pub(crate) fn has_password(&self) -> bool {
        self.password.is_some()
    }

    /// Whether a URL is one of PostgreSQL.
    pub(crate) fn is_named_by(url: &str) -> bool {
        SCHEMES.iter().any(|scheme| url.starts_with(scheme))
    }

    /// Parses a URL.
    pub(crate) fn parse(url: &str) -> Result<Self, Error> {
        let rest = SCHEMES
            .iter()
            .find_map(|scheme| url.strip_prefix(scheme))
            .ok_or_else(|| refused("names no PostgreSQL database"))?;
        if rest.contains('#') {
            return Err(refused("has a #, which begins nothing here; write %23 in a password"));
        }
        let (address, query) = rest.split_once('?').map_or((rest, ""), |(address, query)| (address, query));
        let (authority, path) = address.split_once('/').map_or((address, ""), |(authority, path)| (authority, path));
        let (login, hosts) = authority.rsplit_once('@').map_or(("", authority), |(login, hosts)| (login, hosts));
        let (user, password) = login.split_once(':').map_or((login, ""), |(user, password)| (user, password));
        if path.contains('/') {
            return Err(refused("has more than one name after the host; write %2F for a slash in a name"));
        }
        let mut given = query.split('&').filter_map(|pair| pair.split('=').next());
        if let Some((name, fix)) = given.find_map(|name| ELSEWHERE.iter().find(|known| known.0 == name)) {
            return Err(Error::validation_failed("url", format!("has the unknown parameter {name}"), *fix));
        }
        let mut parameters = UrlParameters::parse(query, &PARAMETERS)?;
        let mut settings = Self {
            hosts: Vec::new(),
            user: present(decode("user", user)?),
            password: present(decode("password", password)?).map(Zeroizing::new),
            passfile: None,
            database: present(decode("dbname", path)?),
            tls: TlsSettings {
                mode: TlsMode::Prefer,
                root_certificates: None,
                client_certificate: None,
                client_key: None,
            },
            channel_binding: ChannelBinding::Prefer,
            session: None,
            load_balance: LoadBalanceHosts::Disable,
            connect_timeout: DEFAULT_CONNECT_TIMEOUT,
            statement_timeout: DEFAULT_STATEMENT_TIMEOUT,
            lock_timeout: DEFAULT_STATEMENT_TIMEOUT,
            application_name: "keywright".to_owned(),
            keepalives_idle: Duration::from_secs(30),
            schema: DEFAULT_SCHEMA.to_owned(),
            max_connections: DEFAULT_CONNECTIONS,
            prepared_statements: true,
            listen: true,
        };
        settings.read_address(hosts, &mut parameters)?;
        settings.read_login(&mut parameters);
        settings.read_session(&mut parameters)?;
        settings.read_limits(&mut parameters)?;
        Ok(settings)
    }

    /// Completes the settings for an engine. One that only reads takes a standby if the URL asks for it: revocations may arrive
    /// there late, and no query can tell.
    pub(super) fn for_engine(mut self, read_only: bool, lock_timeout: Duration) -> Result<Self, Error> {
        if !read_only && matches!(self.session, Some(SessionTarget::ReadOnly | SessionTarget::Standby)) {
            let reason = "asks for a server that cannot be written";
            return Err(invalid("target_session_attrs", reason, "write read-write, or open the engine with read_only"));
        }
        // The role of a reader may be one that makes no changes on the primary either.
        let default = if read_only { SessionTarget::Primary } else { SessionTarget::ReadWrite };
        self.session = self.session.or(Some(default));
        // 0 would be no limit at all.
        self.lock_timeout = lock_timeout.max(Duration::from_millis(1));
        Ok(self)
    }

    /// Whether the settings need sessions of their own, which a pooler in transaction mode does not give.
    pub(super) fn needs_sessions(&self) -> bool {
        self.prepared_statements || self.listen
    }

    /// How long a read waits for its answer.
    pub(super) fn patience(&self, role: ReadRole) -> Duration {
        let longest = self.statement_timeout + ANSWER_SLACK;
        match role {
            ReadRole::Verification => {
                longest.min(LEAST_VERIFICATION_WAIT.max(self.statement_timeout / VERIFICATION_PART))
            }
            ReadRole::Management => longest,
        }
    }

    fn read_address(&mut self, hosts: &str, parameters: &mut UrlParameters) -> Result<(), Error> {
        let mut ports = Vec::new();
        let mut names = Vec::new();
        for part in hosts.split(',').filter(|part| !part.is_empty() || hosts.contains(',')) {
            let (name, port) = split_port(part)?;
            names.push(decode("host", name)?);
            ports.push(port.to_owned());
        }
        if let Some(list) = parameters.take("host") {
            if names.iter().any(|name| !name.is_empty()) {
                return Err(refused("names hosts before ? and with host="));
            }
            names = list.split(',').map(str::to_owned).collect();
        }
        if let Some(list) = parameters.take("port") {
            if ports.iter().any(|port| !port.is_empty()) {
                return Err(refused("names ports before ? and with port="));
            }
            ports = list.split(',').map(str::to_owned).collect();
        }
        if names.is_empty() {
            names.push(String::new());
        }
        if ports.len() > 1 && ports.len() != names.len() {
            return Err(invalid(
                "port",
                "has another number of ports than there are hosts",
                "give one port, or one for each host",
            ));
        }
        for (index, name) in names.into_iter().enumerate() {
            let port = port(ports.get(index).or(ports.first()).map_or("", String::as_str), DEFAULT_PORT)?;
            if name.chars().any(|letter| letter.is_control() || letter.is_whitespace()) {
                return Err(invalid("host", "is no name or address", "write host:port, or %2Fpath for a Unix socket"));
            }
            let host = if name.is_empty() { default_host(port) } else { name };
            self.hosts.push(HostAddress { host, port });
        }
        Ok(())
    }

    fn read_login(&mut self, parameters: &mut UrlParameters) {
        let mut text = |name: &str, into: &mut Option<String>| {
            if let Some(value) = parameters.take(name) {
                *into = present(value);
            }
        };
        text("dbname", &mut self.database);
        text("user", &mut self.user);
        if let Some(password) = parameters.take("password") {
            self.password = present(password).map(Zeroizing::new);
        }
        let path = |value: Option<String>| value.and_then(present).map(PathBuf::from);
        self.passfile = path(parameters.take("passfile"));
        self.tls.root_certificates = path(parameters.take("sslrootcert"));
        self.tls.client_certificate = path(parameters.take("sslcert"));
        self.tls.client_key = path(parameters.take("sslkey"));
        if let Some(name) = parameters.take("application_name") {
            self.application_name = name;
        }
    }

    fn read_session(&mut self, parameters: &mut UrlParameters) -> Result<(), Error> {
        let modes = [
            ("disable", TlsMode::Disable),
            ("allow", TlsMode::Allow),
            ("prefer", TlsMode::Prefer),
            ("require", TlsMode::Require),
            ("verify-ca", TlsMode::VerifyCa),
            ("verify-full", TlsMode::VerifyFull),
        ];
        parameters.choose("sslmode", &modes, &mut self.tls.mode)?;
        let system = self.tls.root_certificates.as_deref() == Some(Path::new("system"));
        if system && self.tls.mode != TlsMode::VerifyFull {
            let reason =
                "must be verify-full when sslrootcert is system: anybody can get a certificate from those authorities";
            return Err(invalid("sslmode", reason, "write sslmode=verify-full"));
        }
        if self.tls.client_certificate.is_some() != self.tls.client_key.is_some() {
            let reason = "goes with sslkey: a certificate needs its key, and a key its certificate";
            return Err(invalid("sslcert", reason, "give both, or neither"));
        }
        let bindings = [
            ("disable", ChannelBinding::Disable),
            ("prefer", ChannelBinding::Prefer),
            ("require", ChannelBinding::Require),
        ];
        parameters.choose("channel_binding", &bindings, &mut self.channel_binding)?;
        let targets = [
            ("any", Some(SessionTarget::Any)),
            ("read-write", Some(SessionTarget::ReadWrite)),
            ("read-only", Some(SessionTarget::ReadOnly)),
            ("primary", Some(SessionTarget::Primary)),
            ("standby", Some(SessionTarget::Standby)),
        ];
        parameters.choose("target_session_attrs", &targets, &mut self.session)?;
        let balances = [("disable", LoadBalanceHosts::Disable), ("random", LoadBalanceHosts::Random)];
        parameters.choose("load_balance_hosts", &balances, &mut self.load_balance)?;
        let switches = [("yes", true), ("no", false)];
        parameters.choose("prepared_statements", &switches, &mut self.prepared_statements)?;
        parameters.choose("listen", &switches, &mut self.listen)
    }

    fn read_limits(&mut self, parameters: &mut UrlParameters) -> Result<(), Error> {
        parameters.duration("connect_timeout", "s", &mut self.connect_timeout)?;
        parameters.duration("statement_timeout", "ms", &mut self.statement_timeout)?;
        parameters.duration("keepalives_idle", "s", &mut self.keepalives_idle)?;
        if let Some(text) = parameters.take("max_connections") {
            self.max_connections =
                text.parse().ok().filter(|number| (1..=MAX_CONNECTIONS).contains(number)).ok_or_else(|| {
                    invalid("max_connections", "is no number of connections", format!("give 1 to {MAX_CONNECTIONS}"))
                })?;
        }
        if let Some(schema) = parameters.take("schema") {
            let is_name = (1..=MAX_SCHEMA).contains(&schema.len())
                && schema.starts_with(|first: char| first.is_ascii_lowercase() || first == '_')
                && schema.bytes().all(|byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'_'))
                && !schema.starts_with("pg_");
            if !is_name {
                let fix = format!("use 1 to {MAX_SCHEMA} of a-z, 0-9 and _, beginning with a letter but not with pg_");
                return Err(invalid("schema", "is no name of a schema", fix));
            }
            self.schema = schema;
        }
        Ok(())
    }

    /// The name of the role that connects.
    pub(super) fn user_name(&self) -> String {
        let own = || std::env::var("PGUSER").or_else(|_| std::env::var("USER")).ok().and_then(present);
        self.user.clone().or_else(own).unwrap_or_else(|| "postgres".to_owned())
    }

    /// The name of the channel on which the triggers of the schema notify.
    pub(super) fn channel(&self) -> String {
        format!("keywright:{}", self.schema)
    }

    /// The database in words, for people who read a log.
    pub(crate) fn place(&self) -> String {
        let hosts: Vec<String> = self.hosts.iter().map(HostAddress::to_string).collect();
        let user = self.user_name();
        let database = self.database.as_deref().unwrap_or(&user);
        format!("{database} at {} (schema {})", hosts.join(", "), self.schema)
    }
}

impl fmt::Debug for PostgresSettings {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "PostgresSettings({})", self.place())
    }
}

/// The host when the URL names none: the folder in which a local server keeps its socket, or else this machine.
fn default_host(port: u16) -> String {
    let socket = |folder: &&str| Path::new(folder).join(format!(".s.PGSQL.{port}")).exists();
    ["/var/run/postgresql", "/tmp"].into_iter().find(socket).unwrap_or("localhost").to_owned()
}

/// The error for a URL that does not have the shape of one.
fn refused(reason: &str) -> Error {
    Error::validation_failed("url", reason, "write postgresql://user@host:5432/database?sslmode=verify-full")
}

fn present(text: String) -> Option<String> {
    (!text.is_empty()).then_some(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(url: &str) -> PostgresSettings {
        PostgresSettings::parse(url).unwrap()
    }

    #[test]
    fn a_url_is_read_as_libpq_reads_it() {
        let settings = parse(
            "postgresql://app:p%40ss%3Aword@db1:5433,db2,[::1]:6000/keys?sslmode=verify-full&sslrootcert=/etc/ca.pem\
             &target_session_attrs=primary&schema=auth&max_connections=8&connect_timeout=3&statement_timeout=1500\
             &prepared_statements=no&listen=no&application_name=web",
        );
        let hosts: Vec<String> = settings.hosts.iter().map(HostAddress::to_string).collect();
        assert_eq!(hosts, ["db1:5433", "db2:5432", "[::1]:6000"]);
        assert_eq!(settings.password.as_ref().map(|password| password.as_str()), Some("p@ss:word"));
        assert_eq!((settings.user.as_deref(), settings.database.as_deref()), (Some("app"), Some("keys")));
        assert_eq!((settings.tls.mode, settings.session), (TlsMode::VerifyFull, Some(SessionTarget::Primary)));
        assert_eq!((settings.connect_timeout.as_millis(), settings.statement_timeout.as_millis()), (3_000, 1_500));
        assert_eq!((settings.schema.as_str(), settings.max_connections), ("auth", 8));
        assert!(!settings.prepared_statements && !settings.listen);
        assert_eq!(settings.channel(), "keywright:auth");
    }

    #[test]
    fn every_wait_has_a_limit() {
        let settings = parse("postgresql://h/d");
        assert_eq!(
            (settings.connect_timeout, settings.statement_timeout),
            (DEFAULT_CONNECT_TIMEOUT, DEFAULT_STATEMENT_TIMEOUT)
        );
        let settings = settings.for_engine(false, Duration::ZERO).unwrap();
        assert!(!settings.lock_timeout.is_zero());
        // A verification waits for a shorter time than a list.
        for (statement_timeout, verification, management) in
            [(100, 2_000, 2_100), (10_000, 2_000, 12_000), (300_000, 60_000, 302_000)]
        {
            let settings = parse(&format!("postgresql://h/d?statement_timeout={statement_timeout}"));
            let waits = [ReadRole::Verification, ReadRole::Management].map(|role| settings.patience(role).as_millis());
            assert_eq!(waits, [verification, management]);
        }
    }

    #[test]
    fn a_unix_socket_is_written_in_two_ways() {
        for url in ["postgres://%2Fvar%2Frun:6432/keys", "postgresql:///keys?host=/var/run&port=6432"] {
            let settings = parse(url);
            assert_eq!(settings.hosts, [HostAddress { host: "/var/run".into(), port: 6_432 }], "{url}");
            assert_eq!(settings.hosts[0].socket_folder(), Some(Path::new("/var/run")));
        }
    }

    #[test]
    fn only_a_reader_that_asks_for_a_standby_gets_one() {
        let target = |url, read_only| parse(url).for_engine(read_only, Duration::ZERO).map(|settings| settings.session);
        assert_eq!(target("postgresql://h/d", false), Ok(Some(SessionTarget::ReadWrite)));
        assert_eq!(target("postgresql://h/d", true), Ok(Some(SessionTarget::Primary)));
        assert!(target("postgresql://h/d?target_session_attrs=standby", true).is_ok());
        assert!(target("postgresql://h/d?target_session_attrs=standby", false).is_err());
    }

    #[test]
    fn a_wrong_url_names_the_parameter_and_never_the_password() {
        for (url, named) in [
            ("postgresql://u:hunter2@h/d?sslmod=require", "sslmod"),
            ("postgresql://u:hunter2@h/d?sslmode=full", "sslmode"),
            ("postgresql://u:hunter2@h/d?sslmode=require&sslrootcert=system", "sslmode"),
            ("postgresql://u:hunter2@h/d?sslcert=a", "sslcert"),
            ("postgresql://u:hunter2@h:0/d", "port"),
            ("postgresql://u:hunter2@h:x/d", "port"),
            ("postgresql://u:hunter2@h,i/d?port=1,2,3", "port"),
            ("postgresql://u:hunter2@h/d?connect_timeout=0", "connect_timeout"),
            ("postgresql://u:hunter2@h/d?statement_timeout=2h", "statement_timeout"),
            ("postgresql://u:hunter2@h/d?statement_timeout=-1", "statement_timeout"),
            ("postgresql://u:hunter2@h/d?schema=Keys", "schema"),
            ("postgresql://u:hunter2@h/d?schema=pg_catalog", "schema"),
            ("postgresql://u:hunter2@h/d?max_connections=0", "max_connections"),
            ("postgresql://u:hunter2@h/d?prepared_statements=maybe", "prepared_statements"),
            ("postgresql://u:hunter2@h/d?host=i", "host"),
            ("postgresql://u:hunter2@h/d?user=a&user=b", "user"),
            ("postgresql://u:hunter2@h/d?schema", "parameter"),
            ("postgresql://u:hunter2@h/d?application_name=%ff", "application_name"),
            ("postgresql://u:hunter2@h/d?application_name=%00", "application_name"),
            ("postgresql://u:hunter2@::1/d", "brackets"),
            ("postgresql://u:hunter2@[::1/d", "[ without"),
            ("postgresql://u:hunter2@h/d/e", "more than one name"),
            ("postgresql://u:hunter2#@h/d", "%23"),
            ("postgresql://u:a?hunter2&more@h/d", "parameter"),
            ("postgresql://u:hunter2%zz@h/d", "%25"),
            ("postgresql://u:hunter2%@h/d", "%25"),
            ("postgresql://u:hunter2@h/d?pgbouncer=true", "prepared_statements=no&listen=no"),
            ("postgresql://u:hunter2@h/d?ssl=true", "sslmode"),
            ("postgresql://u:hunter2@h/d?max_staleness=5s", "option max_staleness"),
            ("mysql://u:hunter2@h/d", "PostgreSQL"),
        ] {
            let error = PostgresSettings::parse(url).unwrap_err();
            assert_eq!(error.field(), Some("url"), "{url}");
            let text = error.to_string();
            assert!(text.contains(named), "{url}: {text}");
            assert!(!text.contains("hunter2"), "{text}");
        }
        let shown = format!("{:?}", parse("postgresql://u:hunter2@h/d?password=hunter2"));
        assert!(!shown.contains("hunter2") && shown.contains("d at h:5432"), "{shown}");
    }
}
