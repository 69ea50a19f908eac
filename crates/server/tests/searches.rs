//! Lists and counts over real SQL: who has left costs nothing more, and counts never keep lists waiting.

#![allow(clippy::unwrap_used, reason = "a test")]

mod support;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use prost::Message;
use steadfast_protocol::workflowservice::{
    CountWorkflowExecutionsRequest, CountWorkflowExecutionsResponse, ListWorkflowExecutionsRequest,
};
use steadfast_visibility::{
    Caller, Change, Count, Filter, GroupBy, List, Page, Record, StoreError, VisibilityStore,
};
use steadfast_visibility_sqlite::SqliteVisibility;
use support::{Served, serve_with};
use tempfile::TempDir;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::task::JoinHandle;
use tonic::Status;

const LONG: Duration = Duration::from_secs(600);
const RUNS: u64 = 2000;

/// What makes a count look at all runs; it finds none.
const SLOW: &str = "ParentRunId = 'slow'";
/// The same, of all.
const ALL: &str = "ParentRunId IS NULL";

/// A store on SQLite that says what its counts do, and in which a count that is [`SLOW`] goes on, from its second step
/// on, until its caller has left.
struct Watched {
    inner: SqliteVisibility,
    said: UnboundedSender<Said>,
    _folder: TempDir,
}

#[derive(Debug, PartialEq, Eq)]
enum Said {
    UnderWay,
    Abandoned,
    Counted,
}

impl VisibilityStore for Watched {
    fn apply(&self, changes: &[Change], marker: Option<&[u8]>) -> Result<(), StoreError> {
        self.inner.apply(changes, marker)
    }

    fn marker(&self) -> Result<Option<Vec<u8>>, StoreError> {
        self.inner.marker()
    }

    fn page(&self, list: &List<'_>, caller: &Caller) -> Result<Page, StoreError> {
        self.inner.page(list, caller)
    }

    fn tally(
        &self,
        namespace_id: &str,
        filter: &Filter,
        group_by: Option<GroupBy>,
        caller: &Caller,
    ) -> Result<Count, StoreError> {
        let slow = format!("{filter:?}").contains("slow");
        let (caller, said, asked) = (caller.clone(), self.said.clone(), AtomicUsize::new(0));
        let held = Caller::until(move || {
            if asked.fetch_add(1, Ordering::Relaxed) == 1 && slow {
                let _ = said.send(Said::UnderWay);
                while !caller.has_left() {
                    std::thread::yield_now();
                }
            }
            caller.has_left()
        });
        let count = self.inner.tally(namespace_id, filter, group_by, &held);
        let said = match &count {
            Err(StoreError::Abandoned) => Said::Abandoned,
            _ => Said::Counted,
        };
        let _ = self.said.send(said);
        count
    }

    fn concurrency(&self) -> usize {
        self.inner.concurrency()
    }
}

async fn served() -> (Served, UnboundedReceiver<Said>) {
    let folder = TempDir::new().unwrap();
    let opened = SqliteVisibility::open(Some(&folder.path().join("visibility.db"))).unwrap();
    let (said, heard) = unbounded_channel();
    let store = Arc::new(Watched {
        inner: opened.store,
        said,
        _folder: folder,
    });
    let served = serve_with(store.clone()).await;
    let namespace_id = served.namespaces.by_name("default").unwrap().id.clone();
    let run = |number: u64| {
        Change::Upsert(Record {
            namespace_id: namespace_id.clone(),
            run_id: format!("run-{number}"),
            workflow_id: format!("workflow-{number}"),
            status: 1,
            ..Record::default()
        })
    };
    store
        .apply(&(0..RUNS).map(run).collect::<Vec<_>>(), None)
        .unwrap();
    (served, heard)
}

fn count(served: &Served, query: &str, patience: Duration) -> JoinHandle<Result<i64, Status>> {
    let request = CountWorkflowExecutionsRequest {
        namespace: "default".to_owned(),
        query: query.to_owned(),
    };
    let channel = served.channel.clone();
    tokio::spawn(async move {
        let path = "/temporal.api.workflowservice.v1.WorkflowService/CountWorkflowExecutions";
        let answer = support::call(&channel, path, request.encode_to_vec(), patience).await?;
        Ok(CountWorkflowExecutionsResponse::decode(answer)
            .unwrap()
            .count)
    })
}

async fn list(served: &Served) -> Result<(), Status> {
    let request = ListWorkflowExecutionsRequest {
        namespace: "default".to_owned(),
        ..ListWorkflowExecutionsRequest::default()
    };
    let path = "/temporal.api.workflowservice.v1.WorkflowService/ListWorkflowExecutions";
    support::call(&served.channel, path, request.encode_to_vec(), LONG)
        .await
        .map(drop)
}

#[tokio::test(flavor = "multi_thread")]
async fn counts_leave_a_place_for_lists_and_stop_when_their_callers_leave() {
    let (served, mut heard) = served().await;
    let counts: Vec<_> = (0..6).map(|_| count(&served, SLOW, LONG)).collect();
    // As many as come to the store at all while none ends.
    for _ in 0..3 {
        assert_eq!(heard.recv().await, Some(Said::UnderWay));
    }
    for _ in 0..10 {
        list(&served).await.unwrap();
    }
    assert!(heard.is_empty(), "a fourth count was let in");
    counts.iter().for_each(JoinHandle::abort);
    // Those that waited may come in when the first have ended, if their callers are not seen to leave before.
    let (mut begun, mut ended) = (3, 0);
    while ended < begun {
        match heard.recv().await.unwrap() {
            Said::UnderWay => begun += 1,
            Said::Abandoned => ended += 1,
            Said::Counted => panic!("nobody waited for it"),
        }
    }
    // All places are free again.
    for _ in 0..4 {
        let counted = count(&served, ALL, LONG).await.unwrap().unwrap();
        assert_eq!(counted, RUNS.cast_signed());
        while heard.recv().await != Some(Said::Counted) {}
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_count_stops_when_the_time_of_its_caller_is_up() {
    let (served, mut heard) = served().await;
    let counted = count(&served, SLOW, Duration::from_millis(300)).await;
    let code = counted.unwrap().unwrap_err().code();
    assert!(
        matches!(code, tonic::Code::DeadlineExceeded | tonic::Code::Cancelled),
        "{code}"
    );
    // It had begun, unless this machine is so slow that it had to wait for its turn too long.
    loop {
        match heard.recv().await.unwrap() {
            Said::UnderWay => {}
            said => break assert_eq!(said, Said::Abandoned),
        }
    }
}
