//! Bodies of responses, from records and their shapes.

use serde::{Serialize, Serializer};
use serde_json::{Map, Value, json};

use super::record::{KEY, RecordField, RecordShape};
use super::{Spelling, View};

/// JSON with its fields in the order in which the API shows them.
enum OrderedJson {
    Value(Value),
    Record(Vec<(String, OrderedJson)>),
    List(Vec<OrderedJson>),
}

impl Serialize for OrderedJson {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Value(it) => it.serialize(to),
            Self::Record(fields) => to.collect_map(fields.iter().map(|(name, it)| (name, it))),
            Self::List(items) => to.collect_seq(items),
        }
    }
}

impl Spelling {
    /// The body that shows a record.
    pub(in crate::http::manage) fn body(&self, shape: &RecordShape, value: Value) -> serde_json::Result<Vec<u8>> {
        serde_json::to_vec(&self.ordered(shape, value))
    }

    /// The cursor of the next page, if the body of the list does not hold it.
    pub(in crate::http::manage) fn next_cursor<'a>(&self, shape: &RecordShape, value: &'a Value) -> Option<&'a str> {
        (self.bare_lists && matches!(shape, RecordShape::Page(_))).then(|| value.get("next_cursor")?.as_str()).flatten()
    }

    fn ordered(&self, shape: &RecordShape, value: Value) -> OrderedJson {
        match (shape, value) {
            (RecordShape::Revocation, _) if self.success => OrderedJson::Value(json!({"success": true})),
            (RecordShape::Key(view), Value::Object(it)) => self.key(*view, it),
            (RecordShape::Revocation, Value::Object(it)) => self.key(View::Get, it),
            (RecordShape::Record(fields), Value::Object(it)) => self.record(*fields, it),
            (RecordShape::Records(fields), Value::Array(items)) => self.list(&RecordShape::Record(fields), items),
            (RecordShape::Page(item), Value::Object(it)) => self.page(item, it),
            (_, value) => OrderedJson::Value(value),
        }
    }

    fn key(&self, view: View, from: Map<String, Value>) -> OrderedJson {
        match self.chosen(view) {
            Some(fields) => self.record(fields.iter().copied(), from),
            None => self.record(KEY.iter(), from),
        }
    }

    fn page(&self, item: &RecordShape, mut from: Map<String, Value>) -> OrderedJson {
        let items = match from.remove("data") {
            Some(Value::Array(items)) => self.list(item, items),
            _ => OrderedJson::List(Vec::new()),
        };
        if self.bare_lists {
            return items;
        }
        let rest = ["has_more", "next_cursor"].into_iter().filter_map(|name| Some((name, from.remove(name)?)));
        let shown = rest.filter(|(_, value)| self.is_shown(value));
        let rest = shown.map(|(name, value)| (self.name(name), OrderedJson::Value(value)));
        OrderedJson::Record([(self.name("data"), items)].into_iter().chain(rest).collect())
    }

    fn list(&self, item: &RecordShape, from: Vec<Value>) -> OrderedJson {
        OrderedJson::List(from.into_iter().map(|value| self.ordered(item, value)).collect())
    }

    fn record<'a>(
        &self,
        fields: impl IntoIterator<Item = &'a RecordField>,
        mut from: Map<String, Value>,
    ) -> OrderedJson {
        let fields = fields.into_iter().filter_map(|field| {
            let value = from.remove(field.name).filter(|value| self.is_shown(value))?;
            Some((self.name(field.name), self.ordered(&field.shape, value)))
        });
        OrderedJson::Record(fields.collect())
    }

    fn is_shown(&self, value: &Value) -> bool {
        !(self.without_nulls && value.is_null())
    }
}
