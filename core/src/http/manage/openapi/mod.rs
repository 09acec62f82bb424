//! The OpenAPI 3.1 document of the management endpoints, made from the table of routes and the schemas of records.

#[cfg(feature = "cli")]
mod verification;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::LazyLock;

use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::route::{ArgumentSource, ManagementRoute, ROUTES, RequiredRight};
use crate::http::Http;
use crate::http::credential::CredentialSource;
use crate::http::response_style::ErrorFormat;

/// JSON Schemas (draft 2020-12) of the records, and the parameters of queries.
static RECORDS: LazyLock<RecordSchemas> = LazyLock::new(|| {
    let RecordSchemas { answers, bodies, parameters } = read(include_str!("records.json"));
    RecordSchemas { answers: extended(answers), bodies: extended(bodies), parameters }
});
/// The operations by their ids.
static OPERATIONS: LazyLock<BTreeMap<String, OperationDoc>> = LazyLock::new(|| read(include_str!("operations.json")));

/// The schemas that have the same names in every spelling.
const FIXED: [&str; 5] = ["Introspection", "ActiveToken", "InactiveToken", "Token", "Document"];

/// The groups of operations, with their descriptions.
const TAGS: [(&str, &str); 6] = [
    ("Keys", "The API keys of an org."),
    ("Audit", "The record of every change."),
    ("Introspection", "The introspection of keys by other servers."),
    ("Orgs", "The tenants that own keys; for operators."),
    ("Self-service", "The calls by which a key reads or changes itself."),
    ("Document", "This document."),
];

/// The security scheme of sessions.
const SESSION: &str = "session";

/// The security scheme of OAuth clients.
const CLIENT: &str = "client";

#[derive(Default, Deserialize)]
struct RecordSchemas {
    answers: Map<String, Value>,
    bodies: Map<String, Value>,
    parameters: Map<String, Value>,
}

#[derive(Deserialize)]
struct OperationDoc {
    tag: String,
    summary: String,
    description: String,
    body: Option<String>,
    form: Option<String>,
    answer: String,
}

fn read<T: Default + for<'de> Deserialize<'de>>(document: &str) -> T {
    serde_json::from_str(document).unwrap_or_default()
}

/// Writes out the schemas that extend another one. Such a schema is a merge patch (RFC 7396) of the other, so that a property
/// of both is in one place. The word `all` stands for the names of all properties.
fn extended(schemas: Map<String, Value>) -> Map<String, Value> {
    let full = |mut schema: Value| {
        let base = schema.as_object_mut().and_then(|members| members.remove("extends"));
        let base = base.as_ref().and_then(Value::as_str).and_then(|name| schemas.get(name));
        let mut schema = base.map_or(schema.clone(), |base| patched(base.clone(), schema));
        if let Some(members) = schema.as_object_mut()
            && members.get("required").is_some_and(|required| required == "all")
        {
            let names = members.get("properties").and_then(Value::as_object).into_iter().flat_map(Map::keys);
            let names = names.cloned().collect();
            members.insert("required".into(), names);
        }
        schema
    };
    schemas.iter().map(|(name, schema)| (name.clone(), full(schema.clone()))).collect()
}

/// A merge patch (RFC 7396): null removes a member, objects merge, everything else replaces.
fn patched(target: Value, patch: Value) -> Value {
    let Value::Object(patch) = patch else { return patch };
    let mut members = match target {
        Value::Object(members) => members,
        _ => Map::new(),
    };
    for (name, patch) in patch {
        let before = members.remove(&name).unwrap_or_default();
        if !patch.is_null() {
            members.insert(name, patched(before, patch));
        }
    }
    members.into()
}

impl Http {
    /// The OpenAPI 3.1 document of the management endpoints, the same as `GET /openapi.json` returns below the mount of
    /// management. It holds no data of any key.
    ///
    /// ```
    /// # fn main() -> Result<(), keywright::Error> { pollster::block_on(async {
    /// # let folder = tempfile::tempdir().unwrap(); let url = format!("sqlite:{}/keys.db", folder.path().display());
    /// # let kw = keywright::Keywright::builder(url).brand("liq").pepper([7; 32]).build().await?;
    /// let document = kw.http(keywright::http::Config::new())?.openapi();
    /// assert_eq!(document["paths"]["/keys/{id}/rotate"]["post"]["operationId"], "rotateKey");
    /// # kw.close().await; Ok(()) }) }
    /// ```
    #[must_use]
    pub fn openapi(&self) -> Value {
        let kind = self.config.style.errors.content_type();
        let refused = |text: &str| json!({"description": text, "content": content(kind, "Refusal")});
        let paths = self.paths();
        let responses = json!({
            "Refused": refused("The request is refused; the body says why."),
            "Unavailable": refused("The store does not answer; try again after Retry-After seconds."),
        });
        let mut schemas = self.schemas();
        let mut used = BTreeSet::new();
        add_referred(&paths, &schemas, &mut used);
        add_referred(&responses, &schemas, &mut used);
        schemas.retain(|name, _| used.contains(name));
        json!({
            "openapi": "3.1.0",
            "info": {
                "title": "Keys",
                "version": env!("CARGO_PKG_VERSION"),
                "description": "The management of the API keys of this API.",
            },
            "tags": TAGS.map(|(name, description)| json!({"name": name, "description": description})),
            // MatchedRoute from the document, wherever management is mounted.
            "servers": [{"url": self.config.options.management_path.relative_root()}],
            "paths": paths,
            "components": {
                "schemas": schemas,
                "parameters": self.parameters(),
                "responses": responses,
                "securitySchemes": self.schemes(),
            },
        })
    }

    /// The schemas of every operation, open or not.
    fn schemas(&self) -> Map<String, Value> {
        let spelling = &self.config.options.spelling;
        let (answers, bodies) = (RECORDS.answers.clone(), RECORDS.bodies.clone());
        let mut schemas = spelling.answer_schemas(&answers);
        schemas.extend(bodies.clone().into_iter().map(|(name, body)| (name, spelling.argument_schema(body))));
        // RFC 7662 defines these names.
        let fixed = answers.into_iter().chain(bodies).filter(|schema| FIXED.contains(&schema.0.as_str()));
        schemas.extend(fixed);
        #[cfg(feature = "cli")]
        schemas.extend(verification::schemas());
        schemas.insert("Refusal".into(), spelling.argument_schema(refusal_schema(self.config.style.errors)));
        schemas
    }

    fn parameters(&self) -> Value {
        let parameters = RECORDS.parameters.clone().into_iter();
        parameters.map(|(name, parameter)| (name, self.config.options.spelling.parameter(parameter))).collect()
    }

    fn paths(&self) -> Value {
        let mut paths = Map::new();
        for (pattern, methods) in ROUTES {
            let mut item = Map::new();
            if let Some((before, _)) = pattern.split_once("/*") {
                item.insert("parameters".into(), json!([reference("parameters", before)]));
            }
            for (method, route) in methods.iter().filter(|it| it.1.is_open(&self.config.options.self_service)) {
                if let Some(operation) = OPERATIONS.get(route.operation_id()) {
                    item.insert(method.to_ascii_lowercase(), self.operation(*route, operation));
                }
            }
            if !item.is_empty() {
                let path = format!("/{}", pattern.replace('*', "{id}"));
                paths.insert(self.config.options.management_path.outer_path(&path), item.into());
            }
        }
        #[cfg(feature = "cli")]
        paths.extend(self.verification_path());
        paths.into()
    }

    fn operation(&self, route: ManagementRoute, operation: &OperationDoc) -> Value {
        let (spelling, shape) = (&self.config.options.spelling, route.answer_shape());
        let answer = spelling.answer_name(&shape, &operation.answer);
        let mut done = json!({"description": "Done.", "content": content("application/json", answer)});
        if let (Some(done), Some(link)) = (done.as_object_mut(), spelling.link(&shape)) {
            done.insert("headers".into(), link);
        }
        let status = self.status(route).to_string();
        let mut described = Map::from_iter([
            ("operationId".into(), route.operation_id().into()),
            ("tags".into(), json!([operation.tag])),
            ("summary".into(), operation.summary.clone().into()),
            ("description".into(), operation.description.clone().into()),
            ("security".into(), self.security(&route.required_right())),
            (
                "responses".into(),
                json!({
                    status: done,
                    "401": reference("responses", "Refused"),
                    "503": reference("responses", "Unavailable"),
                    // Not `4XX`, which some client generators cannot read.
                    "default": reference("responses", "Refused"),
                }),
            ),
        ]);
        let body = match (&operation.body, &operation.form) {
            (Some(body), _) => Some((content("application/json", body), requires(body))),
            (_, Some(form)) => Some((content("application/x-www-form-urlencoded", form), true)),
            _ => None,
        };
        if let Some((content, required)) = body {
            described.insert("requestBody".into(), json!({"required": required, "content": content}));
        }
        let query = if matches!(route.argument_source(), ArgumentSource::Query) { route.argument_names() } else { &[] };
        let once = route.is_idempotent().then_some("idempotency_key");
        let parameters: Vec<_> = query.iter().copied().chain(once).map(|it| reference("parameters", it)).collect();
        if !parameters.is_empty() {
            described.insert("parameters".into(), parameters.into());
        }
        described.into()
    }

    /// The security schemes that a route accepts, as alternatives.
    fn security(&self, right: &RequiredRight) -> Value {
        let session = || [SESSION.to_owned()].into_iter();
        let keys = || self.config.options.credentials.iter().map(key_scheme);
        let names: Vec<String> = match right {
            RequiredRight::Holder => keys().collect(),
            RequiredRight::Anyone => session().chain(keys()).collect(),
            RequiredRight::Granted(_) => session().chain(keys()).chain([CLIENT.to_owned()]).collect(),
            RequiredRight::Scope(_) if self.config.options.keys_may_manage => session().chain(keys()).collect(),
            RequiredRight::Scope(_) | RequiredRight::Operator(_) => session().collect(),
        };
        names.into_iter().map(|it| json!({it: []})).collect()
    }

    fn schemes(&self) -> Value {
        let mut schemes = Map::new();
        let session = json!({"type": "http", "scheme": "bearer", "description": "A session of this API."});
        schemes.insert(SESSION.into(), session);
        let client = "The id or prefix of an API key as the user, the key as the password.";
        schemes.insert(CLIENT.into(), json!({"type": "http", "scheme": "basic", "description": client}));
        for source in &self.config.options.credentials {
            let scheme = match source.authorization_scheme() {
                Some(scheme) => {
                    json!({"type": "http", "scheme": scheme.to_ascii_lowercase(), "description": "An API key."})
                }
                None => json!({"type": "apiKey", "in": "header", "name": source.name(), "description": "An API key."}),
            };
            schemes.insert(key_scheme(source), scheme);
        }
        schemes.into()
    }
}

/// The name of the security scheme of a credential source. The scheme `Bearer` has the name of its header alone.
fn key_scheme(source: &CredentialSource) -> String {
    match source.authorization_scheme().map(str::to_ascii_lowercase) {
        // Names of components allow fewer characters than names of schemes.
        Some(scheme) if scheme != "bearer" => {
            let allowed = |it: char| it.is_ascii_alphanumeric() || "-._".contains(it);
            format!("key-authorization-{}", scheme.replace(|it| !allowed(it), "_"))
        }
        _ => format!("key-{}", source.name()),
    }
}

fn reference(kind: &str, name: &str) -> Value {
    json!({"$ref": format!("#/components/{kind}/{name}")})
}

/// Adds the names of the schemas that a value refers to, and of those that these refer to.
fn add_referred(value: &Value, schemas: &Map<String, Value>, names: &mut BTreeSet<String>) {
    match value {
        Value::Object(members) => {
            let target = members.get("$ref").and_then(Value::as_str);
            if let Some(name) = target.and_then(|target| target.strip_prefix("#/components/schemas/"))
                && names.insert(name.to_owned())
                && let Some(schema) = schemas.get(name)
            {
                add_referred(schema, schemas, names);
            }
            members.values().for_each(|member| add_referred(member, schemas, names));
        }
        Value::Array(items) => items.iter().for_each(|item| add_referred(item, schemas, names)),
        _ => {}
    }
}

fn content(kind: &str, schema: &str) -> Value {
    json!({kind: {"schema": reference("schemas", schema)}})
}

/// Whether a body of this schema has required members.
fn requires(schema: &str) -> bool {
    RECORDS.bodies.get(schema).is_some_and(|it| it.get("required").or_else(|| it.get("oneOf")).is_some())
}

/// The schema of a refusal.
fn refusal_schema(errors: ErrorFormat) -> Value {
    let text = |it: &str| json!({"type": "string", "description": it});
    let code = text("What is wrong, in one stable word.");
    let message = text("What is wrong, for people.");
    let request_id = text("The id of the request, as in X-Request-Id.");
    let object = |properties: Value| {
        let names: Vec<_> = properties.as_object().into_iter().flat_map(Map::keys).cloned().collect();
        json!({"type": "object", "properties": properties, "required": names})
    };
    match errors {
        ErrorFormat::Problem => object(json!({
            "type": text("Always about:blank (RFC 9457, section 4.2.1)."),
            "title": text("The phrase of the status."),
            "status": {"type": "integer", "minimum": 400, "maximum": 599},
            "detail": message,
            "code": code,
            "request_id": request_id,
        })),
        ErrorFormat::List => object(json!({
            "errors": {"type": "array", "minItems": 1, "items": object(json!({"code": code, "message": message}))},
        })),
        ErrorFormat::Plain => object(json!({"code": code, "message": message, "request_id": request_id})),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::manage::spelling::{KEY, RecordShape, Spelling};
    use crate::record::Key;

    #[test]
    fn schemas_tell_of_every_field_that_is_shown() {
        for route in ROUTES.iter().flat_map(|it| it.1).map(|it| it.1) {
            let Some(operation) = OPERATIONS.get(route.operation_id()) else { continue };
            if let RecordShape::Record(fields) = route.answer_shape()
                && let Some(told) = RECORDS.answers.get(&operation.answer).and_then(|it| it.get("properties"))
            {
                let shown: BTreeSet<&str> = fields.iter().map(|it| it.name).collect();
                let told: BTreeSet<&str> = told.as_object().unwrap().keys().map(String::as_str).collect();
                assert_eq!(told, shown, "{}", operation.answer);
            }
        }
        assert_eq!(properties(&RECORDS.answers["Key"]), Key::FIELDS.iter().copied().collect());
        let every = Spelling::new().fields_everywhere(KEY.iter().map(|it| it.name)).unwrap();
        let key = |it: &Spelling| it.answer_schemas(&RECORDS.answers)["IssuedKey"]["required"].clone();
        assert_eq!(key(&every), key(&Spelling::new()));
    }

    fn properties(schema: &Value) -> BTreeSet<&str> {
        schema["properties"].as_object().unwrap().keys().map(String::as_str).collect()
    }

    #[test]
    fn schemas_tell_of_every_argument() {
        for route in ROUTES.iter().flat_map(|path| path.1).map(|method| method.1) {
            let body = OPERATIONS.get(route.operation_id()).and_then(|operation| operation.body.as_ref());
            let body = body.map(|name| &RECORDS.bodies[name]).filter(|schema| schema.get("properties").is_some());
            if let Some(body) = body {
                assert_eq!(
                    properties(body),
                    route.argument_names().iter().copied().collect(),
                    "{}",
                    route.operation_id()
                );
            }
        }
    }

    #[test]
    fn routes_are_operations_and_operations_are_routes() {
        let routes: BTreeSet<&str> = ROUTES.iter().flat_map(|it| it.1).map(|it| it.1.operation_id()).collect();
        let operations: BTreeSet<&str> = OPERATIONS.keys().map(String::as_str).collect();
        assert_eq!(routes, operations);
        assert_eq!(routes.len(), ROUTES.iter().map(|it| it.1.len()).sum::<usize>(), "two routes have one name");
    }

    #[test]
    fn every_operation_has_a_tag_and_every_tag_an_operation() {
        let used: BTreeSet<&str> = OPERATIONS.values().map(|operation| operation.tag.as_str()).collect();
        assert_eq!(used, TAGS.iter().map(|tag| tag.0).collect());
    }

    #[test]
    fn every_name_that_is_referred_to_is_there() {
        for operation in OPERATIONS.values() {
            assert!(RECORDS.answers.contains_key(&operation.answer), "{}", operation.answer);
            for name in [&operation.body, &operation.form].into_iter().flatten() {
                assert!(RECORDS.bodies.contains_key(name), "{name}");
            }
        }
        for route in ROUTES
            .iter()
            .flat_map(|it| it.1)
            .map(|it| it.1)
            .filter(|it| matches!(it.argument_source(), ArgumentSource::Query))
        {
            for name in route.argument_names() {
                assert_eq!(RECORDS.parameters.get(*name).map(|it| &it["name"]), Some(&json!(name)));
            }
        }
    }
}
