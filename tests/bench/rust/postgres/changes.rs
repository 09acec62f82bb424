//! Changes, beside raw transactions of the same statements.

use keywright::{KeyId, Rotation};
use tokio_postgres::{Client, Row, Statement};

use crate::load::Keys;
use crate::raw::{RawValue, Step, YEAR_1970, connect, sql, trip};
use crate::servers::Proxy;
use crate::texts::Texts;
use crate::timing::{Subject, race, write};
use crate::{AT_ONCE, Run, new, open_without_polls, together};

/// Counts the round trips of changes whose statements are prepared.
pub fn round_trips(run: &Run<'_>) {
    let mut proxy = Proxy::start(run.tcp_url);
    let kw = open_without_polls(&proxy.url);
    let mut most = [0; 3];
    for turn in 0..12 {
        let mut key = None;
        let create = proxy.trips_of(|| key = Some(kw.keys().create(new()).unwrap()));
        let id = key.unwrap().id.clone();
        // Nothing is verified here: a flush of its counters would take part in the count.
        let rotate = proxy.trips_of(|| drop(kw.keys().rotate(&id, Rotation::at_once()).unwrap()));
        let revoke = proxy.trips_of(|| drop(kw.keys().revoke(&id, ()).unwrap()));
        // The first turns open the connections and prepare the statements.
        if turn >= 3 {
            most = std::array::from_fn(|at| most[at].max([create, revoke, rotate][at]));
        }
    }
    for (change, most) in ["create", "revoke", "rotate"].into_iter().zip(most) {
        write(run.out, &format!("{change}: round trips"), "", &[most as f64], None, None);
    }
    kw.close();
}

pub fn one_at_a_time(run: &Run<'_>, keys: &Keys) {
    let kw = open_without_polls(run.url);
    let raw = run.runtime.block_on(RawChanges::new(run.url));
    let key = |number: usize, of: usize| KeyId::Text(keys.other(number, of));
    race(
        run.out,
        20,
        [
            Subject::new("create", 1, |_| kw.keys().create(new()).is_ok()),
            Subject::new("create, raw transaction of the same statements", 1, |at| {
                run.runtime.block_on(raw.create(at))
            }),
            Subject::new("revoke", 1, |at| kw.keys().revoke(key(at, 1), ()).is_ok()),
            Subject::new("revoke, raw transaction of the same statements", 1, |at| {
                run.runtime.block_on(raw.revoke(&keys.other(at, 2)))
            }),
            Subject::new("rotate", 1, |at| kw.keys().rotate(key(at, 3), Rotation::at_once()).is_ok()),
            Subject::new("rotate, raw transactions of the same statements", 1, |at| {
                run.runtime.block_on(raw.rotate(at, &keys.other(at, 4)))
            }),
        ],
    );
    kw.close();
}

/// Creates at once and one after the other, on either store.
pub fn at_once(run: &Run<'_>) {
    for (store, url) in
        [("PostgreSQL", run.url.to_owned()), ("SQLite", format!("sqlite:{}/create.db", run.data.display()))]
    {
        let engine = open_without_polls(&url).engine().clone();
        let create = |_| {
            let engine = engine.clone();
            async move { engine.keys().create(new()).await.is_ok() }
        };
        assert!(run.runtime.block_on(together(create)));
        race(
            run.out,
            5,
            [
                Subject::new(format!("create, one after the other, {store}"), 1, |at| run.runtime.block_on(create(at))),
                Subject::new(format!("create, 64 at once, {store}"), AT_ONCE, |_| {
                    run.runtime.block_on(together(create))
                }),
            ],
        );
        run.runtime.block_on(engine.close());
    }
}

/// A table with a row of the engine's.
struct Table {
    columns: Vec<String>,
    row: Vec<RawValue>,
    insert: Statement,
}

impl Table {
    async fn new(client: &Client, name: &str) -> Self {
        // The triggers write the number of the change.
        let columns = "SELECT column_name::text FROM information_schema.columns \
            WHERE table_schema = 'keywright' AND table_name = $1::text AND column_name <> 'changed_seq' ORDER BY ordinal_position";
        let columns: Vec<String> =
            client.query(columns, &[&name]).await.unwrap().iter().map(|row| row.get(0)).collect();
        let list = columns.join(", ");
        let row = client.query_one(&format!("SELECT {list} FROM keywright.{name} LIMIT 1"), &[]).await.unwrap();
        let parameters: Vec<String> = (1..=columns.len()).map(|number| format!("${number}")).collect();
        let insert = format!("INSERT INTO keywright.{name} ({list}) VALUES ({})", parameters.join(", "));
        let insert = client.prepare(&insert).await.unwrap();
        Self { row: (0..row.len()).map(|at| row.get(at)).collect(), columns, insert }
    }

    fn value(&self, column: &str) -> RawValue {
        self.row[self.place(column)].clone()
    }

    fn place(&self, column: &str) -> usize {
        self.columns.iter().position(|name| name == column).unwrap()
    }

    /// The row with some of its values replaced.
    fn changed<const N: usize>(&self, to: [(&str, RawValue); N]) -> Vec<RawValue> {
        let mut row = self.row.clone();
        for (column, value) in to {
            row[self.place(column)] = value;
        }
        row
    }
}

/// The columns of a key that a change writes.
const MUTABLE: [&str; 14] = [
    "created_by",
    "name",
    "description",
    "scopes",
    "level",
    "tier",
    "limits",
    "networks",
    "metadata",
    "updated_at",
    "expires_at",
    "disabled_at",
    "revoked_at",
    "reason",
];

/// Changes by tokio-postgres alone: the statements of the engine, in as few round trips.
struct RawChanges {
    client: Client,
    keys: Table,
    secrets: Table,
    audit: Table,
    org: String,
    /// Statements of the engine, by their names.
    named: Vec<(&'static str, Statement)>,
    update_key: Statement,
    end_secret: Statement,
}

impl RawChanges {
    async fn new(url: &str) -> Self {
        let client = connect(url).await;
        let mut named = Vec::new();
        for name in ["lock_sequence", "audit_end", "taken", "org", "get", "restrictions", "changes"] {
            named.push((name, client.prepare(sql(name)).await.unwrap()));
        }
        for name in ["BEGIN", "COMMIT"] {
            named.push((name, client.prepare(name).await.unwrap()));
        }
        let assignments: Vec<String> =
            MUTABLE.iter().zip(2..).map(|(column, number)| format!("{column} = ${number}")).collect();
        let update = format!("UPDATE keywright.keys SET {} WHERE id = $1", assignments.join(", "));
        let end = "UPDATE keywright.secrets SET grace_ends_at = $2 WHERE lookup = $1";
        let keys = Table::new(&client, "keys").await;
        Self {
            secrets: Table::new(&client, "secrets").await,
            audit: Table::new(&client, "audit").await,
            org: client.query_one("SELECT id FROM keywright.orgs LIMIT 1", &[]).await.unwrap().get(0),
            keys,
            update_key: client.prepare(&update).await.unwrap(),
            end_secret: client.prepare(end).await.unwrap(),
            named,
            client,
        }
    }

    fn step(&self, name: &str, values: Vec<RawValue>) -> Step<'_> {
        (&self.named.iter().find(|(of, _)| *of == name).unwrap().1, values)
    }

    /// Begins a transaction with its reads. Returns the number of the last change and the steps that follow every change.
    async fn begin(&self, reads: Vec<Step<'_>>, target: &str) -> [Step<'_>; 3] {
        let mut steps: Vec<_> = ["BEGIN", "lock_sequence", "audit_end"].map(|name| self.step(name, Vec::new())).into();
        steps.extend(reads);
        let rows = trip(&self.client, &steps).await;
        let number = |rows: &[Row]| rows[0].get::<_, i64>(0);
        let (changed, entry) = (number(&rows[1]), number(&rows[2]) + 1);
        let entry = self.audit.changed([("seq", RawValue::integer(entry)), ("target", RawValue::text(target))]);
        let changes = self.step("changes", vec![RawValue::integer(changed)]);
        [(&self.audit.insert, entry), changes, self.step("COMMIT", Vec::new())]
    }

    async fn end(&self, writes: Vec<Step<'_>>, last: [Step<'_>; 3]) -> bool {
        trip(&self.client, &writes.into_iter().chain(last).collect::<Vec<_>>()).await.len() > 3
    }

    /// A row of a secret that is not there yet.
    fn secret(&self, seed: usize, key: &RawValue) -> (String, Vec<RawValue>) {
        let drawn = Texts::new(u64::MAX - seed as u64).draw();
        let [lookup, prefix] = [&drawn.lookup, &drawn.prefix()].map(|text| RawValue::text(text));
        (drawn.lookup, self.secrets.changed([("lookup", lookup), ("key_id", key.clone()), ("prefix", prefix)]))
    }

    async fn create(&self, number: usize) -> bool {
        let id = format!("00000000-0000-7000-8000-{number:012x}");
        let key = RawValue::text(&id);
        let (lookup, secret) = self.secret(number, &key);
        let taken = self.step("taken", vec![RawValue::texts(&[&id]), RawValue::texts(&[&lookup])]);
        let reads = vec![taken, self.step("org", vec![RawValue::texts(&[&self.org])])];
        let last = self.begin(reads, &id).await;
        let row = self.keys.changed([("id", key)]);
        self.end(vec![(&self.keys.insert, row), (&self.secrets.insert, secret)], last).await
    }

    /// The reads of a change of a key.
    fn reads(&self, key: &RawValue) -> Vec<Step<'_>> {
        vec![self.get(key), self.step("restrictions", vec![key.clone()])]
    }

    fn get(&self, key: &RawValue) -> Step<'_> {
        self.step("get", vec![RawValue::integer(YEAR_1970), key.clone()])
    }

    /// Writes the row of a key with one value replaced.
    fn update(&self, key: &RawValue, column: &str) -> Step<'_> {
        let at = self.keys.value("created_at");
        let value = |of: &&str| if *of == column { at.clone() } else { self.keys.value(of) };
        (&self.update_key, std::iter::once(key.clone()).chain(MUTABLE.iter().map(value)).collect())
    }

    async fn revoke(&self, id: &str) -> bool {
        let key = RawValue::text(id);
        let last = self.begin(self.reads(&key), id).await;
        self.end(vec![self.update(&key, "revoked_at")], last).await
    }

    async fn rotate(&self, number: usize, id: &str) -> bool {
        let key = RawValue::text(id);
        let found = trip(&self.client, &[self.get(&key)]).await;
        let row = &found[0][0];
        let place = row.columns().iter().position(|column| column.name() == "lookup").unwrap();
        let former: RawValue = row.get(place);
        let last = self.begin(self.reads(&key), id).await;
        let (_, secret) = self.secret(1_000_000 + number, &key);
        let end = (&self.end_secret, vec![former, RawValue::integer(YEAR_1970)]);
        self.end(vec![self.update(&key, "updated_at"), end, (&self.secrets.insert, secret)], last).await
    }
}
