use serde::{Serialize, Serializer};
use serde_json::{Map, Value, json};

use super::record::{Field, KEY, Kind};
use super::{Spelling, View};

/// JSON whose records have their fields in the order in which an API shows them.
enum Shown {
    Value(Value),
    Record(Vec<(String, Shown)>),
    List(Vec<Shown>),
}

impl Serialize for Shown {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Value(it) => it.serialize(to),
            Self::Record(fields) => to.collect_map(fields.iter().map(|(name, it)| (name, it))),
            Self::List(items) => to.collect_seq(items),
        }
    }
}

impl Spelling {
    /// A body that shows `value`.
    pub(in crate::http::manage) fn body(&self, kind: &Kind, value: Value) -> serde_json::Result<Vec<u8>> {
        serde_json::to_vec(&self.shown(kind, value))
    }

    /// Where the next page begins, of a list that does not say so itself.
    pub(in crate::http::manage) fn next_cursor<'a>(&self, kind: &Kind, value: &'a Value) -> Option<&'a str> {
        (self.bare_lists && matches!(kind, Kind::Page(_))).then(|| value.get("next_cursor")?.as_str()).flatten()
    }

    fn shown(&self, kind: &Kind, value: Value) -> Shown {
        match (kind, value) {
            (Kind::Revocation, _) if self.success => Shown::Value(json!({"success": true})),
            (Kind::Key(view), Value::Object(it)) => self.key(*view, it),
            (Kind::Revocation, Value::Object(it)) => self.key(View::Get, it),
            (Kind::Record(fields), Value::Object(it)) => self.record(*fields, it),
            (Kind::Records(fields), Value::Array(items)) => self.list(&Kind::Record(fields), items),
            (Kind::Page(item), Value::Object(it)) => self.page(item, it),
            (_, value) => Shown::Value(value),
        }
    }

    fn key(&self, view: View, from: Map<String, Value>) -> Shown {
        match self.chosen(view) {
            Some(fields) => self.record(fields.iter().copied(), from),
            None => self.record(KEY.iter(), from),
        }
    }

    fn page(&self, item: &Kind, mut from: Map<String, Value>) -> Shown {
        let items = match from.remove("data") {
            Some(Value::Array(items)) => self.list(item, items),
            _ => Shown::List(Vec::new()),
        };
        if self.bare_lists {
            return items;
        }
        let rest = ["has_more", "next_cursor"].into_iter().filter_map(|it| Some((it, from.remove(it)?)));
        let rest = rest.filter(|it| self.is_shown(&it.1)).map(|(name, it)| (self.name(name), Shown::Value(it)));
        Shown::Record([(self.name("data"), items)].into_iter().chain(rest).collect())
    }

    fn list(&self, item: &Kind, from: Vec<Value>) -> Shown {
        Shown::List(from.into_iter().map(|it| self.shown(item, it)).collect())
    }

    fn record<'a>(&self, fields: impl IntoIterator<Item = &'a Field>, mut from: Map<String, Value>) -> Shown {
        let fields = fields.into_iter().filter_map(|it| {
            let value = from.remove(it.name).filter(|it| self.is_shown(it))?;
            Some((self.name(it.name), self.shown(&it.kind, value)))
        });
        Shown::Record(fields.collect())
    }

    fn is_shown(&self, value: &Value) -> bool {
        !(self.without_nulls && value.is_null())
    }
}
