//! Vector files and the shapes of their cases. A field that is not named here stops the run.

use std::collections::BTreeMap;
use std::path::Path;

use serde::de::{Deserialize, DeserializeOwned, Deserializer};
use serde_json::Value as Json;

/// One call, with what it is given and what must come out.
#[derive(Debug, Clone, Default, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Step {
    pub r#do: String,
    pub org: Option<String>,
    #[serde(default, deserialize_with = "present")]
    pub id: Option<Json>,
    #[serde(default, deserialize_with = "present")]
    pub prefix: Option<Json>,
    #[serde(default, deserialize_with = "present")]
    pub before: Option<Json>,
    #[serde(default, deserialize_with = "present")]
    pub text: Option<Json>,
    #[serde(default)]
    pub args: serde_json::Map<String, Json>,
    pub r#as: Option<String>,
    pub ms: Option<i64>,
    /// How often the step is done, once by standard; each time must come out alike.
    pub times: Option<u32>,
    pub config: Option<Json>,
    #[serde(default, deserialize_with = "present")]
    pub expect: Option<Json>,
    pub error: Option<Wrong>,
}

impl Step {
    /// The one positional argument, whichever it is.
    pub fn first(&self) -> &Json {
        self.id.as_ref().or(self.prefix.as_ref()).or(self.before.as_ref()).unwrap_or(&Json::Null)
    }
}

/// An error that must come out.
#[derive(Debug, Clone, PartialEq, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Wrong {
    pub code: String,
    pub field: Option<String>,
}

#[derive(Debug, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KeyCase {
    pub id: String,
    pub comment: String,
    pub config: Json,
    pub op: String,
    pub text: Option<Json>,
    pub syntax: Option<String>,
    pub expect: Json,
    pub found: Option<Vec<String>>,
}

#[derive(Debug, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HashCase {
    pub id: String,
    pub comment: String,
    pub op: String,
    pub input: Json,
    pub expect: Json,
}

#[derive(Debug, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ScopeCase {
    pub id: String,
    pub comment: String,
    pub op: String,
    #[serde(default)]
    pub config: serde_json::Map<String, Json>,
    #[serde(default, deserialize_with = "present")]
    pub scopes: Option<Json>,
    #[serde(default, deserialize_with = "present")]
    pub granted: Option<Json>,
    #[serde(default, deserialize_with = "present")]
    pub required: Option<Json>,
    #[serde(default, deserialize_with = "present")]
    pub level: Option<Json>,
    #[serde(default, deserialize_with = "present")]
    pub method: Option<Json>,
    #[serde(default, deserialize_with = "present")]
    pub networks: Option<Json>,
    #[serde(default, deserialize_with = "present")]
    pub ip: Option<Json>,
    pub expect: Json,
}

#[derive(Debug, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Scenario {
    pub id: String,
    pub comment: String,
    pub config: Json,
    pub start: String,
    pub steps: Vec<Step>,
}

#[derive(Debug, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BadInput {
    pub id: String,
    pub comment: String,
    pub call: String,
    #[serde(default, deserialize_with = "present")]
    pub target: Option<Json>,
    #[serde(default, deserialize_with = "present")]
    pub text: Option<Json>,
    #[serde(default)]
    pub args: serde_json::Map<String, Json>,
    pub expect: Json,
}

#[derive(Debug, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CodeCase {
    pub id: String,
    pub comment: String,
    pub kind: String,
    pub code: String,
    pub status: u16,
    pub wire: String,
    pub python: String,
    pub js: String,
}

#[derive(Debug, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StoredRow {
    pub id: String,
    pub comment: String,
    pub config: Json,
    pub row: Json,
    pub text: String,
    pub expect: Json,
}

/// Runs of the program in one folder.
#[derive(Debug, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CliCase {
    pub id: String,
    pub comment: String,
    /// The files in the folder, in place of those of the whole document.
    pub files: Option<BTreeMap<String, String>>,
    /// The files that other users may read.
    #[serde(default)]
    pub readable: Vec<String>,
    #[serde(default)]
    pub env: BTreeMap<String, String>,
    pub steps: Vec<CliStep>,
}

/// One run of the program.
#[derive(Debug, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CliStep {
    pub run: Vec<String>,
    #[serde(default)]
    pub stdin: String,
    pub exit: i32,
    /// Texts that are there; an empty list for an empty output.
    pub stdout: Option<Vec<String>>,
    pub stderr: Option<Vec<String>>,
    /// Texts that neither output may show.
    #[serde(default)]
    pub never: Vec<String>,
    /// The record on standard output, or the list of records on its lines.
    pub json: Option<Json>,
    pub r#as: Option<String>,
}

/// A set-up that requests are sent to.
#[derive(Debug, Clone, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HttpSetup {
    pub now: String,
    pub engine: serde_json::Map<String, Json>,
    pub http: serde_json::Map<String, Json>,
    pub principal: Option<Json>,
    pub keys: BTreeMap<String, HttpKey>,
}

/// A key, and what becomes of it.
#[derive(Debug, Clone, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HttpKey {
    pub org: String,
    pub create: serde_json::Map<String, Json>,
    pub at: Option<String>,
    #[serde(default)]
    pub then: Vec<Vec<Json>>,
}

#[derive(Debug, Clone, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HttpCase {
    pub id: String,
    pub comment: String,
    pub setup: String,
    #[serde(default)]
    pub keys: BTreeMap<String, HttpKey>,
    pub repeat: Option<usize>,
    /// Which guard the case is about: every guard where it says nothing.
    pub guard: Option<HttpGuard>,
    /// Calls that are made first, with any outcome.
    #[serde(default)]
    pub before: Vec<HttpRequest>,
    pub request: HttpRequest,
    pub response: HttpResponse,
}

/// A guard of a whole application, with a CORS layer behind it, or of one route.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum HttpGuard {
    Application,
    Route,
}

#[derive(Debug, Clone, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HttpRequest {
    pub method: String,
    pub target: String,
    pub headers: Vec<(String, String)>,
    #[serde(default)]
    pub body: Json,
}

#[derive(Debug, Clone, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HttpResponse {
    pub status: u16,
    pub headers: serde_json::Map<String, Json>,
    pub body: Json,
    /// The fields that the body, or the first item of a list, has, in their order.
    pub names: Option<Vec<String>>,
}

/// A whole file.
#[derive(Debug, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct File<T> {
    pub schema: String,
    pub count: usize,
    #[serde(default)]
    pub config: Json,
    pub start: Option<String>,
    #[serde(default)]
    pub given: Vec<Step>,
    #[serde(default)]
    pub files: BTreeMap<String, String>,
    #[serde(default)]
    pub setups: BTreeMap<String, HttpSetup>,
    pub tests: Vec<T>,
}

/// Reads a vector file, and holds its count and the manifest's.
pub fn file<T: DeserializeOwned>(name: &str) -> File<T> {
    let file: File<T> = serde_json::from_str(&text(name)).unwrap_or_else(|it| panic!("{name}.json: {it}"));
    assert_eq!(file.schema, format!("../schema/{name}.schema.json"));
    assert_eq!(file.tests.len(), file.count, "{name}.json counts wrongly");
    let counted = manifest().contains(&(format!("{name}.json"), file.count));
    assert!(counted, "manifest.json disagrees about {name}.json");
    file
}

/// How many cases each file has, in the manifest's order.
pub fn manifest() -> Vec<(String, usize)> {
    let counts: serde_json::Map<String, Json> = serde_json::from_str(&text("manifest")).unwrap();
    counts.into_iter().map(|(name, it)| (name, it.as_u64().unwrap().try_into().unwrap())).collect()
}

fn text(name: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("vectors").join(format!("{name}.json"));
    std::fs::read_to_string(&path).unwrap_or_else(|it| panic!("{}: {it}", path.display()))
}

/// Tells a null that is there from a field that is not.
fn present<'de, D: Deserializer<'de>>(from: D) -> Result<Option<Json>, D::Error> {
    Json::deserialize(from).map(Some)
}
