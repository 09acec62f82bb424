//! Which rule a route has: what it needs of the key that is presented there.

mod needs;
mod path;
mod read;

pub(super) use self::needs::Idempotent;
pub use self::needs::{Access, Needs};
pub(super) use self::path::decoded;
use self::path::{Path, Pattern};
pub(super) use self::read::read;
use crate::error::Error;

const MOST_RULES: usize = 1_000;

/// What one route needs: a method, a path and what is asked of who enters.
///
/// A path is made of segments: `/v1/deals`, `/v1/deals/{id}`, `/v1/files/{*rest}`; a name in braces stands for any one
/// segment, one with `*`, which is the last, for all that follow. Of several rules for a path the most particular one
/// counts. Letters match without regard to case, and with or without a slash at the end, so that no spelling that some
/// router takes for the same route leads past its rule.
///
/// ```
/// use keywright::http::{Needs, Rule};
/// let rule = Rule::new("POST", "/v1/deals/{id}/notes", Needs::key().scopes("deals:write")?.operation("write"));
/// let open = Rule::any("/health", Needs::nothing());
/// # Ok::<(), keywright::Error>(())
/// ```
#[derive(Debug, Clone)]
#[must_use]
pub struct Rule {
    /// Empty for any.
    methods: Vec<String>,
    path: String,
    pub(super) needs: Needs,
}

impl Rule {
    /// The rule of one method, in capitals. GET is also HEAD.
    pub fn new(method: impl Into<String>, path: impl Into<String>, needs: Needs) -> Self {
        Self { methods: vec![method.into()], path: path.into(), needs }
    }

    /// The rule of every method that no other rule of that path names.
    pub fn any(path: impl Into<String>, needs: Needs) -> Self {
        Self { methods: Vec::new(), path: path.into(), needs }
    }

    /// Another method of the same rule.
    pub fn or(mut self, method: impl Into<String>) -> Self {
        self.methods.push(method.into());
        self
    }
}

/// As a log or an explanation names it.
impl std::fmt::Display for Rule {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let methods = if self.methods.is_empty() { "*".to_owned() } else { self.methods.join("|") };
        write!(out, "{methods} {}", self.path)
    }
}

/// The rules of an API, in the order in which they are asked.
#[derive(Debug, Clone, Default)]
pub(super) struct Table(Vec<(Pattern, Rule)>);

/// What a table says of a request.
pub(super) enum Found<'t> {
    Rule(&'t Rule),
    /// No rule names it.
    Unlisted,
    /// Routers could read the path in several ways.
    Ambiguous,
}

impl Table {
    pub(super) fn new(rules: Vec<Rule>) -> Result<Self, Error> {
        if rules.len() > MOST_RULES {
            return Err(Error::wrong("routes", format!("has more than {MOST_RULES} rules"), "use {name} in paths"));
        }
        let mut table: Vec<(Pattern, Rule)> = Vec::new();
        for rule in rules {
            check(&rule)?;
            let pattern = Pattern::read(&rule.path)?;
            let same = table.iter().find(|(other, it)| other.is_same(&pattern) && overlap(&it.methods, &rule.methods));
            if let Some((_, other)) = same {
                let reason = format!("'{rule}' and '{other}' are rules of the same requests");
                return Err(Error::wrong("routes", reason, "keep one of them"));
            }
            table.push((pattern, rule));
        }
        table.sort_by(|(a, one), (b, other)| {
            a.order(b).then_with(|| one.methods.is_empty().cmp(&other.methods.is_empty()))
        });
        Ok(Self(table))
    }

    pub(super) fn find(&self, method: &str, path: &[u8]) -> Found<'_> {
        let Some(path) = Path::read(path) else { return Found::Ambiguous };
        let named = |rule: &Rule| rule.methods.is_empty() || rule.methods.iter().any(|it| it == method);
        let mut matching = self.0.iter().filter(|(_, rule)| named(rule));
        // Another spelling of a public route may be another route.
        let found = matching.find_map(|(pattern, rule)| {
            let exact = pattern.matches(&path)?;
            Some((rule, exact))
        });
        match found {
            Some((rule, exact)) if exact || rule.needs.access != Access::Public => Found::Rule(rule),
            _ => Found::Unlisted,
        }
    }

    pub(super) fn rules(&self) -> impl Iterator<Item = &Rule> {
        self.0.iter().map(|it| &it.1)
    }
}

fn check(rule: &Rule) -> Result<(), Error> {
    for (index, method) in rule.methods.iter().enumerate() {
        if method == "HEAD" {
            return Err(Error::wrong("routes", "holds a rule for HEAD", "leave it out: the rule for GET counts"));
        }
        // RFC 9110 section 9.1 lets a method be any token; those in use are capitals.
        if method.is_empty() || method.len() > 32 || !method.bytes().all(|it| it.is_ascii_uppercase() || it == b'-') {
            return Err(Error::wrong("routes", "holds what is no method", "write methods in capitals, like GET"));
        }
        if rule.methods.iter().take(index).any(|it| it == method) {
            return Err(Error::wrong("routes", format!("'{rule}' names a method twice"), "name it once"));
        }
    }
    rule.needs.check(&rule.to_string()).map_err(|it| it.within("routes"))
}

/// Whether two lists name a method in common; a rule for any method gives way to those that name theirs.
fn overlap(one: &[String], other: &[String]) -> bool {
    one.iter().any(|it| other.contains(it)) || (one.is_empty() && other.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn table() -> Table {
        let rule = |method: &str, path: &str| Rule::new(method, path, Needs::key());
        Table::new(vec![
            rule("GET", "/v1/deals/{id}"),
            rule("GET", "/v1/deals/export"),
            rule("GET", "/v1/deals").or("POST"),
            Rule::any("/v1/deals", Needs::key()),
            rule("GET", "/v1/files/{*rest}"),
            rule("GET", "/{any}/deals"),
            Rule::any("/health", Needs::nothing()),
            Rule::any("/", Needs::key()),
        ])
        .unwrap()
    }

    fn found(method: &str, path: &str) -> String {
        match table().find(method, path.as_bytes()) {
            Found::Rule(rule) => rule.to_string(),
            Found::Unlisted => "unlisted".into(),
            Found::Ambiguous => "ambiguous".into(),
        }
    }

    #[test]
    fn the_most_particular_rule_counts() {
        for (method, path, rule) in [
            ("GET", "/v1/deals/export", "GET /v1/deals/export"),
            ("GET", "/v1/deals/7", "GET /v1/deals/{id}"),
            ("GET", "/v1/deals/a%20b", "GET /v1/deals/{id}"),
            ("POST", "/v1/deals", "GET|POST /v1/deals"),
            ("DELETE", "/v1/deals", "* /v1/deals"),
            ("DELETE", "/v1/deals/7", "unlisted"),
            ("GET", "/v2/deals", "GET /{any}/deals"),
            ("GET", "/v1/files/a/b/c", "GET /v1/files/{*rest}"),
            ("GET", "/v1/files", "unlisted"),
            ("GET", "/", "* /"),
            ("GET", "/health", "* /health"),
            ("get", "/v1/deals", "* /v1/deals"),
            ("GET", "/elsewhere", "unlisted"),
        ] {
            assert_eq!(found(method, path), rule, "{method} {path}");
        }
    }

    #[test]
    fn no_spelling_leads_past_a_rule() {
        for path in ["/V1/Deals", "/v1/deals/", "/v1/%64eals", "/V1/DEALS/"] {
            assert_eq!(found("GET", path), "GET|POST /v1/deals", "{path}");
        }
        for path in ["/Health", "/health/", "/%68ealth"] {
            assert_eq!(found("GET", path), "unlisted", "{path}");
        }
        for path in [
            "",
            "v1/deals",
            "//v1/deals",
            "/v1//deals",
            "/v1/./deals",
            "/v1/x/../deals",
            "/v1/%2e%2e/deals",
            "/v1/deals;x",
            "/v1/a%2fb",
            "/v1/a%5Cb",
            "/v1/a\\b",
            "/v1/%00",
            "/v1/%zz",
            "/v1/%4",
            "/v1/\u{e9}",
            "/v1/a b",
            "*",
            "http://host/v1",
            "/v1/%ff",
            "/v1/deals//",
            "/v1/%3bx",
            "/v1/deals#",
            "/v1/x#/deals",
        ] {
            assert_eq!(found("GET", path), "ambiguous", "{path}");
        }
    }

    #[test]
    fn contradictions_are_refused() {
        let refused = |rules: Vec<Rule>| Table::new(rules).unwrap_err().to_string();
        let get = |path: &str| Rule::new("GET", path, Needs::key());
        let any = |path: &str| Rule::any(path, Needs::key());
        assert!(refused(vec![get("/a/{b}"), get("/A/{c}/")]).contains("'GET /A/{c}/' and 'GET /a/{b}'"));
        assert!(refused(vec![any("/a"), any("/a")]).contains("same requests"));
        assert!(refused(vec![Rule::new("HEAD", "/a", Needs::key())]).contains("HEAD"));
        assert!(refused(vec![Rule::new("get", "/a", Needs::key())]).contains("capitals"));
        assert!(refused(vec![get("/a").or("GET")]).contains("twice"));
        assert!(
            refused(vec![Rule::new("GET", "/a", Needs::nothing().scopes("a:b").unwrap())])
                .contains("where none is needed")
        );
        for bad in
            ["", "a", "/a//b", "/a/{", "/a/{}", "/{*a}/b", "/a/{b}{c}", "/a/%41", "/a?b", "/a/*", "/a b", "/..", "/a;b"]
        {
            assert!(refused(vec![get(bad)]).starts_with("routes: "), "{bad}");
        }
        assert!(Table::new(vec![get("/a"), Rule::new("POST", "/a", Needs::key()), any("/a"), get("/{b}")]).is_ok());
    }

    proptest! {
        #[test]
        fn no_path_breaks_it(path in proptest::collection::vec(any::<u8>(), 0..60)) {
            let _ = table().find("GET", &path);
        }

        #[test]
        fn what_a_pattern_names_it_matches(id in "[A-Za-z0-9_.~-]{1,20}") {
            prop_assume!(id != "." && id != ".." && !id.eq_ignore_ascii_case("export"));
            prop_assert_eq!(found("GET", &format!("/v1/deals/{id}")), "GET /v1/deals/{id}");
        }
    }
}
