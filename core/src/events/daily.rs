//! What no call makes happen: keys that expire soon, and keys that nobody uses. It is looked for once a day, by the one
//! process that is first to write the day down.

use super::queue::{Hand, Shared, day};
use super::{Event, EventKind};
use crate::clock::{DAY, Millis, time};
use crate::error::Error;
use crate::store::{KeyFilter, PageCursor, StatusFilter, Store, Tenant};

const STEP: usize = 1_000;

pub(super) async fn look(shared: &Shared, now: Millis, hand: &mut Hand<'_>) -> Result<(), Error> {
    let ear = &shared.ear;
    if ear.expiring_days == 0 && ear.idle_days == 0 || !shared.store.claim_day(day(now)).await? {
        return Ok(());
    }
    let active = KeyFilter { status: StatusFilter::Active, ..KeyFilter::default() };
    if ear.expiring_days > 0 {
        let expires_until = Some(now + i64::from(ear.expiring_days) * DAY);
        tell(shared, now, hand, (EventKind::Expiring, &KeyFilter { expires_until, ..active.clone() })).await?;
    }
    if ear.idle_days > 0 {
        let idle_since = Some(now - i64::from(ear.idle_days) * DAY);
        tell(shared, now, hand, (EventKind::Idle, &KeyFilter { idle_since, ..active })).await?;
    }
    Ok(())
}

async fn tell(
    shared: &Shared,
    now: Millis,
    hand: &mut Hand<'_>,
    (kind, filter): (EventKind, &KeyFilter),
) -> Result<(), Error> {
    let mut after: Option<PageCursor> = None;
    loop {
        let found = shared.store.list(&Tenant::Every, filter, after.as_ref(), STEP, now).await?;
        let is_last = found.len() < STEP;
        after = found.last().map(|it| PageCursor { at: it.key.created_at, id: it.key.id.clone() });
        for view in found {
            if !hand.go_on() {
                return Ok(());
            }
            hand.tell(Event::of(kind, &view.into_record(shared.store.info().integer_ids, now), time(now)));
        }
        if is_last {
            return Ok(());
        }
    }
}
