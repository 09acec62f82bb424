//! Key management over the wire: which routes there are, who may take them, and what they answer.

mod act;
mod body;
mod introspect;
mod once;
mod openapi;
mod origin;
mod query;
mod route;
mod who;

use std::borrow::Cow;

use serde::Serialize;

use self::route::{Arguments, Found};
use super::message::Message;
use super::refusal::Refusal;
use super::{Head, Header, Http, Response, Session, request_id};

/// What a route answers when it is taken.
struct Answer {
    status: u16,
    body: Vec<u8>,
    headers: Vec<Header>,
}

impl Answer {
    fn of(status: u16, record: &impl Serialize) -> Result<Self, Refusal> {
        let body = serde_json::to_vec(record).map_err(|_| Refusal::unavailable())?;
        Ok(Self { status, body, headers: Vec::new() })
    }
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
    /// | `GET /keys/{id}/usage`, `GET /audit`, `GET /scopes` | counters, what was changed by whom, the catalogue |
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
        if let Some(response) = self.forward(&message).await {
            return response;
        }
        let (request_id, is_head, preflight) =
            message.read(|head| (request_id::of(head), head.method == "HEAD", head.is_preflight()));
        if preflight {
            return self.preflight(request_id);
        }
        match self.taken(&message, session).await {
            Ok(answer) => self.answered(answer, request_id, is_head),
            Err(refusal) => refusal.response(&self.plan.manner, request_id, is_head),
        }
    }

    async fn taken(&self, message: &Message, session: Option<Session>) -> Result<Answer, Refusal> {
        if message.bytes().len() > Message::LARGEST_BODY {
            return Err(Refusal::new(413, "TOO_LARGE", "The body is larger than 64 KiB"));
        }
        let found = message.read(Found::at)?;
        let who = self.who(message, session, found.route).await?;
        let given = message.read(|head| match found.route.arguments() {
            Arguments::Query => query::read(head),
            Arguments::Form => body::form(head, message.bytes()),
            Arguments::Json => body::read(head, message.bytes()),
        })?;
        let mut answer = self.act_once(message, found, given, &who).await?;
        answer.headers.extend(self.principal_headers(&who.principal()));
        Ok(answer)
    }

    fn answered(&self, answer: Answer, request_id: Cow<'static, str>, is_head: bool) -> Response {
        let mut headers = Vec::from(self.plan.manner.headers_of(request_id));
        headers.push(("content-type", "application/json".into()));
        headers.extend(answer.headers);
        let body = if is_head { Vec::new() } else { answer.body };
        Response { status: answer.status, headers, body }
    }
}
