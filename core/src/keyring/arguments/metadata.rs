//! JSON data of the host, in the metadata of a key or in a claim: its size, depth and form.

use crate::error::Error;
use crate::input::Value;

const MAX_BYTES: usize = 16 * 1024;
const MAX_DEPTH: usize = 8;

pub(super) type Metadata = serde_json::Map<String, serde_json::Value>;

pub(super) fn read(field: &str, value: Value) -> Result<Metadata, Error> {
    if depth(&value) > MAX_DEPTH {
        return Err(too_deep(field));
    }
    let entries = value.into_map(field)?;
    entries.into_iter().map(|(name, it)| Ok((name, it.into_json(field)?))).collect()
}

/// The data as JSON text, which is the form of the store.
pub(super) fn text(metadata: &Metadata) -> String {
    serde_json::Value::Object(metadata.clone()).to_string()
}

fn depth(value: &Value) -> usize {
    match value {
        Value::List(items) => 1 + items.iter().map(depth).max().unwrap_or(0),
        Value::Map(entries) => 1 + entries.iter().map(|it| depth(&it.1)).max().unwrap_or(0),
        Value::Converted { value, .. } => depth(value),
        Value::TooDeep => MAX_DEPTH + 1,
        _ => 0,
    }
}

fn too_deep(field: &str) -> Error {
    Error::validation_failed(field, format!("is nested deeper than {MAX_DEPTH} levels"), "flatten it")
}

pub(super) fn check(field: &str, metadata: &Metadata) -> Result<(), Error> {
    fn levels(value: &serde_json::Value) -> usize {
        match value {
            serde_json::Value::Array(items) => 1 + items.iter().map(levels).max().unwrap_or(0),
            serde_json::Value::Object(entries) => 1 + entries.values().map(levels).max().unwrap_or(0),
            _ => 0,
        }
    }
    fn holds_nul(value: &serde_json::Value) -> bool {
        match value {
            serde_json::Value::String(text) => text.contains('\0'),
            serde_json::Value::Array(items) => items.iter().any(holds_nul),
            serde_json::Value::Object(entries) => {
                entries.iter().any(|(name, value)| name.contains('\0') || holds_nul(value))
            }
            _ => false,
        }
    }
    if 1 + metadata.values().map(levels).max().unwrap_or(0) > MAX_DEPTH {
        return Err(too_deep(field));
    }
    if metadata.iter().any(|(name, value)| name.contains('\0') || holds_nul(value)) {
        return Err(Error::validation_failed(field, "holds a NUL character", "remove it"));
    }
    let size = serde_json::to_string(metadata).map_or(usize::MAX, |it| it.len());
    if size > MAX_BYTES {
        return Err(Error::validation_failed(
            field,
            format!("is larger than {MAX_BYTES} bytes of JSON"),
            "keep large data elsewhere",
        ));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn deep_and_large_metadata_is_refused_without_recursion_into_it() {
        let nest = |levels: usize| (0..levels).fold(Value::Integer(1), |it, _| Value::Map(vec![("a".into(), it)]));
        assert!(read("metadata", nest(8)).is_ok());
        assert_eq!(read("metadata", nest(9)).unwrap_err().field(), Some("metadata"));
        let large = read("metadata", Value::Map(vec![("a".into(), Value::Text("x".repeat(16_384)))])).unwrap();
        assert_eq!(check("metadata", &large).unwrap_err().field(), Some("metadata"));
    }
}
