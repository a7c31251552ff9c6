//! How long the body of a request may take to come. The limit between two pieces is not enough: who sends
//! a byte now and then would keep a connection for days.

use axum::{
    body::{Body, HttpBody as _},
    extract::Request,
    middleware::Next,
    response::Response,
};
use futures_util::{StreamExt, stream};
use http::{HeaderValue, Method, header};
use std::{
    io,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    time::Duration,
};
use tokio::time::{Instant, timeout_at};

/// A body of which nothing arrives for this long is given up, and its connection with it.
pub const IDLE: Duration = Duration::from_secs(30);
/// From a request's head until its body has to be there whole. They are small: whole disks have no such limit.
const WHOLE: Duration = Duration::from_secs(15);
/// Where whole disks and archives of loaders are sent.
const FILES: [&str; 2] = ["/api/v1/images", "/api/v1/loaders"];
/// Where pieces of them are sent, by PATCH.
const PIECES: &str = "/api/v1/uploads/";

/// Gives up a body that takes too long; whoever reads it gets an error. A connection with a body that nobody
/// read can't be used again: its peer is told so.
pub async fn in_time(request: Request, next: Next) -> Response {
    if is_file(&request) || request.body().is_end_stream() {
        return next.run(request).await;
    }
    let whole = Arc::new(AtomicBool::new(false));
    let end = Instant::now() + WHOLE;
    let request = request.map(|body| until(body, end, whole.clone()));
    let mut response = next.run(request).await;
    if !whole.load(Relaxed) {
        let close = HeaderValue::from_static("close");
        response.headers_mut().insert(header::CONNECTION, close);
    }
    response
}

fn is_file(request: &Request) -> bool {
    let path = request.uri().path();
    match *request.method() {
        Method::POST => FILES.contains(&path),
        Method::PATCH => path.starts_with(PIECES),
        _ => false,
    }
}

/// Ends with an error at `end`; `whole` becomes true when all of it was read.
fn until(body: Body, end: Instant, whole: Arc<AtomicBool>) -> Body {
    let pieces = stream::unfold(body.into_data_stream(), move |mut body| {
        let whole = whole.clone();
        async move {
            let piece = match timeout_at(end, body.next()).await {
                Ok(Some(piece)) => piece.map_err(io::Error::other),
                Ok(None) => {
                    whole.store(true, Relaxed);
                    return None;
                }
                Err(late) => Err(io::Error::new(
                    io::ErrorKind::TimedOut,
                    format!("not whole within {} s: {late}", WHOLE.as_secs()),
                )),
            };
            Some((piece, body))
        }
    });
    Body::from_stream(pieces)
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::{Router, body::to_bytes, middleware::from_fn, routing::post};
    use http::StatusCode;
    use tower::ServiceExt;

    async fn sent(path: &str, pieces: u32) -> StatusCode {
        let read = async |body: Body| match to_bytes(body, usize::MAX).await {
            Ok(bytes) => (StatusCode::OK, bytes.len().to_string()),
            Err(e) => (StatusCode::BAD_REQUEST, e.to_string()),
        };
        let router = Router::new().fallback(post(read)).layer(from_fn(in_time));
        // Never silent for as long as the limit between two pieces.
        let drip = stream::iter(0..pieces).then(|_| async {
            tokio::time::sleep(WHOLE / 2).await;
            Ok::<_, io::Error>("x")
        });
        let request = Request::post(path).body(Body::from_stream(drip)).unwrap();
        router.oneshot(request).await.unwrap().status()
    }

    #[tokio::test(start_paused = true)]
    async fn a_body_that_drips_in_is_given_up_unless_it_is_a_disk() {
        assert_eq!(sent("/api/v1/clients", 1).await, StatusCode::OK);
        assert_eq!(sent("/api/v1/clients", 100).await, StatusCode::BAD_REQUEST);
        assert_eq!(sent("/fn/login", 100).await, StatusCode::BAD_REQUEST);
        assert_eq!(sent(FILES[0], 100).await, StatusCode::OK);
    }

    #[tokio::test]
    async fn a_body_that_nobody_reads_ends_its_connection() {
        let router = Router::new()
            .route("/unread", post(async || ()))
            .route("/read", post(async |_: axum::body::Bytes| ()))
            .layer(from_fn(in_time));
        for (path, body, closes) in [
            ("/unread", "x", true),
            ("/unread", "", false),
            ("/read", "x", false),
        ] {
            let request = Request::post(path).body(Body::from(body)).unwrap();
            let answer = router.clone().oneshot(request).await.unwrap();
            let said = answer.headers().contains_key(header::CONNECTION);
            assert_eq!(said, closes, "{path} {body}");
        }
    }
}
