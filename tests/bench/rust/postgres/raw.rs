//! tokio-postgres alone, as its documentation uses it.

use std::error::Error;

use bytes::BytesMut;
use futures_util::future::try_join_all;
use tokio_postgres::types::{FromSql, IsNull, ToSql, Type, to_sql_checked};
use tokio_postgres::{Client, NoTls, Row, Statement};

type AnyError = Box<dyn Error + Sync + Send>;

/// A value as the server sends it, whatever its type.
#[derive(Debug, Clone)]
pub struct RawValue(Option<Vec<u8>>);

impl RawValue {
    pub fn text(text: &str) -> Self {
        Self(Some(text.as_bytes().to_vec()))
    }

    pub fn texts(texts: &[&str]) -> Self {
        let mut out = BytesMut::new();
        texts.to_sql(&Type::TEXT_ARRAY, &mut out).unwrap();
        Self(Some(out.to_vec()))
    }

    /// An integer, or a time in microseconds since 2000.
    pub fn integer(number: i64) -> Self {
        Self(Some(number.to_be_bytes().to_vec()))
    }
}

impl<'a> FromSql<'a> for RawValue {
    fn from_sql(_: &Type, raw: &'a [u8]) -> Result<Self, AnyError> {
        Ok(Self(Some(raw.to_vec())))
    }

    fn from_sql_null(_: &Type) -> Result<Self, AnyError> {
        Ok(Self(None))
    }

    fn accepts(_: &Type) -> bool {
        true
    }
}

impl ToSql for RawValue {
    fn to_sql(&self, _: &Type, out: &mut BytesMut) -> Result<IsNull, AnyError> {
        let Some(bytes) = &self.0 else { return Ok(IsNull::Yes) };
        out.extend_from_slice(bytes);
        Ok(IsNull::No)
    }

    fn accepts(_: &Type) -> bool {
        true
    }

    to_sql_checked!();
}

/// The start of 1970 in microseconds since 2000.
pub const YEAR_1970: i64 = -946_684_800_000_000;

pub async fn connect(url: &str) -> Client {
    let (client, connection) = tokio_postgres::connect(url, NoTls).await.unwrap();
    tokio::spawn(connection);
    client
}

/// The SQL of a statement of the engine.
pub fn sql(name: &str) -> &'static str {
    keywright::testing::postgres_statement(name).unwrap()
}

/// One step of a pipeline.
pub type Step<'a> = (&'a Statement, Vec<RawValue>);

/// Sends statements together, and returns the rows of each: one round trip.
pub async fn trip(client: &Client, steps: &[Step<'_>]) -> Vec<Vec<Row>> {
    let answers = steps.iter().map(|(statement, values)| async move {
        let values: Vec<_> = values.iter().map(|value| -> &(dyn ToSql + Sync) { value }).collect();
        client.query(*statement, &values).await
    });
    try_join_all(answers).await.unwrap()
}

/// The look-up of a cold verification.
pub struct Select {
    client: Client,
    statement: Statement,
}

impl Select {
    pub async fn new(url: &str) -> Self {
        let client = connect(url).await;
        let statement = client.prepare(sql("find")).await.unwrap();
        Self { client, statement }
    }

    /// Finds the key of a text by its lookup, and reads every column. Returns whether there is one.
    pub async fn run(&self, text: &str) -> bool {
        let (now, lookup) = (RawValue::integer(0), lookup(text));
        let rows = self.client.query(&self.statement, &[&now, &lookup]).await.unwrap();
        let read = |row: &Row| (0..row.len()).map(|column| row.get(column)).collect::<Vec<RawValue>>();
        let values: Vec<_> = rows.iter().map(read).collect();
        !std::hint::black_box(values).is_empty()
    }
}

/// The public part that finds the row.
pub fn lookup(text: &str) -> &str {
    &text["bench_live_".len()..][..12]
}
