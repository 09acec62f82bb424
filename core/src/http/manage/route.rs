use super::Head;
use super::spelling::{AGENT_USAGE, AUDIT_ENTRY, Kind, ORG, REVOKED_KEYS, SCOPE, USAGE, View, WHOAMI};
use crate::http::refusal::Refusal;
use crate::http::route::decoded;
use crate::keyring::{KeyUpdate, ListAudit, ListKeys, ListOrgs, NewKey};

/// What a client may say. Who says it is never among it.
const ROTATION: [&str; 3] = ["grace", "replace_current", "reason"];
const CHANGE: [&str; 1] = ["reason"];
const ATTESTATION: [&str; 3] = ["agent", "claims", "attestations"];
const TOKEN: [&str; 5] = ["token", "token_type_hint", "ip", "method", "agent"];

/// A call by which a key asks about itself, or changes itself; see
/// [`Config::self_service`](crate::http::Config::self_service).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum SelfService {
    /// `GET /whoami`, which sessions may ask as well.
    Show,
    /// `POST /whoami/rotate`.
    Rotate,
    /// `DELETE /whoami`.
    Revoke,
    /// `POST /whoami/attest`.
    Attest,
}

impl SelfService {
    /// The names of the calls in the option `self_service`.
    pub(in crate::http) const NAMES: [(&str, Self); 4] =
        [("show", Self::Show), ("rotate", Self::Rotate), ("revoke", Self::Revoke), ("attest", Self::Attest)];
}

/// What can be done over the wire.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Route {
    Create,
    List,
    Get,
    Update,
    Revoke,
    Rotate,
    EndGrace,
    Disable,
    Enable,
    Usage,
    Agents,
    Attest,
    Audit,
    Scopes,
    Introspect,
    Orgs,
    Org,
    UpdateOrg,
    DisableOrg,
    EnableOrg,
    RevokeKeys,
    Whoami,
    RotateSelf,
    RevokeSelf,
    AttestSelf,
    OpenApi,
}

/// Paths, in which `*` is an id, and what their methods do.
pub(super) const ROUTES: [(&str, Methods); 21] = [
    ("keys", &[("GET", Route::List), ("POST", Route::Create)]),
    ("keys/*", &[("GET", Route::Get), ("PATCH", Route::Update), ("DELETE", Route::Revoke)]),
    ("keys/*/rotate", &[("POST", Route::Rotate)]),
    ("keys/*/end-grace", &[("POST", Route::EndGrace)]),
    ("keys/*/disable", &[("POST", Route::Disable)]),
    ("keys/*/enable", &[("POST", Route::Enable)]),
    ("keys/*/usage", &[("GET", Route::Usage)]),
    ("keys/*/agents", &[("GET", Route::Agents)]),
    ("keys/*/attest", &[("POST", Route::Attest)]),
    ("audit", &[("GET", Route::Audit)]),
    ("scopes", &[("GET", Route::Scopes)]),
    ("introspect", &[("POST", Route::Introspect)]),
    ("orgs", &[("GET", Route::Orgs)]),
    ("orgs/*", &[("GET", Route::Org), ("PATCH", Route::UpdateOrg)]),
    ("orgs/*/disable", &[("POST", Route::DisableOrg)]),
    ("orgs/*/enable", &[("POST", Route::EnableOrg)]),
    ("orgs/*/revoke-keys", &[("POST", Route::RevokeKeys)]),
    ("whoami", &[("GET", Route::Whoami), ("DELETE", Route::RevokeSelf)]),
    ("whoami/rotate", &[("POST", Route::RotateSelf)]),
    ("whoami/attest", &[("POST", Route::AttestSelf)]),
    ("openapi.json", &[("GET", Route::OpenApi)]),
];

/// Who may take a route.
pub(super) enum Right {
    /// Who has this scope.
    Scope(&'static str),
    /// Who has this scope, a key as well: nothing is changed.
    Granted(&'static str),
    /// Who acts for every org, with this scope.
    Operator(&'static str),
    /// Whoever was recognised.
    Anyone,
    /// The holder of a key, about that key. A former secret in its grace holds none.
    Holder,
}

impl Route {
    /// What the OpenAPI document calls it.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Create => "createKey",
            Self::List => "listKeys",
            Self::Get => "getKey",
            Self::Update => "updateKey",
            Self::Revoke => "revokeKey",
            Self::Rotate => "rotateKey",
            Self::EndGrace => "endGrace",
            Self::Disable => "disableKey",
            Self::Enable => "enableKey",
            Self::Usage => "getUsage",
            Self::Agents => "listAgents",
            Self::Attest => "attestKey",
            Self::Audit => "listAudit",
            Self::Scopes => "listScopes",
            Self::Introspect => "introspect",
            Self::Orgs => "listOrgs",
            Self::Org => "getOrg",
            Self::UpdateOrg => "updateOrg",
            Self::DisableOrg => "disableOrg",
            Self::EnableOrg => "enableOrg",
            Self::RevokeKeys => "revokeOrgKeys",
            Self::Whoami => "whoami",
            Self::RotateSelf => "rotateSelf",
            Self::RevokeSelf => "revokeSelf",
            Self::AttestSelf => "attestSelf",
            Self::OpenApi => "getOpenApi",
        }
    }

    pub(super) fn right(self) -> Right {
        match self {
            Self::Create
            | Self::Update
            | Self::Revoke
            | Self::Rotate
            | Self::EndGrace
            | Self::Disable
            | Self::Enable
            | Self::Attest => Right::Scope("keys:manage"),
            Self::List | Self::Get | Self::Usage | Self::Agents | Self::Scopes | Self::Org => Right::Scope("keys:read"),
            Self::Audit => Right::Scope("audit:read"),
            Self::Introspect => Right::Granted("keys:introspect"),
            Self::Orgs | Self::UpdateOrg | Self::DisableOrg | Self::EnableOrg | Self::RevokeKeys => {
                Right::Operator("orgs:manage")
            }
            Self::Whoami | Self::OpenApi => Right::Anyone,
            Self::RotateSelf | Self::RevokeSelf | Self::AttestSelf => Right::Holder,
        }
    }

    /// Whether the route exists where these calls of self-service are open.
    pub(super) fn is_open(self, calls: &[SelfService]) -> bool {
        let call = match self {
            Self::Whoami => SelfService::Show,
            Self::RotateSelf => SelfService::Rotate,
            Self::RevokeSelf => SelfService::Revoke,
            Self::AttestSelf => SelfService::Attest,
            _ => return true,
        };
        calls.contains(&call)
    }

    /// Whether an idempotency key counts: for what is asked with POST, and changes something.
    pub(super) fn is_done_once(self) -> bool {
        matches!(
            self,
            Self::Create
                | Self::Rotate
                | Self::EndGrace
                | Self::Disable
                | Self::Enable
                | Self::DisableOrg
                | Self::EnableOrg
                | Self::RevokeKeys
                | Self::RotateSelf
                | Self::Attest
                | Self::AttestSelf
        )
    }

    pub(super) fn arguments(self) -> Arguments {
        match self {
            Self::List
            | Self::Get
            | Self::Usage
            | Self::Agents
            | Self::Audit
            | Self::Scopes
            | Self::Orgs
            | Self::Org
            | Self::Whoami
            | Self::OpenApi => Arguments::Query,
            Self::Introspect => Arguments::Form,
            _ => Arguments::Json,
        }
    }

    /// The names of its arguments.
    pub(super) fn takes(self) -> &'static [&'static str] {
        match self {
            Self::Create => NewKey::NAMES,
            Self::List => &ListKeys::NAMES,
            Self::Update => KeyUpdate::NAMES,
            Self::Rotate | Self::RotateSelf => &ROTATION,
            Self::Attest | Self::AttestSelf => &ATTESTATION,
            Self::Audit => &ListAudit::NAMES,
            Self::Introspect => &TOKEN,
            Self::Orgs => &ListOrgs::NAMES,
            Self::UpdateOrg => &["networks"],
            Self::Revoke
            | Self::RevokeSelf
            | Self::EndGrace
            | Self::Disable
            | Self::Enable
            | Self::DisableOrg
            | Self::EnableOrg
            | Self::RevokeKeys => &CHANGE,
            Self::Get | Self::Usage | Self::Agents | Self::Scopes | Self::Org | Self::Whoami | Self::OpenApi => &[],
        }
    }

    /// What it answers.
    pub(super) fn shows(self) -> Kind {
        match self {
            Self::Create | Self::Rotate | Self::RotateSelf => Kind::Key(View::Create),
            Self::List => Kind::Page(&Kind::Key(View::List)),
            Self::Get | Self::Update | Self::EndGrace | Self::Disable | Self::Enable => Kind::Key(View::Get),
            Self::Revoke | Self::RevokeSelf => Kind::Revocation,
            Self::Usage => USAGE,
            Self::Agents => Kind::Page(&AGENT_USAGE),
            Self::Audit | Self::Attest | Self::AttestSelf => Kind::Page(&AUDIT_ENTRY),
            Self::Scopes => Kind::Page(&SCOPE),
            Self::Orgs => Kind::Page(&ORG),
            Self::Org | Self::UpdateOrg | Self::DisableOrg | Self::EnableOrg => ORG,
            Self::RevokeKeys => REVOKED_KEYS,
            Self::Whoami => WHOAMI,
            // Others have said what it is called: RFC 7662 and OpenAPI.
            Self::Introspect | Self::OpenApi => Kind::Value,
        }
    }
}

/// Where a route finds its arguments.
pub(super) enum Arguments {
    Query,
    Form,
    Json,
}

/// A route, and the id that its path names.
pub(super) struct Found {
    pub(super) route: Route,
    pub(super) subject: String,
}

impl Found {
    /// The route of a request. A path counts only as it is written here: no other spelling leads anywhere.
    pub(super) fn at(head: &Head<'_>, open: &[SelfService]) -> Result<Self, Refusal> {
        let (methods, subject) = methods(head.path(), open).ok_or_else(Refusal::not_found)?;
        let method = head.judged_method();
        match methods.iter().find(|it| it.0 == method) {
            Some((_, route)) => Ok(Self { route: *route, subject }),
            None => {
                let allowed: Vec<&str> = methods.iter().map(|it| it.0).collect();
                Err(Refusal::new(405, "METHOD_NOT_ALLOWED", "This path does not take that method")
                    .with("allow", allowed.join(", ")))
            }
        }
    }
}

type Methods = &'static [(&'static str, Route)];

/// The methods that a path takes where these calls of self-service are open, and the id that it names. `None` for a path
/// without any.
pub(super) fn methods(path: &[u8], open: &[SelfService]) -> Option<(Vec<(&'static str, Route)>, String)> {
    let path = std::str::from_utf8(path).ok()?.strip_prefix('/')?;
    let parts: Vec<&str> = path.split('/').collect();
    let (methods, subject) = ROUTES.iter().find_map(|(pattern, methods)| Some((methods, matched(pattern, &parts)?)))?;
    let methods: Vec<_> = methods.iter().copied().filter(|(_, route)| route.is_open(open)).collect();
    (!methods.is_empty()).then_some((methods, subject))
}

/// The id in a path, empty where the pattern has none.
fn matched(pattern: &str, parts: &[&str]) -> Option<String> {
    let mut subject = String::new();
    let mut wanted = pattern.split('/');
    for part in parts {
        match wanted.next()? {
            "*" => subject = decoded(part).filter(|it| !it.is_empty())?.into_owned(),
            word if word == *part => {}
            _ => return None,
        }
    }
    wanted.next().is_none().then_some(subject)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(method: &str, path: &str) -> Result<(Route, String), u16> {
        Found::at(&Head::new(method, path), &SelfService::NAMES.map(|it| it.1))
            .map(|it| (it.route, it.subject))
            .map_err(|it| it.status)
    }

    #[test]
    fn paths_count_as_they_are_written() {
        assert_eq!(found("GET", "/keys?limit=1"), Ok((Route::List, String::new())));
        assert_eq!(found("HEAD", "/keys/7"), Ok((Route::Get, "7".into())));
        assert_eq!(found("POST", "/orgs/a%3Ab/revoke-keys"), Ok((Route::RevokeKeys, "a:b".into())));
        for path in
            ["", "/", "/keys/", "//keys", "/Keys", "/keys/7/", "/keys//rotate", "/keys/7/rotate/x", "/%6Beys", "keys"]
        {
            assert_eq!(found("GET", path), Err(404), "{path}");
        }
        for (method, path) in [("PUT", "/keys"), ("GET", "/keys/7/rotate"), ("get", "/keys"), ("", "/audit")] {
            assert_eq!(found(method, path), Err(405), "{method} {path}");
        }
    }

    #[test]
    fn calls_that_are_not_open_do_not_exist() {
        let found = |method, path, open: &[SelfService]| {
            Found::at(&Head::new(method, path), open).map(|it| it.route).map_err(|it| (it.status, it.headers))
        };
        assert_eq!(found("GET", "/whoami", &[SelfService::Show]), Ok(Route::Whoami));
        let allow = ("allow", "GET".into());
        assert_eq!(found("DELETE", "/whoami", &[SelfService::Show]), Err((405, vec![allow])));
        assert_eq!(found("GET", "/whoami", &[]), Err((404, vec![])));
        assert_eq!(found("POST", "/whoami/rotate", &[SelfService::Show]), Err((404, vec![])));
        assert_eq!(found("GET", "/keys", &[]), Ok(Route::List));
    }

    #[test]
    fn the_guide_tells_every_route() {
        let guide = include_str!("../../../guide/management.md");
        // What stands in backquotes is every other part between them.
        let quoted = |line: &str| line.split('`').skip(1).step_by(2).map(str::to_owned).collect::<Vec<_>>();
        for (path, methods) in ROUTES {
            let id = if path.starts_with("orgs") { "{org}" } else { "{id}" };
            for (method, route) in methods {
                let request = format!("{method} /{}", path.replace('*', id));
                let line = guide.lines().find(|it| it.starts_with(&format!("| `{request}` ")));
                let line = line.unwrap_or_else(|| panic!("the guide lacks {request}"));
                let right = match route.right() {
                    Right::Scope(it) | Right::Granted(it) | Right::Operator(it) => format!("`{it}`"),
                    Right::Anyone => "any".into(),
                    Right::Holder => "the key itself".into(),
                };
                let cells: Vec<&str> = line.split('|').map(str::trim).collect();
                assert_eq!(cells[2], right, "{request}");
                assert_eq!(cells[1].ends_with("*once*"), route.is_done_once(), "{request}");
                let missing = route.takes().iter().find(|it| !quoted(cells[3]).iter().any(|quoted| quoted == *it));
                assert_eq!(missing, None, "{request}");
            }
        }
    }
}
