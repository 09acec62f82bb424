//! A request as it is judged.

use std::net::IpAddr;
use std::sync::Arc;

use smallvec::SmallVec;

use super::request::Request;
use super::verified::KeySnapshot;
use crate::clock::Millis;
use crate::limit::Charge;

/// A request as it is judged: its requirements, which routes prepare once, and the facts about this one request.
#[derive(Debug, Clone, Copy)]
pub(crate) struct RequestContext<'a> {
    pub(crate) required: &'a Request,
    pub(crate) method: Option<&'a str>,
    pub(crate) ip: Option<IpAddr>,
    pub(crate) agent: Option<&'a Arc<str>>,
    pub(crate) prior: Option<&'a PriorVerification>,
}

/// An earlier verification of the same request, by another guard. The request is counted once, and each limit is charged
/// once.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct PriorVerification {
    /// The snapshot of the key that was used.
    pub(crate) key_revision: u64,
    pub(crate) agent: Option<Arc<str>>,
    /// The indexes of the limits that were charged, with how much.
    pub(crate) charged: SmallVec<[(u32, u32); 1]>,
}

impl<'a> From<&'a Request> for RequestContext<'a> {
    fn from(request: &'a Request) -> Self {
        let (method, agent) = (request.method.as_deref(), request.agent.as_ref());
        Self { required: request, method, ip: request.ip, agent, prior: None }
    }
}

impl<'a> RequestContext<'a> {
    /// An owned request that outlives the context.
    pub(crate) fn to_request(self) -> Request {
        self.required.with_client(self.method.map(str::to_owned), self.ip, self.agent.cloned())
    }

    /// The earlier verification, if it used the same snapshot and agent. After a change of the key there is none: the
    /// request is verified and charged anew.
    pub(crate) fn prior(&self, snapshot: &dyn KeySnapshot, now: Millis) -> Option<&'a PriorVerification> {
        self.prior.filter(|prior| prior.key_revision == snapshot.revision(now) && prior.agent.as_ref() == self.agent)
    }

    /// The charge that it makes on the limits of a key.
    pub(crate) fn charge(&self, snapshot: &dyn KeySnapshot, now: Millis) -> Charge<'a> {
        Charge {
            operation: self.required.operation.as_deref(),
            agent: self.agent.map(|agent| &**agent),
            cost: self.required.cost.unwrap_or(1),
            charged: self.prior(snapshot, now).map_or(&[], |prior| &prior.charged),
        }
    }
}
