//! Calls from clients and workers to the server, over a network that loses and repeats.

use std::cell::RefCell;
use std::future::Future;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::{Either, select};
use steadfast_core::Refusal;
use steadfast_engine::{Call, Engine};
use tokio::sync::oneshot;

use crate::executor::{Owner, TaskId};
use crate::world::World;

/// How long callers wait for what is no long poll, ms.
const PATIENCE_MS: u64 = 10_000;
/// How long callers wait for long polls, ms.
const POLL_PATIENCE_MS: u64 = 70_000;

/// The kind of a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Changes something; may arrive twice.
    Change,
    /// Only looks.
    Read,
    /// Waits for something, and may take it.
    Poll,
}

/// What a caller waits for. Where the caller is gone, the server may see that and drop it.
struct Connection {
    world: Rc<World>,
    served: Vec<TaskId>,
}

impl Drop for Connection {
    fn drop(&mut self) {
        for task in self.served.drain(..) {
            if self.world.dice.chance(500) {
                self.world.marks.add("network: call dropped by its caller");
                self.world.executor.abort(task);
            }
        }
    }
}

fn unavailable(what: &str) -> Refusal {
    Refusal::Unavailable(what.to_owned())
}

impl World {
    /// Makes a call. `witness` sees every reply at the moment the server gives it, also those that get lost.
    ///
    /// # Errors
    /// The server's refusal, or UNAVAILABLE where it is not known what became of the call.
    pub(crate) async fn call<Q, R, F>(
        self: &Rc<Self>,
        name: &'static str,
        kind: Kind,
        request: Q,
        serve: impl Fn(Engine, Call, Q) -> F,
        witness: impl Fn(&World, &Q, &Result<R, Refusal>) + 'static,
    ) -> Result<R, Refusal>
    where
        Q: Clone + 'static,
        R: 'static,
        F: Future<Output = Result<R, Refusal>> + 'static,
    {
        if self.happens(self.options.lose_request, "network: request lost") {
            self.sleep(self.dice.below(2_000)).await;
            return Err(unavailable("the request was lost"));
        }
        self.sleep(self.dice.below(3)).await;
        let Some((process, engine, namespace)) = self.server() else {
            self.sleep(self.dice.below(500)).await;
            return Err(unavailable("no server"));
        };
        let patience = match kind {
            Kind::Poll => POLL_PATIENCE_MS,
            Kind::Change | Kind::Read => PATIENCE_MS,
        };
        let deadline = tokio::time::Instant::now() + Duration::from_millis(patience);
        let (sender, receiver) = oneshot::channel();
        let sender = Rc::new(RefCell::new(Some(sender)));
        let witness = Rc::new(witness);
        let twice = kind == Kind::Change
            && self.happens(self.options.duplicate, "network: request duplicated");
        let mut connection = Connection {
            world: self.clone(),
            served: Vec::new(),
        };
        for _ in 0..1 + usize::from(twice) {
            let call = Call {
                namespace: Arc::clone(&namespace),
                deadline: Some(deadline.into_std()),
                for_people: false,
            };
            let serving = serve(engine.clone(), call, request.clone());
            let world = self.clone();
            let (sender, witness, request) = (sender.clone(), witness.clone(), request.clone());
            let task = self.executor.spawn(Owner::Server(process), async move {
                let reply = serving.await;
                world.trace(format_args!("{name} {}", outcome(&reply)));
                witness(&world, &request, &reply);
                if world.happens(world.options.lose_reply, "network: reply lost") {
                    return;
                }
                let sender = sender.borrow_mut().take();
                if let Some(sender) = sender {
                    let _ = sender.send(reply);
                }
            });
            connection.served.push(task);
        }
        drop(sender);
        let patience = std::pin::pin!(self.sleep(patience));
        let reply = match select(receiver, patience).await {
            Either::Left((reply, _)) => {
                connection.served.clear();
                reply.unwrap_or_else(|_| Err(unavailable("the connection broke")))
            }
            Either::Right(_) => {
                self.marks.add("network: caller lost patience");
                Err(unavailable("no reply in time"))
            }
        };
        drop(connection);
        self.sleep(self.dice.below(3)).await;
        reply
    }

    /// Repeats a call as SDKs do, while what became of it is not known.
    ///
    /// # Errors
    /// The first refusal that is final, or UNAVAILABLE after many attempts.
    pub(crate) async fn retrying<R, F>(
        self: &Rc<Self>,
        mut call: impl FnMut() -> F,
    ) -> Result<R, Refusal>
    where
        F: Future<Output = Result<R, Refusal>>,
    {
        let mut attempt = 0;
        loop {
            attempt += 1;
            match call().await {
                Err(refusal) if is_transient(&refusal) && attempt < 1000 => {
                    self.marks.add(match refusal {
                        Refusal::ResourceExhausted { .. } => "call: repeated for overload",
                        _ => "call: repeated",
                    });
                    self.sleep(self.dice.between(10, 50 << attempt.min(6)))
                        .await;
                }
                reply => return reply,
            }
        }
    }
}

/// Whether SDKs repeat a call that was refused so.
pub(crate) fn is_transient(refusal: &Refusal) -> bool {
    matches!(
        refusal,
        Refusal::Unavailable(_)
            | Refusal::ResourceExhausted { .. }
            | Refusal::Aborted(_)
            | Refusal::DeadlineExceeded(_)
    )
}

fn outcome<R>(reply: &Result<R, Refusal>) -> String {
    match reply {
        Ok(_) => "ok".to_owned(),
        Err(refusal) => format!("refused: {refusal}"),
    }
}
