//! Key management over the wire: which routes there are, who may take them, and what they answer.

mod act;
mod body;
mod client;
mod introspect;
mod once;
mod openapi;
mod origin;
mod place;
mod query;
mod route;
mod spelling;
mod who;

use std::borrow::Cow;

pub(super) use self::place::{Place, plain_path};
pub use self::route::SelfService;
use self::route::{Arguments, Found, Route};
pub use self::spelling::{Spelling, View};
use super::message::Message;
use super::refusal::Refusal;
use super::{Head, Header, Http, Response, Session};
use crate::input::{Casing, Fields};

/// What a route answers when it is taken.
struct Answer {
    status: u16,
    body: Vec<u8>,
    headers: Vec<Header>,
}

impl Http {
    /// Answers a management request: on behalf of `session`, where the host knows one, else of the session token or the
    /// key that it presents. Its target begins where management is mounted:
    ///
    /// | route | what |
    /// |---|---|
    /// | `POST /keys`, `GET /keys` | makes a key, lists keys |
    /// | `GET`, `PATCH`, `DELETE /keys/{id}` | shows, changes, revokes it |
    /// | `POST /keys/{id}/rotate`, `…/end-grace`, `…/disable`, `…/enable` | as the calls of these names |
    /// | `POST /keys/{id}/attest` | writes down what agents claim to do with it |
    /// | `GET /keys/{id}/usage`, `…/agents`, `GET /audit`, `GET /scopes` | counters, what was changed by whom, the catalogue |
    /// | `GET /orgs`, `GET`, `PATCH /orgs/{id}`, `POST /orgs/{id}/disable`, `…/enable`, `…/revoke-keys` | for operators |
    /// | `POST /introspect` | what a key stands for, told to another server (RFC 7662) |
    /// | `GET /openapi.json` | these routes as an OpenAPI document |
    /// | `/forward-auth` | whether a proxy may hand a request on, see [`Config::forward_auth`](super::Config::forward_auth) |
    /// | `GET /whoami`, `POST /whoami/rotate`, `…/attest`, `DELETE /whoami` | what holds this key or session; a key's own affairs |
    ///
    /// ```
    /// # fn main() -> Result<(), keywright::Error> { keywright::wait::block_on(async {
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
        let message = message.map_target(|it| self.plan.place.inside(it).unwrap_or_default().into_owned());
        if let Some(response) = self.forward(&message).await {
            return response;
        }
        let (request_id, is_head, preflight) =
            message.read(|head| (self.request_id(head), head.method == "HEAD", head.is_preflight()));
        if preflight {
            return self.preflight(request_id);
        }
        match self.taken(&message, session).await {
            Ok(answer) => self.answered(answer, request_id, is_head),
            Err(refusal) => refusal.response(&self.plan.manner, request_id, is_head),
        }
    }

    /// Whether management answers a target, where it stands among other routes at a [`path`](super::Config::path); all of
    /// them, where it has a mount of its own. A host hands on to its other routes what it does not answer.
    ///
    /// ```
    /// # fn main() -> Result<(), keywright::Error> { keywright::wait::block_on(async {
    /// # let folder = tempfile::tempdir().unwrap(); let url = format!("sqlite:{}/keys.db", folder.path().display());
    /// # let kw = keywright::Keywright::builder(url).brand("liq").pepper([7; 32]).build().await?;
    /// let http = kw.http(keywright::http::Config::new().path("/api-keys")?)?;
    /// assert!(http.manages("/api-keys/456") && !http.manages("/deals"));
    /// # kw.close().await; Ok(()) }) }
    /// ```
    #[must_use]
    pub fn manages(&self, target: &(impl AsRef<[u8]> + ?Sized)) -> bool {
        self.plan.place.answers(&self.plan.self_service, self.plan.forward_auth, target.as_ref())
    }

    async fn taken(&self, message: &Message, session: Option<Session>) -> Result<Answer, Refusal> {
        if message.bytes().len() > Message::LARGEST_BODY {
            return Err(Refusal::new(413, "TOO_LARGE", "The body is larger than 64 KiB"));
        }
        let found = message.read(|head| Found::at(head, &self.plan.self_service))?;
        let (route, spelling, shows) = (found.route, &self.plan.spelling, found.route.shows());
        let who = self.who(message, session, route).await?;
        let mut headers = self.principal_headers(&who.principal());
        let given = message.read(|head| self.arguments(route, head, message.bytes()));
        let given = given.map_err(|it| it.and(headers.clone()))?;
        let done = self.act_once(message, found, given, &who).await;
        let done = done.map_err(|it| it.map_message(|text| spelling.told(text, route.takes())).and(headers.clone()));
        let (shown, replayed) = done?;
        headers.extend(replayed);
        if let Some(cursor) = spelling.next_cursor(&shows, &shown) {
            headers.push(("link", message.read(|head| query::next(head, cursor))?.into()));
        }
        let body = spelling.body(&shows, shown).map_err(|_| Refusal::unavailable())?;
        Ok(Answer { status: self.status(route), body, headers })
    }

    /// The status of a request that was done.
    fn status(&self, route: Route) -> u16 {
        match route {
            Route::Create => self.plan.spelling.created_status,
            Route::Attest | Route::AttestSelf => 201,
            _ => 200,
        }
    }

    fn arguments(&self, route: Route, head: &Head<'_>, body: &[u8]) -> Result<Fields, Refusal> {
        let spelling = &self.plan.spelling;
        let given = match route.arguments() {
            Arguments::Query => query::read(head, spelling.casing)?,
            Arguments::Json => body::read(head, body, spelling.casing)?,
            Arguments::Form => {
                // Clients of OAuth send more than this server knows (RFC 6749, section 3.2).
                let mut given = body::form(head, body)?;
                given.retain(|(name, _)| route.takes().contains(&name.as_str()));
                return Ok(Fields::new(Casing::Snake, given).only(route.takes())?);
            }
        };
        Ok(spelling.arguments(given, route.takes(), &route.shows())?)
    }

    fn answered(&self, answer: Answer, request_id: Cow<'static, str>, is_head: bool) -> Response {
        let mut headers = Vec::from(self.plan.manner.headers_of(request_id));
        headers.push(("content-type", "application/json".into()));
        headers.extend(answer.headers);
        let body = if is_head { Vec::new() } else { answer.body };
        Response { status: answer.status, headers, body }
    }
}
