//! `keywright explain`.

use std::path::PathBuf;

use clap::Args;
use zeroize::Zeroizing;

use super::CommandContext;
use super::exit::{DENIED, Stop};
use super::secret::{self, SecretText};
use crate::http::{self, Head, Http, Peer};

#[derive(Args)]
pub(super) struct ExplainArguments {
    /// The HTTP method, in capitals
    method: String,
    /// The path and query of the request
    target: String,
    /// The file that holds the key [default: standard input, on a terminal a hidden prompt]
    #[arg(long, value_name = "FILE")]
    file: Option<PathBuf>,
    /// The request has no key
    #[arg(long, conflicts_with = "file")]
    no_key: bool,
    /// A header of the request, but for that of the key; may be repeated
    #[arg(long, value_name = "NAME: VALUE")]
    header: Vec<String>,
    /// The other end of the socket: an address, or unix:
    #[arg(long)]
    peer: Option<String>,
}

pub(super) fn run(arguments: ExplainArguments, context: &mut CommandContext) -> Result<(), Stop> {
    let peer = arguments.peer.as_deref().map_or(Peer::Unknown, Peer::from);
    if arguments.peer.is_some() && peer == Peer::Unknown {
        return Err(Stop::Usage(
            "peer: is no address; write it like 203.0.113.7 or 2001:db8::7, or unix: for a Unix socket".into(),
        ));
    }
    let settings = context.settings()?;
    let options = settings.http()?;
    let mut headers = arguments.header.iter().map(|line| header(line, &options)).collect::<Result<Vec<_>, _>>()?;
    if !arguments.no_key {
        let key = secret::read_api_key(arguments.file.as_deref())?;
        headers.push(options.credential_line(&key));
    }
    let explanation = context.with_engine(async |kw, _| {
        kw.refuse_api_key("target", Some(&arguments.target))?;
        let http: Http = kw.http(options)?;
        let lines: Vec<(&[u8], &[u8])> =
            headers.iter().map(|(name, value)| (name.as_bytes(), value.as_slice())).collect();
        let head = Head::new(&arguments.method, &arguments.target).headers(&lines).peer(peer);
        Ok(http.explain(&head, None).await)
    })?;
    context.printer.verdict(&explanation)?;
    if explanation.allowed { Ok(()) } else { Err(Stop::Code(DENIED)) }
}

fn header(line: &str, options: &http::Config) -> Result<(String, SecretText), Stop> {
    let Some((name, value)) = line.split_once(':') else {
        return Err(Stop::Usage("header: is no header; write 'X-Forwarded-For: 203.0.113.7'".into()));
    };
    if options.takes_keys_in(name.trim()) {
        return Err(Stop::Usage(secret::NO_ARGUMENT.into()));
    }
    Ok((name.trim().to_owned(), Zeroizing::new(value.trim().as_bytes().to_vec())))
}
