//! `keywright webhooks`.

use clap::Subcommand;
use serde::Serialize;
use serde_json::json;

use super::CommandContext;
use super::confirm::confirm;
use super::exit::Stop;
use crate::clock::{Millis, time};
use crate::error::Error;
use crate::keyring::Keywright;
use crate::record::wire_time;
use crate::store::{EndpointChange, EndpointState, Store};

const COLUMNS: [&str; 6] = ["id", "url", "status", "pending", "dead", "failure"];

const COMES_BACK: &str = "This endpoint is still in the settings, so that the next program that opens the database adds it again; \
    take it out of them, stop the programs that have it, and remove it once more.";

#[derive(Subcommand)]
pub(super) enum WebhooksCommand {
    /// List the endpoints that the database queues events for
    List,
    /// Send to an endpoint again that answered 410 Gone
    Enable {
        /// The id of the endpoint
        id: String,
    },
    /// Attempt the dead deliveries of an endpoint again
    Retry {
        /// The id of the endpoint
        id: String,
    },
    /// Forget an endpoint that no program is configured with any more, and what is queued for it
    Remove {
        /// The id of the endpoint
        id: String,
    },
}

/// An endpoint as it is shown.
#[derive(Serialize)]
struct ShownEndpoint {
    id: String,
    /// The URL, with `…` for what may be a secret.
    url: String,
    /// `active`, `disabled`, or `unused` if no program was configured with it for 30 days.
    status: &'static str,
    pending: u64,
    dead: u64,
    /// The newest failure of a delivery that is not done.
    failure: Option<String>,
    disabled_at: Option<String>,
    reason: Option<String>,
    actions: Vec<String>,
}

impl ShownEndpoint {
    fn new(endpoint: EndpointState, now: Millis) -> Self {
        let status = match endpoint.disabled_at {
            Some(_) => "disabled",
            None if endpoint.kept_until <= now => "unused",
            None => "active",
        };
        Self {
            id: endpoint.id,
            url: endpoint.url,
            status,
            pending: endpoint.pending,
            dead: endpoint.dead,
            failure: endpoint.failure,
            disabled_at: endpoint.disabled_at.map(|at| wire_time(&time(at))),
            reason: endpoint.reason,
            actions: endpoint.actions.split(' ').map(str::to_owned).collect(),
        }
    }
}

impl WebhooksCommand {
    pub(super) fn run(self, context: &mut CommandContext) -> Result<(), Stop> {
        context.with_engine(async |kw, context| self.run_on(kw, context).await)
    }

    async fn run_on(self, kw: &Keywright, context: &mut CommandContext) -> Result<(), Stop> {
        match self {
            Self::List => {
                let endpoints = kw.engine().store().webhook_endpoints().await?;
                let shown: Vec<_> = endpoints.into_iter().map(|it| ShownEndpoint::new(it, kw.now())).collect();
                context.printer.rows(&shown, &COLUMNS, "id", true)
            }
            Self::Enable { id } => change(kw, context, &id, EndpointChange::Enable).await,
            Self::Retry { id } => change(kw, context, &id, EndpointChange::Retry { at: kw.now() }).await,
            Self::Remove { id } => {
                confirm(context, &format!("forget the webhook endpoint {id} and what is queued for it"))?;
                change(kw, context, &id, EndpointChange::Remove).await?;
                if context.settings()?.engine()?.webhook_ids()?.contains(&id) {
                    context.say(COMES_BACK);
                }
                Ok(())
            }
        }
    }
}

async fn change(kw: &Keywright, context: &mut CommandContext, id: &str, change: EndpointChange) -> Result<(), Stop> {
    if !kw.engine().store().change_webhook(id, change).await? {
        let fix = "take one from `keywright webhooks list`";
        return Err(Error::not_found("id", "belongs to no webhook endpoint here", fix).into());
    }
    context.printer.record(&json!({"id": id}), "id")
}
