//! What the server counts of its requests.

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::histogram::Histogram;
use tonic::Code;

use crate::rpcs::{Rpc, Rpcs};

/// Bounds of the latency buckets, seconds: from what memory answers to what a long poll waits.
const LATENCY_BUCKETS: [f64; 18] = [
    0.0001, 0.000_25, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5,
    5.0, 10.0, 20.0, 60.0,
];

/// The codes of gRPC, OK to UNAUTHENTICATED.
const CODES: usize = 17;

/// Requests by RPC and code, and their latency by RPC. One cell for each, made once: counting allocates nothing.
pub(crate) struct RequestMetrics {
    rpcs: Rpcs,
    cells: Vec<Cell>,
}

struct Cell {
    by_code: [AtomicU64; CODES],
    latency: Histogram,
}

impl Cell {
    fn answers(&self) -> u64 {
        let counts = self
            .by_code
            .iter()
            .map(|count| count.load(Ordering::Relaxed));
        counts.sum()
    }
}

impl RequestMetrics {
    pub(crate) fn new() -> Self {
        let rpcs = Rpcs::new();
        let cells = rpcs
            .all()
            .iter()
            .map(|_| Cell {
                by_code: Default::default(),
                latency: Histogram::new(LATENCY_BUCKETS),
            })
            .collect();
        Self { rpcs, cells }
    }

    /// The index under which requests with this path are counted.
    pub(crate) fn find(&self, path: &str) -> usize {
        self.rpcs.find(path)
    }

    /// The RPC of that index.
    pub(crate) fn rpc(&self, index: usize) -> &Rpc {
        &self.rpcs.all()[index]
    }

    /// Whether the protocol has a service of this name.
    pub(crate) fn knows_service(&self, service: &str) -> bool {
        self.rpcs.all().iter().any(|rpc| rpc.service == service)
    }

    /// Counts an answer.
    pub(crate) fn count(&self, index: usize, code: Code, latency: Duration) {
        let cell = &self.cells[index];
        cell.by_code[code as usize % CODES].fetch_add(1, Ordering::Relaxed);
        cell.latency.observe(latency.as_secs_f64());
    }
}

/// Those with an answer so far; the others would only make the page long.
impl Collector for RequestMetrics {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), fmt::Error> {
        let seen = || {
            let pairs = self.rpcs.all().iter().zip(&self.cells);
            pairs.filter(|(_, cell)| cell.answers() > 0)
        };
        let name = |rpc: &Rpc| match rpc.method.as_str() {
            "" => "other".to_owned(),
            method => method.to_owned(),
        };
        let mut requests = encoder.encode_descriptor(
            "steadfast_requests",
            "Requests that were answered, by RPC and gRPC code",
            None,
            MetricType::Counter,
        )?;
        for (rpc, cell) in seen() {
            for (code, count) in cell.by_code.iter().enumerate() {
                let count = count.load(Ordering::Relaxed);
                if count > 0 {
                    let labels = [("rpc", name(rpc)), ("code", code_name(code))];
                    ConstCounter::new(count).encode(requests.encode_family(&labels)?)?;
                }
            }
        }
        let mut latencies = encoder.encode_descriptor(
            "steadfast_request_seconds",
            "Time from a request to its answer, by RPC",
            None,
            MetricType::Histogram,
        )?;
        for (rpc, cell) in seen() {
            let labels = [("rpc", name(rpc))];
            cell.latency.encode(latencies.encode_family(&labels)?)?;
        }
        Ok(())
    }
}

impl fmt::Debug for RequestMetrics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RequestMetrics").finish_non_exhaustive()
    }
}

fn code_name(code: usize) -> String {
    format!("{:?}", Code::from_i32(code as i32))
}
