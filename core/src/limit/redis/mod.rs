//! Budgets in Redis or Valkey. One script makes all purchases of a call, on the clock of the server. Each key expires when its
//! budget is full.

mod connection;
mod error;
mod script;
mod settings;

use std::sync::Arc;
use std::time::Duration;

use self::connection::Connector;
pub(crate) use self::settings::RedisSettings;
use super::lease::{Buying, Purchase, SharedBudgets};
use crate::error::Error;
use crate::fork::{PerProcess, Process, Relation};
use crate::remote::runtime;
use crate::wait::Boxed;

pub(crate) struct RedisBudgets {
    settings: Arc<RedisSettings>,
    connectors: PerProcess<ProcessConnector>,
}

/// The connection of one process.
struct ProcessConnector {
    process: Process,
    /// `None` only while it is dropped.
    connector: Option<Arc<Connector>>,
}

impl ProcessConnector {
    fn new(connector: Arc<Connector>) -> Self {
        Self { process: Process::current(), connector: Some(connector) }
    }
}

impl Drop for ProcessConnector {
    fn drop(&mut self) {
        if !matches!(self.process.check(), Ok(Relation::Same)) {
            // The threads of the connection stayed in the parent, which goes on using the socket.
            std::mem::forget(self.connector.take());
        }
    }
}

impl RedisBudgets {
    /// Connects.
    ///
    /// # Errors
    /// `unavailable` for a server that cannot be reached, that refuses the login, or that would refuse purchases.
    pub(crate) async fn open(settings: RedisSettings) -> Result<Self, Error> {
        let settings = Arc::new(settings);
        let connector = Connector::new(Arc::clone(&settings), runtime::handle()?);
        connector.check().await?;
        Ok(Self { settings, connectors: PerProcess::new(ProcessConnector::new(connector)) })
    }

    fn connector(&self) -> Result<&Arc<Connector>, Error> {
        // The runtime of a forked child is built before the gate is taken, which a thread must not take twice.
        let runtime = runtime::handle()?;
        let of_process =
            self.connectors.get(|| ProcessConnector::new(Connector::new(Arc::clone(&self.settings), runtime.clone())));
        of_process.process.check()?;
        of_process.connector.as_ref().ok_or(Error::Closed)
    }
}

impl SharedBudgets for RedisBudgets {
    fn buy<'a>(&'a self, purchases: &'a [Purchase]) -> Buying<'a> {
        Box::pin(async move { self.connector()?.buy(purchases).await })
    }

    fn spawn(&self, task: Boxed<()>) -> Result<(), Error> {
        self.connector()?.runtime().spawn(task);
        Ok(())
    }

    fn sleep(&self, time: Duration) -> Boxed<()> {
        Box::pin(async move { tokio::time::sleep(time).await })
    }
}
