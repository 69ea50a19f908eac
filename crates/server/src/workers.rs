//! What workers say of themselves (server-semantics 8.11). In memory only: they say it again every minute.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use prost::Message;
use steadfast_core::Refusal;
use steadfast_protocol::Timestamp;
use steadfast_protocol::enums::WorkerStatus;
use steadfast_protocol::worker::{WorkerHeartbeat, WorkerInfo, WorkerListInfo};
use steadfast_protocol::workflowservice::{
    CountWorkersRequest, CountWorkersResponse, DescribeWorkerRequest, DescribeWorkerResponse,
    ListWorkersRequest, ListWorkersResponse, RecordWorkerHeartbeatRequest,
    RecordWorkerHeartbeatResponse,
};
use steadfast_visibility::{
    CustomAttributes, Filter, Record, Scope, SearchAttributeType, Value, parse_list,
};
use tonic::Status;

use crate::frontend::Frontend;
use crate::status::status;

/// A worker that was silent for so long is taken for gone.
const SILENCE_MAX: Duration = Duration::from_secs(5 * 60);
/// Heartbeats kept, bytes; those that are silent for the longest time go first.
const BYTES_MAX: usize = 64 << 20;
/// Workers on a page at most.
const PAGE_SIZE_MAX: usize = 1000;
/// Task queues of the server's own workers, and of SDKs' for the server.
const SYSTEM_QUEUE_PREFIX: &str = "temporal-sys";

/// The workers of all namespaces.
#[derive(Default)]
pub(crate) struct Workers {
    known: Mutex<Known>,
}

#[derive(Default)]
struct Known {
    /// By namespace id and instance key.
    workers: BTreeMap<(String, String), Worker>,
    /// The same, by when they were heard of last.
    by_silence: BTreeMap<u64, (String, String)>,
    bytes: usize,
    /// Counts what was heard.
    heard: u64,
}

struct Worker {
    said: WorkerHeartbeat,
    at: Instant,
    heard: u64,
    bytes: usize,
}

impl Workers {
    /// Takes over what workers of the namespace say now; one that shuts down is forgotten.
    pub(crate) fn hear(
        &self,
        namespace_id: &str,
        heartbeats: impl IntoIterator<Item = WorkerHeartbeat>,
        now: Instant,
    ) {
        let mut known = self.lock();
        for said in heartbeats {
            let key = (namespace_id.to_owned(), said.worker_instance_key.clone());
            known.forget(&key);
            if said.worker_instance_key.is_empty() || said.status() == WorkerStatus::Shutdown {
                continue;
            }
            known.remember(key, said, now);
        }
        known.forget_silent(now);
    }

    /// The workers of the namespace after `after` for which `wanted` holds, by instance key.
    fn of(
        &self,
        namespace_id: &str,
        after: &str,
        wanted: impl Fn(&WorkerHeartbeat) -> bool,
        now: Instant,
    ) -> Vec<WorkerHeartbeat> {
        let mut known = self.lock();
        known.forget_silent(now);
        let from = (namespace_id.to_owned(), after.to_owned());
        known
            .workers
            .range(from..)
            .take_while(|((namespace, _), _)| namespace == namespace_id)
            .filter(|((_, key), worker)| key.as_str() > after && wanted(&worker.said))
            .map(|(_, worker)| worker.said.clone())
            .collect()
    }

    fn lock(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Known {
    fn remember(&mut self, key: (String, String), said: WorkerHeartbeat, at: Instant) {
        self.heard += 1;
        let worker = Worker {
            bytes: said.encoded_len() + key.0.len() + 2 * key.1.len(),
            said,
            at,
            heard: self.heard,
        };
        self.bytes += worker.bytes;
        self.by_silence.insert(worker.heard, key.clone());
        self.workers.insert(key, worker);
    }

    fn forget(&mut self, key: &(String, String)) {
        if let Some(worker) = self.workers.remove(key) {
            self.bytes -= worker.bytes;
            self.by_silence.remove(&worker.heard);
        }
    }

    fn forget_silent(&mut self, now: Instant) {
        while let Some((_, key)) = self.by_silence.first_key_value() {
            let silent = self.workers.get(key).is_none_or(|worker| {
                now.saturating_duration_since(worker.at) > SILENCE_MAX || self.bytes > BYTES_MAX
            });
            if !silent {
                return;
            }
            let key = key.clone();
            self.forget(&key);
        }
    }
}

impl Frontend {
    pub(crate) async fn record_worker_heartbeat(
        &self,
        request: RecordWorkerHeartbeatRequest,
    ) -> Result<RecordWorkerHeartbeatResponse, Status> {
        let namespace = self.usable(&request.namespace).map_err(status)?;
        self.workers
            .hear(&namespace.id, request.worker_heartbeat, Instant::now());
        Ok(RecordWorkerHeartbeatResponse::default())
    }

    #[allow(deprecated, reason = "clients in use read the older form")]
    pub(crate) async fn list_workers(
        &self,
        request: ListWorkersRequest,
    ) -> Result<ListWorkersResponse, Status> {
        let after = String::from_utf8(request.next_page_token.to_vec())
            .map_err(|_| status(Refusal::invalid("Invalid NextPageToken.")))?;
        let include_system = request.include_system_workers;
        let mut found = self
            .workers_found(&request.namespace, &request.query, include_system, &after)
            .map_err(status)?;
        let wanted = match usize::try_from(request.page_size) {
            Ok(0) | Err(_) => PAGE_SIZE_MAX,
            Ok(size) => size.min(PAGE_SIZE_MAX),
        };
        let more = found.len() > wanted;
        found.truncate(wanted);
        let last = found.last().filter(|_| more);
        Ok(ListWorkersResponse {
            next_page_token: last.map_or_else(Default::default, |last| {
                last.worker_instance_key.clone().into()
            }),
            workers: found.iter().map(listed).collect(),
            workers_info: found
                .into_iter()
                .map(|said| WorkerInfo {
                    worker_heartbeat: Some(said),
                })
                .collect(),
        })
    }

    pub(crate) async fn count_workers(
        &self,
        request: CountWorkersRequest,
    ) -> Result<CountWorkersResponse, Status> {
        let include_system = request.include_system_workers;
        let found = self
            .workers_found(&request.namespace, &request.query, include_system, "")
            .map_err(status)?;
        Ok(CountWorkersResponse {
            count: found.len() as i64,
        })
    }

    pub(crate) async fn describe_worker(
        &self,
        request: DescribeWorkerRequest,
    ) -> Result<DescribeWorkerResponse, Status> {
        let namespace = self.usable(&request.namespace).map_err(status)?;
        let key = &request.worker_instance_key;
        let is_it = |said: &WorkerHeartbeat| said.worker_instance_key == *key;
        let found = self.workers.of(&namespace.id, "", is_it, Instant::now());
        let Some(said) = found.into_iter().next() else {
            return Err(status(Refusal::NotFound(format!("Worker {key} not found"))));
        };
        Ok(DescribeWorkerResponse {
            worker_info: Some(WorkerInfo {
                worker_heartbeat: Some(said),
            }),
        })
    }

    fn workers_found(
        &self,
        namespace: &str,
        query: &str,
        include_system: bool,
        after: &str,
    ) -> Result<Vec<WorkerHeartbeat>, Refusal> {
        let namespace = self.usable(namespace)?;
        let filter = parse_list(query, &attributes(), Scope::Workflows)
            .map_err(|error| Refusal::InvalidArgument(error.to_string()))?;
        let wanted = |said: &WorkerHeartbeat| {
            (include_system || !said.task_queue.starts_with(SYSTEM_QUEUE_PREFIX))
                && matches(&filter, said)
        };
        Ok(self
            .workers
            .of(&namespace.id, after, wanted, Instant::now()))
    }
}

/// What filters may ask besides `TaskQueue` and `StartTime`, which runs have too.
const KEYWORDS: [&str; 9] = [
    "WorkerInstanceKey",
    "WorkerIdentity",
    "HostName",
    "DeploymentName",
    "BuildId",
    "SdkName",
    "SdkVersion",
    "WorkerStatus",
    "Status",
];
const HEARTBEAT_TIME: &str = "HeartbeatTime";

fn attributes() -> CustomAttributes {
    let keywords = KEYWORDS.map(|name| (name.to_owned(), SearchAttributeType::Keyword));
    let time = (HEARTBEAT_TIME.to_owned(), SearchAttributeType::Datetime);
    keywords.into_iter().chain([time]).collect()
}

/// A worker answers to filters as a run with these attributes would. What is empty is absent.
fn matches(filter: &Filter, said: &WorkerHeartbeat) -> bool {
    let host = said.host_info.as_ref();
    let deployment = said.deployment_version.as_ref();
    let state = status_name(said);
    let values: [&str; KEYWORDS.len()] = [
        &said.worker_instance_key,
        &said.worker_identity,
        host.map_or("", |host| &host.host_name),
        deployment.map_or("", |version| &version.deployment_name),
        deployment.map_or("", |version| &version.build_id),
        &said.sdk_name,
        &said.sdk_version,
        &state,
        &state,
    ];
    let mut search_attributes: Vec<_> = KEYWORDS
        .into_iter()
        .zip(values)
        .filter(|(_, value)| !value.is_empty())
        .map(|(name, value)| (name.to_owned(), Value::Keyword(value.to_owned())))
        .collect();
    if let Some(time) = &said.heartbeat_time {
        let micros = nanos(time).div_euclid(1000);
        search_attributes.push((HEARTBEAT_TIME.to_owned(), Value::Datetime(micros)));
    }
    filter.matches(&Record {
        task_queue: said.task_queue.clone(),
        start_time: said.start_time.as_ref().map_or(0, nanos),
        search_attributes,
        ..Record::default()
    })
}

/// The status in the short form in which filters and people write it.
fn status_name(said: &WorkerHeartbeat) -> String {
    crate::status::short_name(said.status().as_str_name(), "WORKER_STATUS_")
}

fn nanos(time: &Timestamp) -> i64 {
    time.seconds
        .saturating_mul(1_000_000_000)
        .saturating_add(time.nanos.into())
}

fn listed(said: &WorkerHeartbeat) -> WorkerListInfo {
    let host = said.host_info.clone().unwrap_or_default();
    WorkerListInfo {
        worker_instance_key: said.worker_instance_key.clone(),
        worker_identity: said.worker_identity.clone(),
        task_queue: said.task_queue.clone(),
        deployment_version: said.deployment_version.clone(),
        sdk_name: said.sdk_name.clone(),
        sdk_version: said.sdk_version.clone(),
        status: said.status,
        start_time: said.start_time,
        host_name: host.host_name,
        worker_grouping_key: host.worker_grouping_key,
        process_id: host.process_id,
        plugins: said.plugins.clone(),
        drivers: said.drivers.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn heartbeat(key: &str, identity: &str) -> WorkerHeartbeat {
        WorkerHeartbeat {
            worker_instance_key: key.to_owned(),
            worker_identity: identity.to_owned(),
            task_queue: "q".to_owned(),
            status: WorkerStatus::Running as i32,
            start_time: Some(Timestamp {
                seconds: 1_700_000_000,
                nanos: 0,
            }),
            ..WorkerHeartbeat::default()
        }
    }

    fn keys(workers: &Workers, namespace: &str, now: Instant) -> Vec<String> {
        let found = workers.of(namespace, "", |_| true, now);
        found
            .into_iter()
            .map(|said| said.worker_instance_key)
            .collect()
    }

    #[test]
    fn workers_are_known_until_they_are_silent_or_go() {
        let workers = Workers::default();
        let start = Instant::now();
        workers.hear("n1", [heartbeat("b", "x"), heartbeat("a", "x")], start);
        workers.hear("n2", [heartbeat("c", "x"), heartbeat("", "x")], start);
        assert_eq!(keys(&workers, "n1", start), ["a", "b"]);
        let later = start + SILENCE_MAX;
        workers.hear("n1", [heartbeat("b", "y")], later);
        let after = later + Duration::from_millis(1);
        assert_eq!(keys(&workers, "n1", after), ["b"]);
        assert_eq!(keys(&workers, "n2", after), [""; 0]);
        let gone = WorkerHeartbeat {
            status: WorkerStatus::Shutdown as i32,
            ..heartbeat("b", "y")
        };
        workers.hear("n1", [gone], after);
        assert_eq!(keys(&workers, "n1", after), [""; 0]);
        assert_eq!(workers.lock().bytes, 0);
    }

    #[test]
    fn the_most_silent_go_when_there_is_no_room() {
        let workers = Workers::default();
        let start = Instant::now();
        let large = "x".repeat(BYTES_MAX / 2);
        for key in ["a", "b", "c"] {
            workers.hear("n", [heartbeat(key, &large)], start);
        }
        assert_eq!(keys(&workers, "n", start), ["c"]);
        workers.hear("n", [heartbeat("d", "small")], start);
        assert_eq!(keys(&workers, "n", start), ["c", "d"]);
    }

    #[test]
    fn filters_ask_for_what_a_worker_says() {
        let said = heartbeat("key", "me@host");
        let holds = |query: &str| {
            let filter = parse_list(query, &attributes(), Scope::Workflows).unwrap();
            matches(&filter, &said)
        };
        assert!(holds(""));
        assert!(holds("TaskQueue = 'q' AND Status = 'Running'"));
        assert!(holds(
            "WorkerIdentity STARTS_WITH 'me@' AND HostName IS NULL"
        ));
        assert!(holds("StartTime < '2024-01-01T00:00:00Z'"));
        assert!(!holds("WorkerStatus != 'Running'"));
        assert!(!holds("HeartbeatTime > '2000-01-01T00:00:00Z'"));
        assert!(parse_list("Colour = 'red'", &attributes(), Scope::Workflows).is_err());
    }
}
