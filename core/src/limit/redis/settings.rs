//! The URL of a Redis server or cluster. It is read strictly: a parameter that is not known, or a value that means nothing, is
//! an error. No error and no `Debug` output holds the password.

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use zeroize::Zeroizing;

use crate::error::Error;
use crate::remote::url::{UrlParameters, decode, invalid, port, split_port};

/// The schemes, with whether the connection is encrypted and whether the URL names a Unix socket. Valkey has names of its own.
const SCHEMES: [(&str, Transport); 6] = [
    ("redis://", Transport::Tcp),
    ("rediss://", Transport::Tls),
    ("redis+unix://", Transport::Unix),
    ("valkey://", Transport::Tcp),
    ("valkeys://", Transport::Tls),
    ("valkey+unix://", Transport::Unix),
];
/// The parameters that a URL may have after `?`. The files of TLS are named as the options of `redis-cli`.
const PARAMETERS: [&str; 10] =
    ["db", "user", "password", "prefix", "cluster", "cacert", "cert", "key", "connect_timeout", "response_timeout"];
const DEFAULT_PORT: u16 = 6_379;
const DEFAULT_PREFIX: &str = "keywright";
const MAX_PREFIX: usize = 64;
const MAX_DATABASE: i64 = 10_000;
const DEFAULT_CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// A purchase takes a millisecond. A caller that has waited this long counts the request without Redis.
const DEFAULT_RESPONSE_TIMEOUT: Duration = Duration::from_millis(500);
const LONGEST_RESPONSE_TIMEOUT: Duration = Duration::from_secs(1);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Transport {
    Tcp,
    Tls,
    Unix,
}

/// A server or a cluster, and how to connect to it.
#[derive(Clone)]
pub(crate) struct RedisSettings {
    /// One server, or some of the servers of a cluster.
    pub(super) servers: Vec<RedisAddress>,
    pub(super) cluster: bool,
    /// `None` for the user `default`.
    pub(super) user: Option<String>,
    pub(super) password: Option<Zeroizing<String>>,
    pub(super) database: i64,
    /// `None` for a connection that is not encrypted.
    pub(super) tls: Option<RedisTls>,
    /// The beginning of every key.
    pub(super) prefix: String,
    /// The time limit of an attempt to connect, from the look-up of the name to the first answer of the script.
    pub(super) connect_timeout: Duration,
    /// The time limit of a purchase.
    pub(super) response_timeout: Duration,
}

/// The place of one server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum RedisAddress {
    Tcp { host: String, port: u16 },
    Unix(PathBuf),
}

/// The files of TLS.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct RedisTls {
    /// Certificates of authorities. `None` for those of the operating system.
    pub(super) authorities: Option<PathBuf>,
    /// A certificate of this client, and its key.
    pub(super) client: Option<(PathBuf, PathBuf)>,
}

impl RedisSettings {
    /// Parses a URL. The errors name the option `limiter`.
    pub(crate) fn parse(url: &str) -> Result<Self, Error> {
        Self::read(url).map_err(|error| error.at_field("limiter"))
    }

    fn read(url: &str) -> Result<Self, Error> {
        let found = SCHEMES.iter().find_map(|(scheme, transport)| Some((url.strip_prefix(scheme)?, *transport)));
        let (rest, transport) = found.ok_or_else(|| refused("names no Redis server"))?;
        if rest.contains('#') {
            return Err(refused("has a #, which begins nothing here; write %23 in a password"));
        }
        let (place, query) = rest.split_once('?').unwrap_or((rest, ""));
        let mut parameters = UrlParameters::parse(query, &PARAMETERS)?;
        let (authority, path) = match transport {
            Transport::Unix => ("", place),
            Transport::Tcp | Transport::Tls => place.split_once('/').unwrap_or((place, "")),
        };
        let (login, hosts) = authority.rsplit_once('@').unwrap_or(("", authority));
        let (user, password) = login.split_once(':').unwrap_or((login, ""));
        let mut settings = Self {
            servers: Vec::new(),
            cluster: false,
            user: either(decode("user", user)?, &mut parameters, "user"),
            password: either(decode("password", password)?, &mut parameters, "password").map(Zeroizing::new),
            database: 0,
            tls: (transport == Transport::Tls).then(RedisTls::default),
            prefix: DEFAULT_PREFIX.to_owned(),
            connect_timeout: DEFAULT_CONNECT_TIMEOUT,
            response_timeout: DEFAULT_RESPONSE_TIMEOUT,
        };
        if settings.user.is_some() && settings.password.is_none() {
            let fix = "write user:password@, or :password@ for the user default";
            return Err(invalid("user", "has no password", fix));
        }
        parameters.choose("cluster", &[("yes", true), ("no", false)], &mut settings.cluster)?;
        if transport == Transport::Unix {
            settings.servers = vec![RedisAddress::Unix(socket(path)?)];
        } else {
            settings.servers = servers(hosts)?;
            settings.read_database(path)?;
        }
        if let Some(database) = parameters.take("db") {
            settings.read_database(&database)?;
        }
        settings.check_cluster(transport)?;
        settings.read_tls(&mut parameters)?;
        settings.read_prefix(&mut parameters)?;
        parameters.duration("connect_timeout", "ms", &mut settings.connect_timeout)?;
        parameters.duration("response_timeout", "ms", &mut settings.response_timeout)?;
        if settings.response_timeout > LONGEST_RESPONSE_TIMEOUT {
            let reason = "is longer than a request may wait for its limits";
            return Err(invalid("response_timeout", reason, "give 1ms to 1s"));
        }
        Ok(settings)
    }

    fn read_database(&mut self, text: &str) -> Result<(), Error> {
        let number = if text.is_empty() { Some(0) } else { text.parse().ok() };
        let in_range = number.filter(|number| (0..=MAX_DATABASE).contains(number));
        self.database =
            in_range.ok_or_else(|| invalid("db", "is no number of a database", format!("give 0 to {MAX_DATABASE}")))?;
        Ok(())
    }

    fn check_cluster(&self, transport: Transport) -> Result<(), Error> {
        match (self.cluster, self.servers.len()) {
            (false, 1) => Ok(()),
            (false, _) => Err(refused("names several servers, which only a cluster has; add cluster=yes")),
            (true, _) if transport == Transport::Unix => {
                let fix = "name servers of the cluster by host and port";
                Err(invalid("cluster", "is yes, and a cluster has no Unix socket", fix))
            }
            (true, _) if self.database != 0 => {
                Err(invalid("db", "is another one than 0, the only one that a cluster has", "leave it out"))
            }
            (true, _) => Ok(()),
        }
    }

    fn read_tls(&mut self, parameters: &mut UrlParameters) -> Result<(), Error> {
        let mut path = |name: &str| parameters.take(name).filter(|it| !it.is_empty()).map(PathBuf::from);
        let (authorities, certificate, key) = (path("cacert"), path("cert"), path("key"));
        let given = [("cacert", &authorities), ("cert", &certificate), ("key", &key)];
        let Some(tls) = &mut self.tls else {
            return match given.iter().find(|(_, file)| file.is_some()) {
                Some((name, _)) => Err(invalid(name, "is for TLS, which this URL does not use", "write rediss://")),
                None => Ok(()),
            };
        };
        tls.authorities = authorities;
        tls.client = match (certificate, key) {
            (Some(certificate), Some(key)) => Some((certificate, key)),
            (None, None) => None,
            _ => {
                let reason = "goes with key: a certificate needs its key, and a key its certificate";
                return Err(invalid("cert", reason, "give both, or neither"));
            }
        };
        Ok(())
    }

    fn read_prefix(&mut self, parameters: &mut UrlParameters) -> Result<(), Error> {
        let Some(prefix) = parameters.take("prefix") else { return Ok(()) };
        // Braces choose the slot of a cluster, and a pattern of an ACL gives other signs a meaning.
        let is_plain = (1..=MAX_PREFIX).contains(&prefix.len())
            && prefix.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_.:/-".contains(&byte));
        if !is_plain {
            let fix = format!("use 1 to {MAX_PREFIX} of A-Z, a-z, 0-9, _, ., :, / and -");
            return Err(invalid("prefix", "cannot begin every key", fix));
        }
        self.prefix = prefix;
        Ok(())
    }

    /// The name of the user who logs in.
    pub(super) fn user_name(&self) -> &str {
        self.user.as_deref().unwrap_or("default")
    }

    /// The servers in words, for people who read a log.
    pub(crate) fn place(&self) -> String {
        let servers: Vec<String> = self.servers.iter().map(RedisAddress::to_string).collect();
        servers.join(", ")
    }
}

impl fmt::Debug for RedisSettings {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "RedisSettings({})", self.place())
    }
}

impl fmt::Display for RedisAddress {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp { host, port } if host.contains(':') => write!(out, "[{host}]:{port}"),
            Self::Tcp { host, port } => write!(out, "{host}:{port}"),
            Self::Unix(path) => write!(out, "{}", path.display()),
        }
    }
}

/// The value that stands before `?`, or the parameter of that name.
fn either(before: String, parameters: &mut UrlParameters, name: &str) -> Option<String> {
    let after = parameters.take(name);
    Some(before).filter(|it| !it.is_empty()).or(after).filter(|it| !it.is_empty())
}

fn servers(hosts: &str) -> Result<Vec<RedisAddress>, Error> {
    hosts
        .split(',')
        .map(|part| {
            let (host, given) = split_port(part)?;
            let host = decode("host", host)?;
            if host.is_empty() || host.chars().any(|letter| letter.is_control() || letter.is_whitespace()) {
                return Err(refused("has no name or address of a host"));
            }
            Ok(RedisAddress::Tcp { host, port: port(given, DEFAULT_PORT)? })
        })
        .collect()
}

fn socket(path: &str) -> Result<PathBuf, Error> {
    let path = decode("path", path)?;
    if path.starts_with('/') { Ok(path.into()) } else { Err(refused("has no absolute path of a Unix socket")) }
}

/// The error for a URL that does not have the shape of one.
fn refused(reason: &str) -> Error {
    let fix = "write redis://user:password@host:6379/0, with rediss:// for TLS, or redis+unix:///path/to/socket";
    Error::validation_failed("url", reason, fix)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(url: &str) -> RedisSettings {
        RedisSettings::parse(url).unwrap()
    }

    #[test]
    fn a_url_names_a_server_a_socket_or_a_cluster() {
        let settings =
            parse("rediss://app:p%40ss%3Aword@db1:7000/3?prefix=web:limits&cacert=/etc/ca.pem&connect_timeout=1s");
        assert_eq!(settings.place(), "db1:7000");
        assert_eq!(settings.password.as_ref().map(|it| it.as_str()), Some("p@ss:word"));
        assert_eq!((settings.user_name(), settings.database, settings.prefix.as_str()), ("app", 3, "web:limits"));
        assert_eq!(settings.tls.as_ref().and_then(|tls| tls.authorities.clone()), Some("/etc/ca.pem".into()));
        assert_eq!((settings.connect_timeout.as_millis(), settings.response_timeout.as_millis()), (1_000, 500));
        let settings = parse("valkey+unix:///run/valkey.sock?db=2&password=secret");
        assert_eq!(settings.servers, [RedisAddress::Unix("/run/valkey.sock".into())]);
        assert_eq!((settings.database, settings.user_name(), &settings.tls), (2, "default", &None));
        let settings = parse("redis://a,[::1]:7001,c/?cluster=yes");
        assert_eq!((settings.place().as_str(), settings.cluster), ("a:6379, [::1]:7001, c:6379", true));
        assert_eq!(parse("redis://:secret@h").user, None);
        assert_eq!(parse("redis://h").prefix, "keywright");
    }

    #[test]
    fn a_wrong_url_names_the_parameter_and_never_the_password() {
        for (url, named) in [
            ("redis://u:hunter2@h/x", "db"),
            ("redis://u:hunter2@h/-1", "db"),
            ("redis://u:hunter2@h/0/1", "db"),
            ("redis://u:hunter2@h:0", "port"),
            ("redis://u:hunter2@h:hunter2", "port"),
            ("redis://u:hunter2@", "host"),
            ("redis://u:hunter2@h,i", "cluster=yes"),
            ("redis://u:hunter2@h/1?cluster=yes", "only one that a cluster has"),
            ("redis://u:hunter2@h?cluster=maybe", "cluster"),
            ("redis+unix:///s?cluster=yes&password=hunter2", "Unix socket"),
            ("redis+unix://s?password=hunter2", "absolute path"),
            ("redis://u:hunter2@h?cacert=/ca.pem", "rediss://"),
            ("rediss://u:hunter2@h?cert=/c.pem", "key"),
            ("redis://u:hunter2@h?prefix={a}", "prefix"),
            ("redis://u:hunter2@h?prefix=", "prefix"),
            ("redis://u:hunter2@h?prefiks=a", "did you mean prefix?"),
            ("redis://u:hunter2@h?response_timeout=0", "response_timeout"),
            ("redis://u:hunter2@h?response_timeout=1001ms", "1s"),
            ("redis://u:hunter2@h?connect_timeout=never", "connect_timeout"),
            ("redis://hunter2@h", "user"),
            ("redis://u:hunter2@h?db=1&db=2", "twice"),
            ("redis://u:hunter2#@h", "%23"),
            ("redis://u:hunter2@::1", "brackets"),
            ("http://u:hunter2@h", "Redis"),
        ] {
            let error = RedisSettings::parse(url).unwrap_err();
            assert_eq!(error.field(), Some("limiter"), "{url}");
            let text = error.to_string();
            assert!(text.contains(named), "{url}: {text}");
            assert!(!text.contains("hunter2"), "{text}");
        }
        let shown = format!("{:?}", parse("redis://u:hunter2@h?prefix=a"));
        assert_eq!(shown, "RedisSettings(h:6379)");
    }
}
