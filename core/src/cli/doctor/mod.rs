//! `keywright doctor`: the settings with their sources, and what is unsafe about them and about the database.

mod database;
mod keys;

use serde::Serialize;

use super::CommandContext;
use super::exit::{FAILED, Stop};
use super::secret;
use super::settings::Settings;
use crate::wait::block_on;

/// How bad a finding is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
enum Severity {
    /// It is unsafe, or does not work.
    Problem,
    /// It should be looked at.
    Warning,
    /// It is good to know.
    Note,
}

#[derive(Debug, Serialize)]
struct Finding {
    level: Severity,
    finding: String,
    fix: String,
}

impl Finding {
    fn new(level: Severity, finding: impl Into<String>, fix: impl Into<String>) -> Self {
        Self { level, finding: finding.into(), fix: fix.into() }
    }
}

pub(super) fn run(context: &mut CommandContext) -> Result<(), Stop> {
    let settings = context.settings()?;
    if !context.global.quiet {
        context.printer.rows(&settings.shown(), &["setting", "value", "source"], "setting", true)?;
    }
    let mut findings = of_settings(&settings);
    findings.extend(block_on(database::findings(settings.engine()?)));
    if context.printer.is_text() {
        context.printer.line("")?;
    }
    context.printer.rows(&findings, &["level", "finding", "fix"], "finding", true)?;
    if findings.is_empty() {
        context.say("Nothing to mend.");
    }
    let is_bad = findings.iter().any(|finding| finding.level == Severity::Problem);
    if is_bad { Err(Stop::Code(FAILED)) } else { Ok(()) }
}

fn of_settings(settings: &Settings) -> Vec<Finding> {
    let mut findings = Vec::new();
    if !settings.has("pepper") {
        findings.push(Finding::new(
            Severity::Warning,
            "there is no pepper: each process hashes each key once with argon2id, for 25 ms and 19 MiB",
            "make a file with `openssl rand -base64 32`, and name it in pepper_file",
        ));
    }
    for file in secret::open_to_others(&settings.secret_files()) {
        findings.push(Finding::new(
            Severity::Problem,
            format!("{} holds a secret, and other users may read it", file.display()),
            format!("chmod 600 {}", file.display()),
        ));
    }
    if let Ok(server) = settings.server()
        && server.is_open_without_tls()
        && !settings.has_http("trusted_proxies")
    {
        findings.push(Finding::new(
            Severity::Problem,
            "the server can be reached from other machines without TLS, and no proxy is named",
            "set tls_certificate and tls_key in [server], or listen on 127.0.0.1 behind a proxy and name it in trusted_proxies of [http]",
        ));
    }
    for (variable, fix) in &settings.unknown_variables {
        findings.push(Finding::new(Severity::Warning, format!("{variable} names no setting"), fix));
    }
    findings
}
