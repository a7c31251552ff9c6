//! The page: rendered by Leptos, its files out of the binary.

use super::{AppState, host::PageHost, problem};
use axum::{
    Router,
    body::Body,
    extract::{Request, State},
    response::{IntoResponse, Response},
    routing::any,
};
use http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use leptos::config::LeptosOptions;
use rust_embed::{EmbeddedFile, RustEmbed};
use sha2::{Digest, Sha256};
use std::sync::{Arc, LazyLock};

/// What cargo-leptos built: WASM, its JavaScript, CSS, fonts. A debug build reads the folder.
#[derive(RustEmbed)]
#[folder = "../target/site"]
#[allow_missing = true]
struct Files;

/// Run-time options of the page, the same text that the build used.
static OPTIONS: LazyLock<LeptosOptions> = LazyLock::new(|| {
    leptos::config::get_config_from_str(app::LEPTOS_TOML).unwrap_or_else(|e| {
        // A test holds the file readable; the defaults name the same files.
        tracing::error!(error = %e, "Leptos.toml in this binary can't be read");
        LeptosOptions::builder().output_name("nsboot").build()
    })
});

/// Names what cargo-leptos built, by the content of all of it.
pub static BUILD: LazyLock<String> = LazyLock::new(|| {
    let mut all = Sha256::new();
    for path in Files::iter() {
        if let Some(file) = Files::get(&path) {
            all.update(path.as_bytes());
            all.update(file.metadata.sha256_hash());
        }
    }
    half(&all.finalize())
});

/// Server functions below `/fn`; everything else is a file or a page.
pub fn routes() -> Router<AppState> {
    Router::new()
        .route("/fn/{*name}", any(function))
        .fallback(page)
}

async fn function(State(state): State<AppState>, request: Request) -> Response {
    let context = context(state);
    leptos_axum::handle_server_fns_with_context(context, request)
        .await
        .into_response()
}

fn context(state: AppState) -> impl Fn() + Clone + Send + Sync + 'static {
    app::ssr::context(state.engine.clone(), Arc::new(PageHost(state)))
}

async fn page(State(state): State<AppState>, request: Request) -> Response {
    if !matches!(*request.method(), Method::GET | Method::HEAD) {
        let problem = problem::method_not_allowed(request.method().clone()).await;
        return ([(header::ALLOW, "GET, HEAD")], problem).into_response();
    }
    let path = request.uri().path().trim_start_matches('/');
    if let Some(file) = file(path, request.headers()) {
        return file;
    }
    if path.starts_with(&*OPTIONS.site_pkg_dir)
        || path.rsplit('/').next().is_some_and(|n| n.contains('.'))
    {
        return problem::not_found(request.uri().clone())
            .await
            .into_response();
    }
    let context = context(state);
    // The whole page at once, not in pieces: it is small, and needs no scripts to put it together.
    let render =
        leptos_axum::render_app_async_with_context(context, || app::shell(OPTIONS.clone()));
    render(request).await
}

/// A file of the page, packed if the browser takes it. Names stay the same over versions, so the
/// browser asks each time and gets 304 while the content is what it has.
fn file(path: &str, headers: &HeaderMap) -> Option<Response> {
    let plain = Files::get(path)?;
    let takes = |coding: &str| {
        let accepted = headers
            .get(header::ACCEPT_ENCODING)
            .and_then(|v| v.to_str().ok());
        accepted.is_some_and(|a| {
            a.split(',')
                .any(|c| c.split(';').next().is_some_and(|c| c.trim() == coding))
        })
    };
    let packed = [("br", "br"), ("gzip", "gz")]
        .into_iter()
        .find_map(|(coding, suffix)| {
            takes(coding)
                .then(|| Files::get(&format!("{path}.{suffix}")))
                .flatten()
                .map(|f| (coding, f))
        });
    let (coding, file) = match packed {
        Some((coding, file)) => (Some(coding), file),
        None => (None, plain),
    };
    Some(answer(path, headers, coding, file))
}

fn answer(
    path: &str,
    headers: &HeaderMap,
    coding: Option<&'static str>,
    file: EmbeddedFile,
) -> Response {
    let etag = format!("\"{}\"", half(&file.metadata.sha256_hash()));
    let known = headers
        .get(header::IF_NONE_MATCH)
        .and_then(|v| v.to_str().ok());
    let fresh = known.is_some_and(|k| {
        k.split(',')
            .any(|t| t.trim().trim_start_matches("W/") == etag)
    });
    let mut response = match fresh {
        true => StatusCode::NOT_MODIFIED.into_response(),
        false => Body::from(file.data.into_owned()).into_response(),
    };
    let out = response.headers_mut();
    out.insert(
        header::CONTENT_TYPE,
        HeaderValue::from_static(media_type(path)),
    );
    out.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    out.insert(header::VARY, HeaderValue::from_static("accept-encoding"));
    if let Ok(etag) = HeaderValue::try_from(etag) {
        out.insert(header::ETAG, etag);
    }
    if let Some(coding) = coding {
        out.insert(header::CONTENT_ENCODING, HeaderValue::from_static(coding));
    }
    response
}

/// The first half of a SHA-256 hash, enough to tell contents apart.
fn half(hash: &[u8]) -> String {
    types::hex(&hash[..16])
}

fn media_type(path: &str) -> &'static str {
    match path.rsplit('.').next().unwrap_or("") {
        "wasm" => "application/wasm",
        "js" => "text/javascript; charset=utf-8",
        "css" => "text/css; charset=utf-8",
        "svg" => "image/svg+xml",
        "png" => "image/png",
        "ico" => "image/x-icon",
        "woff2" => "font/woff2",
        "json" | "webmanifest" => "application/json",
        "txt" => "text/plain; charset=utf-8",
        "html" => "text/html; charset=utf-8",
        _ => "application/octet-stream",
    }
}
