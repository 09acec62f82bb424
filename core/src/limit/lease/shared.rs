//! The port to a place that keeps budgets for several processes.

use std::pin::Pin;
use std::time::Duration;

use super::purchase::{Purchase, Sales};
use crate::error::Error;
use crate::wait::Boxed;

/// The answer of a shared place, which comes later.
pub(crate) type Buying<'a> = Pin<Box<dyn Future<Output = Result<Sales, Error>> + Send + 'a>>;

/// A place that keeps budgets for several processes, and sells requests from them. It works in a forked child too.
pub(crate) trait SharedBudgets: Send + Sync {
    /// Buys from several budgets in one round trip: all needs or nothing. `purchases` names each budget once.
    ///
    /// It takes effect at one reading of the place's clock, at once for all processes: first what is given back, then the
    /// needs, then as much of the rest as there is. The clock of a budget may go back: its backlog is never longer than a whole
    /// budget takes to come back. A budget that the place does not know is full.
    ///
    /// Ends within a second, or when the attempt to connect has ended. After an error nothing is sent again that gives something back, since it may have taken effect.
    fn buy<'a>(&'a self, purchases: &'a [Purchase]) -> Buying<'a>;

    /// Runs a task to its end, on no thread of a caller.
    fn spawn(&self, task: Boxed<()>) -> Result<(), Error>;

    /// Is ready after this time.
    fn sleep(&self, time: Duration) -> Boxed<()>;
}
