//! The rules of routes: who may enter, and what is required of a key.

mod matching_rules;
mod needs;
mod path;
mod read;

pub(super) use self::matching_rules::{MatchingRules, RuleMatch};
pub(super) use self::needs::Idempotent;
pub use self::needs::{Access, Needs};
pub(super) use self::path::percent_decode;
use self::path::{PathMatch, PathPattern, RequestPath};
pub(super) use self::read::read;
use crate::error::Error;

const MOST_RULES: usize = 1_000;

/// The rule of a route: its methods, its path, and its needs.
///
/// A path has segments: `/v1/deals`, `/v1/deals/{id}`, `/v1/files/{*rest}`. A name in braces matches any one segment. A name
/// with `*`, which comes last, matches all segments that follow. Of several rules for a path the most specific one counts.
/// Routers differ in letter case, percent-encoding and a slash at the end. A path that may therefore belong to several rules
/// must meet all of them.
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
    /// Empty for any method.
    methods: Vec<String>,
    path: String,
    pub(super) needs: Needs,
}

impl Rule {
    /// A rule for one method, in capitals. A rule for GET covers HEAD.
    pub fn new(method: impl Into<String>, path: impl Into<String>, needs: Needs) -> Self {
        Self { methods: vec![method.into()], path: path.into(), needs }
    }

    /// A rule for all methods that no other rule of the path names.
    pub fn any(path: impl Into<String>, needs: Needs) -> Self {
        Self { methods: Vec::new(), path: path.into(), needs }
    }

    /// Adds a method to the rule.
    pub fn or(mut self, method: impl Into<String>) -> Self {
        self.methods.push(method.into());
        self
    }
}

/// The form in logs and explanations.
impl std::fmt::Display for Rule {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let methods = if self.methods.is_empty() { "*".to_owned() } else { self.methods.join("|") };
        write!(out, "{methods} {}", self.path)
    }
}

/// The rules of an API, with the more specific ones first.
#[derive(Debug, Clone, Default)]
pub(super) struct RouteTable(Vec<RouteEntry>);

#[derive(Debug, Clone)]
struct RouteEntry {
    pattern: PathPattern,
    rule: Rule,
    /// The methods that other rules of the same path name, if this one names none.
    others: Vec<String>,
    /// Later entries that may match the same path and are not only more general. Routers differ in which of the two they
    /// choose.
    rivals: Vec<usize>,
}

impl RouteEntry {
    fn matches(&self, method: &str, path: &RequestPath<'_>) -> Option<PathMatch> {
        let is_in = |methods: &[String]| methods.iter().any(|known| known == method);
        let methods = &self.rule.methods;
        let is_meant = if methods.is_empty() { !is_in(&self.others) } else { is_in(methods) };
        if is_meant { self.pattern.matches(path) } else { None }
    }
}

impl RouteTable {
    pub(super) fn new(rules: Vec<Rule>) -> Result<Self, Error> {
        if rules.len() > MOST_RULES {
            return Err(Error::validation_failed(
                "routes",
                format!("has more than {MOST_RULES} rules"),
                "use {name} in paths",
            ));
        }
        let mut table: Vec<RouteEntry> = Vec::new();
        for rule in rules {
            check(&rule)?;
            let pattern = PathPattern::parse(&rule.path)?;
            let is_same =
                |entry: &&RouteEntry| entry.pattern.is_same(&pattern) && overlap(&entry.rule.methods, &rule.methods);
            if let Some(other) = table.iter().find(is_same) {
                let reason = format!("'{rule}' and '{}' are rules of the same requests", other.rule);
                return Err(Error::validation_failed("routes", reason, "keep one of them"));
            }
            table.push(RouteEntry { pattern, rule, others: Vec::new(), rivals: Vec::new() });
        }
        table.sort_by(|one, other| one.pattern.order(&other.pattern));
        let known: Vec<_> = (0..table.len()).map(|index| (others(&table, index), rivals(&table, index))).collect();
        table.iter_mut().zip(known).for_each(|(entry, known)| (entry.others, entry.rivals) = known);
        Ok(Self(table))
    }

    /// Finds every rule that the route of a request may have.
    pub(super) fn find(&self, method: &str, path: &[u8]) -> RuleMatch<'_> {
        let Some(path) = RequestPath::parse(path) else { return RuleMatch::Ambiguous };
        let mut rules = MatchingRules::default();
        for entry in &self.0 {
            let Some(found) = entry.matches(method, &path) else { continue };
            rules.add(&entry.rule, found);
            if found == PathMatch::Exact {
                let rivals = entry.rivals.iter().filter_map(|index| self.0.get(*index));
                let matching = rivals.filter(|rival| rival.matches(method, &path).is_some());
                matching.for_each(|rival| rules.add(&rival.rule, found));
                break;
            }
        }
        RuleMatch::Rules(rules)
    }

    pub(super) fn rules(&self) -> impl Iterator<Item = &Rule> {
        self.0.iter().map(|it| &it.rule)
    }
}

fn others(table: &[RouteEntry], index: usize) -> Vec<String> {
    let Some(entry) = table.get(index).filter(|it| it.rule.methods.is_empty()) else { return Vec::new() };
    let same = table.iter().filter(|it| it.pattern.is_same(&entry.pattern));
    same.flat_map(|other| other.rule.methods.iter().cloned()).collect()
}

fn rivals(table: &[RouteEntry], index: usize) -> Vec<usize> {
    let Some(entry) = table.get(index) else { return Vec::new() };
    let later = table.iter().enumerate().skip(index + 1);
    let is_rival = |pattern: &PathPattern| pattern.overlaps(&entry.pattern) && !pattern.covers(&entry.pattern);
    later.filter(|(_, other)| is_rival(&other.pattern)).map(|(index, _)| index).collect()
}

fn check(rule: &Rule) -> Result<(), Error> {
    for (index, method) in rule.methods.iter().enumerate() {
        if method == "HEAD" {
            return Err(Error::validation_failed(
                "routes",
                "holds a rule for HEAD",
                "leave it out: the rule for GET counts",
            ));
        }
        // RFC 9110 section 9.1 lets a method be any token; those in use are capitals.
        if method.is_empty() || method.len() > 32 || !method.bytes().all(|it| it.is_ascii_uppercase() || it == b'-') {
            return Err(Error::validation_failed(
                "routes",
                "holds what is no method",
                "write methods in capitals, like GET",
            ));
        }
        if rule.methods.iter().take(index).any(|it| it == method) {
            return Err(Error::validation_failed("routes", format!("'{rule}' names a method twice"), "name it once"));
        }
    }
    if rule.needs.access == Access::Rule {
        let reason = format!("'{rule}' refers to the rule of its path, which it is itself");
        return Err(Error::validation_failed("routes", reason, "name who may enter"));
    }
    rule.needs.check(&rule.to_string()).map_err(|error| error.within("routes"))
}

/// Whether two rules share a method. A rule for any method gives way to rules that name their methods.
fn overlap(one: &[String], other: &[String]) -> bool {
    one.iter().any(|it| other.contains(it)) || (one.is_empty() && other.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn table() -> RouteTable {
        let rule = |method: &str, path: &str| Rule::new(method, path, Needs::key());
        RouteTable::new(vec![
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
            RuleMatch::Rules(rules) if rules.is_listed() => rules.to_string(),
            RuleMatch::Rules(_) => "unlisted".into(),
            RuleMatch::Ambiguous => "ambiguous".into(),
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
            ("REPORT", "/v1/deals", "* /v1/deals"),
            ("GET", "/elsewhere", "unlisted"),
        ] {
            assert_eq!(found(method, path), rule, "{method} {path}");
        }
    }

    #[test]
    fn a_path_that_may_belong_to_several_rules_has_all_of_them() {
        let both = "GET /v1/deals/export, GET /v1/deals/{id}";
        for path in ["/v1/deals/EXPORT", "/v1/deals/expor%74", "/V1/deals/Export"] {
            assert_eq!(found("GET", path), both, "{path}");
        }
        let rule = |path: &str| Rule::new("GET", path, Needs::key());
        let open = |path: &str| Rule::new("GET", path, Needs::nothing());
        let table = RouteTable::new(vec![
            open("/files/open/{*rest}"),
            rule("/files/{*rest}"),
            rule("/{org}/deals"),
            rule("/acme/{page}"),
            rule("/lists"),
            rule("/lists/{*rest}"),
            rule("/skis"),
            rule("/{word}"),
        ])
        .unwrap();
        let found = |path: &str| match table.find("GET", path.as_bytes()) {
            RuleMatch::Rules(rules) => format!("{}{rules}", if rules.is_listed() { "" } else { "unlisted, " }),
            RuleMatch::Ambiguous => "ambiguous".into(),
        };
        for (path, rules) in [
            ("/files/open/x", "GET /files/open/{*rest}"),
            ("/files/open/a%20b/", "GET /files/open/{*rest}"),
            ("/files/OPEN/x", "GET /files/open/{*rest}, GET /files/{*rest}"),
            ("/files/open", "GET /files/open/{*rest}, GET /files/{*rest}"),
            ("/files/other/x", "GET /files/{*rest}"),
            ("/files", "GET /files/{*rest}, GET /{word}"),
            ("/lists", "GET /lists"),
            ("/lists/", "GET /lists, GET /lists/{*rest}, GET /{word}"),
            // Routers that try routes in the order of registration could choose either.
            ("/acme/deals", "GET /acme/{page}, GET /{org}/deals"),
            ("/acme/other", "GET /acme/{page}"),
            ("/other/deals", "GET /{org}/deals"),
            // Letters beyond ASCII that regular expressions fold to these.
            ("/s%E2%84%AAi%C5%BF", "GET /skis, GET /{word}"),
            ("/%C3%A9", "GET /{word}"),
            ("/", "unlisted, "),
        ] {
            assert_eq!(found(path), rules, "{path}");
        }
    }

    #[test]
    fn needs_are_met_together_or_not_at_all() {
        let needs = |scopes: &str| Needs::key().scopes(scopes).unwrap();
        let both = needs("a:b").cost(3).and(&needs("c:d,a:b").cost(2).operation("write").idempotent()).unwrap();
        assert_eq!((both.request.scopes.join(","), both.request.cost), ("a:b,c:d".into(), Some(3)));
        assert_eq!((both.request.operation.as_deref(), both.idempotent), (Some("write"), Idempotent::Yes));
        for (one, other, access) in [
            (Needs::nothing(), Needs::nothing(), Some(Access::Public)),
            (Needs::nothing(), needs("a:b"), Some(Access::Key)),
            (Needs::either(), Needs::session(), Some(Access::Session)),
            (Needs::either(), Needs::key(), Some(Access::Key)),
            (Needs::key(), Needs::session(), None),
            (Needs::key().operation("read"), Needs::key().operation("write"), None),
            (Needs::key().environment("live"), Needs::key().environment("test"), None),
        ] {
            assert_eq!(one.and(&other).map(|it| it.access), access);
            assert_eq!(other.and(&one).map(|it| it.access), access);
        }
    }

    #[test]
    fn no_spelling_leads_past_a_rule() {
        for path in ["/V1/Deals", "/v1/deals/", "/v1/%64eals", "/V1/DEALS/"] {
            assert!(found("GET", path).starts_with("GET|POST /v1/deals"), "{path}");
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
        let refused = |rules: Vec<Rule>| RouteTable::new(rules).unwrap_err().to_string();
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
        assert!(
            RouteTable::new(vec![get("/a"), Rule::new("POST", "/a", Needs::key()), any("/a"), get("/{b}")]).is_ok()
        );
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
