//! Every RPC of the protocol, with every field of its request set to something odd: the server refuses it in the
//! protocol's terms, never by a panic, INTERNAL or UNKNOWN.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod support;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use prost::Message;
use prost_reflect::MethodDescriptor;
use support::odd::Filler;
use support::{call, create, methods, path_of, serve, task_token};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tonic::{Code, Status};

const IN_FLIGHT: usize = 32;
/// Long enough that polls are let in, short enough to wait for.
const TIMEOUT: Duration = Duration::from_millis(2200);

static PANICS: AtomicUsize = AtomicUsize::new(0);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn odd_requests_are_refused_in_the_protocols_terms() {
    let before = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        PANICS.fetch_add(1, Ordering::Relaxed);
        before(panic);
    }));
    let served = serve().await;
    let other = served.namespaces.by_name("other").unwrap().id.clone();
    let slots = Arc::new(Semaphore::new(IN_FLIGHT));
    let mut calls = JoinSet::new();
    for method in methods() {
        // One namespace for each: some RPCs change or delete theirs.
        let namespace = format!("ns-{}", method.name());
        create(&served.namespaces, &namespace);
        let own = served.namespaces.by_name(&namespace).unwrap().id.clone();
        let filler = Filler {
            namespace,
            token: task_token(&own),
            foreign_token: task_token(&other),
        };
        for (what, request) in filler.odd_requests(&method) {
            let slot = slots.clone().acquire_owned().await.unwrap();
            let (channel, method) = (served.channel.clone(), method.clone());
            calls.spawn(async move {
                let body = request.encode_to_vec();
                let answer = call(&channel, &path_of(&method), body, TIMEOUT).await;
                drop(slot);
                (method, what, answer.err())
            });
        }
    }
    let mut wrong = Vec::new();
    let mut codes = BTreeMap::<String, usize>::new();
    while let Some(done) = calls.join_next().await {
        let (method, what, refusal) = done.unwrap();
        let code = refusal.as_ref().map_or(Code::Ok, Status::code);
        *codes.entry(format!("{code:?}")).or_default() += 1;
        if let Some(status) = refusal.filter(|status| !is_fine(&method, status)) {
            wrong.push(format!("{}, {what}: {status}", method.name()));
        }
    }
    println!("{codes:?}");
    assert!(
        wrong.is_empty(),
        "{} of them:\n{}",
        wrong.len(),
        wrong.join("\n")
    );
    assert_eq!(PANICS.load(Ordering::Relaxed), 0);
    assert!(codes["InvalidArgument"] > 1000);
}

fn is_fine(method: &MethodDescriptor, status: &Status) -> bool {
    match status.code() {
        Code::Unimplemented => status.message().contains(method.name()),
        Code::Internal | Code::Unknown | Code::Cancelled | Code::DataLoss => false,
        _ => true,
    }
}
