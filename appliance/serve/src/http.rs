//! One connection: bounds on what is read, the token, and the way to the routes.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use haechi_intake::dicom::OpenArchive;
use haechi_record::store::Store;
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::body::{Bytes, Incoming};
use hyper::{Method, Request, Response, StatusCode, header};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto::Builder;
use jiff::Timestamp;
use sha2::{Digest as _, Sha256};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::Semaphore;

use crate::outcome::Fail;
use crate::route::{self, Asked, Reply};
use crate::stow;

/// A sender may take so long for the head of a request.
const HEAD_TIME: Duration = Duration::from_secs(10);
/// And so long for its body.
const BODY_TIME: Duration = Duration::from_secs(60);
/// Of a request that is refused unread, so much is still taken, and so long: closing at once would tear the answer away from a
/// sender that is busy sending.
const HEARD_OUT_BYTES: usize = 1 << 20;
const HEARD_OUT_TIME: Duration = Duration::from_secs(2);
/// Requests that are worked on at once; more are turned away with 503.
const AT_ONCE: usize = 64;

/// What a site sets.
#[derive(Debug, Clone)]
pub struct Settings {
    /// SHA-256 of each bearer token that may come in. None: nobody.
    pub tokens: Vec<[u8; 32]>,
    /// Longest request body, bytes.
    pub max_body_bytes: usize,
    /// Scheme and host of this server as callers see it, without a slash at the end. `None`: what each request says.
    pub origin: Option<String>,
    /// `http` or `https`, where no origin is set.
    pub scheme: &'static str,
    /// The watched folder, for `$import`; `None`: there is none.
    pub watched: Option<PathBuf>,
    /// What a resource counts as received at, and what "about" is measured from.
    pub now: fn() -> Timestamp,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            tokens: Vec::new(),
            max_body_bytes: 32 << 20,
            origin: None,
            scheme: "http",
            watched: None,
            now: Timestamp::now,
        }
    }
}

/// The API on one record.
#[derive(Debug)]
pub struct Api {
    pub(crate) store: Store,
    pub(crate) settings: Settings,
    /// Where DICOM objects go; `None`: they are not taken.
    images: Option<Arc<dyn OpenArchive>>,
    working: Semaphore,
}

impl Api {
    /// An API on `store`.
    #[must_use]
    pub fn new(store: Store, settings: Settings) -> Self {
        Self { store, settings, images: None, working: Semaphore::new(AT_ONCE) }
    }

    /// With a place for DICOM objects that are sent by STOW-RS, opened when the first one comes.
    #[must_use]
    pub fn with_images(self, images: Arc<dyn OpenArchive>) -> Self {
        Self { images: Some(images), ..self }
    }

    /// Serves one connection until the peer or a time-out ends it. `peer`: for the log alone.
    pub async fn serve<S>(self: Arc<Self>, stream: S, peer: SocketAddr)
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let service = hyper::service::service_fn(move |request| {
            let api = Arc::clone(&self);
            async move { Ok::<_, Infallible>(api.request(request, peer).await) }
        });
        let mut builder = Builder::new(TokioExecutor::new());
        builder.http1().timer(TokioTimer::new()).header_read_timeout(HEAD_TIME);
        builder.http2().timer(TokioTimer::new()).max_concurrent_streams(32).keep_alive_interval(Some(HEAD_TIME));
        if let Err(error) = builder.serve_connection(TokioIo::new(stream), service).await {
            log::debug!("a connection from {peer} ended: {error}");
        }
    }

    async fn request(self: Arc<Self>, request: Request<Incoming>, peer: SocketAddr) -> Response<Full<Bytes>> {
        let head_only = request.method() == Method::HEAD;
        let reply = match self.worked(request, peer).await {
            Ok(reply) => reply,
            Err(fail) => fail.reply(),
        };
        let mut response = Response::builder().status(reply.status);
        if !reply.body.is_empty() {
            response = response.header(header::CONTENT_TYPE, reply.media_type);
        }
        response = response.header(header::CACHE_CONTROL, "no-store").header("x-content-type-options", "nosniff");
        for (name, value) in &reply.headers {
            response = response.header(*name, value);
        }
        let body = if head_only { Vec::new() } else { reply.body };
        // Only a header value with a control character could fail, and none is made of foreign text.
        response.body(Full::new(Bytes::from(body))).unwrap_or_default()
    }

    async fn worked(self: Arc<Self>, request: Request<Incoming>, peer: SocketAddr) -> Result<Reply, Fail> {
        let Ok(_permit) = self.working.try_acquire() else {
            return Err(Fail::new(
                StatusCode::SERVICE_UNAVAILABLE,
                "throttled",
                "HAECHI-0710",
                "as many requests are worked on as may be; try again in a moment",
            ));
        };
        let (parts, mut body) = request.into_parts();
        let text = |name: header::HeaderName| {
            parts.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default().to_owned()
        };
        let host = parts.uri.authority().map_or_else(|| text(header::HOST), ToString::to_string);
        let host_is_plain = host.bytes().all(|byte| byte.is_ascii_alphanumeric() || b".-:[]".contains(&byte));
        let origin = self.settings.origin.clone().unwrap_or_else(|| {
            format!(
                "{}://{}",
                self.settings.scheme,
                if host_is_plain && !host.is_empty() { &host } else { "localhost" }
            )
        });
        let mut asked = Asked {
            method: if parts.method == Method::HEAD { Method::GET } else { parts.method.clone() },
            path: parts.uri.path().to_owned(),
            query: parts.uri.query().unwrap_or_default().to_owned(),
            content_type: text(header::CONTENT_TYPE),
            if_match: text(header::IF_MATCH),
            if_none_match: text(header::IF_NONE_MATCH),
            if_none_exist: parts
                .headers
                .get("if-none-exist")
                .and_then(|value| value.to_str().ok())
                .unwrap_or_default()
                .to_owned(),
            prefer: text(header::HeaderName::from_static("prefer")),
            base: format!("{origin}{}", route::BASE),
            body: Vec::new(),
        };
        if !route::is_open(&asked) && !self.lets_in(&text(header::AUTHORIZATION)) {
            // Who asked before sending waits for this answer.
            if !parts.headers.contains_key(header::EXPECT) {
                let _ = tokio::time::timeout(HEARD_OUT_TIME, hear_out(&mut body)).await;
            }
            return Err(Fail::new(
                StatusCode::UNAUTHORIZED,
                "login",
                "HAECHI-0701",
                "this address needs a bearer token that the site has configured",
            ));
        }
        if let (Some(images), Some(study)) = (&self.images, stow::study_in(&asked.path)) {
            if asked.method != Method::POST {
                return Err(Fail::method());
            }
            let order = stow::Order {
                images: Arc::clone(images),
                study: study.map(str::to_owned),
                content_type: asked.content_type,
                source: format!("STOW-RS {}", peer.ip()),
                now: (self.settings.now)(),
            };
            return stow::store(order, body).await;
        }
        let limited = Limited::new(body, self.settings.max_body_bytes);
        let read = tokio::time::timeout(BODY_TIME, limited.collect()).await;
        asked.body = match read {
            Ok(Ok(collected)) => collected.to_bytes().to_vec(),
            Ok(Err(error)) if error.is::<http_body_util::LengthLimitError>() => {
                return Err(Fail::new(
                    StatusCode::PAYLOAD_TOO_LARGE,
                    "too-long",
                    "HAECHI-0702",
                    format!("the body is longer than {} bytes", self.settings.max_body_bytes),
                ));
            }
            Ok(Err(_)) => return Err(Fail::invalid("the body ended early")),
            Err(_) => {
                return Err(Fail::new(
                    StatusCode::REQUEST_TIMEOUT,
                    "timeout",
                    "HAECHI-0703",
                    "the body did not come in time",
                ));
            }
        };
        let api = Arc::clone(&self);
        // Reading the record blocks.
        match tokio::task::spawn_blocking(move || route::answer(&api, &asked)).await {
            Ok(result) => result,
            Err(_) => Err(Fail::fault()),
        }
    }

    /// Compares with every token, always to the end: how long it takes says nothing.
    fn lets_in(&self, authorization: &str) -> bool {
        let Some((scheme, token)) = authorization.split_once(' ') else { return false };
        let given: [u8; 32] = Sha256::digest(token.trim().as_bytes()).into();
        let mut found = 0u8;
        for known in &self.settings.tokens {
            let differ = known.iter().zip(given).fold(0u8, |differ, (a, b)| differ | (a ^ b));
            found |= u8::from(differ == 0);
        }
        scheme.eq_ignore_ascii_case("bearer") && std::hint::black_box(found) == 1
    }

    /// Answers one request without HTTP.
    #[must_use]
    pub fn answer(&self, asked: &Asked) -> Reply {
        route::answer(self, asked).unwrap_or_else(|fail| fail.reply())
    }
}

async fn hear_out(body: &mut Incoming) {
    let mut heard = 0;
    while let Some(Ok(frame)) = body.frame().await {
        heard += frame.data_ref().map_or(0, Bytes::len);
        if heard >= HEARD_OUT_BYTES {
            return;
        }
    }
}
