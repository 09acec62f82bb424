//! Idempotent requests, for services whose bodies can be read and created.

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use http::{Request, Response, StatusCode};
use http_body::{Body, Frame, SizeHint};
use http_body_util::BodyExt;
use tower_layer::Layer;
use tower_service::Service;

use super::tower::{KeywrightLayer, KeywrightService, response};
use crate::http::{AuthContext, Http, IdempotencyCheck, Lease};
use crate::wait::Boxed;

/// A [`KeywrightLayer`] for routes that accept idempotency keys: it reads the bodies of idempotent requests, and stores the
/// bodies of their responses.
///
/// ```
/// # fn main() -> Result<(), keywright::Error> { pollster::block_on(async {
/// # let folder = tempfile::tempdir().unwrap(); let url = format!("sqlite:{}/keys.db", folder.path().display());
/// # let kw = keywright::Keywright::builder(url).brand("liq").pepper([7; 32]).build().await?;
/// use keywright::http::{Config, Needs, Rule};
/// use keywright::integrations::tower::KeywrightLayer;
/// let rule = Rule::new("POST", "/v1/deals", Needs::key().idempotent());
/// let layer = KeywrightLayer::new(kw.http(Config::new().rule(rule))?).once();
/// # kw.close().await; Ok(()) }) }
/// ```
#[derive(Clone)]
pub struct IdempotencyLayer(KeywrightLayer);

impl KeywrightLayer {
    /// The layer for routes that accept idempotency keys. Without it, requests with such a key get 500.
    #[must_use]
    pub fn once(self) -> IdempotencyLayer {
        IdempotencyLayer(self.idempotent())
    }
}

impl<S> Layer<S> for IdempotencyLayer {
    type Service = KeywrightService<IdempotencyService<S>>;

    fn layer(&self, inner: S) -> Self::Service {
        self.0.layer(IdempotencyService { inner, http: self.0.http().clone() })
    }
}

/// The service of an [`IdempotencyLayer`].
#[derive(Clone)]
pub struct IdempotencyService<S> {
    inner: S,
    http: Http,
}

impl<S, B, R> Service<Request<B>> for IdempotencyService<S>
where
    S: Service<Request<B>, Response = Response<R>, Error: Send> + Clone + Send + 'static,
    S::Future: Send,
    B: Body<Data: AsRef<[u8]> + Send> + From<Vec<u8>> + Unpin + Send + 'static,
    R: Body<Data: AsRef<[u8]>> + From<Vec<u8>> + Send,
{
    type Response = Response<RecordedBody<R>>;
    type Error = S::Error;
    type Future = Boxed<Result<Self::Response, S::Error>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let copy = self.inner.clone();
        let mut inner = std::mem::replace(&mut self.inner, copy);
        let http = self.http.clone();
        Box::pin(async move {
            let Some(context) = request.extensions().get::<AuthContext>().filter(|context| context.is_once()).cloned()
            else {
                return Ok(inner.call(request).await?.map(RecordedBody::whole));
            };
            let (parts, body) = request.into_parts();
            let Some(body) = read_body(body, Http::LARGEST_ONCE).await else {
                let mut broken = Response::new(RecordedBody::from(Vec::new()));
                *broken.status_mut() = StatusCode::BAD_REQUEST;
                return Ok(broken);
            };
            let lease = match http.once(&context, &body).await {
                IdempotencyCheck::Answered(answer) => return Ok(response(answer)),
                IdempotencyCheck::Run(lease) => lease,
            };
            match (inner.call(Request::from_parts(parts, B::from(body))).await, lease) {
                (result, None) => Ok(result?.map(RecordedBody::whole)),
                (Ok(response), Some(lease)) => Ok(record(http, lease, response).await),
                (Err(error), Some(lease)) => {
                    // If the store cannot be reached, the request may run again after the lease.
                    let _ = http.release(lease).await;
                    Err(error)
                }
            }
        })
    }
}

async fn record<R: Body>(http: Http, lease: Lease, response: Response<R>) -> Response<RecordedBody<R>> {
    let (parts, body) = response.into_parts();
    let headers = parts.headers.iter().map(|it| (it.0.to_string(), it.1.as_bytes().to_vec())).collect();
    let recorder = ResponseRecorder { http, lease, status: parts.status.as_u16(), headers, bytes: Vec::new() };
    let body = if body.is_end_stream() {
        recorder.finish().await;
        RecordedBody::whole(body)
    } else {
        RecordedBody { body, recorder: Some(recorder), settlement: None }
    };
    Response::from_parts(parts, body)
}

/// Records a response. Its lease ends before the last part is passed on.
struct ResponseRecorder {
    http: Http,
    lease: Lease,
    status: u16,
    headers: Vec<(String, Vec<u8>)>,
    bytes: Vec<u8>,
}

impl ResponseRecorder {
    fn finish(self) -> Boxed<()> {
        Box::pin(async move {
            // The client gets the response whether or not it could be stored.
            let _ = self.http.finish(self.lease, self.status, self.headers, &self.bytes).await;
        })
    }
}

/// The body of a response, which may be recorded.
pub struct RecordedBody<R: Body> {
    body: R,
    recorder: Option<ResponseRecorder>,
    settlement: Option<PendingSettlement<R::Data>>,
}

/// The end of a lease, and the frame that waits for it.
type PendingSettlement<D> = (Boxed<()>, Option<Frame<D>>);

impl<R: Body> RecordedBody<R> {
    fn whole(body: R) -> Self {
        Self { body, recorder: None, settlement: None }
    }
}

impl<R: Body + From<Vec<u8>>> From<Vec<u8>> for RecordedBody<R> {
    fn from(body: Vec<u8>) -> Self {
        Self::whole(body.into())
    }
}

impl<R: Body<Data: AsRef<[u8]> + Unpin> + Unpin> Body for RecordedBody<R> {
    type Data = R::Data;
    type Error = R::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Self::Data>, Self::Error>>> {
        let this = self.get_mut();
        loop {
            if let Some((settlement, last)) = &mut this.settlement {
                ready!(settlement.as_mut().poll(context));
                let last = last.take();
                this.settlement = None;
                return Poll::Ready(last.map(Ok));
            }
            let frame = ready!(Pin::new(&mut this.body).poll_frame(context)).transpose()?;
            if let (Some(recorder), Some(data)) = (&mut this.recorder, frame.as_ref().and_then(Frame::data_ref))
                && recorder.bytes.len() <= Http::LARGEST_KEPT
            {
                recorder.bytes.extend_from_slice(data.as_ref());
            }
            let is_last = frame.is_none() || this.body.is_end_stream();
            match this.recorder.take_if(|_| is_last) {
                Some(recorder) => this.settlement = Some((recorder.finish(), frame)),
                None => return Poll::Ready(frame.map(Ok)),
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.recorder.is_none() && self.settlement.is_none() && self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// Reads a body, up to the first bytes beyond the limit. `None` if it breaks off, because a part of a body may mean something
/// else than the whole.
pub(crate) async fn read_body<B: Body<Data: AsRef<[u8]>> + Unpin>(mut body: B, most: usize) -> Option<Vec<u8>> {
    let mut bytes = Vec::new();
    while bytes.len() <= most {
        let Some(frame) = body.frame().await else { break };
        bytes.extend_from_slice(frame.ok()?.data_ref().map_or(&[], AsRef::as_ref));
    }
    Some(bytes)
}
