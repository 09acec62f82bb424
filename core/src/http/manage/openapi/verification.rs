//! `POST /verify` in the OpenAPI document.

use serde_json::{Map, Value, json};

use super::{key_scheme, read};
use crate::http::Http;

impl Http {
    /// The operation, with its path below the mount of management; `None` if nobody may verify here.
    pub(super) fn verification_path(&self) -> Option<(String, Value)> {
        self.config.options.verification.as_ref()?;
        let mut operation: Map<String, Value> = read(include_str!("verification.json"));
        let schemes = self.config.options.credentials.iter().map(key_scheme);
        operation.insert("security".into(), schemes.map(|scheme| json!({scheme: []})).collect());
        let path = self.config.options.management_path.outer_path("/verify");
        Some((path, json!({"post": operation})))
    }
}

/// The schemas to which the operation refers.
pub(super) fn schemas() -> Map<String, Value> {
    read(include_str!("verification_schemas.json"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::decision::Request;

    #[test]
    fn the_schema_tells_of_every_argument() {
        let schemas = schemas();
        let told = schemas["Verification"]["properties"].as_object().unwrap();
        let wanted = Request::OPTIONS.iter().chain(&["api_key", "org"]);
        assert_eq!(wanted.clone().filter(|name| told.contains_key(**name)).count(), told.len());
        assert_eq!(wanted.count(), told.len());
    }
}
