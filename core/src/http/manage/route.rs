//! The table of management routes: their rights, their arguments and the shape of their answers.

#[cfg(feature = "client")]
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};

use super::Head;
use super::spelling::{
    AGENT_USAGE, AUDIT_ENTRY, ORG, QUOTA_STATE, REVOKED_KEYS, RecordShape, SCOPE, USAGE, View, WHOAMI,
};
use crate::http::refusal::Refusal;
use crate::http::route::percent_decode;
use crate::keyring::{Credit, KeyUpdate, ListAudit, ListKeys, ListOrgs, NewKey};

/// Arguments. The caller is never among them.
const ROTATION: [&str; 3] = ["grace", "replace_current", "reason"];
const CHANGE: [&str; 1] = ["reason"];
const ATTESTATION: [&str; 3] = ["agent", "claims", "attestations"];
const TOKEN: [&str; 5] = ["token", "token_type_hint", "ip", "method", "agent"];

/// A call by which a key reads or changes itself, see [`Config::self_service`](crate::http::Config::self_service).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum SelfService {
    /// `GET /whoami`, also open to sessions.
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

/// A route of management.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ManagementRoute {
    Create,
    List,
    Get,
    Update,
    Revoke,
    Rotate,
    EndGrace,
    Disable,
    Enable,
    Credit,
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

/// The paths, in which `*` is an id, with their methods.
pub(super) const ROUTES: [(&str, Methods); 22] = [
    ("keys", &[("GET", ManagementRoute::List), ("POST", ManagementRoute::Create)]),
    (
        "keys/*",
        &[("GET", ManagementRoute::Get), ("PATCH", ManagementRoute::Update), ("DELETE", ManagementRoute::Revoke)],
    ),
    ("keys/*/rotate", &[("POST", ManagementRoute::Rotate)]),
    ("keys/*/end-grace", &[("POST", ManagementRoute::EndGrace)]),
    ("keys/*/disable", &[("POST", ManagementRoute::Disable)]),
    ("keys/*/enable", &[("POST", ManagementRoute::Enable)]),
    ("keys/*/credit", &[("POST", ManagementRoute::Credit)]),
    ("keys/*/usage", &[("GET", ManagementRoute::Usage)]),
    ("keys/*/agents", &[("GET", ManagementRoute::Agents)]),
    ("keys/*/attest", &[("POST", ManagementRoute::Attest)]),
    ("audit", &[("GET", ManagementRoute::Audit)]),
    ("scopes", &[("GET", ManagementRoute::Scopes)]),
    ("introspect", &[("POST", ManagementRoute::Introspect)]),
    ("orgs", &[("GET", ManagementRoute::Orgs)]),
    ("orgs/*", &[("GET", ManagementRoute::Org), ("PATCH", ManagementRoute::UpdateOrg)]),
    ("orgs/*/disable", &[("POST", ManagementRoute::DisableOrg)]),
    ("orgs/*/enable", &[("POST", ManagementRoute::EnableOrg)]),
    ("orgs/*/revoke-keys", &[("POST", ManagementRoute::RevokeKeys)]),
    ("whoami", &[("GET", ManagementRoute::Whoami), ("DELETE", ManagementRoute::RevokeSelf)]),
    ("whoami/rotate", &[("POST", ManagementRoute::RotateSelf)]),
    ("whoami/attest", &[("POST", ManagementRoute::AttestSelf)]),
    ("openapi.json", &[("GET", ManagementRoute::OpenApi)]),
];

/// The right that a route requires.
pub(super) enum RequiredRight {
    /// This scope; a key also needs the option `keys_may_manage`.
    Scope(&'static str),
    /// This scope, for keys without that option too, because the route changes nothing.
    Granted(&'static str),
    /// This scope, of a session for every org.
    Operator(&'static str),
    /// Any valid key or session.
    Anyone,
    /// A key, about itself. A former secret in its grace does not count.
    Holder,
}

impl ManagementRoute {
    /// The operation id in the OpenAPI document.
    pub(super) fn operation_id(self) -> &'static str {
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
            Self::Credit => "creditKey",
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

    pub(super) fn required_right(self) -> RequiredRight {
        match self {
            Self::Create
            | Self::Update
            | Self::Revoke
            | Self::Rotate
            | Self::EndGrace
            | Self::Disable
            | Self::Enable
            | Self::Attest => RequiredRight::Scope("keys:manage"),
            // A customer who manages keys does not raise what the host sells.
            Self::Credit => RequiredRight::Scope("keys:credit"),
            Self::List | Self::Get | Self::Usage | Self::Agents | Self::Scopes | Self::Org => {
                RequiredRight::Scope("keys:read")
            }
            Self::Audit => RequiredRight::Scope("audit:read"),
            Self::Introspect => RequiredRight::Granted("keys:introspect"),
            Self::Orgs | Self::UpdateOrg | Self::DisableOrg | Self::EnableOrg | Self::RevokeKeys => {
                RequiredRight::Operator("orgs:manage")
            }
            Self::Whoami | Self::OpenApi => RequiredRight::Anyone,
            Self::RotateSelf | Self::RevokeSelf | Self::AttestSelf => RequiredRight::Holder,
        }
    }

    /// Whether the route exists with these calls of self-service.
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

    /// Whether the route accepts an idempotency key: it is a POST, and changes something.
    pub(super) fn is_idempotent(self) -> bool {
        matches!(
            self,
            Self::Create
                | Self::Rotate
                | Self::EndGrace
                | Self::Disable
                | Self::Enable
                | Self::Credit
                | Self::DisableOrg
                | Self::EnableOrg
                | Self::RevokeKeys
                | Self::RotateSelf
                | Self::Attest
                | Self::AttestSelf
        )
    }

    /// Whether the call changes something.
    pub(super) fn is_change(self) -> bool {
        matches!(self.argument_source(), ArgumentSource::Json)
    }

    pub(super) fn argument_source(self) -> ArgumentSource {
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
            | Self::OpenApi => ArgumentSource::Query,
            Self::Introspect => ArgumentSource::Form,
            _ => ArgumentSource::Json,
        }
    }

    /// The names of the arguments.
    pub(super) fn argument_names(self) -> &'static [&'static str] {
        match self {
            Self::Create => NewKey::NAMES,
            Self::List => &ListKeys::NAMES,
            Self::Update => KeyUpdate::NAMES,
            Self::Credit => &Credit::NAMES,
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

    /// The shape of the answer.
    pub(super) fn answer_shape(self) -> RecordShape {
        match self {
            Self::Create | Self::Rotate | Self::RotateSelf => RecordShape::Key(View::Create),
            Self::List => RecordShape::Page(&RecordShape::Key(View::List)),
            Self::Get | Self::Update | Self::EndGrace | Self::Disable | Self::Enable => RecordShape::Key(View::Get),
            Self::Revoke | Self::RevokeSelf => RecordShape::Revocation,
            Self::Credit => QUOTA_STATE,
            Self::Usage => USAGE,
            Self::Agents => RecordShape::Page(&AGENT_USAGE),
            Self::Audit | Self::Attest | Self::AttestSelf => RecordShape::Page(&AUDIT_ENTRY),
            Self::Scopes => RecordShape::Page(&SCOPE),
            Self::Orgs => RecordShape::Page(&ORG),
            Self::Org | Self::UpdateOrg | Self::DisableOrg | Self::EnableOrg => ORG,
            Self::RevokeKeys => REVOKED_KEYS,
            Self::Whoami => WHOAMI,
            // RFC 7662 and OpenAPI define these.
            Self::Introspect | Self::OpenApi => RecordShape::Value,
        }
    }
}

/// How a client may send a request again whose answer was lost.
#[cfg(feature = "client")]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Repetition {
    /// As it is: twice has the effect of once.
    Plain,
    /// With an idempotency key, under which it runs once.
    WithKey,
    /// Not at all.
    Never,
}

#[cfg(feature = "client")]
impl ManagementRoute {
    /// The method and the path of a request about the record with this id, if the route has one.
    pub(crate) fn request_line(self, id: &str) -> (&'static str, String) {
        let routes =
            ROUTES.iter().flat_map(|(path, methods)| methods.iter().map(move |(method, route)| (path, method, route)));
        let found = routes.into_iter().find(|(_, _, route)| **route == self);
        // Each route is in the table: `each_route_has_a_request_line`.
        let (path, method) = found.map_or(("", ""), |(path, method, _)| (*path, *method));
        let id = utf8_percent_encode(id, NON_ALPHANUMERIC).to_string();
        (method, format!("/{}", path.replace('*', &id)))
    }

    /// Requests of the same idempotency key are stored for a day, and a caller has a limited number of them. Only those that need
    /// it get one.
    pub(crate) fn repetition(self) -> Repetition {
        match self {
            Self::Disable | Self::DisableOrg | Self::EndGrace => Repetition::Plain,
            // Anybody may call it often.
            Self::Attest | Self::AttestSelf => Repetition::Never,
            _ if self.is_idempotent() => Repetition::WithKey,
            Self::Update | Self::UpdateOrg => Repetition::Never,
            _ => Repetition::Plain,
        }
    }

    /// Whether the arguments are in the query of the request.
    pub(crate) fn is_read(self) -> bool {
        matches!(self.argument_source(), ArgumentSource::Query)
    }
}

/// The part of a request that holds the arguments.
pub(super) enum ArgumentSource {
    Query,
    Form,
    Json,
}

/// The route of a request, and the id in its path.
pub(super) struct MatchedRoute {
    pub(super) route: ManagementRoute,
    pub(super) subject: String,
}

impl MatchedRoute {
    /// Finds the route of a request. Paths match only as they are written here: another spelling is not found.
    pub(super) fn find(head: &Head<'_>, open: &[SelfService]) -> Result<Self, Refusal> {
        let (methods, subject) = find_methods(head.path(), open).ok_or_else(Refusal::not_found)?;
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

type Methods = &'static [(&'static str, ManagementRoute)];

/// The methods of a path with these calls of self-service, and the id in the path. `None` if the path has no methods.
pub(super) fn find_methods(
    path: &[u8],
    open: &[SelfService],
) -> Option<(Vec<(&'static str, ManagementRoute)>, String)> {
    let path = std::str::from_utf8(path).ok()?.strip_prefix('/')?;
    let parts: Vec<&str> = path.split('/').collect();
    let (methods, subject) =
        ROUTES.iter().find_map(|(pattern, methods)| Some((methods, match_path(pattern, &parts)?)))?;
    let methods: Vec<_> = methods.iter().copied().filter(|(_, route)| route.is_open(open)).collect();
    (!methods.is_empty()).then_some((methods, subject))
}

/// The id in a path that matches the pattern, empty if the pattern has no id.
fn match_path(pattern: &str, parts: &[&str]) -> Option<String> {
    let mut subject = String::new();
    let mut wanted = pattern.split('/');
    for part in parts {
        match wanted.next()? {
            "*" => subject = percent_decode(part).filter(|it| !it.is_empty())?.into_owned(),
            word if word == *part => {}
            _ => return None,
        }
    }
    wanted.next().is_none().then_some(subject)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(method: &str, path: &str) -> Result<(ManagementRoute, String), u16> {
        MatchedRoute::find(&Head::new(method, path), &SelfService::NAMES.map(|it| it.1))
            .map(|it| (it.route, it.subject))
            .map_err(|it| it.status)
    }

    #[test]
    fn paths_count_as_they_are_written() {
        assert_eq!(found("GET", "/keys?limit=1"), Ok((ManagementRoute::List, String::new())));
        assert_eq!(found("HEAD", "/keys/7"), Ok((ManagementRoute::Get, "7".into())));
        assert_eq!(found("POST", "/orgs/a%3Ab/revoke-keys"), Ok((ManagementRoute::RevokeKeys, "a:b".into())));
        for path in
            ["", "/", "/keys/", "//keys", "/Keys", "/keys/7/", "/keys//rotate", "/keys/7/rotate/x", "/%6Beys", "keys"]
        {
            assert_eq!(found("GET", path), Err(404), "{path}");
        }
        for (method, path) in [("PUT", "/keys"), ("GET", "/keys/7/rotate"), ("get", "/keys"), ("", "/audit")] {
            assert_eq!(found(method, path), Err(405), "{method} {path}");
        }
    }

    #[cfg(feature = "client")]
    #[test]
    fn each_route_has_a_request_line() {
        for (_, methods) in ROUTES {
            for (method, route) in methods {
                let (sent, path) = route.request_line("a/../:é");
                let id = if path.contains('%') { "a/../:é".into() } else { String::new() };
                assert_eq!((sent, found(sent, &path)), (*method, Ok((*route, id))));
            }
        }
    }

    #[test]
    fn calls_that_are_not_open_do_not_exist() {
        let found = |method, path, open: &[SelfService]| {
            MatchedRoute::find(&Head::new(method, path), open).map(|it| it.route).map_err(|it| (it.status, it.headers))
        };
        assert_eq!(found("GET", "/whoami", &[SelfService::Show]), Ok(ManagementRoute::Whoami));
        let allow = ("allow", "GET".into());
        assert_eq!(found("DELETE", "/whoami", &[SelfService::Show]), Err((405, vec![allow])));
        assert_eq!(found("GET", "/whoami", &[]), Err((404, vec![])));
        assert_eq!(found("POST", "/whoami/rotate", &[SelfService::Show]), Err((404, vec![])));
        assert_eq!(found("GET", "/keys", &[]), Ok(ManagementRoute::List));
    }

    #[test]
    fn the_guide_tells_every_route() {
        let guide = include_str!("../../../guide/management.md");
        // Every other part between backquotes is quoted.
        let quoted = |line: &str| line.split('`').skip(1).step_by(2).map(str::to_owned).collect::<Vec<_>>();
        for (path, methods) in ROUTES {
            let id = if path.starts_with("orgs") { "{org}" } else { "{id}" };
            for (method, route) in methods {
                let request = format!("{method} /{}", path.replace('*', id));
                let line = guide.lines().find(|it| it.starts_with(&format!("| `{request}` ")));
                let line = line.unwrap_or_else(|| panic!("the guide lacks {request}"));
                let right = match route.required_right() {
                    RequiredRight::Scope(it) | RequiredRight::Granted(it) | RequiredRight::Operator(it) => {
                        format!("`{it}`")
                    }
                    RequiredRight::Anyone => "any".into(),
                    RequiredRight::Holder => "the key itself".into(),
                };
                let cells: Vec<&str> = line.split('|').map(str::trim).collect();
                assert_eq!(cells[2], right, "{request}");
                assert_eq!(cells[1].ends_with("*once*"), route.is_idempotent(), "{request}");
                let missing =
                    route.argument_names().iter().find(|it| !quoted(cells[3]).iter().any(|quoted| quoted == *it));
                assert_eq!(missing, None, "{request}");
            }
        }
    }
}
