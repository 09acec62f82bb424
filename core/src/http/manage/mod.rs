//! Key management over HTTP: its routes, who may call them, and their responses.

mod body;
mod caller;
mod dispatch;
mod introspect;
mod management_path;
mod oauth_client;
mod openapi;
mod origin;
mod query;
mod replay;
mod route;
mod script;
mod spelling;
#[cfg(feature = "cli")]
mod verification;

use std::borrow::Cow;

pub(super) use self::management_path::{ManagementPath, plain_path};
pub(crate) use self::route::ManagementRoute;
#[cfg(feature = "client")]
pub(crate) use self::route::Repetition;
pub use self::route::SelfService;
use self::route::{ArgumentSource, MatchedRoute};
pub use self::spelling::{Spelling, View};
#[cfg(feature = "cli")]
pub(crate) use self::verification::VerificationCallers;
use super::message::Message;
use super::refusal::Refusal;
use super::{Head, Header, Http, Response, Session};
use crate::casing::Casing;
use crate::input::Fields;

/// The path of verification.
#[cfg(any(feature = "cli", feature = "client"))]
pub(crate) const VERIFY_PATH: &str = "/verify";

/// The response of a management route, without the common headers.
struct ManagementAnswer {
    status: u16,
    body: Vec<u8>,
    headers: Vec<Header>,
}

impl Http {
    /// Answers a request for management. The caller is `session` if the host knows one, else the session token or the key of
    /// the request. The target is below the mount of management:
    ///
    /// | route | effect |
    /// |---|---|
    /// | `POST /keys`, `GET /keys` | creates a key, lists keys |
    /// | `GET`, `PATCH`, `DELETE /keys/{id}` | shows, changes, revokes a key |
    /// | `POST /keys/{id}/rotate`, `…/end-grace`, `…/disable`, `…/enable` | like the calls of these names |
    /// | `POST /keys/{id}/attest` | records the claims of agents |
    /// | `GET /keys/{id}/usage`, `…/agents`, `GET /audit`, `GET /scopes` | shows counters, changes, the catalogue |
    /// | `GET /orgs`, `GET`, `PATCH /orgs/{id}`, `POST /orgs/{id}/disable`, `…/enable`, `…/revoke-keys` | for operators |
    /// | `POST /introspect` | shows another server the rights of a key (RFC 7662) |
    /// | `GET /openapi.json` | describes these routes as an OpenAPI document |
    /// | `GET /element.js`, `GET /element.de.mjs` | sends the scripts of `<keywright-keys>`, the page for keys |
    /// | `/forward-auth` | tells a proxy whether to forward a request, see [`Config::forward_auth`](super::Config::forward_auth) |
    /// | `GET /whoami`, `POST /whoami/rotate`, `…/attest`, `DELETE /whoami` | shows the caller; rotates, attests, revokes its own key |
    ///
    /// ```
    /// # fn main() -> Result<(), keywright::Error> { pollster::block_on(async {
    /// # let folder = tempfile::tempdir().unwrap(); let url = format!("sqlite:{}/keys.db", folder.path().display());
    /// # let kw = keywright::Keywright::builder(url).brand("liq").pepper([7; 32]).build().await?;
    /// use keywright::http::{Config, Message, Session};
    /// let http = kw.http(Config::new())?;
    /// let session = Session::of("acme")?.actor("alice").may("keys:manage")?;
    /// let message = Message::new("POST", "/keys").header("content-type", "application/json").body(r#"{"name": "CI"}"#);
    /// let response = http.manage(message, Some(session)).await;
    /// assert_eq!(response.status, 201);
    /// assert!(String::from_utf8(response.body).unwrap().contains("\"api_key\":\"liq_live_"));
    /// # kw.close().await; Ok(()) }) }
    /// ```
    pub async fn manage(&self, message: Message, session: Option<Session>) -> Response {
        #[cfg(feature = "cli")]
        if let Some(response) = self.verification(&message).await {
            return response;
        }
        // A verification moves nothing of the state of this, which is large.
        Box::pin(self.manage_keys(message, session)).await
    }

    async fn manage_keys(&self, message: Message, session: Option<Session>) -> Response {
        let path = &self.config.options.management_path;
        let message = message.map_target(|target| path.inner_target(target).unwrap_or_default().into_owned());
        if let Some(response) = self.forward(&message).await {
            return response;
        }
        let (request_id, is_head, preflight) =
            message.with_head(|head| (self.request_id(head), head.method == "HEAD", head.is_preflight()));
        if preflight {
            return self.preflight_response(request_id);
        }
        if let Some(response) = message.with_head(|head| self.script(head)) {
            return response;
        }
        match self.answer(&message, session).await {
            Ok(answer) => self.response(answer, request_id, is_head),
            Err(refusal) => refusal.response(&self.config.style, request_id, is_head),
        }
    }

    /// Whether management answers a target. With a [`path`](super::Config::path) these are its own routes, and the host passes
    /// the other requests to its other routes. Without one, management has its own mount and answers every target there.
    ///
    /// ```
    /// # fn main() -> Result<(), keywright::Error> { pollster::block_on(async {
    /// # let folder = tempfile::tempdir().unwrap(); let url = format!("sqlite:{}/keys.db", folder.path().display());
    /// # let kw = keywright::Keywright::builder(url).brand("liq").pepper([7; 32]).build().await?;
    /// let http = kw.http(keywright::http::Config::new().path("/api-keys")?)?;
    /// assert!(http.manages("/api-keys/456") && !http.manages("/deals"));
    /// # kw.close().await; Ok(()) }) }
    /// ```
    #[must_use]
    pub fn manages(&self, target: &(impl AsRef<[u8]> + ?Sized)) -> bool {
        self.config.options.management_path.answers(
            &self.config.options.self_service,
            self.config.options.forward_auth,
            target.as_ref(),
        )
    }

    async fn answer(&self, message: &Message, session: Option<Session>) -> Result<ManagementAnswer, Refusal> {
        if message.bytes().len() > Message::LARGEST_BODY {
            return Err(Refusal::new(413, "TOO_LARGE", "The body is larger than 64 KiB"));
        }
        let matched = message.with_head(|head| MatchedRoute::find(head, &self.config.options.self_service))?;
        let (route, spelling, shape) = (matched.route, &self.config.options.spelling, matched.route.answer_shape());
        let told = |refusal: Refusal| if route.is_change() { refusal.of_change() } else { refusal };
        let caller = self.management_caller(message, session, route).await.map_err(told)?;
        let mut headers = self.principal_headers(&caller.principal());
        let given = message.with_head(|head| self.arguments(route, head, message.bytes()));
        let given = given.map_err(|refusal| refusal.and(headers.clone()))?;
        let result = self.dispatch_once(message, matched, given, &caller).await;
        let (record, replayed) = result.map_err(|refusal| {
            told(refusal)
                .map_message(|text| spelling.spell_arguments(text, route.argument_names()))
                .and(headers.clone())
        })?;
        headers.extend(replayed);
        if let Some(cursor) = spelling.next_cursor(&shape, &record) {
            headers.push(("link", message.with_head(|head| query::link_to_next(head, cursor))?.into()));
        }
        let body = spelling.body(&shape, record).map_err(|_| Refusal::unavailable())?;
        Ok(ManagementAnswer { status: self.status(route), body, headers })
    }

    /// The status of a successful request.
    fn status(&self, route: ManagementRoute) -> u16 {
        match route {
            ManagementRoute::Create => self.config.options.spelling.created_status,
            ManagementRoute::Attest | ManagementRoute::AttestSelf => 201,
            _ => 200,
        }
    }

    fn arguments(&self, route: ManagementRoute, head: &Head<'_>, body: &[u8]) -> Result<Fields, Refusal> {
        let spelling = &self.config.options.spelling;
        let given = match route.argument_source() {
            ArgumentSource::Query => query::read(head, spelling.casing)?,
            ArgumentSource::Json => body::read(head, body, spelling.casing)?,
            ArgumentSource::Form => {
                // OAuth clients may send unknown parameters, which count for nothing (RFC 6749, section 3.2).
                let mut given = body::read_form(head, body)?;
                given.retain(|(name, _)| route.argument_names().contains(&name.as_str()));
                return Ok(Fields::new(Casing::Snake, given).only(route.argument_names())?);
            }
        };
        Ok(spelling.arguments(given, route.argument_names(), &route.answer_shape())?)
    }

    fn response(&self, answer: ManagementAnswer, request_id: Cow<'static, str>, is_head: bool) -> Response {
        let mut headers = Vec::from(self.config.style.headers(request_id));
        headers.push(("content-type", "application/json".into()));
        headers.extend(answer.headers);
        let body = if is_head { Vec::new() } else { answer.body };
        Response { status: answer.status, headers, body }
    }
}
