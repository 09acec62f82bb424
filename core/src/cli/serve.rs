//! `keywright serve`.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use clap::Args;

use super::CommandContext;
use super::exit::{self, FAILED, Stop};
use super::stop::{ProgramStop, stopped};
use crate::events::EventKind;
use crate::http::VerificationCallers;
use crate::server::Server;
use crate::sys;

#[derive(Args)]
pub(super) struct ServeArguments {
    /// Where to listen: 127.0.0.1:8787 or unix:/run/keywright.sock
    #[arg(long, value_name = "ADDRESS")]
    pub(super) listen: Option<String>,
    /// Where to listen for /livez, /readyz and /metrics
    #[arg(long, value_name = "ADDRESS")]
    pub(super) admin_listen: Option<String>,
}

pub(super) fn run(arguments: &ServeArguments, context: &mut CommandContext) -> Result<(), Stop> {
    let mut settings = context.settings()?;
    for (variable, fix) in &settings.unknown_variables {
        context.say(&format!("warning: {variable} names no setting; {fix}"));
    }
    settings.read_server_flags(&arguments.listen, &arguments.admin_listen)?;
    let (config, server) = (settings.engine()?.queues_only(false), settings.server()?);
    let http = settings.http_of_server()?.verification(VerificationCallers { operators: server.operators.clone() });
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    let runtime =
        runtime.map_err(|error| Stop::Failed(format!("no threads can be started: {}", sys::reason(&error))))?;
    let stop: Option<ProgramStop> = context.stop.clone();
    let is_open = Arc::new(AtomicBool::new(false));
    let opened = Arc::clone(&is_open);
    let config = config.log(move |kind, line| {
        // A database that cannot be opened ends the program, which then gives the reason.
        if kind != EventKind::StoreFailed || opened.load(Ordering::Relaxed) {
            // The reason may come from another server.
            exit::say(&line.replace(char::is_control, " "));
        }
    });
    runtime.block_on(async {
        // A signal that comes while the engine opens ends the server as well.
        let stop = stopped(stop)?;
        let kw = config.build().await?;
        is_open.store(true, Ordering::Relaxed);
        let bound = match kw.http(http) {
            Ok(http) => Server::bind(kw.clone(), http, server).await,
            Err(error) => Err(error),
        };
        let ended = match bound {
            Ok(server) => {
                let (api, admin) = server.places();
                context.say(&format!("keywright serves {api}"));
                if let Some(admin) = admin {
                    context.say(&format!("health and metrics are at {admin}"));
                }
                Ok(server.run(stop).await)
            }
            Err(error) => Err(error),
        };
        kw.close().await;
        match ended? {
            true => Ok(()),
            false => {
                context.say("some requests had not ended in time");
                Err(Stop::Code(FAILED))
            }
        }
    })
}
