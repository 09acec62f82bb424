//! Events that no call causes: keys that expire soon, and keys that nobody uses. The process that is the first to claim a
//! day sends them, once a day.

use super::event::{Event, EventKind, Subscription};
use super::queue::day;
use crate::clock::{DAY, Millis, time};
use crate::error::Error;
use crate::store::{AnyStore, KeyFilter, PageCursor, StatusFilter, Store, Tenant};

const PAGE: usize = 1_000;

/// The daily check of the keys.
pub(super) struct Reminders<'a> {
    pub(super) subscription: &'a Subscription,
    pub(super) store: &'a AnyStore,
    pub(super) now: Millis,
}

impl Reminders<'_> {
    /// Sends the events of today, unless another process has. It stops early when `notify` returns `false`.
    pub(super) async fn send(&self, mut notify: impl FnMut(Event) -> bool) -> Result<(), Error> {
        let Subscription { expiring_days, idle_days, .. } = *self.subscription;
        if expiring_days == 0 && idle_days == 0 || !self.store.claim_day(day(self.now)).await? {
            return Ok(());
        }
        let active = KeyFilter { status: StatusFilter::Active, ..KeyFilter::default() };
        if expiring_days > 0 {
            let expires_until = Some(self.now + i64::from(expiring_days) * DAY);
            let filter = KeyFilter { expires_until, ..active.clone() };
            self.send_each(EventKind::Expiring, &filter, &mut notify).await?;
        }
        if idle_days > 0 {
            let idle_since = Some(self.now - i64::from(idle_days) * DAY);
            self.send_each(EventKind::Idle, &KeyFilter { idle_since, ..active }, &mut notify).await?;
        }
        Ok(())
    }

    async fn send_each(
        &self,
        kind: EventKind,
        filter: &KeyFilter,
        notify: &mut impl FnMut(Event) -> bool,
    ) -> Result<(), Error> {
        let integer_ids = self.store.info().integer_ids;
        let mut after: Option<PageCursor> = None;
        loop {
            let page = self.store.list(&Tenant::Every, filter, after.as_ref(), PAGE, self.now).await?;
            let is_last = page.len() < PAGE;
            after = page.last().map(|view| PageCursor { at: view.key.created_at, id: view.key.id.clone() });
            for view in page {
                let key = view.into_record(integer_ids, self.now);
                if !notify(Event::of(kind, &key, time(self.now))) {
                    return Ok(());
                }
            }
            if is_last {
                return Ok(());
            }
        }
    }
}
