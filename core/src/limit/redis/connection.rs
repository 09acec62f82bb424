//! The connection of one process to a Redis server or cluster. All callers share it: each command is sent at once, and the
//! answers come in the same order.

use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Instant;

use arc_swap::ArcSwapOption;
use redis::aio::MultiplexedConnection;
use redis::cluster::ClusterClientBuilder;
use redis::cluster_async::ClusterConnection;
use redis::io::tcp::TcpSettings;
use redis::{
    AsyncConnectionConfig, Client, ClientTlsConfig, Cmd, ConnectionAddr, ConnectionInfo, IntoConnectionInfo,
    RedisConnectionInfo, RedisError, ServerErrorKind, TlsCertificates, Value,
};
use tokio::runtime::Handle;

use super::settings::{RedisAddress, RedisSettings, RedisTls};
use super::{error, script};
use crate::error::Error;
use crate::fork::lock;
use crate::limit::lease::{Purchase, Sales};
use crate::remote::retry::reconnect_pause;
use crate::remote::runtime::limited;

/// The connection of a process, and the attempts to open it again.
pub(super) struct Connector {
    settings: Arc<RedisSettings>,
    runtime: Handle,
    open: ArcSwapOption<Link>,
    /// Held by the one that connects.
    connecting: tokio::sync::Mutex<()>,
    failure: Mutex<Option<ConnectFailure>>,
}

/// The last of several attempts to connect that failed.
struct ConnectFailure {
    attempts: u32,
    /// The time of the next attempt.
    until: Instant,
    error: Error,
}

/// An open connection.
enum Link {
    Server(MultiplexedConnection),
    Cluster(ClusterConnection),
}

impl Link {
    async fn run(&self, command: &Cmd) -> Result<Value, RedisError> {
        match self {
            Self::Server(connection) => command.query_async(&mut connection.clone()).await,
            Self::Cluster(connection) => command.query_async(&mut connection.clone()).await,
        }
    }

    async fn buy(&self, settings: &RedisSettings, purchases: &[Purchase]) -> Result<Value, RedisError> {
        let answer = match self.run(&script::command(&settings.prefix, purchases, false)).await {
            // The cluster has moved the slot. The script did not run, and the driver has learned where to send it.
            Err(problem) if problem.is_cluster_error() && settings.cluster => {
                self.run(&script::command(&settings.prefix, purchases, false)).await
            }
            answer => answer,
        };
        match answer {
            // The server has started again, or forgot its scripts.
            Err(problem) if problem.kind() == ServerErrorKind::NoScript.into() => {
                self.run(&script::command(&settings.prefix, purchases, true)).await
            }
            answer => answer,
        }
    }
}

impl Connector {
    pub(super) fn new(settings: Arc<RedisSettings>, runtime: Handle) -> Arc<Self> {
        Arc::new(Self {
            settings,
            runtime,
            open: ArcSwapOption::empty(),
            connecting: tokio::sync::Mutex::default(),
            failure: Mutex::default(),
        })
    }

    pub(super) fn runtime(&self) -> &Handle {
        &self.runtime
    }

    /// Makes the purchases within the time limit of the settings.
    pub(super) async fn buy(self: &Arc<Self>, purchases: &[Purchase]) -> Result<Sales, Error> {
        match limited(&self.runtime, self.settings.response_timeout, self.buy_on_link(purchases)).await {
            Some(sales) => sales,
            None => {
                // The answers after a late one are late as well.
                self.open.store(None);
                Err(error::no_answer())
            }
        }
    }

    async fn buy_on_link(self: &Arc<Self>, purchases: &[Purchase]) -> Result<Sales, Error> {
        let link = self.link().await?;
        let answer = link.buy(&self.settings, purchases).await;
        let is_lost = answer.as_ref().is_err_and(error::is_lost);
        let sales = match answer {
            Ok(value) => script::answer(&value, purchases),
            Err(problem) => Err(error::of_script(&problem, &self.settings)),
        };
        if is_lost || sales.as_ref().is_err_and(error::is_moved) {
            self.open.compare_and_swap(&Some(link), None);
        }
        sales
    }

    /// The connection, which is opened if need be. It is opened on the runtime: the attempt goes on when the caller gives up.
    async fn link(self: &Arc<Self>) -> Result<Arc<Link>, Error> {
        if let Some(link) = self.open.load_full() {
            return Ok(link);
        }
        let connector = Arc::clone(self);
        self.runtime.spawn(async move { connector.connect().await }).await.map_err(|_| error::lost())?
    }

    async fn connect(&self) -> Result<Arc<Link>, Error> {
        let _turn = self.connecting.lock().await;
        if let Some(link) = self.open.load_full() {
            return Ok(link);
        }
        let attempts = match &*lock(&self.failure) {
            Some(failure) if Instant::now() < failure.until => return Err(failure.error.clone()),
            Some(failure) => failure.attempts,
            None => 0,
        };
        match open(&self.settings, &self.runtime).await {
            Ok(link) => {
                let link = Arc::new(link);
                *lock(&self.failure) = None;
                self.open.store(Some(Arc::clone(&link)));
                Ok(link)
            }
            Err(error) => {
                let until = Instant::now() + reconnect_pause(attempts)?;
                *lock(&self.failure) = Some(ConnectFailure { attempts: attempts + 1, until, error: error.clone() });
                Err(error)
            }
        }
    }

    /// Connects, and checks what can be known of the server.
    pub(super) async fn check(self: &Arc<Self>) -> Result<(), Error> {
        self.link().await.map(drop)
    }
}

/// Connects to the first server that is reached, and with it to its cluster.
async fn open(settings: &RedisSettings, runtime: &Handle) -> Result<Link, Error> {
    let mut refusal = error::lost();
    for address in &settings.servers {
        match limited(runtime, settings.connect_timeout, open_server(settings, address)).await {
            Some(Ok(link)) => return Ok(link),
            Some(Err(error)) => refusal = error,
            None => refusal = error::connect_timeout(address, settings),
        }
    }
    Err(refusal)
}

async fn open_server(settings: &RedisSettings, address: &RedisAddress) -> Result<Link, Error> {
    let (information, files) = (information(settings, address)?, certificates(settings)?);
    let client = match &files {
        Some(files) => Client::build_with_tls(information.clone(), files.clone()),
        None => Client::open(information.clone()),
    };
    // The limit of an attempt covers all of it, and that of a purchase also the wait for a connection.
    let unlimited = AsyncConnectionConfig::new().set_connection_timeout(None).set_response_timeout(None);
    let connect = async { client?.get_multiplexed_async_connection_with_config(&unlimited).await };
    let mut connection = connect.await.map_err(|problem| error::of_connect(&problem, address))?;
    log_in(&mut connection, settings).await.map_err(|problem| error::of_login(&problem, address, settings))?;
    let hello = redis::cmd("HELLO").query_async(&mut connection).await;
    let told = hello.map_err(|problem| error::of_login(&problem, address, settings))?;
    check_server(&told, settings, address)?;
    let link = if settings.cluster {
        let problem = |problem: RedisError| error::of_login(&problem, address, settings);
        // The driver does not say why it was not told the slots.
        redis::cmd("CLUSTER").arg("SLOTS").exec_async(&mut connection).await.map_err(problem)?;
        Link::Cluster(open_cluster(settings, files).await.map_err(problem)?)
    } else {
        Link::Server(connection)
    };
    let trial = [script::trial()];
    let answer = link.buy(settings, &trial).await.map_err(|problem| error::of_login(&problem, address, settings))?;
    script::answer(&answer, &trial)?;
    Ok(link)
}

async fn open_cluster(
    settings: &RedisSettings,
    files: Option<TlsCertificates>,
) -> Result<ClusterConnection, RedisError> {
    let servers = settings.servers.iter().filter_map(|address| information(settings, address).ok());
    let mut builder = ClusterClientBuilder::new(servers)
        .connection_timeout(settings.connect_timeout)
        .response_timeout(settings.response_timeout)
        .overall_response_timeout(None)
        .tcp_settings(without_delay())
        // A purchase that is sent twice would give back twice.
        .retries(0);
    if let Some(password) = &settings.password {
        builder = builder.username(settings.user_name()).password(password.as_str());
    }
    if let Some(files) = files {
        builder = builder.certs(files);
    }
    builder.build()?.get_async_connection().await
}

async fn log_in(connection: &mut MultiplexedConnection, settings: &RedisSettings) -> Result<(), RedisError> {
    if let Some(password) = &settings.password {
        let mut login = redis::cmd("AUTH");
        login.arg(settings.user_name()).arg(password.as_str()).exec_async(connection).await?;
    }
    if settings.database != 0 {
        redis::cmd("SELECT").arg(settings.database).exec_async(connection).await?;
    }
    Ok(())
}

/// Checks what a server tells of itself: its version, its mode and its role.
fn check_server(told: &Value, settings: &RedisSettings, address: &RedisAddress) -> Result<(), Error> {
    let Value::Array(items) = told else { return Err(error::foreign(address)) };
    let (pairs, _) = items.as_chunks::<2>();
    let text = |wanted: &str| {
        let found = pairs.iter().find(|[name, _]| text(name) == Some(wanted));
        found.and_then(|[_, value]| text(value)).unwrap_or_default()
    };
    let version = text("version");
    let mut numbers = version.split('.').map_while(|part| part.parse::<u32>().ok());
    let (Some(major), Some(minor)) = (numbers.next(), numbers.next()) else { return Err(error::foreign(address)) };
    if (major, minor) < error::OLDEST_SERVER {
        return Err(error::too_old(address, Some(version)));
    }
    let mode = text("mode");
    if (mode == "cluster") != settings.cluster || mode == "sentinel" {
        return Err(error::wrong_mode(address, mode));
    }
    // Each server of a cluster tells where the primaries are.
    if !settings.cluster && text("role") != "master" {
        return Err(error::replica(address));
    }
    Ok(())
}

fn text(value: &Value) -> Option<&str> {
    match value {
        Value::BulkString(bytes) => std::str::from_utf8(bytes).ok(),
        Value::SimpleString(text) => Some(text),
        _ => None,
    }
}

/// The place of a server for the driver, without a login: its own login does not tell why it was refused.
fn information(settings: &RedisSettings, address: &RedisAddress) -> Result<ConnectionInfo, Error> {
    let place = match (address, &settings.tls) {
        (RedisAddress::Unix(path), _) => ConnectionAddr::Unix(path.clone()),
        (RedisAddress::Tcp { host, port }, None) => ConnectionAddr::Tcp(host.clone(), *port),
        (RedisAddress::Tcp { host, port }, Some(_)) => {
            ConnectionAddr::TcpTls { host: host.clone(), port: *port, insecure: false, tls_params: None }
        }
    };
    let information = place.into_connection_info().map_err(|problem| error::of_connect(&problem, address))?;
    let settings = RedisConnectionInfo::default().set_skip_set_lib_name();
    Ok(information.set_redis_settings(settings).set_tcp_settings(without_delay()))
}

/// Without it, a purchase may wait for the acknowledgement of the one before.
fn without_delay() -> TcpSettings {
    TcpSettings::default().set_nodelay(true)
}

/// Reads the files of TLS. `None` without TLS.
fn certificates(settings: &RedisSettings) -> Result<Option<TlsCertificates>, Error> {
    let Some(RedisTls { authorities, client }) = &settings.tls else { return Ok(None) };
    // The driver uses the provider of the process. Without one, it takes the provider that the features of all crates name,
    // and panics when they name two.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let client_tls = match client {
        Some((certificate, key)) => {
            Some(ClientTlsConfig { client_cert: file("cert", certificate)?, client_key: file("key", key)? })
        }
        None => None,
    };
    let root_cert = authorities.as_ref().map(|path| file("cacert", path)).transpose()?;
    Ok(Some(TlsCertificates { client_tls, root_cert }))
}

fn file(name: &str, path: &Path) -> Result<Vec<u8>, Error> {
    std::fs::read(path).ok().filter(|bytes| bytes.starts_with(b"-----BEGIN ")).ok_or_else(|| {
        let reason = format!("{name} names no file in the format PEM");
        Error::validation_failed("limiter", reason, "give the path of a PEM file that this process may read")
    })
}
