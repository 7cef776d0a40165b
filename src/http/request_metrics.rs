//! Counts the requests of the API and measures their duration, by route and never by user.

use std::{cell::Cell, rc::Rc, time::Instant};

use actix_web::http::Method;
use prometheus_client::{
    encoding::EncodeLabelSet,
    metrics::{
        counter::Counter,
        family::{Family, MetricConstructor},
        gauge::Gauge,
        histogram::{Histogram, exponential_buckets},
    },
    registry::{Registry, Unit},
};

/// The first bound of the durations in seconds, 0.24 ms. All bounds are powers of two, as those of
/// native histograms are.
const FIRST_BOUND: f64 = 1.0 / 4096.0;

/// The number of bounds. The last one is 16 seconds.
const BOUNDS: u16 = 17;

/// The route of requests that no route took: unknown paths, and requests that were refused earlier.
const NO_ROUTE: &str = "none";

/// The statuses of failures of the service.
const FAILURES: [u16; 2] = [500, 503];

/// The label of all methods that are not in [`METHODS`], or that the route does not have: callers
/// cannot add series.
const OTHER_METHOD: &str = "other";

/// The methods of routes.
const METHODS: [Method; 7] = [
    Method::GET,
    Method::HEAD,
    Method::POST,
    Method::PUT,
    Method::PATCH,
    Method::DELETE,
    Method::OPTIONS,
];

/// Counts requests. Shared by all workers and by `/metrics`.
#[derive(Debug)]
pub(crate) struct RequestMetrics {
    answered: Family<AnswerLabels, Counter>,
    durations: Family<RouteLabels, Histogram, NewHistogram>,
    in_flight: Gauge,
    abandoned: Counter,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct AnswerLabels {
    route: &'static str,
    method: &'static str,
    status: u16,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct RouteLabels {
    route: &'static str,
    method: &'static str,
}

#[derive(Debug, Clone, Copy)]
struct NewHistogram;

impl MetricConstructor<Histogram> for NewHistogram {
    fn new_metric(&self) -> Histogram {
        Histogram::new(exponential_buckets(FIRST_BOUND, 2.0, BOUNDS))
    }
}

/// The label of a method on a route that has it.
pub(super) fn method_label(method: &Method) -> &'static str {
    METHODS.iter().find(|known| *known == method).map_or(OTHER_METHOD, Method::as_str)
}

impl Default for RequestMetrics {
    fn default() -> Self {
        Self {
            answered: Family::default(),
            durations: Family::new_with_constructor(NewHistogram),
            in_flight: Gauge::default(),
            abandoned: Counter::default(),
        }
    }
}

impl RequestMetrics {
    /// The metrics after one request, for documents.
    pub(super) fn example() -> Self {
        let metrics = Self::default();
        metrics.start("GET").end(404);
        metrics
    }

    /// Counts a request that begins now, with the label of its method.
    pub(super) fn start(&self, method: &'static str) -> InFlight<'_> {
        self.in_flight.inc();
        InFlight {
            metrics: self,
            begin: Instant::now(),
            method,
            route: TakenBy(Rc::new(Cell::new(Taken { path: NO_ROUTE, has_method: true }))),
            is_answered: false,
        }
    }

    /// Registers all metrics.
    pub(super) fn register(&self, registry: &mut Registry) {
        registry.register("requests", "Requests that were answered", self.answered.clone());
        let help = "Time from the head of a request to the head of its response, or until its client \
                    disconnected";
        let durations = self.durations.clone();
        registry.register_with_unit("request_duration", help, Unit::Seconds, durations);
        let help = "Requests that are not answered yet";
        registry.register("requests_in_flight", help, self.in_flight.clone());
        let help = "Requests whose client disconnected before the response";
        registry.register("requests_abandoned", help, self.abandoned.clone());
    }
}

/// The route that takes a request, shared with the request: an abandoned one is dropped with its
/// extensions.
#[derive(Debug, Clone)]
pub(super) struct TakenBy(Rc<Cell<Taken>>);

#[derive(Debug, Clone, Copy)]
struct Taken {
    path: &'static str,
    has_method: bool,
}

impl TakenBy {
    /// Notes the path of the route, as in the route table, and whether it has the method of the
    /// request.
    pub(super) fn set(&self, path: &'static str, has_method: bool) {
        self.0.set(Taken { path, has_method });
    }
}

/// A request that is not answered yet. It is abandoned when this is dropped.
pub(super) struct InFlight<'metrics> {
    metrics: &'metrics RequestMetrics,
    begin: Instant,
    method: &'static str,
    route: TakenBy,
    is_answered: bool,
}

impl InFlight<'_> {
    /// Where the route notes that it takes the request.
    pub(super) fn route(&self) -> TakenBy {
        self.route.clone()
    }

    fn labels(&self) -> RouteLabels {
        let Taken { path, has_method } = self.route.0.get();
        RouteLabels { route: path, method: if has_method { self.method } else { OTHER_METHOD } }
    }

    /// Counts the answer.
    pub(super) fn end(mut self, status: u16) {
        self.is_answered = true;
        let RouteLabels { route, method } = self.labels();
        let labels = AnswerLabels { route, method, status };
        if self.metrics.answered.get(&labels).is_none() {
            // The rate of a series lacks its first value. So the failures of a route begin at 0, with
            // the first request.
            for status in FAILURES {
                drop(self.metrics.answered.get_or_create(&AnswerLabels { status, ..labels }));
            }
        }
        self.metrics.answered.get_or_create(&labels).inc();
    }
}

impl Drop for InFlight<'_> {
    /// Measures the request, also an abandoned one: clients give up on slow requests first.
    fn drop(&mut self) {
        self.metrics.in_flight.dec();
        let durations = self.metrics.durations.get_or_create(&self.labels());
        durations.observe(self.begin.elapsed().as_secs_f64());
        if !self.is_answered {
            self.metrics.abandoned.inc();
        }
    }
}

#[cfg(test)]
mod tests {
    use prometheus_client::encoding::text::encode;

    use super::*;

    #[test]
    fn a_request_is_answered_or_abandoned() {
        let metrics = RequestMetrics::default();
        let (answered, abandoned) = (metrics.start("GET"), metrics.start("GET"));
        assert_eq!(metrics.in_flight.get(), 2);
        answered.route().set("/docs", true);
        abandoned.route().set("/slow", true);
        answered.end(200);
        assert_eq!((metrics.in_flight.get(), metrics.abandoned.get()), (1, 0));
        drop(abandoned);
        assert_eq!((metrics.in_flight.get(), metrics.abandoned.get()), (0, 1));
        let labels = AnswerLabels { route: "/docs", method: "GET", status: 200 };
        assert_eq!(metrics.answered.get_or_create(&labels).get(), 1);
        let mut registry = Registry::default();
        metrics.register(&mut registry);
        let mut text = String::new();
        encode(&mut text, &registry).unwrap();
        for route in ["/docs", "/slow"] {
            let count =
                format!("request_duration_seconds_count{{route=\"{route}\",method=\"GET\"}} 1");
            assert!(text.contains(&count), "{text}");
        }
    }

    #[test]
    fn methods_that_the_route_does_not_have_share_a_series() {
        let metrics = RequestMetrics::default();
        for method in METHODS {
            let refused = metrics.start(method_label(&method));
            refused.route().set("/docs", false);
            refused.end(405);
        }
        let labels = AnswerLabels { route: "/docs", method: OTHER_METHOD, status: 405 };
        assert_eq!(metrics.answered.get_or_create(&labels).get(), 7);
        let mut registry = Registry::default();
        metrics.register(&mut registry);
        let mut text = String::new();
        encode(&mut text, &registry).unwrap();
        let is_count = |line: &&str| line.starts_with("request_duration_seconds_count{");
        assert_eq!(text.lines().filter(is_count).count(), 1, "{text}");
    }

    #[test]
    fn callers_cannot_add_methods() {
        assert_eq!(method_label(&Method::GET), "GET");
        assert_eq!(method_label(&Method::from_bytes(b"PURGE").unwrap()), "other");
        // A method is case-sensitive (RFC 9110, section 9.1).
        assert_eq!(method_label(&Method::from_bytes(b"get").unwrap()), "other");
    }

    #[test]
    fn bounds_are_powers_of_two_up_to_sixteen_seconds() {
        let bounds: Vec<_> = exponential_buckets(FIRST_BOUND, 2.0, BOUNDS).collect();
        assert!(bounds.iter().all(|bound| bound.log2().fract() == 0.0), "{bounds:?}");
        assert_eq!(bounds.last().map(|bound| bound.log2()), Some(4.0));
    }
}
