//! The API's description (OpenAPI 3.1), made from the router, and its viewer, out of the binary.

use super::AppState;
use crate::http::idempotency::takes_key;
use axum::{Json, Router, routing::get};
use engine::idempotency::MAX_KEY;
use std::sync::LazyLock;
use types::Problem;
use utoipa::{
    Modify, OpenApi, PartialSchema, ToSchema,
    openapi::{
        Components, Content, Object, Ref, ResponseBuilder, Type,
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
                       `Idempotency-Key` can be sent again when no answer came: it is made once."
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
    for (path, item) in &mut api.paths.paths {
        for (method, operation) in [
            ("GET", &mut item.get),
            ("POST", &mut item.post),
            ("PUT", &mut item.put),
            ("PATCH", &mut item.patch),
            ("DELETE", &mut item.delete),
        ] {
            let Some(operation) = operation else { continue };
            refusals(operation);
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

/// Any operation may be refused, and always in this form.
fn refusals(operation: &mut Operation) {
    let problem = Content::new(Some(Ref::from_schema_name("Problem")));
    let refused = ResponseBuilder::new()
        .description("It was refused; the problem says why and what to do.")
        .content("application/problem+json", problem)
        .build();
    let responses = &mut operation.responses.responses;
    responses.insert("default".into(), refused.into());
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
