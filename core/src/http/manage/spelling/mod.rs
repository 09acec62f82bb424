//! The spelling of management bodies: names, forms and choice of fields, to match the existing API of a host.

mod fields;
mod read;
mod record;
mod render;
mod schema;
mod view;

use self::fields::SECRET;
#[cfg(test)]
pub(in crate::http) use self::record::KEY;
pub(in crate::http) use self::record::{
    AGENT_USAGE, AUDIT_ENTRY, ORG, QUOTA_STATE, REVOKED_KEYS, RecordField, RecordShape, SCOPE, USAGE, WHOAMI,
};
pub use self::view::View;
use crate::casing::Casing;
use crate::error::Error;
use crate::input::{Fields, Value};

/// The spelling of management bodies and queries. It never changes values, scopes or the names in `metadata`.
///
/// ```
/// use keywright::http::{Casing, Config, Spelling, View};
/// let spelling = Spelling::new()
///     .casing(Casing::Camel)
///     .secret_in_key()
///     .fields(View::Create, ["id", "name", "api_key", "expires_at"])?
///     .bare_lists();
/// let config = Config::new().spelling(spelling); // {"id": …, "name": …, "key": …, "expiresAt": …}
/// # Ok::<(), keywright::Error>(())
/// ```
#[derive(Clone)]
#[must_use]
pub struct Spelling {
    pub(in crate::http) casing: Casing,
    bare_lists: bool,
    secret: &'static str,
    success: bool,
    without_nulls: bool,
    pub(super) created_status: u16,
    create: Option<Vec<&'static RecordField>>,
    list: Option<Vec<&'static RecordField>>,
    get: Option<Vec<&'static RecordField>>,
}

/// The default page size of bare lists, which do not tell whether there are more items: the largest one.
const BARE_PAGE: u16 = 1_000;

impl Default for Spelling {
    fn default() -> Self {
        Self {
            casing: Casing::Snake,
            bare_lists: false,
            secret: SECRET,
            success: false,
            without_nulls: false,
            created_status: 201,
            create: None,
            list: None,
            get: None,
        }
    }
}

impl Spelling {
    /// Names in `snake_case`, all fields, and lists with `data`, `has_more` and `next_cursor`.
    pub fn new() -> Self {
        Self::default()
    }

    /// The casing of field names, in requests and responses.
    pub fn casing(self, casing: Casing) -> Self {
        Self { casing, ..self }
    }

    /// Answers a list with a JSON array of up to 1,000 items. If there are more, `Link` (RFC 8288) leads to the next page.
    pub fn bare_lists(self) -> Self {
        Self { bare_lists: true, ..self }
    }

    /// Names the field with the text of a key `key` instead of `api_key`.
    pub fn secret_in_key(self) -> Self {
        Self { secret: "key", ..self }
    }

    /// Answers a revocation with `{"success": true}` instead of the key.
    pub fn success_when_revoked(self) -> Self {
        Self { success: true, ..self }
    }

    /// Omits fields without a value instead of showing null.
    pub fn without_nulls(self) -> Self {
        Self { without_nulls: true, ..self }
    }

    /// The status of a response that shows a new key: 201, or 200.
    ///
    /// # Errors
    /// `validation_failed` for another.
    pub fn created_status(self, status: u16) -> Result<Self, Error> {
        match status {
            200 | 201 => Ok(Self { created_status: status, ..self }),
            _ => Err(Error::validation_failed("created_status", "is no status of a key just made", "use 201 or 200")),
        }
    }

    fn name(&self, name: &str) -> String {
        self.casing.spell(if name == SECRET { self.secret } else { name })
    }

    /// Checks the names of arguments, and adds the default page size of bare lists.
    pub(super) fn arguments(
        &self,
        mut given: Vec<(String, Value)>,
        names: &[&str],
        shape: &RecordShape,
    ) -> Result<Fields, Error> {
        if self.bare_lists && matches!(shape, RecordShape::Page(_)) && names.contains(&"limit") {
            let is_limited = given.iter().any(|it| it.0 == "limit");
            given.extend((!is_limited).then(|| ("limit".into(), Value::Integer(BARE_PAGE.into()))));
        }
        Fields::new(self.casing, given).only(names)
    }

    /// Spells the names of arguments in an error message as the client writes them.
    pub(super) fn spell_arguments(&self, text: &str, names: &[&str]) -> String {
        names.iter().fold(text.to_owned(), |text, name| text.replace(name, &self.casing.spell(name)))
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;
    use serde_json::{Value as Json, json};

    use super::*;
    use crate::keyring::{ListAudit, ListOrgs, NewKey, Rotation};
    use crate::record::{Limit, Quota};
    use crate::wait::block_on;
    use crate::{Keywright, Page};

    /// A key in which no field is empty that could be full, and the records about it.
    fn records() -> (Json, Page<crate::OrgRecord>, Page<crate::AuditEntry>) {
        block_on(async {
            let folder = tempfile::tempdir().unwrap();
            let url = format!("sqlite:{}/keys.db", folder.path().display());
            let kw = Keywright::builder(url).brand("liq").pepper([7; 32]).build().await.unwrap();
            let new = NewKey::named("CI")
                .limit(Limit::new("own", 10))
                .quota(Quota::new("all", 9))
                .metadata(metadata())
                .expires_in_days(1);
            let new = kw.keys().create(new).await.unwrap();
            let new = kw.keys().rotate(&new.id, Rotation::grace("1h").unwrap()).await.unwrap();
            let shown = serde_json::to_value(new.reveal()).unwrap();
            let records = (shown, kw.orgs().list(ListOrgs::new()).await, kw.audit().list(ListAudit::new()).await);
            kw.close().await;
            (records.0, records.1.unwrap(), records.2.unwrap())
        })
    }

    fn metadata() -> serde_json::Map<String, Json> {
        json!({"cost_center": null, "owner_of": {"a_b": 1}}).as_object().unwrap().clone()
    }

    fn body(spelling: &Spelling, kind: &RecordShape, value: &Json) -> String {
        String::from_utf8(spelling.body(kind, value.clone()).unwrap()).unwrap()
    }

    fn names(value: &Json) -> BTreeSet<&str> {
        value.as_object().unwrap().keys().map(String::as_str).collect()
    }

    /// All names in a kind of record, with those of the records in it.
    fn names_in(kind: &RecordShape) -> Vec<&'static str> {
        match kind {
            RecordShape::Value | RecordShape::Revocation => vec![],
            RecordShape::Key(_) => KEY.iter().flat_map(|it| [vec![it.name], names_in(&it.shape)].concat()).collect(),
            RecordShape::Record(fields) | RecordShape::Records(fields) => {
                fields.iter().flat_map(|it| [vec![it.name], names_in(&it.shape)].concat()).collect()
            }
            RecordShape::Page(item) => names_in(item),
        }
    }

    const KINDS: [RecordShape; 9] =
        [RecordShape::Key(View::Get), USAGE, QUOTA_STATE, ORG, AGENT_USAGE, AUDIT_ENTRY, SCOPE, REVOKED_KEYS, WHOAMI];

    #[test]
    fn the_tables_hold_what_the_records_have() {
        let (key, orgs, audit) = records();
        let (org, entry) =
            (serde_json::to_value(&orgs.data[0]).unwrap(), serde_json::to_value(&audit.data[0]).unwrap());
        for (kind, value) in [(RecordShape::Key(View::Create), &key), (ORG, &org), (AUDIT_ENTRY, &entry)] {
            let shown: Json = serde_json::from_str(&body(&Spelling::new(), &kind, value)).unwrap();
            assert_eq!(&shown, value);
        }
        let usage: Json = serde_json::from_str(&body(&Spelling::new(), &USAGE, &key)).unwrap();
        assert_eq!(names(&usage).len(), 5);
    }

    #[test]
    fn camel_and_snake_name_the_same_fields() {
        let all: BTreeSet<&str> =
            KINDS.iter().flat_map(names_in).chain(["data", "has_more", "next_cursor", "request_id"]).collect();
        let camel: BTreeSet<String> = all.iter().map(|it| Casing::Camel.spell(it)).collect();
        assert_eq!(camel.len(), all.len());
        for name in all {
            let camel = Casing::Camel.spell(name);
            assert!(!camel.contains('_'), "{camel}");
            assert_eq!(snake(&camel), name);
        }
    }

    fn snake(camel: &str) -> String {
        camel
            .chars()
            .flat_map(|it| it.is_ascii_uppercase().then_some('_').into_iter().chain([it.to_ascii_lowercase()]))
            .collect()
    }

    #[test]
    fn names_change_and_what_the_host_named_does_not() {
        let (key, ..) = records();
        let camel = Spelling::new().casing(Casing::Camel).secret_in_key();
        let shown: Json = serde_json::from_str(&body(&camel, &RecordShape::Key(View::Create), &key)).unwrap();
        assert_eq!(shown["key"], key["api_key"]);
        assert_eq!(shown["metadata"], key["metadata"]);
        assert_eq!(shown["secrets"][0]["createdAt"], key["secrets"][0]["created_at"]);
        assert!(names(&shown).contains("lastUsedAt") && !names(&shown).contains("apiKey"));
        let absent = Spelling::new().without_nulls();
        let shown: Json = serde_json::from_str(&body(&absent, &RecordShape::Key(View::Create), &key)).unwrap();
        assert!(!names(&shown).contains("disabled_at") && !names(&shown["limits"][0]).contains("operation"));
        assert_eq!(shown["metadata"]["cost_center"], Json::Null);
    }

    #[test]
    fn fields_are_chosen_and_ordered() {
        let (key, ..) = records();
        let some = Spelling::new().fields(View::Create, ["name", "api_key", "id"]).unwrap();
        let [name, api_key, id] = [&key["name"], &key["api_key"], &key["id"]];
        assert_eq!(
            body(&some, &RecordShape::Key(View::Create), &key),
            format!("{{\"name\":{name},\"api_key\":{api_key},\"id\":{id}}}")
        );
        let every = Spelling::new().fields_everywhere(["id", "api_key"]).unwrap();
        let mut plain = key.clone();
        plain.as_object_mut().unwrap().remove("api_key");
        assert_eq!(body(&every, &RecordShape::Key(View::List), &plain), format!("{{\"id\":{id}}}"));
        let whoami = json!({"type": "key", "org": "acme", "key": plain});
        assert_eq!(
            body(&every, &WHOAMI, &whoami),
            format!("{{\"type\":\"key\",\"org\":\"acme\",\"key\":{{\"id\":{id}}}}}")
        );
    }

    #[test]
    fn lists_and_revocations_have_two_forms() {
        let page = json!({"data": [{"revoked": 1}], "has_more": true, "next_cursor": "abc"});
        let kind = RecordShape::Page(&REVOKED_KEYS);
        let (plain, bare) = (Spelling::new().casing(Casing::Camel), Spelling::new().bare_lists());
        assert_eq!(body(&plain, &kind, &page), r#"{"data":[{"revoked":1}],"hasMore":true,"nextCursor":"abc"}"#);
        assert_eq!(body(&bare, &kind, &page), r#"[{"revoked":1}]"#);
        assert_eq!((plain.next_cursor(&kind, &page), bare.next_cursor(&kind, &page)), (None, Some("abc")));
        let (key, ..) = records();
        assert!(body(&Spelling::new(), &RecordShape::Revocation, &key).contains("\"status\":\"active\""));
        assert_eq!(
            body(&Spelling::new().success_when_revoked(), &RecordShape::Revocation, &key),
            r#"{"success":true}"#
        );
    }

    #[test]
    fn a_list_without_a_frame_is_as_long_as_can_be() {
        let takes = ["limit", "cursor"];
        let limit = |spelling: Spelling, given: Vec<(String, Value)>| {
            spelling.arguments(given, &takes, &RecordShape::Page(&ORG)).map(|mut it| it.take("limit"))
        };
        assert_eq!(limit(Spelling::new().bare_lists(), vec![]), Ok(Some(Value::Integer(1_000))));
        assert_eq!(limit(Spelling::new(), vec![]), Ok(None));
        let ten = vec![("limit".to_owned(), Value::Integer(10))];
        assert_eq!(limit(Spelling::new().bare_lists(), ten), Ok(Some(Value::Integer(10))));
    }

    #[test]
    fn what_has_no_meaning_is_refused() {
        let fields = |view: View, names: &[&str]| Spelling::new().fields(view, names).err().map(|it| it.to_string());
        for (view, names, told) in [
            (
                View::Create,
                &["id"][..],
                "fields: of create lack api_key, which no other response shows; name api_key among them",
            ),
            (
                View::List,
                &["id", "api_key"],
                "fields: show api_key where a key is not just made; name it for create alone: afterwards nobody has it",
            ),
            (
                View::Get,
                &["api_key"],
                "fields: show api_key where a key is not just made; name it for create alone: afterwards nobody has it",
            ),
            (View::Get, &["createdAt"], "fields: names what is no field of a key; did you mean created_at?"),
            (View::Get, &["id", "id"], "fields: names id twice; name it once"),
            (View::List, &[], "fields: is empty; name at least one field, or leave it out for all"),
        ] {
            assert_eq!(fields(view, names).as_deref(), Some(told), "{names:?}");
        }
        assert!(fields(View::Get, &["hash"]).unwrap().contains("known are id, name"));
        assert!(Spelling::new().fields_everywhere(["id"]).is_err());
        assert!(Spelling::new().created_status(202).is_err() && Spelling::new().created_status(200).is_ok());
    }

    #[test]
    fn errors_name_what_the_client_wrote() {
        let camel = Spelling::new().casing(Casing::Camel);
        let takes = ["name", "expires_in_days", "expires_at"];
        let both = "expires_in_days: is given together with expires_at; give one of the two";
        assert_eq!(
            camel.spell_arguments(both, &takes),
            "expiresInDays: is given together with expiresAt; give one of the two"
        );
        assert_eq!(Spelling::new().spell_arguments(both, &takes), both);
        let unknown = camel.arguments(vec![("expires_in_days".into(), Value::Null)], &takes, &RecordShape::Value);
        assert_eq!(
            unknown.unwrap_err().to_string(),
            "expires_in_days: is no option of this call; did you mean expiresInDays?"
        );
    }

    proptest! {
        #[test]
        fn what_is_shown_can_be_read_back(
            chosen in proptest::sample::subsequence(KEY.iter().map(|it| it.name).collect::<Vec<_>>(), 1..=KEY.len()).prop_shuffle(),
            data in proptest::collection::btree_map("[a-z_A-Z]{1,12}", any::<i32>(), 0..6),
        ) {
            let fields: Vec<&RecordField> = chosen.iter().flat_map(|name| KEY.iter().find(|it| it.name == *name)).collect();
            let camel = Spelling { get: Some(fields), ..Spelling::new().casing(Casing::Camel) };
            let mut key: serde_json::Map<_, _> = KEY.iter().map(|it| (it.name.to_owned(), json!(it.name))).collect();
            key.insert("metadata".into(), json!(data));
            let shown = body(&camel, &RecordShape::Key(View::Get), &key.into());
            // In the order in which they stand in the text.
            let places: Vec<_> = chosen.iter().map(|it| shown.find(&format!("\"{}\":", Casing::Camel.spell(it)))).collect();
            let read: Json = serde_json::from_str(&shown).unwrap();
            let back: BTreeSet<String> = read.as_object().unwrap().keys().map(|it| snake(it)).collect();
            prop_assert_eq!(back, chosen.iter().map(|it| (*it).to_owned()).collect::<BTreeSet<_>>());
            prop_assert!(places.iter().all(Option::is_some));
            if data.is_empty() {
                prop_assert!(places.is_sorted());
            }
            if chosen.contains(&"metadata") {
                prop_assert_eq!(&read["metadata"], &json!(data));
            }
        }
    }
}
