//! Which rule a route has: what it needs of the key that is presented there.

mod found;
mod needs;
mod path;
mod read;

pub(super) use self::found::{Found, Rules};
pub(super) use self::needs::Idempotent;
pub use self::needs::{Access, Needs};
pub(super) use self::path::decoded;
use self::path::{Match, Path, Pattern};
pub(super) use self::read::read;
use crate::error::Error;

const MOST_RULES: usize = 1_000;

/// What one route needs: a method, a path and what is asked of who enters.
///
/// A path is made of segments: `/v1/deals`, `/v1/deals/{id}`, `/v1/files/{*rest}`; a name in braces stands for any one
/// segment, one with `*`, which is the last, for all that follow. Of several rules for a path the most particular one
/// counts. Where routers differ in what they match, such as in letter case, in percent-encoding or in a slash at the end, a
/// path may belong to several rules: then all of them have to be met.
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

/// The rules of an API, the more particular ones first.
#[derive(Debug, Clone, Default)]
pub(super) struct Table(Vec<Entry>);

#[derive(Debug, Clone)]
struct Entry {
    pattern: Pattern,
    rule: Rule,
    /// The methods that other rules of the same path name, where this one names none.
    others: Vec<String>,
    /// Later entries that a path of this one may match as well, and that are not just more general: routers differ in which
    /// of the two they take.
    rivals: Vec<usize>,
}

impl Entry {
    fn matches(&self, method: &str, path: &Path<'_>) -> Option<Match> {
        let is_in = |methods: &[String]| methods.iter().any(|it| it == method);
        let methods = &self.rule.methods;
        let is_meant = if methods.is_empty() { !is_in(&self.others) } else { is_in(methods) };
        if is_meant { self.pattern.matches(path) } else { None }
    }
}

impl Table {
    pub(super) fn new(rules: Vec<Rule>) -> Result<Self, Error> {
        if rules.len() > MOST_RULES {
            return Err(Error::validation_failed(
                "routes",
                format!("has more than {MOST_RULES} rules"),
                "use {name} in paths",
            ));
        }
        let mut table: Vec<Entry> = Vec::new();
        for rule in rules {
            check(&rule)?;
            let pattern = Pattern::read(&rule.path)?;
            let is_same = |it: &&Entry| it.pattern.is_same(&pattern) && overlap(&it.rule.methods, &rule.methods);
            if let Some(other) = table.iter().find(is_same) {
                let reason = format!("'{rule}' and '{}' are rules of the same requests", other.rule);
                return Err(Error::validation_failed("routes", reason, "keep one of them"));
            }
            table.push(Entry { pattern, rule, others: Vec::new(), rivals: Vec::new() });
        }
        table.sort_by(|one, other| one.pattern.order(&other.pattern));
        let known: Vec<_> = (0..table.len()).map(|at| (others(&table, at), rivals(&table, at))).collect();
        table.iter_mut().zip(known).for_each(|(entry, known)| (entry.others, entry.rivals) = known);
        Ok(Self(table))
    }

    /// Every rule that the route of a request may have.
    pub(super) fn find(&self, method: &str, path: &[u8]) -> Found<'_> {
        let Some(path) = Path::read(path) else { return Found::Ambiguous };
        let mut rules = Rules::default();
        for entry in &self.0 {
            let Some(found) = entry.matches(method, &path) else { continue };
            rules.add(&entry.rule, found);
            if found == Match::Exact {
                let rivals = entry.rivals.iter().filter_map(|it| self.0.get(*it));
                rivals.filter(|it| it.matches(method, &path).is_some()).for_each(|it| rules.add(&it.rule, found));
                break;
            }
        }
        Found::Rules(rules)
    }

    pub(super) fn rules(&self) -> impl Iterator<Item = &Rule> {
        self.0.iter().map(|it| &it.rule)
    }
}

fn others(table: &[Entry], at: usize) -> Vec<String> {
    let Some(entry) = table.get(at).filter(|it| it.rule.methods.is_empty()) else { return Vec::new() };
    let same = table.iter().filter(|it| it.pattern.is_same(&entry.pattern));
    same.flat_map(|it| it.rule.methods.iter().cloned()).collect()
}

fn rivals(table: &[Entry], at: usize) -> Vec<usize> {
    let Some(entry) = table.get(at) else { return Vec::new() };
    let later = table.iter().enumerate().skip(at + 1);
    let is_rival = |it: &Pattern| it.overlaps(&entry.pattern) && !it.covers(&entry.pattern);
    later.filter(|(_, it)| is_rival(&it.pattern)).map(|(at, _)| at).collect()
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
            Found::Rules(rules) if rules.is_listed() => rules.to_string(),
            Found::Rules(_) => "unlisted".into(),
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
        let table = Table::new(vec![
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
            Found::Rules(rules) => format!("{}{rules}", if rules.is_listed() { "" } else { "unlisted, " }),
            Found::Ambiguous => "ambiguous".into(),
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
            // Routers that ask in the order of registration could take either.
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
