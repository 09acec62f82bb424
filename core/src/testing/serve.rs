use std::path::Path;
use std::time::Duration;

use http::HeaderMap;
use http::header::AUTHORIZATION;
use tokio::time::sleep;

use crate::casing::Casing;
use crate::error::{Error, UnavailableCause};
use crate::http::{Config, Session, VerificationCallers};
use crate::input::{Fields, FromFields, Value};
use crate::keyring::Keywright;
use crate::remote::runtime;
use crate::server::{Server, ServerSettings};
use crate::wait::block_on;

const PAUSE: Duration = Duration::from_millis(20);

/// Serves an engine at a Unix socket as `keywright serve` does, until the engine is closed. The clock of the engine may be one that
/// only the test moves. Any program on the socket verifies keys, and manages them with a bearer token that is the JSON of a session
/// without spaces: `{"org":"acme","actor":"alice","every_org":true}`.
///
/// ```
/// # fn main() -> Result<(), keywright::Error> {
/// # let folder = tempfile::tempdir().unwrap(); let url = format!("sqlite:{}/keys.db", folder.path().display());
/// use keywright::blocking::Keywright;
/// let kw = Keywright::open(keywright::Keywright::builder(url).brand("liq").pepper([7; 32]))?;
/// let socket = folder.path().join("kw.sock");
/// keywright::testing::serve(kw.engine(), &socket)?;
/// assert!(std::os::unix::net::UnixStream::connect(&socket).is_ok());
/// kw.close();
/// # Ok(()) }
/// ```
///
/// # Errors
/// `validation_failed` if there can be no socket, `unavailable` without threads.
pub fn serve(kw: &Keywright, socket: &Path) -> Result<(), Error> {
    let settings = [("listen", format!("unix:{}", socket.display())), ("log", "off".to_owned())];
    // A busy machine is slow.
    let times = ["header_timeout", "request_timeout"].map(|name| (name, "5m".to_owned()));
    let settings = settings.into_iter().chain(times).map(|(name, text)| (name.to_owned(), Value::Text(text)));
    let settings = ServerSettings::read(Fields::new(Casing::Snake, settings.collect()))?;
    let http = kw.http(Config::new().verification(VerificationCallers { operators: "default".to_owned() }))?;
    let kw = kw.clone();
    let runtime = runtime::handle()?;
    let bound = runtime.spawn(async move {
        let server = Server::bind(kw.clone(), http, settings).await?.with_sessions(session);
        tokio::spawn(server.run(async move {
            while !kw.engine().is_closed() {
                sleep(PAUSE).await;
            }
        }));
        Ok(())
    });
    let died = |_| Error::unavailable(UnavailableCause::Io, "the server could not start", "look at its output");
    block_on(bound).map_err(died)?
}

fn session(headers: &HeaderMap) -> Option<Session> {
    let text = headers.get(AUTHORIZATION)?.to_str().ok()?.strip_prefix("Bearer ")?;
    let Value::Map(mut entries) = serde_json::from_str(text).ok()? else { return None };
    let may = "keys:manage keys:credit audit:read orgs:manage";
    entries.extend([("may".to_owned(), Value::Text(may.to_owned())), ("cookie".to_owned(), Value::Bool(false))]);
    Session::read(Fields::new(Casing::Snake, entries)).ok()
}
