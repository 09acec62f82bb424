//! The stop of a server, by a signal to the process or by its host.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tokio::sync::Notify;

use super::exit::Stop;
use crate::sys;
use crate::wait::Boxed;

/// A handle by which a host with signals of its own stops the program.
#[derive(Debug, Clone, Default)]
pub struct ProgramStop(Arc<StopState>);

#[derive(Debug, Default)]
struct StopState {
    /// Whether a server waits for the request.
    is_heard: AtomicBool,
    request: Notify,
}

impl ProgramStop {
    /// Asks the program to stop. Returns whether it will: only a server does, and every other command is to be ended by the host.
    #[must_use]
    pub fn request(&self) -> bool {
        self.0.request.notify_one();
        self.0.is_heard.load(Ordering::SeqCst)
    }
}

/// A future that is ready when the server has to stop: the host says so, or without a host SIGINT, SIGTERM or SIGHUP comes.
pub(super) fn stopped(host: Option<ProgramStop>) -> Result<Boxed<()>, Stop> {
    if let Some(ProgramStop(state)) = host {
        state.is_heard.store(true, Ordering::SeqCst);
        return Ok(Box::pin(async move { state.request.notified().await }));
    }
    signals().map_err(|error| Stop::Failed(format!("signals cannot be received: {}", sys::reason(&error))))
}

#[cfg(unix)]
fn signals() -> std::io::Result<Boxed<()>> {
    use tokio::signal::unix::{SignalKind, signal};
    let (mut interrupt, mut terminate) = (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?);
    let mut hangup = if sys::may_hear_hangup() { Some(signal(SignalKind::hangup())?) } else { None };
    let hung_up = async move {
        match &mut hangup {
            Some(hangup) => hangup.recv().await,
            None => std::future::pending().await,
        }
    };
    Ok(Box::pin(async move {
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
            _ = hung_up => {}
        }
    }))
}

#[cfg(not(unix))]
fn signals() -> std::io::Result<Boxed<()>> {
    Ok(Box::pin(async { drop(tokio::signal::ctrl_c().await) }))
}
