//! Events about keys and the database, for the host's listener. They are delivered on a thread of their own, so a listener
//! neither delays nor fails the call that caused an event.

mod dispatcher;
mod event;
mod queue;
mod reminders;

pub(crate) use self::dispatcher::Events;
pub(crate) use self::event::Subscription;
pub use self::event::{Event, EventKind};
pub(crate) use self::queue::QueuedEvent;
