//! What the API is, as OpenAPI 3.1 (`GET /api/openapi.json`): made of the table in `operations` and of the types that are
//! sent, with the closed list of reasons as it stands in `auth`.

use crate::operations::{Answer, OPERATIONS, Operation, Who};
use crate::{Done, agents, audit, logins, me, phones, security, sites};
use auth::Reason;
use axum::response::{IntoResponse, Response};
use http::{HeaderValue, header};
use std::sync::OnceLock;
use terms::Right;
use utoipa::openapi::path::{OperationBuilder, Parameter, ParameterBuilder, ParameterIn};
use utoipa::openapi::request_body::RequestBodyBuilder;
use utoipa::openapi::schema::{AdditionalProperties, ObjectBuilder, Schema, SchemaType, Type};
use utoipa::openapi::security::{ApiKey, ApiKeyValue, SecurityRequirement, SecurityScheme};
use utoipa::openapi::{
    ComponentsBuilder, Content, HttpMethod, InfoBuilder, OpenApi, OpenApiBuilder, PathItem, PathsBuilder,
    Ref, RefOr, Required, ResponseBuilder,
};

const JSON: &str = "application/json";

/// `GET /api/openapi.json`: no secret is in it, so nobody has to log in for it.
pub(crate) async fn serve() -> Response {
    static TEXT: OnceLock<String> = OnceLock::new();
    let text = TEXT.get_or_init(|| serde_json::to_string(&document()).unwrap_or_default());
    ([(header::CONTENT_TYPE, HeaderValue::from_static(JSON))], text.as_str()).into_response()
}

/// The whole description.
pub fn document() -> OpenApi {
    let about = "Refusals are `{reason, sentence}`: `reason` is one of a closed list, `sentence` is for the person who asked. \
        Requests other than GET must come from our own pages (`Origin`, `Sec-Fetch-Site`) and repeat the session's word in \
        `X-Hotseat-Csrf`, where they need a session. Times are milliseconds since 1970 in UTC.";
    let info = InfoBuilder::new()
        .title("Hotseat")
        .version(env!("CARGO_PKG_VERSION"))
        .description(Some(about))
        .build();
    let mut paths = PathsBuilder::new();
    for operation in OPERATIONS {
        paths = paths.path(operation.path, PathItem::new(method(operation.method), described(operation)));
    }
    OpenApiBuilder::new().info(info).paths(paths.build()).components(Some(components().build())).build()
}

fn components() -> ComponentsBuilder {
    let words = |words: Vec<&'static str>, about: &str| {
        let list = ObjectBuilder::new().schema_type(Type::String).enum_values(Some(words));
        Schema::from(list.description(Some(about)).build())
    };
    let reasons = Reason::ALL.iter().map(|reason| reason.word()).collect();
    let rights = Right::ALL.iter().map(|right| right.word()).collect();
    let cookie = ApiKey::Cookie(ApiKeyValue::new("__Host-hotseat"));
    let csrf = ApiKey::Header(ApiKeyValue::new("X-Hotseat-Csrf"));
    ComponentsBuilder::new()
        .security_scheme("session", SecurityScheme::ApiKey(cookie))
        .security_scheme("csrf", SecurityScheme::ApiKey(csrf))
        .schema("Reason", words(reasons, "Why a request was refused; the list is closed."))
        .schema("Right", words(rights, "What a role may allow."))
        .schema("Refusal", refusal())
        .schema_from::<Done>()
        .schema_from::<me::Me>()
        .schema_from::<agents::Agents>()
        .schema_from::<agents::AgentRow>()
        .schema_from::<agents::AgentLogin>()
        .schema_from::<agents::BlockedRow>()
        .schema_from::<agents::NewRole>()
        .schema_from::<agents::NewEmail>()
        .schema_from::<agents::NewPassword>()
        .schema_from::<logins::Logins>()
        .schema_from::<logins::LoginRow>()
        .schema_from::<phones::Phones>()
        .schema_from::<phones::PhoneRow>()
        .schema_from::<phones::PhoneLogin>()
        .schema_from::<sites::Sites>()
        .schema_from::<sites::SiteRow>()
        .schema_from::<sites::Wish>()
        .schema_from::<sites::Rehearsal>()
        .schema_from::<sites::Met>()
        .schema_from::<audit::AuditPage>()
        .schema_from::<audit::AuditRow>()
        .schema_from::<security::Security>()
        .schema_from::<security::Count>()
}

fn refusal() -> Schema {
    let text = || ObjectBuilder::new().schema_type(Type::String).build();
    let seconds = ObjectBuilder::new().schema_type(Type::Integer).minimum(Some(0));
    let object = ObjectBuilder::new()
        .property("reason", Ref::from_schema_name("Reason"))
        .required("reason")
        .property("sentence", text())
        .required("sentence")
        .property("retry_after_s", seconds.description(Some("When it is worth another try.")))
        .additional_properties(Some(AdditionalProperties::FreeForm(true)))
        .description(Some(
            "Some reasons carry more: `held` with already_logged_in, `field` with bad_request.",
        ));
    Schema::from(object.build())
}

fn method(word: &str) -> HttpMethod {
    match word {
        "post" => HttpMethod::Post,
        "put" => HttpMethod::Put,
        "delete" => HttpMethod::Delete,
        _ => HttpMethod::Get,
    }
}

fn described(operation: &Operation) -> utoipa::openapi::path::Operation {
    let mut built = OperationBuilder::new()
        .summary(Some(operation.summary))
        .operation_id(Some(id(operation)))
        .tag(if operation.path.starts_with("/api/admin") { "administration" } else { "agents" });
    for name in variables(operation.path) {
        built = built.parameter(parameter(name, ParameterIn::Path, Required::True));
    }
    for name in operation.query {
        built = built.parameter(parameter(name, ParameterIn::Query, Required::False));
    }
    if !operation.body.is_empty() {
        let body = RequestBodyBuilder::new().content(JSON, Content::new(Some(fields(operation.body))));
        built = built.request_body(Some(body.required(Some(Required::True)).build()));
    }
    let unsafe_method = operation.method != "get";
    let none: [&str; 0] = [];
    match operation.who {
        Who::Anybody => {}
        Who::Session | Who::Stage(_) | Who::Rights(_) => {
            let mut requirement = SecurityRequirement::new("session", none);
            if unsafe_method {
                requirement = requirement.add("csrf", none);
            }
            built = built.security(requirement);
        }
    }
    let more = match operation.who {
        Who::Anybody => String::new(),
        Who::Session => "Needs a session.".to_owned(),
        Who::Stage(stage) => format!("Needs a session at the stage `{stage}`."),
        Who::Rights([]) => "Needs a session; no right.".to_owned(),
        Who::Rights(rights) => {
            let words: Vec<String> = rights.iter().map(|right| format!("`{}`", right.word())).collect();
            format!("Needs the right {}.", words.join(" or "))
        }
    };
    if !more.is_empty() {
        built = built.description(Some(more));
    }
    let answer = ResponseBuilder::new().description("Done.");
    let (status, answer) = match operation.answer {
        Answer::Nothing => ("204", answer),
        Answer::Goes => ("302", answer),
        Answer::Upgrade => ("101", answer),
        Answer::Csv => ("200", answer.content("text/csv", Content::new(Some(text_schema())))),
        Answer::Accepted(body) => ("202", answer.content(JSON, Content::new(Some(fields(body))))),
        Answer::Object(body) => ("200", answer.content(JSON, Content::new(Some(fields(body))))),
        Answer::Type(name) => (
            "200",
            answer.content(JSON, Content::new(Some(RefOr::<Schema>::from(Ref::from_schema_name(name))))),
        ),
    };
    let refused = ResponseBuilder::new()
        .description("Refused.")
        .content(JSON, Content::new(Some(RefOr::<Schema>::from(Ref::from_schema_name("Refusal")))));
    built.response(status, answer.build()).response("default", refused.build()).build()
}

/// `post /api/admin/logins/{id}/end` → `post_admin_logins_id_end`.
fn id(operation: &Operation) -> String {
    let path = operation.path.trim_start_matches("/api");
    let clean: String = path.chars().filter(|c| !matches!(c, '{' | '}')).collect();
    format!("{}{}", operation.method, clean.replace(['/', '.', '-'], "_"))
}

fn variables(path: &'static str) -> impl Iterator<Item = &'static str> {
    path.split('/').filter_map(|part| part.strip_prefix('{')?.strip_suffix('}'))
}

fn parameter(name: &str, place: ParameterIn, required: Required) -> Parameter {
    ParameterBuilder::new()
        .name(name)
        .parameter_in(place)
        .required(required)
        .schema(Some(text_schema()))
        .build()
}

fn text_schema() -> RefOr<Schema> {
    RefOr::T(Schema::from(ObjectBuilder::new().schema_type(Type::String).build()))
}

/// An object of these fields: `name`, `name?` where it may be missing, and after a colon what it is: a type of JSON, a
/// schema by its name, or either with `[]` for a list; text where nothing is said.
fn fields(list: &[&str]) -> RefOr<Schema> {
    let mut object = ObjectBuilder::new();
    for field in list {
        let (name, kind) = field.split_once(':').unwrap_or((field, "string"));
        let (name, optional) = match name.strip_suffix('?') {
            Some(name) => (name, true),
            None => (name, false),
        };
        object = object.property(name, kind_schema(kind));
        if !optional {
            object = object.required(name);
        }
    }
    RefOr::T(Schema::from(object.additional_properties(Some(AdditionalProperties::FreeForm(true))).build()))
}

fn kind_schema(kind: &str) -> RefOr<Schema> {
    if let Some(item) = kind.strip_suffix("[]") {
        let list = utoipa::openapi::schema::ArrayBuilder::new().items(kind_schema(item)).build();
        return RefOr::T(Schema::from(list));
    }
    let simple =
        |kind: Type| RefOr::T(Schema::from(ObjectBuilder::new().schema_type(SchemaType::Type(kind)).build()));
    match kind {
        "string" => simple(Type::String),
        "integer" => simple(Type::Integer),
        "boolean" => simple(Type::Boolean),
        "object" => simple(Type::Object),
        name => RefOr::Ref(Ref::from_schema_name(name)),
    }
}
