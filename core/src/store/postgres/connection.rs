//! One connection to PostgreSQL: how it is opened, and how statements run on it. Statements of several callers share it: each
//! is sent at once, and the answers come in the same order.

use std::collections::BTreeMap;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use tokio::runtime::Handle;
use tokio::task::JoinHandle;
use tokio_postgres::config::SslMode;
use tokio_postgres::{AsyncMessage, Client, Row, SimpleQueryMessage, Statement};
use tokio_postgres_rustls::MakeRustlsConnect;

use super::lineage::{KnownPrimary, Primary, SYSTEM, TIMELINE};
use super::settings::{ANSWER_SLACK, HostAddress, PostgresSettings, ReadRole, SessionTarget, TlsMode};
use super::value::SqlValue;
use super::{error, passfile, tls};
use crate::error::{Error, UnavailableCause};
use crate::fork::lock;
use crate::remote::runtime::limited;
use crate::sys;

/// The oldest major version of the server.
const OLDEST_SERVER: u32 = 14;

/// With more callers than this on each connection, another connection is opened.
const CROWDED: usize = 2;

/// The pause between two probes of a connection that is silent, and the number of those without an answer that end it.
const KEEPALIVE_INTERVAL: Duration = Duration::from_secs(5);
const KEEPALIVE_RETRIES: u32 = 3;

/// How many statements one connection keeps prepared.
const MAX_PREPARED: usize = 256;

/// The name of the schema in the statements of this release.
const WRITTEN_SCHEMA: &str = "keywright.";

/// Gets the notifications that a connection receives, and `None` when the connection ends.
pub(super) type NotificationHandler = Box<dyn Fn(Option<&str>) + Send>;

/// The answer to one step of a pipeline.
type Answer<'a> = Pin<Box<dyn Future<Output = Result<Vec<Row>, tokio_postgres::Error>> + Send + 'a>>;

/// How long a transaction may pause. A process that stands still must not hold the lock of all others.
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

/// A statement with the values of its parameters.
#[derive(Debug, Clone)]
pub(super) struct Query<'a> {
    pub(super) sql: &'a str,
    pub(super) values: Vec<SqlValue<'a>>,
}

pub(super) struct Connection {
    client: Arc<Client>,
    settings: Arc<PostgresSettings>,
    runtime: Handle,
    /// The prepared statements; `None` while one is being prepared. To hash a text of a kilobyte would cost more than to
    /// compare it with a few.
    statements: Arc<Mutex<BTreeMap<String, Option<Statement>>>>,
    task: JoinHandle<()>,
    retired: AtomicBool,
    waiting: AtomicUsize,
    /// How many of them read for a call that may take long.
    long_reads: AtomicUsize,
    /// The time from which on a verification waited in vain, in microseconds of the boot-time clock; 0 since the last answer.
    silent_since: AtomicU64,
    known: Arc<KnownPrimary>,
    /// The number of the primary to which it leads; `None` for a standby, or a pooler that may change servers.
    primary: Option<u64>,
}

/// Counts one caller that waits for an answer.
struct Waiting<'a>(&'a AtomicUsize);

impl<'a> Waiting<'a> {
    fn at(counter: &'a AtomicUsize) -> Self {
        counter.fetch_add(1, Ordering::Relaxed);
        Self(counter)
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Connection {
    /// Connects to the first host that is reached and has the role that the settings ask for.
    pub(super) async fn open(
        settings: &Arc<PostgresSettings>,
        runtime: &Handle,
        known: &Arc<KnownPrimary>,
        listener: Option<NotificationHandler>,
    ) -> Result<Arc<Self>, Error> {
        let mut hosts: Vec<&HostAddress> = settings.hosts.iter().collect();
        if settings.load_balance == tokio_postgres::config::LoadBalanceHosts::Random {
            let first = usize::from(u8::from_be_bytes(crate::entropy::bytes()?));
            let turn = first.checked_rem(hosts.len()).unwrap_or_default();
            hosts.rotate_left(turn);
        }
        let mut listener = listener;
        let mut refusals: Vec<Error> = Vec::new();
        for host in hosts {
            let attempts: &[SslMode] = match settings.tls.mode {
                _ if host.socket_folder().is_some() => &[SslMode::Disable],
                TlsMode::Disable => &[SslMode::Disable],
                TlsMode::Allow => &[SslMode::Disable, SslMode::Require],
                TlsMode::Prefer => &[SslMode::Prefer, SslMode::Disable],
                TlsMode::Require | TlsMode::VerifyCa | TlsMode::VerifyFull => &[SslMode::Require],
            };
            for mode in attempts {
                let opening = Self::open_host(settings, runtime, known, host, *mode, &mut listener);
                let refusal = match limited(runtime, settings.connect_timeout, opening).await {
                    Some(Ok(connection)) => return Ok(connection),
                    Some(Err(error)) => error,
                    None => error::connect_timeout(host),
                };
                let answered = has_answered(&refusal);
                refusals.push(refusal);
                // As libpq does, the other mode is tried only if the server refused this one.
                if !answered {
                    break;
                }
            }
        }
        // A server that answered says more than one that did not.
        Err(match refusals.iter().position(has_answered) {
            Some(best) => refusals.swap_remove(best),
            None => error::none_reached(refusals),
        })
    }

    async fn open_host(
        settings: &Arc<PostgresSettings>,
        runtime: &Handle,
        known: &Arc<KnownPrimary>,
        host: &HostAddress,
        mode: SslMode,
        listener: &mut Option<NotificationHandler>,
    ) -> Result<Arc<Self>, Error> {
        let mut config = tokio_postgres::Config::new();
        config
            .host(&host.host)
            .port(host.port)
            .user(settings.user_name())
            .ssl_mode(mode)
            .channel_binding(settings.channel_binding)
            .application_name(&settings.application_name)
            .connect_timeout(settings.connect_timeout)
            .keepalives_idle(settings.keepalives_idle)
            .keepalives_interval(KEEPALIVE_INTERVAL)
            .keepalives_retries(KEEPALIVE_RETRIES)
            .tcp_user_timeout(settings.statement_timeout + ANSWER_SLACK);
        if settings.needs_sessions() {
            // A pooler in transaction mode refuses options of a session, and so says at once that it is there.
            let options = transaction_settings(settings).map(|(name, value)| format!("-c {name}={value}"));
            config.options(format!("{} -c default_transaction_isolation=read\\ committed", options.join(" ")));
        }
        if let Some(database) = &settings.database {
            config.dbname(database);
        }
        if let Some(password) = passfile::password_for(settings, host)? {
            config.password(password.as_bytes());
        }
        let connector: MakeRustlsConnect = tls::connector(&settings.tls)?;
        let (client, mut link) =
            config.connect(connector).await.map_err(|error| error::of_connect(&error, host, settings))?;
        check_version(link.parameter("server_version"), host)?;
        let listener = listener.take();
        let task = runtime.spawn(async move {
            while let Some(Ok(message)) = std::future::poll_fn(|context| link.poll_message(context)).await {
                if let (AsyncMessage::Notification(message), Some(listener)) = (message, &listener) {
                    listener(Some(message.payload()));
                }
            }
            if let Some(listener) = &listener {
                listener(None);
            }
        });
        let mut connection = Self {
            client: Arc::new(client),
            settings: Arc::clone(settings),
            runtime: runtime.clone(),
            statements: Arc::default(),
            task,
            retired: AtomicBool::new(false),
            waiting: AtomicUsize::new(0),
            long_reads: AtomicUsize::new(0),
            silent_since: AtomicU64::new(0),
            known: Arc::clone(known),
            primary: None,
        };
        connection.primary = connection.check_server(host).await?;
        Ok(Arc::new(connection))
    }

    /// Checks the server, and its role in a cluster. Returns the number of a primary.
    async fn check_server(&self, host: &HostAddress) -> Result<Option<u64>, Error> {
        let sql = format!(
            "SELECT current_setting('server_encoding'), pg_is_in_recovery()::text, \
             current_setting('transaction_read_only'), {SYSTEM}::text, {TIMELINE}, \
             (extract(epoch FROM current_setting('statement_timeout')::interval) * 1000::numeric)::bigint, \
             current_setting('session_replication_role')"
        );
        let messages =
            self.client.simple_query(&sql).await.map_err(|error| error::of_connect(&error, host, &self.settings))?;
        let row = messages.iter().find_map(|message| match message {
            SimpleQueryMessage::Row(row) => Some(row),
            _ => None,
        });
        let text = |index| row.and_then(|row| row.try_get(index).ok().flatten()).unwrap_or_default();
        if text(0) != "UTF8" {
            return Err(Error::unavailable(
                UnavailableCause::Location,
                format!("the database has the encoding {}, which cannot hold every text", text(0)),
                "create a database with ENCODING 'UTF8'",
            ));
        }
        if self.settings.needs_sessions() && text(5) != self.settings.statement_timeout.as_millis().to_string() {
            return Err(error::session_ignored(host));
        }
        if text(6) == "replica" {
            return Err(error::without_triggers(host, &self.settings));
        }
        let (standby, read_only) = (text(1) == "true", text(2) == "on");
        let fits = match self.settings.session {
            None | Some(SessionTarget::Any) => true,
            Some(SessionTarget::ReadWrite) => !read_only,
            Some(SessionTarget::ReadOnly) => read_only,
            Some(SessionTarget::Primary) => !standby,
            Some(SessionTarget::Standby) => standby,
        };
        match (fits, self.settings.session) {
            (true, _) if standby || !self.settings.needs_sessions() => Ok(None),
            (true, _) => {
                let timeline = u32::from_str_radix(text(4), 16).unwrap_or_default();
                let found = Primary { system: text(3).to_owned(), timeline };
                self.known.admit(&found).map(Some).ok_or_else(|| error::former_primary(host))
            }
            (false, Some(SessionTarget::ReadOnly | SessionTarget::Standby)) => Err(Error::unavailable(
                UnavailableCause::Location,
                format!("{host} is a primary, and target_session_attrs asks for a standby"),
                "name a standby in the URL, or write target_session_attrs=any",
            )),
            (false, Some(SessionTarget::Primary)) => Err(error::lags(host)),
            (false, _) if standby => Err(error::not_writable()),
            (false, _) => Err(error::reads_only(&self.settings)),
        }
    }

    /// The text that begins a transaction.
    pub(super) fn begin(&self) -> String {
        // At another level the server would end transactions that wait for each other.
        let begin = "BEGIN ISOLATION LEVEL READ COMMITTED".to_owned();
        if self.settings.needs_sessions() {
            return begin;
        }
        let settings =
            transaction_settings(&self.settings).map(|(name, value)| format!("; SET LOCAL {name} = {value}"));
        begin + &settings.concat()
    }

    /// How long this side waits for the answers of a transaction.
    fn patience(&self) -> Duration {
        self.settings.lock_timeout + self.settings.statement_timeout + ANSWER_SLACK
    }

    /// Whether it takes more statements.
    pub(super) fn is_open(&self) -> bool {
        let is_current = self.primary.is_none_or(|number| self.known.is_current(number));
        let is_given_up = self.silent_for().is_some_and(|time| time > self.settings.patience(ReadRole::Management));
        is_current && !self.client.is_closed() && !self.retired.load(Ordering::Relaxed) && !is_given_up
    }

    /// How long no answer has come since a verification gave up.
    fn silent_for(&self) -> Option<Duration> {
        let since = self.silent_since.load(Ordering::Relaxed);
        (since > 0).then(|| Duration::from_micros(sys::boot_micros().saturating_sub(since)))
    }

    /// How much a caller waits for others on it: for answers that do not come, or for those of other callers.
    pub(super) fn load(&self) -> (bool, usize) {
        (self.silent_since.load(Ordering::Relaxed) > 0, self.waiting.load(Ordering::Relaxed))
    }

    /// Whether one more caller is better served on another one.
    pub(super) fn is_crowded(&self) -> bool {
        self.load() >= (false, CROWDED)
    }

    /// Whether a read may keep the next one waiting for long.
    pub(super) fn has_long_reads(&self) -> bool {
        self.long_reads.load(Ordering::Relaxed) > 0
    }

    /// Ends the connection. Those who wait get an error.
    pub(super) fn retire(&self) {
        self.retired.store(true, Ordering::Relaxed);
        self.task.abort();
    }

    /// Runs one statement.
    pub(super) async fn query(&self, query: &Query<'_>) -> Result<Vec<Row>, tokio_postgres::Error> {
        let _waiting = Waiting::at(&self.waiting);
        let statement = self.prepared(query);
        self.run(query, statement.as_ref()).await
    }

    /// Runs a read. `None` if the answer does not come for as long as its caller waits.
    pub(super) async fn read(
        &self,
        role: ReadRole,
        query: &Query<'_>,
    ) -> Option<Result<Vec<Row>, tokio_postgres::Error>> {
        let _waiting = (role == ReadRole::Management).then(|| Waiting::at(&self.long_reads));
        let patience = self.settings.patience(role);
        let answer = limited(&self.runtime, patience, self.query(query)).await;
        match (&answer, role) {
            // Others may still get their answers. A new connection for each verification would fill the server with sessions
            // that wait for the same lock.
            (None, ReadRole::Verification) => self.note_silence(patience),
            _ => self.note(answer.as_ref()),
        }
        answer
    }

    fn note_silence(&self, waited: Duration) {
        let waited = u64::try_from(waited.as_micros()).unwrap_or(u64::MAX);
        let since = sys::boot_micros().saturating_sub(waited).max(1);
        let _ = self.silent_since.compare_exchange(0, since, Ordering::Relaxed, Ordering::Relaxed);
    }

    /// Gives no more statements to the connection, if an answer says that they would fail.
    fn note<T>(&self, answer: Option<&Result<T, tokio_postgres::Error>>) {
        match answer {
            None => self.retire(),
            Some(Err(problem)) if error::ends_connection(problem) => self.retired.store(true, Ordering::Relaxed),
            Some(_) if self.silent_since.load(Ordering::Relaxed) > 0 => self.silent_since.store(0, Ordering::Relaxed),
            Some(_) => {}
        }
    }

    /// Runs statements that need no answer from each other, in this order: all are sent before the first answer is awaited,
    /// in one round trip. `None` if the answers do not come in time.
    pub(super) async fn pipeline(
        &self,
        steps: &[PipelineStep<'_>],
    ) -> Option<Result<Vec<Vec<Row>>, tokio_postgres::Error>> {
        let answers = limited(&self.runtime, self.patience(), self.answers(steps)).await;
        self.note(answers.as_ref());
        answers
    }

    async fn answers(&self, steps: &[PipelineStep<'_>]) -> Result<Vec<Vec<Row>>, tokio_postgres::Error> {
        let statements: Vec<_> = steps
            .iter()
            .map(|step| match step {
                PipelineStep::Text(_) => None,
                PipelineStep::Query(query) => self.prepared(query),
            })
            .collect();
        let mut answers = Vec::with_capacity(steps.len());
        for (step, statement) in steps.iter().zip(&statements) {
            let mut answer: Answer<'_> = match step {
                PipelineStep::Text(text) => {
                    Box::pin(async move { self.client.batch_execute(text).await.map(|()| Vec::new()) })
                }
                PipelineStep::Query(query) => Box::pin(self.run(query, statement.as_ref())),
            };
            // The first poll sends it. Only the driver can have an answer at once, if it refuses a value.
            let refused = match answer.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
                Poll::Pending => None,
                Poll::Ready(done) => Some(done),
            };
            answers.push((answer, refused));
        }
        let mut rows = Vec::with_capacity(steps.len());
        let mut failed = None;
        for (answer, refused) in answers {
            let done = match refused {
                Some(done) => done,
                None => answer.await,
            };
            match done {
                Ok(found) => rows.push(found),
                // The errors after the first one only say that the transaction has failed.
                Err(error) => failed = failed.or(Some(error)),
            }
        }
        failed.map_or(Ok(rows), Err)
    }

    async fn run(&self, query: &Query<'_>, statement: Option<&Statement>) -> Result<Vec<Row>, tokio_postgres::Error> {
        match statement {
            Some(statement) => {
                let values: Vec<_> = query.values.iter().map(|value| value.parameter().0).collect();
                self.client.query(statement, &values).await
            }
            None => {
                let values: Vec<_> = query.values.iter().map(SqlValue::parameter).collect();
                self.client.query_typed(&in_schema(query.sql, &self.settings.schema), &values).await
            }
        }
    }

    /// The prepared statement. The first use of a statement does without, and prepares it for the next one, so that nobody
    /// waits for a round trip more.
    fn prepared(&self, query: &Query<'_>) -> Option<Statement> {
        if !self.settings.prepared_statements {
            return None;
        }
        let mut statements = lock(&self.statements);
        if let Some(statement) = statements.get(query.sql) {
            return statement.clone();
        }
        if statements.len() >= MAX_PREPARED {
            statements.clear();
        }
        statements.insert(query.sql.to_owned(), None);
        let (client, known) = (Arc::clone(&self.client), Arc::clone(&self.statements));
        let (sql, text) = (query.sql.to_owned(), in_schema(query.sql, &self.settings.schema));
        let types: Vec<_> = query.values.iter().map(|value| value.parameter().1).collect();
        self.runtime.spawn(async move {
            let prepared = client.prepare_typed(&text, &types).await;
            let mut statements = lock(&known);
            match prepared {
                Ok(statement) => statements.insert(sql, Some(statement)),
                // The transaction around it has failed. The next use tries again.
                Err(_) => statements.remove(&sql),
            };
        });
        None
    }

    /// Runs statements without parameters, one after the other.
    pub(super) async fn run_text(&self, sql: &str) -> Result<(), Error> {
        let answer = self.pipeline(&[PipelineStep::Text(sql)]).await.ok_or_else(error::no_answer)?;
        answer.map(drop).map_err(|problem| error::of_statement(&problem))
    }

    /// Runs the statements of a migration, one after the other. It has no time limit, because a migration may write whole tables.
    pub(super) async fn run_migration(&self, sql: &str) -> Result<(), tokio_postgres::Error> {
        self.client.batch_execute(sql).await
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        // The driver says goodbye to the server once the client is dropped, after the answers that are still awaited.
        if self.retired.load(Ordering::Relaxed) || self.silent_for().is_some() {
            self.task.abort();
        }
    }
}

/// One step of a pipeline.
pub(super) enum PipelineStep<'a> {
    Text(&'a str),
    Query(Query<'a>),
}

/// Checks the version that a server tells before the first statement.
fn check_version(told: Option<&str>, host: &HostAddress) -> Result<(), Error> {
    let major = told.and_then(|told| told.split(|letter: char| !letter.is_ascii_digit()).next()?.parse::<u32>().ok());
    match major {
        Some(major) if major < OLDEST_SERVER => Err(Error::unavailable(
            UnavailableCause::Location,
            format!("{host} runs PostgreSQL {major}, and Keywright needs {OLDEST_SERVER}"),
            "update the server",
        )),
        _ => Ok(()),
    }
}

/// Whether a server refused a connection, and not the network.
fn has_answered(refusal: &Error) -> bool {
    refusal.unavailable_cause() != Some(UnavailableCause::Io)
}

/// The settings of every transaction, with their values.
fn transaction_settings(settings: &PostgresSettings) -> [(&'static str, String); 4] {
    let limit = |limit: Duration| limit.as_millis().to_string();
    [
        ("statement_timeout", limit(settings.statement_timeout)),
        ("lock_timeout", limit(settings.lock_timeout)),
        ("idle_in_transaction_session_timeout", limit(LONGEST_PAUSE)),
        // Functions and operators that others have made, such as in the schema public, are never called. Behind a pooler this
        // does not reach statements outside of transactions, so each must fit a function of the system exactly.
        ("search_path", "pg_catalog,pg_temp".to_owned()),
    ]
}

/// The statement for a schema. Statements are written for the schema `keywright`.
pub(super) fn in_schema(sql: &str, schema: &str) -> String {
    sql.replace(WRITTEN_SCHEMA, &format!("\"{schema}\"."))
}
