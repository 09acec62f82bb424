//! The contract of a store: one suite of checks, which every store passes on a new database.

mod audit;
mod changes;
mod counters;
mod keys;
mod lists;
mod orgs;
mod quotas;
mod requests;
mod webhooks;

use std::sync::atomic::{AtomicI64, Ordering};

use crate::audit::AuditDraft;
use crate::clock::{Clock, ManualClock, Millis, time};
use crate::error::Error;
use crate::lifecycle::SecretLifetime;
use crate::store::{
    AnyStore, ChangeKey, CreateKey, FlushId, KeyEdit, KeyRow, KeyRule, KeyView, SecretRow, Store, Tenant,
};

/// Runs the checks on a store whose database is new, and returns the names of those that passed.
pub(crate) async fn contract(store: &AnyStore) -> Result<Vec<&'static str>, String> {
    let mut passed = Vec::new();
    macro_rules! run {
        ($($module:ident: $($check:ident),*;)*) => {$($(
            let name = stringify!($check);
            $module::$check(store).await.map_err(|fault| format!("{name}: {fault}"))?;
            passed.push(name);
        )*)*};
    }
    run!(
        keys: what_is_created_is_found, a_taken_id_or_lookup_creates_nothing, a_tenant_sees_its_own,
            a_rule_that_fails_changes_nothing, a_change_is_one_transaction,
            children_are_found_by_the_revocation_that_took_them, a_revocation_is_final, a_grace_that_was_over_stays_over,
            a_verifier_is_replaced_only_while_it_stands, changes_of_one_key_follow_each_other;
        lists: statuses_agree_with_the_lifecycle, pages_are_whole_and_in_order, a_prefix_finds_its_key;
        changes: a_change_shows_before_it_is_acknowledged, writes_at_the_same_time_have_their_own_outcomes;
        counters: counters_add_up, agents_are_counted_up_to_a_bound, a_day_is_claimed_once;
        requests: a_request_runs_once_at_a_time, answers_of_one_caller_are_bounded,
            a_change_is_remembered_with_its_request;
        orgs: orgs_are_kept;
        quotas: sales_follow_the_rule, nothing_is_oversold_at_the_same_time, periods_that_are_long_over_are_forgotten,
            a_balance_is_credited_with_its_audit;
        webhooks: a_change_queues_for_each_endpoint_that_hears_of_it, a_delivery_has_one_claim_at_a_time,
            failures_wait_die_and_come_back, retries_and_new_messages_take_turns;
        // These look at the entries of all others.
        audit: entries_about_a_key_are_one_transaction, the_chain_has_no_gap, pruning_leaves_a_checkpoint;
    );
    Ok(passed)
}

type Check = Result<(), String>;

/// A flush that no other check sends.
fn next_flush() -> FlushId {
    static NUMBER: AtomicI64 = AtomicI64::new(1);
    FlushId { meters: [7; 16], number: NUMBER.fetch_add(1, Ordering::Relaxed) }
}

/// The time of the checks. None depends on it.
const NOW: Millis = 1_800_000_000_000;

fn clock() -> Clock {
    ManualClock::new(time(NOW)).into()
}

fn hold(holds: bool, what: &str) -> Check {
    if holds { Ok(()) } else { Err(what.to_owned()) }
}

fn message(error: Error) -> String {
    error.to_string()
}

fn one(org: &str) -> Tenant {
    Tenant::One(org.to_owned())
}

fn key(id: &str, org: &str) -> KeyRow {
    KeyRow::sample(id, org, NOW)
}

fn secret(lookup: &str) -> SecretRow {
    SecretRow {
        lifetime: SecretLifetime { lookup: lookup.to_owned(), grace_ends_at: None },
        prefix: format!("liq_live_{lookup}"),
        format: "liq_{env}_{lookup:12}_{secret:32}{checksum:6}".to_owned(),
        verifier: format!("verifier of {lookup}"),
        filter: Some(vec![0, 1, 255]),
        created_at: NOW,
    }
}

fn draft(action: &'static str, org: &str, target: &str) -> AuditDraft {
    AuditDraft {
        at: NOW,
        org: Some(org.to_owned()),
        actor: Some("alice".to_owned()),
        action,
        target: Some(target.to_owned()),
        reason: None,
        details: serde_json::Map::new(),
    }
}

fn edit(view: &KeyView, change: impl FnOnce(&mut KeyRow)) -> KeyEdit {
    let mut key = view.key.clone();
    change(&mut key);
    KeyEdit { audit: draft("key.update", &key.org, &key.id), key, grace_ends: Vec::new(), new_secret: None }
}

async fn create(store: &AnyStore, key: KeyRow, secret: SecretRow, audit: AuditDraft) -> Result<bool, String> {
    store.run(CreateKey { key, secret, audit, authority: None }).await.map_err(message)
}

/// A change of a key by a rule.
fn change(tenant: &Tenant, id: &str, rule: KeyRule) -> ChangeKey {
    ChangeKey { tenant: tenant.clone(), id: id.to_owned(), clock: clock(), rule, authority: None }
}

/// A key whose lookup is its id, padded to the shortest one.
async fn made(store: &AnyStore, id: &str, org: &str) -> Result<(), String> {
    let made = create(store, key(id, org), secret(&lookup(id)), draft("key.create", org, id)).await?;
    hold(made, "a free id and lookup were taken for taken")
}

fn lookup(id: &str) -> String {
    format!("{:x>12}", id.replace('-', ""))
}

async fn got(store: &AnyStore, tenant: &Tenant, id: &str) -> Result<KeyView, String> {
    store.get(tenant, id, NOW).await.map_err(message)?.ok_or_else(|| format!("{id} is not there"))
}

async fn chain(store: &AnyStore) -> Result<Vec<u64>, String> {
    let rows = store.audit_scan(0, 10_000).await.map_err(message)?;
    Ok(rows.iter().map(|it| it.entry.seq).collect())
}
