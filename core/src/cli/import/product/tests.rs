//! One row of each product. `tests/field/import` imports tables that the products make themselves.

use std::rc::Rc;

use super::*;
use crate::input::{FromFields, Value};
use crate::keyring::HashedKey;

const SHA256: &str = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08";

fn text(text: &str) -> Value {
    Value::Text(text.into())
}

fn texts(texts: &[&str]) -> Value {
    Value::List(texts.iter().map(|it| text(it)).collect())
}

fn time(text: &str) -> Value {
    Value::Time(text.parse().unwrap())
}

fn row(columns: &[(&str, Value)]) -> Row {
    Row::new(1, columns.iter().map(|(name, value)| (Rc::from(*name), value.clone())).collect())
}

fn read(product: Product, columns: &[(&str, Value)], mapping: &Mapping) -> Result<Fields, Error> {
    product.read(&mut row(columns), mapping).map(|(fields, _)| fields)
}

/// Reads a row, and compares all its values.
fn reads(product: Product, columns: &[(&str, Value)], wanted: &[(&str, Value)]) {
    let mut key = read(product, columns, &Mapping::default()).unwrap();
    for (name, value) in wanted {
        assert_eq!(key.take(name).as_ref(), Some(value), "{name}");
    }
    assert_eq!(key.only(&[]).err(), None);
}

fn error(product: Product, columns: &[(&str, Value)]) -> Error {
    read(product, columns, &Mapping::default()).unwrap_err()
}

#[test]
fn django_rest_framework_api_key() {
    let columns = [
        ("id", text("AbCdEfGh.sha512$$00")),
        ("prefix", text("AbCdEfGh")),
        ("hashed_key", text("sha512$$00")),
        ("name", text("CI")),
        ("created", text("2026-01-02 03:04:05+00")),
        ("revoked", text("f")),
        ("expiry_date", text("2030-01-02T03:04:05Z")),
    ];
    let wanted = [
        ("lookup", text("AbCdEfGh")),
        ("verifier", text("sha512$$00")),
        ("name", text("CI")),
        ("created_at", time("2026-01-02T03:04:05Z")),
        ("expires_at", time("2030-01-02T03:04:05Z")),
    ];
    reads(Product::DjangorestframeworkApiKey, &columns, &wanted);
    let fields = columns.iter().skip(1).map(|(name, value)| ((*name).to_owned(), value.clone())).collect();
    let fixture = [("model", text("rest_framework_api_key.apikey")), ("pk", text("x")), ("fields", Value::Map(fields))];
    reads(Product::DjangorestframeworkApiKey, &fixture, &wanted);
    let revoked = [("revoked", Value::Bool(true))];
    let columns: Vec<_> = columns.into_iter().filter(|(name, _)| *name != "revoked").chain(revoked).collect();
    let mut key = read(Product::DjangorestframeworkApiKey, &columns, &Mapping::default()).unwrap();
    assert!(matches!(key.take("revoked_at"), Some(Value::Time(_))));
}

#[test]
fn better_auth() {
    let columns = [
        ("id", text("k1")),
        ("key", text("n4bQgYhMfWWaL-qgxVrQFaO_TxsrC4Is0V1sFbDwCgg")),
        ("start", text("acme_a")),
        ("prefix", text("acme_")),
        ("name", Value::Null),
        ("referenceId", text("user-1")),
        ("enabled", Value::Integer(0)),
        ("updatedAt", text("2026-02-02T03:04:05Z")),
        ("createdAt", text("2026-01-02T03:04:05Z")),
        ("lastRequest", text("2026-02-01T03:04:05Z")),
        ("permissions", text("{\"files\":[\"read\",\"write\"]}")),
        ("metadata", text("{\"plan\":\"pro\"}")),
        ("rateLimitMax", Value::Integer(10)),
    ];
    let metadata = Value::Map(vec![("plan".into(), text("pro")), ("owner".into(), text("user-1"))]);
    reads(
        Product::BetterAuth,
        &columns,
        &[
            ("verifier", text("sha256$n4bQgYhMfWWaL-qgxVrQFaO_TxsrC4Is0V1sFbDwCgg")),
            ("name", text("better-auth k1")),
            ("start", text("acme_a")),
            ("scopes", texts(&["files:read", "files:write"])),
            ("metadata", metadata),
            ("disabled_at", time("2026-02-02T03:04:05Z")),
            ("created_at", time("2026-01-02T03:04:05Z")),
            ("last_used_at", time("2026-02-01T03:04:05Z")),
        ],
    );
    let mut row = row(&columns);
    Product::BetterAuth.read(&mut row, &Mapping::default()).unwrap();
    assert_eq!(row.left().map(|it| &**it).collect::<Vec<_>>(), ["rateLimitMax"]);
}

#[test]
fn sanctum() {
    let columns = [
        ("id", Value::Integer(7)),
        ("tokenable_type", text("App\\Models\\User")),
        ("tokenable_id", Value::Integer(3)),
        ("name", text("phone")),
        ("token", text(SHA256)),
        ("abilities", text("[\"server:update\"]")),
        ("last_used_at", Value::Null),
        ("expires_at", text("2030-01-02 03:04:05")),
        ("created_at", text("2026-01-02 03:04:05")),
        ("updated_at", text("2026-01-02 03:04:05")),
    ];
    let owner = vec![("owner".into(), text("3")), ("owner_type".into(), text("App\\Models\\User"))];
    reads(
        Product::Sanctum,
        &columns,
        &[
            ("lookup", text("7")),
            ("verifier", text(&format!("sha256${SHA256}"))),
            ("name", text("phone")),
            ("scopes", texts(&["server:update"])),
            ("metadata", Value::Map(owner)),
            ("expires_at", time("2030-01-02T03:04:05Z")),
            ("created_at", time("2026-01-02T03:04:05Z")),
        ],
    );
    let every = columns.map(|(name, value)| (name, if name == "abilities" { text("[\"*\"]") } else { value }));
    assert!(error(Product::Sanctum, &every).to_string().starts_with("abilities: holds a bare *; say with --map-scope"));
}

#[test]
fn unkey() {
    let columns = [
        ("id", text("key_1")),
        ("hash", text("n4bQgYhMfWWaL+qgxVrQFaO/TxsrC4Is0V1sFbDwCgg=")),
        ("start", text("acme_3Z")),
        ("name", text("CI")),
        ("owner_id", text("user-1")),
        ("meta", text("{\"plan\":\"pro\"}")),
        ("enabled", Value::Integer(1)),
        ("created_at_m", Value::Integer(1_767_323_045_000)),
        ("expires", Value::Integer(1_893_553_445_000)),
        ("deleted_at_m", Value::Null),
    ];
    let metadata = Value::Map(vec![("plan".into(), text("pro")), ("owner".into(), text("user-1"))]);
    let wanted = [
        ("verifier", text("sha256$n4bQgYhMfWWaL+qgxVrQFaO/TxsrC4Is0V1sFbDwCgg=")),
        ("name", text("CI")),
        ("start", text("acme_3Z")),
        ("metadata", metadata),
        ("created_at", time("2026-01-02T03:04:05Z")),
        ("expires_at", time("2030-01-02T03:04:05Z")),
    ];
    reads(Product::Unkey, &columns, &wanted);
    let hash = |variant: &str| {
        let entries = [("value", "n4bQgYhMfWWaL+qgxVrQFaO/TxsrC4Is0V1sFbDwCgg="), ("variant", variant)];
        Value::Map(entries.map(|(name, value)| (name.to_owned(), text(value))).into())
    };
    let migrated = [
        ("hash", hash("sha256_base64")),
        ("name", text("CI")),
        ("externalId", text("user-1")),
        ("permissions", texts(&["documents.read"])),
        ("roles", texts(&["admin", "guest"])),
    ];
    let mut mapping = Mapping::default();
    mapping.map("documents.read=documents:read").unwrap();
    mapping.map("admin=documents:*").unwrap();
    let mut key = read(Product::Unkey, &migrated, &mapping).unwrap();
    assert_eq!(key.take("scopes"), Some(texts(&["documents:read", "documents:*"])));
    let owner = vec![("owner".into(), text("user-1")), ("roles".into(), text("admin,guest"))];
    assert_eq!(key.take("metadata"), Some(Value::Map(owner)));
    assert_eq!(error(Product::Unkey, &[("hash", hash("argon2"))]).field(), Some("hash"));
}

#[test]
fn tables_of_ones_own() {
    let columns =
        [("shortToken", text("BRTRKFsL")), ("longTokenHash", text(SHA256)), ("expiresAt", text("2030-01-02"))];
    reads(
        Product::PrefixedApiKey,
        &columns,
        &[
            ("lookup", text("BRTRKFsL")),
            ("verifier", text(&format!("sha256${SHA256}"))),
            ("name", text("prefixed-api-key BRTRKFsL")),
            ("expires_at", time("2030-01-02T00:00:00Z")),
        ],
    );
    let bcrypt = "$2b$04$abcdefghijklmnopqrstuuabcdefghijklmnopqrstuabcdefghijklm";
    let columns = [
        ("prefix", text("abc12")),
        ("hash", text(bcrypt)),
        ("name", text("CI")),
        ("level", text("read")),
        ("tier", text("basic")),
        ("org", text("acme")),
        ("usage_count", text("5")),
    ];
    reads(
        Product::Bcrypt,
        &columns,
        &[
            ("lookup", text("abc12")),
            ("verifier", text(bcrypt)),
            ("name", text("CI")),
            ("level", text("read")),
            ("tier", text("basic")),
            ("org", text("acme")),
            ("usage_count", Value::Integer(5)),
        ],
    );
}

#[test]
fn a_file_for_keywright_has_no_other_columns() {
    let columns = [("name", text("CI")), ("verifier", text("sha256$00")), ("expires_att", text("2030-01-01"))];
    assert_eq!(
        error(Product::Generic, &columns).to_string(),
        "expires_att: is no column of an import; did you mean expires_at?"
    );
    // A table without names has a row of values there.
    let columns = [("name", text("CI")), ("verifier", text("sha256$00")), (SHA256, text("x"))];
    assert!(!error(Product::Generic, &columns).to_string().contains(SHA256));
    let columns = [("id", text("k-1")), ("name", text("CI")), ("lookup", text("a")), ("verifier", text("sha256$00"))];
    let mut key = read(Product::Generic, &columns, &Mapping::default()).unwrap();
    assert_eq!(key.take("id"), Some(text("k-1")));
}

#[test]
fn the_columns_of_a_product_have_those_that_it_needs_and_names() {
    for product in Product::value_variants() {
        let columns = product.columns();
        let named = crate::keyring::HashedKey::NAMES.iter().map(|field| product.column(field));
        let named = named.filter(|column| !crate::keyring::HashedKey::NAMES.contains(column));
        for column in product.needed().iter().copied().chain(named) {
            assert!(columns.contains(&column), "{product:?}: {column}");
        }
    }
}

#[test]
fn a_row_without_its_hash_is_an_error_that_names_the_column() {
    for (product, column) in [
        (Product::DjangorestframeworkApiKey, "hashed_key"),
        (Product::BetterAuth, "key"),
        (Product::Sanctum, "token"),
        (Product::Unkey, "hash"),
        (Product::PrefixedApiKey, "longTokenHash"),
        (Product::Bcrypt, "hash"),
        (Product::Generic, "verifier"),
    ] {
        let columns = [("id", text("7")), ("prefix", text("abc12345")), ("name", text("CI"))];
        assert_eq!(error(product, &columns).field(), Some(column));
        assert_eq!(product.column("verifier"), column);
        assert!(product.needed().contains(&column));
    }
}

#[test]
fn the_org_is_that_of_the_column_of_the_row_or_of_the_option() {
    let columns =
        [("prefix", text("abc12")), ("hash", text("$2b$")), ("customer", Value::Integer(7)), ("org", text("acme"))];
    let org = |mapping: Mapping| read(Product::Bcrypt, &columns, &mapping).unwrap().take("org");
    assert_eq!(org(Mapping::default()), Some(text("acme")));
    assert_eq!(org(Mapping { org: Some("other".into()), ..Mapping::default() }), Some(text("acme")));
    assert_eq!(org(Mapping { org_column: Some("customer".into()), ..Mapping::default() }), Some(text("7")));
    let missing = Mapping { org_column: Some("tenant".into()), ..Mapping::default() };
    assert_eq!(read(Product::Bcrypt, &columns, &missing).unwrap_err().field(), Some("tenant"));
}

#[test]
fn ids_are_kept_on_request() {
    let columns = [("id", Value::Integer(7)), ("name", text("phone")), ("token", text(SHA256))];
    let id =
        |keeps_ids| read(Product::Sanctum, &columns, &Mapping { keeps_ids, ..Mapping::default() }).unwrap().take("id");
    assert_eq!((id(false), id(true)), (None, Some(text("7"))));
}

#[test]
fn each_column_of_a_table_of_ones_own_is_an_argument_of_the_call() {
    let columns = [("name", text("CI")), ("lookup", text("abcdefgh")), ("verifier", text(&format!("sha256${SHA256}")))];
    let key = read(Product::Generic, &columns, &Mapping::default()).unwrap();
    assert!(HashedKey::read(key).is_ok());
    for name in HashedKey::NAMES.iter().filter(|name| !columns.iter().any(|(it, _)| it == *name)) {
        let more: Vec<_> = columns.iter().cloned().chain([(*name, text("7"))]).collect();
        let refusal = read(Product::Generic, &more, &Mapping::default()).err().map(|it| it.to_string());
        // Its value may be wrong.
        assert!(!refusal.unwrap_or_default().contains("is no column"), "{name}");
    }
}
