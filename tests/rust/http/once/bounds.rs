//! The bounds of stored requests per caller. The test writes rows itself, because 10,000 requests would take too long.

use keywright::ffi::block_on;
use keywright::http::{Message, Response, Session};
use keywright::{ListKeys, NewKey, Request};
use rusqlite::Connection;
use serde_json::json;

use super::{DAY, SECOND, finish, http, is_repeat, once, standing, told};
use keywright_tests::site::{Site, create};

const MOST_KEPT: i64 = 10_000;
const MOST_BYTES: i64 = 64 * 1024 * 1024;
const HOUR: i64 = 3_600 * SECOND;

/// Adds rows for the caller of the only row, which expire an hour later and have bodies of this length.
fn fill(sql: &Connection, rows: i64, length: i64) {
    let added = sql
        .execute(
            "WITH RECURSIVE numbers (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM numbers WHERE n < ?1)
             INSERT INTO idempotency (org, name, request, expires_at, caller, status, headers, body)
             SELECT org, randomblob(32), request, expires_at + ?2, caller, 200, '{}', zeroblob(?3)
             FROM numbers, (SELECT * FROM idempotency LIMIT 1)",
            [rows, HOUR, length],
        )
        .unwrap();
    assert_eq!(i64::try_from(added).unwrap(), rows);
}

type Counted = Vec<(String, Vec<u8>, i64, i64)>;

/// The counters of the database, which must equal the rows.
fn counted(sql: &Connection) -> Counted {
    let rows = |query: &str| -> Counted {
        let mut statement = sql.prepare(query).unwrap();
        let rows = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?))).unwrap();
        rows.map(Result::unwrap).collect()
    };
    let counted = rows("SELECT org, caller, kept, bytes FROM idempotency_callers ORDER BY org, caller");
    let there = rows(
        "SELECT org, caller, count(*), sum(ifnull(length(CAST(headers AS BLOB)), 0) + ifnull(length(body), 0))
         FROM idempotency WHERE caller IS NOT NULL GROUP BY org, caller ORDER BY org, caller",
    );
    assert_eq!(counted, there);
    counted
}

fn is_full(response: &Response, wait: i64) -> bool {
    let is_limited = response.status == 429 && told(response)["code"] == "RATE_LIMITED";
    is_limited && response.header("retry-after") == Some(&wait.to_string())
}

#[test]
fn a_caller_has_only_so_many_requests_remembered() {
    let (site, clock, kw, text) = standing();
    let (http, sql) = (http(&kw), site.sql());
    finish(&http, once(&http, &text, "first").unwrap(), 201, b"made");
    fill(&sql, MOST_KEPT - 2, 0);
    clock.advance(SECOND / 2);
    let last = once(&http, &text, "last").unwrap();
    // The lease ends first.
    assert!(is_full(&once(&http, &text, "new").unwrap_err(), 60));
    finish(&http, last, 201, b"made");
    assert!(is_full(&once(&http, &text, "new").unwrap_err(), DAY / SECOND));
    assert_eq!(counted(&sql).iter().map(|it| it.2).collect::<Vec<_>>(), [MOST_KEPT]);
    // Stored responses are still returned, and other callers are not affected.
    for key in ["first", "last"] {
        assert!(is_repeat(&once(&http, &text, key).unwrap_err()), "{key}");
    }
    let other = create(&kw, "other").api_key.reveal().to_owned();
    finish(&http, once(&http, &other, "new").unwrap(), 201, b"made");
    assert!(is_repeat(&once(&http, &other, "new").unwrap_err()));
    let elsewhere = kw.org("elsewhere").unwrap().keys().create(NewKey::named("CI")).unwrap();
    drop(once(&http, elsewhere.api_key.reveal(), "new").unwrap());
    // The end of the first row makes room for one request.
    clock.advance(DAY - SECOND / 2);
    finish(&http, once(&http, &text, "new").unwrap(), 201, b"made");
    assert!(is_full(&once(&http, &text, "newer").unwrap_err(), 1));
    // A released request no longer counts.
    clock.advance(SECOND);
    block_on(http.release(once(&http, &text, "newer").unwrap())).unwrap();
    drop(once(&http, &text, "newest").unwrap());
    counted(&sql);
    // Each new request deletes at least a hundred expired rows.
    clock.advance(DAY + HOUR);
    for _ in 0..MOST_KEPT / 100 {
        drop(once(&http, &text, "after-all").unwrap());
        clock.advance(60 * SECOND);
    }
    assert_eq!(counted(&sql).iter().map(|it| it.2).collect::<Vec<_>>(), [1]);
    kw.close();
}

#[test]
fn management_makes_no_change_that_it_cannot_remember() {
    let (site, clock, kw, _) = standing();
    let (http, sql) = (http(&kw), site.sql());
    let manage = |actor: &str, key: &str| {
        let session = Session::of("default").unwrap().actor(actor).may("keys:manage").unwrap();
        let message = Message::new("POST", "/keys").header("content-type", "application/json");
        let body = json!({"name": key}).to_string();
        block_on(http.manage(message.header("idempotency-key", key).body(body), Some(session)))
    };
    assert_eq!(manage("alice", "first").status, 201);
    fill(&sql, MOST_KEPT - 1, 0);
    assert!(is_full(&manage("alice", "new"), DAY / SECOND));
    assert_eq!(kw.keys().list(ListKeys::new().name("new")).unwrap().data.len(), 0);
    assert!(is_repeat(&manage("alice", "first")));
    assert_eq!(manage("bob", "new").status, 201);
    clock.advance(DAY);
    assert_eq!(manage("alice", "new").status, 201);
    counted(&sql);
    kw.close();
}

#[test]
fn the_answers_of_a_caller_take_only_so_many_bytes() {
    let (site, clock, kw, text) = standing();
    let (http, sql) = (http(&kw), site.sql());
    let other = create(&kw, "other").api_key.reveal().to_owned();
    finish(&http, once(&http, &text, "first").unwrap(), 201, b"made");
    fill(&sql, 1, MOST_BYTES - 300);
    assert!(counted(&sql)[0].3 <= MOST_BYTES);
    finish(&http, once(&http, &text, "beyond").unwrap(), 201, &[7; 300]);
    assert!(counted(&sql)[0].3 <= MOST_BYTES);
    let refused = once(&http, &text, "beyond").unwrap_err();
    assert_eq!((refused.status, told(&refused)["code"].as_str()), (409, Some("CONFLICT")));
    assert!(is_repeat(&once(&http, &text, "first").unwrap_err()));
    finish(&http, once(&http, &other, "beyond").unwrap(), 201, &[7; 300]);
    assert!(is_repeat(&once(&http, &other, "beyond").unwrap_err()));
    clock.advance(DAY + HOUR);
    finish(&http, once(&http, &text, "later").unwrap(), 201, &[7; 300]);
    assert!(is_repeat(&once(&http, &text, "later").unwrap_err()));
    counted(&sql);
    kw.close();
}

/// The release before this one stores no caller, and replaces and deletes rows of this one.
#[test]
fn counts_hold_whichever_release_writes() {
    let (site, _clock, kw, text) = standing();
    let (http, sql) = (http(&kw), site.sql());
    for key in ["a", "b", "c"] {
        finish(&http, once(&http, &text, key).unwrap(), 200, key.as_bytes());
    }
    assert_eq!(counted(&sql)[0].2, 3);
    let replaced = sql.execute(
        "INSERT OR REPLACE INTO idempotency (org, name, request, expires_at, token)
         SELECT org, name, request, expires_at, randomblob(16) FROM idempotency LIMIT 1",
        [],
    );
    assert_eq!((replaced, counted(&sql)[0].2), (Ok(1), 2));
    sql.execute("UPDATE idempotency SET token = NULL, status = 200, headers = '{}', body = x'00'", []).unwrap();
    assert_eq!((counted(&sql)[0].2, counted(&sql)[0].3), (2, 6));
    sql.execute("DELETE FROM idempotency", []).unwrap();
    assert_eq!(counted(&sql), []);
    kw.close();
}

#[test]
fn the_sweep_of_the_counters_of_use_lowers_the_count() {
    let (site, clock, kw, text) = standing();
    let (http, sql) = (http(&kw), site.sql());
    finish(&http, once(&http, &text, "k").unwrap(), 200, b"made");
    assert_eq!(counted(&sql).len(), 1);
    clock.advance(DAY);
    assert!(kw.verify(&text, &Request::new()).is_allowed());
    kw.flush().unwrap();
    assert_eq!(counted(&sql), []);
    kw.close();
}

/// Neither the query for a caller nor the one for the end of its first row reads all of its rows.
#[test]
fn a_full_caller_is_found_by_indexes() {
    let site = Site::new();
    site.open().close();
    let sql = site.sql();
    for query in [
        "SELECT min(expires_at) FROM idempotency WHERE org = ?1 AND caller = ?2",
        "SELECT kept FROM idempotency_callers WHERE org = ?1 AND caller = ?2",
    ] {
        let plan: String = sql.query_row(&format!("EXPLAIN QUERY PLAN {query}"), ["", ""], |row| row.get(3)).unwrap();
        assert!(plan.starts_with("SEARCH") && plan.contains("(org=? AND caller=?)"), "{plan}");
    }
}
