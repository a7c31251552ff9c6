//! The API's description (OpenAPI 3.1), made from the router, and its viewer, out of the binary.

use super::AppState;
use crate::http::{etag::TAGGED, idempotency::takes_key};
use axum::{Json, Router, routing::get};
use engine::idempotency::MAX_KEY;
use std::sync::LazyLock;
use types::Problem;
use utoipa::{
    Modify, OpenApi, PartialSchema, ToSchema,
    openapi::{
        Components, Content, Header, HeaderBuilder, Object, Ref, RefOr, Response, ResponseBuilder,
        Type,
        path::{Operation, Parameter, ParameterBuilder, ParameterIn},
        security::{HttpAuthScheme, HttpBuilder, SecurityScheme},
    },
};
use utoipa_swagger_ui::SwaggerUi;

#[derive(OpenApi)]
#[openapi(
    info(
        title = "NSBoot",
        description = "Boots computers without disks over the network. Everything that the page and the \
                       command line do goes through here. Sign in with `POST /api/v1/auth/login` or make \
                       an API token, and send it as `Authorization: Bearer`. Every refusal is a problem \
                       (RFC 9457) with a `code` and a `hint`. A change that is sent with an \
                       `Idempotency-Key` can be sent again when no answer came: it is made once. Where a \
                       change takes `If-Match`, the `ETag` of the answer that it is based on keeps it from being made \
                       on what somebody else has changed meanwhile."
    ),
    modifiers(&Common)
)]
struct Api;

/// What holds for every operation.
struct Common;

impl Modify for Common {
    fn modify(&self, api: &mut utoipa::openapi::OpenApi) {
        let bearer = HttpBuilder::new()
            .scheme(HttpAuthScheme::Bearer)
            .description(Some(
                "An access token of /auth/login, or an API token. The scope of an operation is the \
                 least role that may call it.",
            ))
            .build();
        let components = api.components.get_or_insert_with(Components::new);
        components.add_security_scheme("bearer", SecurityScheme::Http(bearer));
    }
}

static OPENAPI: LazyLock<utoipa::openapi::OpenApi> = LazyLock::new(|| {
    let (_, mut api) = utoipa_axum::router::OpenApiRouter::with_openapi(Api::openapi())
        .nest("/api/v1", super::routes())
        .split_for_parts();
    let components = api.components.get_or_insert_with(Components::new);
    components
        .schemas
        .insert("Problem".into(), Problem::schema());
    let mut parts = Vec::new();
    Problem::schemas(&mut parts);
    components.schemas.extend(parts);
    super::examples::add(components);
    let headers = HEADERS.iter().map(|h| (h.0.to_string(), header(h).into()));
    components.headers.extend(headers);
    let refused = with(refused(), &[&EACH[..], &["Retry-After"]].concat());
    components
        .responses
        .insert("Refused".into(), refused.into());
    for (path, item) in &mut api.paths.paths {
        for (method, operation) in [
            ("GET", &mut item.get),
            ("POST", &mut item.post),
            ("PUT", &mut item.put),
            ("PATCH", &mut item.patch),
            ("DELETE", &mut item.delete),
        ] {
            let Some(operation) = operation else { continue };
            answers(operation);
            match takes_key(method, path) {
                true => operation
                    .parameters
                    .get_or_insert_default()
                    .push(key().into()),
                false if method != "GET" => without_key(operation),
                false => {}
            }
        }
    }
    api
});

/// The headers of answers: name, type, and what they say.
const HEADERS: [(&str, Type, &str); 7] = [
    ("ETag", Type::String, "The `revision` in quotes."),
    ("Location", Type::String, "Where it is from now on."),
    (
        "RateLimit-Limit",
        Type::Integer,
        "Requests that may come at once. Absent on the local socket, where nobody is held up.",
    ),
    (
        "RateLimit-Remaining",
        Type::Integer,
        "Of these, how many are left now.",
    ),
    (
        "RateLimit-Reset",
        Type::Integer,
        "Seconds until there are more.",
    ),
    (
        "Retry-After",
        Type::Integer,
        "Seconds to wait before it is tried again, where that helps.",
    ),
    (
        "X-Request-Id",
        Type::String,
        "The request's id, as in the log: the caller's own, or a new one.",
    ),
];

/// Those that any answer has.
const EACH: [&str; 4] = [
    "RateLimit-Limit",
    "RateLimit-Remaining",
    "RateLimit-Reset",
    "X-Request-Id",
];

fn header((_, kind, says): &(&str, Type, &str)) -> Header {
    HeaderBuilder::new()
        .schema(Some(Object::with_type(kind.clone())))
        .description(Some(*says))
        .build()
}

/// The answer with these headers.
fn with(mut response: Response, headers: &[&str]) -> Response {
    for name in headers {
        let place = format!("#/components/headers/{name}");
        let header = RefOr::Ref(Ref::new(place));
        response.headers.insert((*name).into(), header);
    }
    response
}

/// Any operation may be refused, and always in this form.
fn refused() -> Response {
    let problem = Content::new(Some(Ref::from_schema_name("Problem")));
    ResponseBuilder::new()
        .description("It was refused; the problem says why and what to do.")
        .content("application/problem+json", problem)
        .build()
}

/// What holds for all answers of an operation: their headers, and that it may be refused.
fn answers(operation: &mut Operation) {
    let responses = &mut operation.responses.responses;
    for (status, response) in responses.iter_mut() {
        let RefOr::T(response) = response else {
            continue;
        };
        if response.description.is_empty() {
            response.description = meaning(status).into();
        }
        let mut headers = EACH.to_vec();
        if view(response).is_some_and(|name| TAGGED.contains(&name)) {
            headers.push("ETag");
            // What is new, or goes on as a job, is at an address of its own.
            headers.extend(matches!(status.as_str(), "201" | "202").then_some("Location"));
        }
        *response = with(std::mem::take(response), &headers);
    }
    let refused = RefOr::Ref(Ref::from_response_name("Refused"));
    responses.insert("default".into(), refused);
}

/// What a good answer means by its status.
fn meaning(status: &str) -> &'static str {
    match status {
        "201" => "It was made.",
        "202" => "It goes on as a job.",
        "204" => "It was done, and there is nothing to tell.",
        _ => "What was asked for.",
    }
}

/// The name of the schema that an answer has.
fn view(response: &Response) -> Option<&str> {
    let RefOr::T(content) = response.content.values().next()? else {
        return None;
    };
    match content.schema.as_ref()? {
        RefOr::Ref(place) => place.ref_location.rsplit('/').next(),
        RefOr::T(_) => None,
    }
}

/// The header that makes a change repeatable.
fn key() -> Parameter {
    let visible = Object::builder()
        .schema_type(Type::String)
        .min_length(Some(1))
        .max_length(Some(MAX_KEY))
        .pattern(Some("^[!-~]+$"))
        .build();
    ParameterBuilder::new()
        .name("Idempotency-Key")
        .parameter_in(ParameterIn::Header)
        .description(Some(
            "A new UUID for each change. The same request with the same key within 24 hours gets the \
             first one's answer, with `Idempotency-Replayed: true`. 422 `NSB-KEY-002`: the key belongs to \
             another request; 409 `NSB-KEY-003`: the first one has not ended; 409 `NSB-KEY-004`: the \
             server ended before it had answered, so look before you use a new key. An answer of 5xx or \
             429 frees the key.",
        ))
        .schema(Some(visible))
        .build()
}

/// Says of an operation that a key is refused, and why.
fn without_key(operation: &mut Operation) {
    const WHY: &str = "Takes no `Idempotency-Key` (400 `NSB-KEY-005`): no answer with a secret in it and \
                       no upload is kept.";
    let description = match operation.description.take() {
        Some(said) if !said.is_empty() => format!("{said}\n\n{WHY}"),
        _ => WHY.to_string(),
    };
    operation.description = Some(description);
}

/// The description as it is served and checked in.
pub fn openapi() -> &'static utoipa::openapi::OpenApi {
    &OPENAPI
}

/// `/api/openapi.json` and `/api/docs`: they say nothing of this server but its version.
pub fn viewer() -> Router<AppState> {
    let ui: Router<AppState> = SwaggerUi::new("/api/docs")
        .config(utoipa_swagger_ui::Config::from("/api/openapi.json").persist_authorization(false))
        .into();
    ui.route("/api/openapi.json", get(|| async { Json(openapi()) }))
}
