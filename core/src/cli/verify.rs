//! `keywright verify`.

use std::net::IpAddr;
use std::path::PathBuf;

use clap::Args;

use super::CommandContext;
use super::exit::{DENIED, Stop};
use super::named::NamedValues;
use super::secret;
use crate::decision::{Code, Decision, Request};
use crate::error::Error;
use crate::input::FromFields;

#[derive(Args)]
pub(super) struct VerifyArguments {
    #[arg(hide = true)]
    text: Option<String>,
    /// The file that holds the key [default: standard input, on a terminal a hidden prompt]
    #[arg(long, value_name = "FILE")]
    file: Option<PathBuf>,
    /// Only a key of this org
    #[arg(long)]
    org: Option<String>,
    /// The scopes that the key must have
    #[arg(long)]
    scopes: Option<String>,
    /// The HTTP method of the request
    #[arg(long)]
    method: Option<String>,
    /// The address of the client
    #[arg(long, value_name = "ADDRESS")]
    ip: Option<String>,
    /// Only a key of this environment
    #[arg(long)]
    environment: Option<String>,
    /// The class of the operation, for limits
    #[arg(long)]
    operation: Option<String>,
    /// How much the request takes of each limit
    #[arg(long, allow_negative_numbers = true)]
    cost: Option<i64>,
    /// The agent on whose behalf the key is used
    #[arg(long)]
    agent: Option<String>,
}

pub(super) fn run(arguments: VerifyArguments, context: &mut CommandContext) -> Result<(), Stop> {
    let VerifyArguments { text, file, org, scopes, method, ip, environment, operation, cost, agent } = arguments;
    if text.is_some() {
        return Err(Stop::Usage(secret::NO_ARGUMENT.into()));
    }
    if ip.as_deref().is_some_and(|ip| ip.parse::<IpAddr>().is_err()) {
        return Err(Stop::Usage("ip: is no address; write it like 203.0.113.7 or 2001:db8::7".into()));
    }
    let values = NamedValues::default()
        .text("scopes", scopes)
        .text("method", method)
        .text("ip", ip)
        .text("environment", environment)
        .text("operation", operation)
        .integer("cost", cost)
        .text("agent", agent);
    let request = Request::read(values.fields())?;
    let key = secret::read_api_key(file.as_deref())?;
    let decision = context.with_engine(async |kw, _| {
        Ok(match org {
            Some(org) => kw.org(&org)?.verify(key.as_slice(), &request).await,
            None => kw.verify(key.as_slice(), &request).await,
        })
    })?;
    if let Some(error) = wrong_call(&decision) {
        return Err(error.into());
    }
    context.printer.verdict(&decision)?;
    if decision.is_allowed() { Ok(()) } else { Err(Stop::Code(DENIED)) }
}

/// The error behind a denial that is not about the key: a wrong argument, or a store that cannot answer.
fn wrong_call(decision: &Decision) -> Option<Error> {
    let Decision::Denied(denial) = decision else { return None };
    let trouble = denial.trouble().filter(|_| denial.code == Code::Unavailable);
    denial.misuse().or(trouble).cloned()
}
