//! Requests that are done once, by services whose bodies can be read and made.

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use http::{Request, Response, StatusCode};
use http_body::{Body, Frame, SizeHint};
use http_body_util::BodyExt;
use tower_layer::Layer;
use tower_service::Service;

use super::tower::{Guarded, KeywrightLayer, response};
use crate::http::{Http, Lease, Passed, Turn};
use crate::wait::Boxed;

/// A [`KeywrightLayer`] before routes that take idempotency keys: it reads the bodies of requests that are to be done once,
/// and keeps those of their answers.
///
/// ```
/// # fn main() -> Result<(), keywright::Error> { keywright::wait::block_on(async {
/// # let folder = tempfile::tempdir().unwrap(); let url = format!("sqlite:{}/keys.db", folder.path().display());
/// # let kw = keywright::Keywright::builder(url).brand("liq").pepper([7; 32]).build().await?;
/// use keywright::http::{Config, Needs, Rule};
/// use keywright::integrations::tower::KeywrightLayer;
/// let rule = Rule::new("POST", "/v1/deals", Needs::key().idempotent());
/// let layer = KeywrightLayer::new(kw.http(Config::new().rule(rule))?).once();
/// # kw.close().await; Ok(()) }) }
/// ```
#[derive(Clone)]
pub struct OnceLayer(pub(super) KeywrightLayer);

impl<S> Layer<S> for OnceLayer {
    type Service = Guarded<Once<S>>;

    fn layer(&self, inner: S) -> Self::Service {
        self.0.layer(Once { inner, http: self.0.http().clone() })
    }
}

/// A service behind a [`OnceLayer`].
#[derive(Clone)]
pub struct Once<S> {
    inner: S,
    http: Http,
}

impl<S, B, R> Service<Request<B>> for Once<S>
where
    S: Service<Request<B>, Response = Response<R>, Error: Send> + Clone + Send + 'static,
    S::Future: Send,
    B: Body<Data: AsRef<[u8]> + Send> + From<Vec<u8>> + Unpin + Send + 'static,
    R: Body<Data: AsRef<[u8]>> + From<Vec<u8>> + Send,
{
    type Response = Response<Kept<R>>;
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
            let Some(passed) = request.extensions().get::<Passed>().filter(|it| it.is_once()).cloned() else {
                return Ok(inner.call(request).await?.map(Kept::whole));
            };
            let (parts, body) = request.into_parts();
            let Some(body) = read(body, Http::LARGEST_ONCE).await else {
                let mut broken = Response::new(Kept::from(Vec::new()));
                *broken.status_mut() = StatusCode::BAD_REQUEST;
                return Ok(broken);
            };
            let lease = match http.once(&passed, &body).await {
                Turn::Answered(answer) => return Ok(response(answer)),
                Turn::Run(lease) => lease,
            };
            match (inner.call(Request::from_parts(parts, B::from(body))).await, lease) {
                (done, None) => Ok(done?.map(Kept::whole)),
                (Ok(done), Some(lease)) => Ok(keep(http, lease, done).await),
                (Err(error), Some(lease)) => {
                    // Without the store it may be done anew after the lease.
                    let _ = http.release(lease).await;
                    Err(error)
                }
            }
        })
    }
}

async fn keep<R: Body>(http: Http, lease: Lease, done: Response<R>) -> Response<Kept<R>> {
    let (parts, body) = done.into_parts();
    let headers = parts.headers.iter().map(|it| (it.0.to_string(), it.1.as_bytes().to_vec())).collect();
    let keeping = Keeping { http, lease, status: parts.status.as_u16(), headers, bytes: Vec::new() };
    let body = if body.is_end_stream() {
        keeping.finish().await;
        Kept::whole(body)
    } else {
        Kept { body, keeping: Some(keeping), ending: None }
    };
    Response::from_parts(parts, body)
}

/// An answer whose lease ends before the last of it is handed on.
struct Keeping {
    http: Http,
    lease: Lease,
    status: u16,
    headers: Vec<(String, Vec<u8>)>,
    bytes: Vec<u8>,
}

impl Keeping {
    fn finish(self) -> Boxed<()> {
        Box::pin(async move {
            // The answer goes its way whether or not it could be kept.
            let _ = self.http.finish(self.lease, self.status, self.headers, &self.bytes).await;
        })
    }
}

/// The body of an answer, which may have to be kept.
pub struct Kept<R: Body> {
    body: R,
    keeping: Option<Keeping>,
    ending: Option<Ending<R::Data>>,
}

/// What ends a lease, and what of the body waits for it.
type Ending<D> = (Boxed<()>, Option<Frame<D>>);

impl<R: Body> Kept<R> {
    fn whole(body: R) -> Self {
        Self { body, keeping: None, ending: None }
    }
}

impl<R: Body + From<Vec<u8>>> From<Vec<u8>> for Kept<R> {
    fn from(body: Vec<u8>) -> Self {
        Self::whole(body.into())
    }
}

impl<R: Body<Data: AsRef<[u8]> + Unpin> + Unpin> Body for Kept<R> {
    type Data = R::Data;
    type Error = R::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Self::Data>, Self::Error>>> {
        let this = self.get_mut();
        loop {
            if let Some((ending, last)) = &mut this.ending {
                ready!(ending.as_mut().poll(context));
                let last = last.take();
                this.ending = None;
                return Poll::Ready(last.map(Ok));
            }
            let frame = ready!(Pin::new(&mut this.body).poll_frame(context)).transpose()?;
            if let (Some(keeping), Some(data)) = (&mut this.keeping, frame.as_ref().and_then(Frame::data_ref))
                && keeping.bytes.len() <= Http::LARGEST_KEPT
            {
                keeping.bytes.extend_from_slice(data.as_ref());
            }
            let is_last = frame.is_none() || this.body.is_end_stream();
            match this.keeping.take_if(|_| is_last) {
                Some(keeping) => this.ending = Some((keeping.finish(), frame)),
                None => return Poll::Ready(frame.map(Ok)),
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.keeping.is_none() && self.ending.is_none() && self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// A body, up to the first bytes that are too many. `None` where it breaks off: its beginning, or no body at all, may say
/// something else than the whole.
pub(super) async fn read<B: Body<Data: AsRef<[u8]>> + Unpin>(mut body: B, most: usize) -> Option<Vec<u8>> {
    let mut bytes = Vec::new();
    while bytes.len() <= most {
        let Some(frame) = body.frame().await else { break };
        bytes.extend_from_slice(frame.ok()?.data_ref().map_or(&[], AsRef::as_ref));
    }
    Some(bytes)
}
