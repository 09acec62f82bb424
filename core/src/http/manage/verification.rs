//! `POST /verify`: verification for programs in languages without a binding.

use serde::Serialize;
use zeroize::Zeroizing;

use super::VERIFY_PATH;
use super::body;
use crate::casing::Casing;
use crate::decision::{Decision, Request, RequestContext};
use crate::error::Error;
use crate::http::message::Message;
use crate::http::refusal::Refusal;
use crate::http::{Head, Http, Peer, Response};
use crate::input::{Fields, FromFields, Value};
use crate::keyring::{Keywright, Org};
use crate::scope;

/// The scope of a key that verifies others.
const SCOPE: &str = "keys:verify";

/// The most verifications in one request.
const MOST: usize = 100;

/// The callers of `POST /verify`: keys with `keys:verify`, and programs on a Unix socket that is no proxy's.
#[derive(Debug, Clone)]
pub(crate) struct VerificationCallers {
    /// The org whose keys verify keys of every org. A key of another org verifies those of its own.
    pub(crate) operators: String,
}

impl Http {
    /// Answers a request for verification; `None` if the message is another request, or if nobody may verify here.
    pub(super) async fn verification(&self, message: &Message) -> Option<Response> {
        let callers = self.config.options.verification.as_ref()?;
        let lines = message.lines();
        let head = message.head(&lines);
        if head.path() != VERIFY_PATH.as_bytes() {
            return None;
        }
        let request_id = self.request_id(&head);
        let answer =
            match head.method {
                "POST" => self.verify_all(&head, message.bytes(), callers).await,
                _ => Err(Refusal::new(405, "METHOD_NOT_ALLOWED", "This path does not take that method")
                    .with("allow", "POST")),
            };
        Some(match answer {
            Ok(body) => {
                let mut headers = Vec::from(self.config.style.headers(request_id));
                headers.push(("content-type", "application/json".into()));
                Response { status: 200, headers, body }
            }
            Err(refusal) => refusal.response(&self.config.style, request_id, head.method == "HEAD"),
        })
    }

    /// The body of the answer to a request with this head and body.
    async fn verify_all(
        &self,
        head: &Head<'_>,
        body: &[u8],
        callers: &VerificationCallers,
    ) -> Result<Vec<u8>, Refusal> {
        if body.len() > Message::LARGEST_BODY {
            return Err(Refusal::new(413, "TOO_LARGE", "The body is larger than 64 KiB"));
        }
        let own = self.org_of_caller(head, callers).await?;
        let given = body::read(head, body, Casing::Snake)?;
        if !given.iter().any(|(name, _)| name == "verifications") {
            let question = self.read_question(Fields::new(Casing::Snake, given), own.as_deref())?;
            let decision = question.judged(&self.kw).await;
            if let Decision::Denied(denial) = &decision {
                if let Some(error) = denial.misuse() {
                    return Err(error.clone().into());
                }
                // A client that retries a 503 must not take it for a verdict about the key.
                if denial.trouble().is_some() {
                    return Err(Refusal::denied(denial));
                }
            }
            return written(&decision);
        }
        let mut fields = Fields::new(Casing::Snake, given).only(&["verifications"])?;
        let items = fields.take("verifications").unwrap_or(Value::Null).into_list("verifications")?;
        if !(1..=MOST).contains(&items.len()) {
            let reason = format!("has {} items", items.len());
            return Err(Error::validation_failed("verifications", reason, format!("give 1 to {MOST}")).into());
        }
        let read = |item: Value| {
            self.read_question(Fields::new(Casing::Snake, item.into_map("verifications")?), own.as_deref())
        };
        // All of them before the first is judged, which counts.
        let questions: Vec<VerificationQuestion> = items.into_iter().map(read).collect::<Result<_, Refusal>>()?;
        let mut decisions = Vec::with_capacity(questions.len());
        for question in questions {
            decisions.push(question.judged(&self.kw).await);
        }
        written(&Verifications { data: decisions })
    }

    /// The org whose keys a caller verifies, `None` for all.
    async fn org_of_caller(&self, head: &Head<'_>, callers: &VerificationCallers) -> Result<Option<String>, Refusal> {
        // A proxy on a Unix socket forwards strangers, who need a key.
        if head.peer == Peer::Unix && !self.config.options.trusted_proxies.trusts_unix() {
            return Ok(None);
        }
        let (text, _) = self.credential(head)?.ok_or_else(Refusal::missing)?;
        let agent = self.agent(head);
        let context = self.request_context(head, &self.config.valid_key.request, &agent);
        // The level of a key is about the API of the host, so it does not limit what the key verifies.
        let key = match self.kw.judge(text, RequestContext { method: Some("GET"), ..context }).await {
            Decision::Allowed(key) => key,
            Decision::Denied(denial) => return Err(self.denied(&denial)),
        };
        if !scope::missing(&key.scopes.join(" "), &[SCOPE.to_owned()]).is_empty() {
            return Err(Refusal::new(403, "INSUFFICIENT_SCOPE", format!("This needs {SCOPE}")));
        }
        Ok((key.org != callers.operators).then(|| key.org.clone()))
    }

    /// Reads a verification, and refuses what is wrong with any key.
    fn read_question(&self, fields: Fields, own: Option<&str>) -> Result<VerificationQuestion, Refusal> {
        let mut fields = fields.only(&[&Request::OPTIONS[..], &["api_key", "org"]].concat())?;
        let text = fields.take("api_key").ok_or_else(|| {
            Error::invalid_request("api_key", "is missing", "send the key to be verified, or null if there was none")
        })?;
        let text = match text {
            Value::Null => None,
            text => Some(Zeroizing::new(text.into_text("api_key")?)),
        };
        let asked = fields.text("org")?;
        let request = Request::read(fields)?;
        let org = match (own, asked) {
            (Some(own), Some(asked)) if own != asked => {
                let message = format!("This key verifies only keys of the org {own}");
                return Err(Refusal::forbidden(message));
            }
            (own, asked) => own.map(str::to_owned).or(asked),
        };
        let org = org.map(|org| self.kw.org(&org)).transpose()?;
        self.kw.check_request(&request)?;
        Ok(VerificationQuestion { text, request, org })
    }
}

/// The answer to a batch.
#[derive(Serialize)]
struct Verifications {
    data: Vec<Decision>,
}

fn written(answer: &impl Serialize) -> Result<Vec<u8>, Refusal> {
    serde_json::to_vec(answer).map_err(|_| Refusal::unavailable())
}

/// A verification that a client asks for.
struct VerificationQuestion {
    text: Option<Zeroizing<String>>,
    request: Request,
    /// `None` for every org.
    org: Option<Org>,
}

impl VerificationQuestion {
    async fn judged(&self, kw: &Keywright) -> Decision {
        let text = self.text.as_ref().map(|text| text.as_str());
        match &self.org {
            Some(org) => org.verify(text, &self.request).await,
            None => kw.verify(text, &self.request).await,
        }
    }
}
