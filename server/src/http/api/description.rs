//! The API's description (OpenAPI 3.1), made from the router, and its viewer, out of the binary.

use super::AppState;
use axum::{Json, Router, routing::get};
use std::sync::LazyLock;
use types::Problem;
use utoipa::{
    Modify, OpenApi, PartialSchema, ToSchema,
    openapi::{
        Components, Content, Ref, ResponseBuilder,
        path::Operation,
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
                       (RFC 9457) with a `code` and a `hint`."
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
    for item in api.paths.paths.values_mut() {
        let all = [
            &mut item.get,
            &mut item.post,
            &mut item.put,
            &mut item.patch,
            &mut item.delete,
        ];
        all.into_iter().flatten().for_each(refusals);
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
