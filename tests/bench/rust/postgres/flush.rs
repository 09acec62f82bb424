//! The flush of counters, beside one INSERT of the same rows, and what verifications notice of it.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use chrono::{DateTime, Utc};
use keywright::blocking::Keywright;
use tokio_postgres::{Client, Statement};

use crate::hot::{WINDOW, window};
use crate::raw::{connect, lookup};
use crate::servers::Proxy;
use crate::timing::{ROUNDS, quantile, share, write};
use crate::{Run, open_without_polls, request};

/// How long verifications run with nothing beside them.
const QUIET: Duration = Duration::from_millis(200);

pub fn measure(run: &Run<'_>, texts: &[String]) {
    let texts = &texts[..share(10_000).min(texts.len())];
    let kw = open_without_polls(run.url);
    let raw = run.runtime.block_on(RawCounts::new(run.url, texts));
    let insert = || run.runtime.block_on(raw.insert());
    let mut spent: [Vec<f64>; 2] = Default::default();
    let mut disturbed: [Vec<f64>; 3] = Default::default();
    for round in 0..=ROUNDS {
        use_all(&kw, texts);
        let figures = [time(|| kw.flush().unwrap()), time(insert)];
        let quiet = beside(&kw, texts, || std::thread::sleep(QUIET));
        use_all(&kw, texts);
        let percentiles = [quiet, beside(&kw, texts, || kw.flush().unwrap()), beside(&kw, texts, insert)];
        // The first round reads the keys and prepares the statement.
        if round > 0 {
            spent.iter_mut().zip(figures).for_each(|(all, figure)| all.push(figure));
            disturbed.iter_mut().zip(percentiles).for_each(|(all, figure)| all.push(figure));
        }
    }
    for (name, rounds) in
        ["usage flush of 10,000 keys", "one raw INSERT … ON CONFLICT of the same rows"].iter().zip(&spent)
    {
        write(run.out, name, "ns", rounds, None, Some(ROUNDS));
    }
    for (beside, rounds) in ["nothing", "a flush", "the raw INSERT"].iter().zip(&disturbed) {
        write(run.out, &format!("hot, 99th percentile beside {beside}"), "ns", rounds, None, None);
    }
    kw.close();
    let mut proxy = Proxy::start(run.tcp_url);
    let kw = open_without_polls(&proxy.url);
    // The first flush opens the connection and prepares the statement.
    let trips = [(); 3].map(|()| {
        use_all(&kw, texts);
        proxy.trips_of(|| kw.flush().unwrap())
    });
    write(run.out, "usage flush of 10,000 keys: round trips", "", &[trips[2] as f64], None, None);
    kw.close();
}

fn time(act: impl FnOnce()) -> f64 {
    let begin = Instant::now();
    act();
    begin.elapsed().as_nanos() as f64
}

/// Uses every key, so that each has something to flush.
fn use_all(kw: &Keywright, texts: &[String]) {
    let request = request();
    assert!(texts.iter().all(|text| kw.verify(text.as_str(), &request).is_allowed()));
}

/// The 99th percentile of hot verifications while `act` runs on another thread.
fn beside(kw: &Keywright, texts: &[String], act: impl FnOnce() + Send) -> f64 {
    let (request, done) = (request(), AtomicBool::new(false));
    let texts = &texts[..WINDOW.min(texts.len())];
    std::thread::scope(|scope| {
        scope.spawn(|| {
            act();
            done.store(true, Ordering::Release);
        });
        let mut spent = Vec::new();
        while !done.load(Ordering::Acquire) || spent.is_empty() {
            spent.push(time(|| assert!(window(kw, texts, &request))) / texts.len() as f64);
        }
        quantile(&mut spent, 99)
    })
}

/// The rows that a flush writes.
struct RawCounts {
    client: Client,
    statement: Statement,
    ids: Vec<String>,
    lookups: Vec<String>,
    ones: Vec<i64>,
    zeros: Vec<i64>,
    times: Vec<DateTime<Utc>>,
}

impl RawCounts {
    async fn new(url: &str, texts: &[String]) -> Self {
        let client = connect(url).await;
        let lookups: Vec<&str> = texts.iter().map(|text| lookup(text)).collect();
        let ids = "SELECT key_id, lookup FROM keywright.secrets WHERE lookup = ANY ($1)";
        let rows = client.query(ids, &[&lookups]).await.unwrap();
        // One row for each secret, and one for each key, in the order of the primary key.
        let keys: BTreeMap<String, String> = rows.iter().map(|row| (row.get(0), row.get(1))).collect();
        let (mut ids, mut lookups) = (Vec::new(), Vec::new());
        for (id, lookup) in keys {
            ids.extend([id.clone(), id]);
            lookups.extend([String::new(), lookup]);
        }
        let statement = "INSERT INTO keywright.usage AS r (key_id, lookup, usage_count, denied_count, last_used_at) \
            SELECT * FROM unnest($1::text[], $2::text[], $3::bigint[], $4::bigint[], $5::timestamptz[]) \
            ON CONFLICT (key_id, lookup) DO UPDATE SET usage_count = r.usage_count + excluded.usage_count, \
              denied_count = r.denied_count + excluded.denied_count, \
              last_used_at = greatest(r.last_used_at, excluded.last_used_at)";
        let statement = client.prepare(statement).await.unwrap();
        let count = ids.len();
        Self {
            client,
            statement,
            ids,
            lookups,
            ones: vec![1; count],
            zeros: vec![0; count],
            times: vec![Utc::now(); count],
        }
    }

    async fn insert(&self) {
        let values: [&(dyn tokio_postgres::types::ToSql + Sync); 5] =
            [&self.ids, &self.lookups, &self.ones, &self.zeros, &self.times];
        let written = self.client.execute(&self.statement, &values).await.unwrap();
        assert_eq!(written, self.ids.len() as u64);
    }
}
