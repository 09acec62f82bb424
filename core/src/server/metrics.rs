//! Counters in the text format of Prometheus. No label names a key, an org or a path that a client chose.

use std::fmt::Write;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// The upper bounds of the buckets of durations, in seconds.
const BUCKETS: [f64; 9] = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.1, 0.5, 2.5, 10.0];

/// The classes of requests, as the label `route`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum RouteClass {
    Verify,
    Introspect,
    ForwardAuth,
    Management,
}

impl RouteClass {
    const ALL: [(Self, &'static str); 4] = [
        (Self::Verify, "verify"),
        (Self::Introspect, "introspect"),
        (Self::ForwardAuth, "forward_auth"),
        (Self::Management, "management"),
    ];

    /// The class of a path. Unknown paths are management's, which answers 404.
    pub(super) fn of(path: &str) -> Self {
        match path {
            "/verify" => Self::Verify,
            "/introspect" => Self::Introspect,
            _ if path == "/forward-auth" || path.starts_with("/forward-auth/") => Self::ForwardAuth,
            _ => Self::Management,
        }
    }

    /// Whether all requests of the class have the same path, in which no client can write a key.
    pub(super) fn is_one_path(self) -> bool {
        matches!(self, Self::Verify | Self::Introspect)
    }
}

/// The counters of one class.
#[derive(Default)]
struct RouteCounters {
    /// By the first digit of the status: 1xx to 5xx.
    statuses: [AtomicU64; 5],
    /// Those that took longer than the bucket before, and no longer than this one; the last has no bound.
    buckets: [AtomicU64; BUCKETS.len() + 1],
    micros: AtomicU64,
}

/// The deliveries of webhooks.
#[derive(Default)]
pub(super) struct WebhookCounts {
    pub(super) delivered: u64,
    pub(super) failed: u64,
    /// `None` if the database does not answer.
    pub(super) queued: Option<QueuedWebhooks>,
}

/// The deliveries in the database.
pub(super) struct QueuedWebhooks {
    pub(super) pending: u64,
    pub(super) dead: u64,
}

#[derive(Default)]
pub(super) struct Metrics {
    routes: [RouteCounters; RouteClass::ALL.len()],
    pub(super) connections: AtomicU64,
    pub(super) accepted: AtomicU64,
    /// Connections that were closed because a request in them was too slow, too large or no HTTP.
    pub(super) broken: AtomicU64,
}

impl Metrics {
    pub(super) fn record(&self, class: RouteClass, status: u16, took: Duration) {
        let index = RouteClass::ALL.iter().position(|(it, _)| *it == class);
        let Some(counters) = index.and_then(|index| self.routes.get(index)) else { return };
        if let Some(counter) = counters.statuses.get(usize::from(status / 100).saturating_sub(1)) {
            counter.fetch_add(1, Ordering::Relaxed);
        }
        let seconds = took.as_secs_f64();
        let bucket = BUCKETS.iter().position(|bound| seconds <= *bound).unwrap_or(BUCKETS.len());
        if let Some(bucket) = counters.buckets.get(bucket) {
            bucket.fetch_add(1, Ordering::Relaxed);
        }
        counters.micros.fetch_add(u64::try_from(took.as_micros()).unwrap_or(u64::MAX), Ordering::Relaxed);
    }

    /// The text for Prometheus. `is_up` tells whether the store answers.
    pub(super) fn text(&self, is_up: bool, lost_lines: u64, webhooks: &WebhookCounts) -> String {
        let mut out = String::new();
        let load = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        // Writing to a string cannot fail.
        let mut line = |text: String| {
            let _ = writeln!(out, "{text}");
        };
        let head = |name: &str, kind: &str, help: &str, line: &mut dyn FnMut(String)| {
            line(format!("# HELP keywright_{name} {help}"));
            line(format!("# TYPE keywright_{name} {kind}"));
        };
        head("http_requests_total", "counter", "Answered requests.", &mut line);
        for ((_, route), counters) in RouteClass::ALL.iter().zip(&self.routes) {
            for (index, status) in counters.statuses.iter().enumerate() {
                let class = index + 1;
                line(format!(
                    "keywright_http_requests_total{{route=\"{route}\",status=\"{class}xx\"}} {}",
                    load(status)
                ));
            }
        }
        head("http_request_duration_seconds", "histogram", "Time from the head of a request to its answer.", &mut line);
        for ((_, route), counters) in RouteClass::ALL.iter().zip(&self.routes) {
            let name = "keywright_http_request_duration_seconds";
            let mut count = 0;
            let bounds = BUCKETS.iter().map(ToString::to_string).chain(["+Inf".to_owned()]);
            for (bound, bucket) in bounds.zip(&counters.buckets) {
                count += load(bucket);
                line(format!("{name}_bucket{{route=\"{route}\",le=\"{bound}\"}} {count}"));
            }
            line(format!("{name}_sum{{route=\"{route}\"}} {}", load(&counters.micros) as f64 / 1e6));
            line(format!("{name}_count{{route=\"{route}\"}} {count}"));
        }
        let mut plain = vec![
            ("connections", "gauge", "Open connections.", load(&self.connections)),
            ("connections_accepted_total", "counter", "Accepted connections.", load(&self.accepted)),
            (
                "connections_broken_total",
                "counter",
                "Connections closed for a fault of the client.",
                load(&self.broken),
            ),
            ("access_log_lost_total", "counter", "Lines of the access log that could not be written.", lost_lines),
            ("webhooks_delivered_total", "counter", "Webhooks that this process has delivered.", webhooks.delivered),
            (
                "webhooks_failed_total",
                "counter",
                "Attempts of this process to deliver a webhook that failed.",
                webhooks.failed,
            ),
            ("store_up", "gauge", "Whether the database answers.", is_up.into()),
        ];
        // A zero would end an alarm.
        if let Some(queued) = &webhooks.queued {
            plain.extend([
                ("webhooks_pending", "gauge", "Webhooks in the database that wait for an attempt.", queued.pending),
                ("webhooks_dead", "gauge", "Webhooks in the database that were given up.", queued.dead),
            ]);
        }
        for (name, kind, help, value) in plain {
            head(name, kind, help, &mut line);
            line(format!("keywright_{name} {value}"));
        }
        head("build_info", "gauge", "The version of this program.", &mut line);
        line(format!("keywright_build_info{{version=\"{}\"}} 1", env!("CARGO_PKG_VERSION")));
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_are_counted_by_class_and_status() {
        let metrics = Metrics::default();
        metrics.record(RouteClass::of("/verify"), 200, Duration::from_millis(3));
        metrics.record(RouteClass::of("/keys/secret"), 404, Duration::from_secs(60));
        let queued = Some(QueuedWebhooks { pending: 7, dead: 0 });
        let text = metrics.text(true, 0, &WebhookCounts { queued, ..WebhookCounts::default() });
        for line in [
            "keywright_http_requests_total{route=\"verify\",status=\"2xx\"} 1",
            "keywright_http_requests_total{route=\"management\",status=\"4xx\"} 1",
            "keywright_http_request_duration_seconds_bucket{route=\"verify\",le=\"0.0025\"} 0",
            "keywright_http_request_duration_seconds_bucket{route=\"verify\",le=\"0.005\"} 1",
            "keywright_http_request_duration_seconds_bucket{route=\"management\",le=\"10\"} 0",
            "keywright_http_request_duration_seconds_count{route=\"management\"} 1",
            "keywright_webhooks_pending 7",
            "keywright_store_up 1",
        ] {
            assert!(text.lines().any(|it| it == line), "{line} is not in\n{text}");
        }
        assert!(!text.contains("secret"));
    }
}
