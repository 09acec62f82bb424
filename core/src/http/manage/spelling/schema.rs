//! JSON Schemas of answers and arguments, in the spelling of the API.

use serde_json::{Map, Value, json};

use super::record::{RecordField, RecordShape};
use super::{BARE_PAGE, Spelling, View};

impl Spelling {
    /// The schemas of answers, from the schemas of the records.
    pub(in crate::http::manage) fn answer_schemas(&self, records: &Map<String, Value>) -> Map<String, Value> {
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

    /// The schema of arguments, from the schema with plain names.
    pub(in crate::http::manage) fn argument_schema(&self, schema: Value) -> Value {
        self.renamed(schema, &|schema| schema)
    }

    /// A query parameter, from the parameter with its plain name.
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

    /// The name of the schema of an answer, from the name of the record.
    pub(in crate::http::manage) fn answer_name<'a>(&self, shape: &RecordShape, record: &'a str) -> &'a str {
        if self.success && matches!(shape, RecordShape::Revocation) { "Success" } else { record }
    }

    /// The header by which a bare list leads to the next page.
    pub(in crate::http::manage) fn link(&self, shape: &RecordShape) -> Option<Value> {
        let text = "Leads to the next page, if there is one (RFC 8288).";
        let header = json!({"Link": {"description": text, "schema": {"type": "string"}}});
        (self.bare_lists && matches!(shape, RecordShape::Page(_))).then_some(header)
    }

    fn answer(&self, schema: Value) -> Value {
        let schema = self.renamed(schema, &|schema| if self.without_nulls { without_null(schema) } else { schema });
        let items = schema.get("properties").and_then(|it| it.get("data"));
        match items {
            Some(items) if self.bare_lists => items.clone(),
            _ => schema,
        }
    }

    /// Spells the names of the properties of a schema, and of the schemas in it, and applies `each` to all of them.
    fn renamed(&self, schema: Value, each: &dyn Fn(Value) -> Value) -> Value {
        match schema {
            Value::Array(all) => all.into_iter().map(|item| self.renamed(item, each)).collect(),
            Value::Object(members) => {
                let members = members.into_iter().map(|(name, member)| {
                    let member = match (name.as_str(), member) {
                        ("properties", Value::Object(all)) => all
                            .into_iter()
                            .map(|(name, schema)| (self.name(&name), self.renamed(schema, each)))
                            .collect(),
                        ("required", Value::Array(names)) => {
                            names.iter().filter_map(Value::as_str).map(|it| self.name(it)).collect()
                        }
                        ("items" | "oneOf", schemas) => self.renamed(schemas, each),
                        (_, other) => other,
                    };
                    (name, member)
                });
                each(members.collect())
            }
            other => other,
        }
    }
}

/// The schema with only some of its properties.
fn only(schema: &Value, fields: Option<&[&RecordField]>) -> Value {
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

/// The schema with optional properties instead of properties that can be null.
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
