//! JSON Schemas of what is shown and read, spelt as it is.

use serde_json::{Map, Value, json};

use super::record::{Field, Kind};
use super::{BARE_PAGE, Spelling, View};

impl Spelling {
    /// The schemas of answers, from those of the records as they are.
    pub(in crate::http::manage) fn answers(&self, records: &Map<String, Value>) -> Map<String, Value> {
        let mut out = Map::new();
        for (name, schema) in records {
            let chosen = match name.as_str() {
                "Key" => only(schema, self.chosen(View::Get)),
                "IssuedKey" => only(schema, self.chosen(View::Create)),
                _ => schema.clone(),
            };
            out.insert(name.clone(), self.answer(chosen));
        }
        if let Some(key) = records.get("Key") {
            out.insert("ListedKey".into(), self.answer(only(key, self.chosen(View::List))));
        }
        let success = json!({"success": {"type": "boolean", "const": true}});
        out.insert("Success".into(), json!({"type": "object", "properties": success, "required": ["success"]}));
        out
    }

    /// The schema of arguments, from that by their plain names.
    pub(in crate::http::manage) fn taken(&self, schema: Value) -> Value {
        self.renamed(schema, &|it| it)
    }

    /// A parameter of a query, from that by its plain name.
    pub(in crate::http::manage) fn parameter(&self, mut parameter: Value) -> Value {
        if let Some(name) = parameter.get_mut("name") {
            *name = self.name(name.as_str().unwrap_or_default()).into();
        }
        if self.bare_lists
            && let Some(standard) = parameter.pointer_mut("/schema/default")
        {
            *standard = BARE_PAGE.into();
        }
        parameter
    }

    /// The name of the schema of what a route answers, from that of the record.
    pub(in crate::http::manage) fn answer_name<'a>(&self, kind: &Kind, record: &'a str) -> &'a str {
        if self.success && matches!(kind, Kind::Revocation) { "Success" } else { record }
    }

    /// The header with which a list leads to the next page.
    pub(in crate::http::manage) fn link(&self, kind: &Kind) -> Option<Value> {
        let text = "Leads to the next page, where there is one (RFC 8288).";
        let header = json!({"Link": {"description": text, "schema": {"type": "string"}}});
        (self.bare_lists && matches!(kind, Kind::Page(_))).then_some(header)
    }

    fn answer(&self, schema: Value) -> Value {
        let schema = self.renamed(schema, &|it| if self.without_nulls { without_null(it) } else { it });
        let items = schema.get("properties").and_then(|it| it.get("data"));
        match items {
            Some(items) if self.bare_lists => items.clone(),
            _ => schema,
        }
    }

    /// With the names of its properties, and of those of the schemas in it, as the casing has them.
    fn renamed(&self, schema: Value, each: &dyn Fn(Value) -> Value) -> Value {
        match schema {
            Value::Array(all) => all.into_iter().map(|it| self.renamed(it, each)).collect(),
            Value::Object(members) => {
                let members = members.into_iter().map(|(name, it)| {
                    let it = match (name.as_str(), it) {
                        ("properties", Value::Object(all)) => {
                            all.into_iter().map(|(name, it)| (self.name(&name), self.renamed(it, each))).collect()
                        }
                        ("required", Value::Array(names)) => {
                            names.iter().filter_map(Value::as_str).map(|it| self.name(it)).collect()
                        }
                        ("items" | "oneOf", it) => self.renamed(it, each),
                        (_, it) => it,
                    };
                    (name, it)
                });
                each(members.collect())
            }
            other => other,
        }
    }
}

/// A schema with some of its properties.
fn only(schema: &Value, fields: Option<&[&Field]>) -> Value {
    let mut schema = schema.clone();
    let Some(fields) = fields else { return schema };
    let is_chosen = |name: &str| fields.iter().any(|it| it.name == name);
    if let Some(properties) = schema.get_mut("properties").and_then(Value::as_object_mut) {
        properties.retain(|name, _| is_chosen(name));
    }
    if let Some(required) = schema.get_mut("required").and_then(Value::as_array_mut) {
        required.retain(|it| it.as_str().is_some_and(is_chosen));
    }
    schema
}

/// A schema whose properties are absent where they could be null.
fn without_null(mut schema: Value) -> Value {
    let mut absent = Vec::new();
    for (name, property) in schema.get_mut("properties").and_then(Value::as_object_mut).into_iter().flatten() {
        for list in ["type", "enum"] {
            let Some(words) = property.get_mut(list).and_then(Value::as_array_mut) else { continue };
            let before = words.len();
            words.retain(|it| !it.is_null() && it != "null");
            if words.len() < before {
                absent.push(name.clone());
            }
        }
    }
    if let Some(required) = schema.get_mut("required").and_then(Value::as_array_mut) {
        required.retain(|it| !absent.iter().any(|name| it == name));
    }
    schema
}
