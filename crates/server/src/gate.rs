//! What every request passes on its way in and every answer on its way out: versions, load, deadlines, panics, the
//! words of errors that arise below the services, metrics, logs.

use std::any::Any;
use std::convert::Infallible;
use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Instant;

use http::{Request, Response};
use steadfast_protocol::workflowservice::workflow_service_server::WorkflowServiceServer;
use tonic::body::Body;
use tonic::server::NamedService;
use tonic::service::Routes;
use tonic::{Code, Status};
use tower::Service;

use crate::frontend::Frontend;
use crate::load::{Admitted, Load};
use crate::metrics::RequestMetrics;
use crate::version;

/// The largest request, bytes.
pub(crate) const REQUEST_BYTES_MAX: usize = 4 << 20;

/// All services behind one door.
#[derive(Clone)]
pub(crate) struct Gate {
    /// Nearly all requests are for this one, so they take no other way to it.
    workflow_service: WorkflowServiceServer<Frontend>,
    others: Routes,
    metrics: Arc<RequestMetrics>,
    load: Arc<Load>,
}

impl Gate {
    pub(crate) fn new(
        workflow_service: WorkflowServiceServer<Frontend>,
        others: Routes,
        metrics: Arc<RequestMetrics>,
    ) -> Self {
        Self {
            workflow_service,
            others,
            metrics,
            load: Arc::default(),
        }
    }

    /// What all requests hold.
    pub(crate) fn load(&self) -> &Arc<Load> {
        &self.load
    }

    fn forward(&mut self, request: Request<Body>) -> Running {
        type Main = WorkflowServiceServer<Frontend>;
        let service = request.uri().path().strip_prefix('/');
        let is_main = service
            .and_then(|path| path.strip_prefix(Main::NAME))
            .is_some_and(|rest| rest.starts_with('/'));
        if is_main {
            self.workflow_service.call(request)
        } else {
            Box::pin(self.others.call(request))
        }
    }
}

impl Service<Request<Body>> for Gate {
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = Answer;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Body>) -> Answer {
        let since = Instant::now();
        let path = request.uri().path();
        let rpc = self.metrics.find(path);
        // Only what is not in the table of RPCs needs its path later.
        let path = (rpc == 0).then(|| path.to_owned());
        let admitted = version::check(request.headers()).and_then(|()| self.load.admit());
        let state = match admitted {
            Ok(admitted) => State::Running(self.forward(request), admitted),
            Err(status) => State::Refused(status),
        };
        Answer {
            state,
            tally: Tally {
                rpc,
                path,
                since,
                metrics: self.metrics.clone(),
                done: false,
            },
        }
    }
}

type Running = Pin<Box<dyn Future<Output = Result<Response<Body>, Infallible>> + Send>>;

/// The answer to one request.
pub(crate) struct Answer {
    state: State,
    tally: Tally,
}

enum State {
    /// Counted until the answer is there.
    Running(
        Running,
        #[expect(dead_code, reason = "dropped with the state")] Admitted,
    ),
    Refused(Status),
}

impl Future for Answer {
    type Output = Result<Response<Body>, Infallible>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let this = &mut *self;
        let response = match &mut this.state {
            State::Refused(status) => this.tally.refuse(status),
            State::Running(future, _) => {
                // What a handler holds while it panics is its own: shared state is behind locks that a panic poisons.
                let polled = catch_unwind(AssertUnwindSafe(|| future.as_mut().poll(context)));
                match polled {
                    Ok(Poll::Pending) => return Poll::Pending,
                    Ok(Poll::Ready(Ok(response))) => this.tally.look_at(response),
                    Err(panic) => this.tally.panicked(&*panic),
                }
            }
        };
        Poll::Ready(Ok(response))
    }
}

/// What is counted and logged of one request. Dropped before it is done, the caller went away.
struct Tally {
    rpc: usize,
    path: Option<String>,
    since: Instant,
    metrics: Arc<RequestMetrics>,
    done: bool,
}

impl Tally {
    /// An answer whose status stands in the headers is an error; else it is taken for OK.
    fn look_at(&mut self, response: Response<Body>) -> Response<Body> {
        let Some(status) = Status::from_header_map(response.headers()) else {
            self.finish(Code::Ok, "");
            return response;
        };
        match self.reword(&status) {
            Some(status) => self.refuse(&status),
            None => {
                self.finish(status.code(), status.message());
                response
            }
        }
    }

    /// Errors of the layers below in the words, and with the codes, that clients know; `None` where they are right.
    fn reword(&self, status: &Status) -> Option<Status> {
        match status.code() {
            Code::Unimplemented => self.unimplemented(status.message()),
            Code::OutOfRange => oversize(status.message()),
            Code::ResourceExhausted if status.message().starts_with("Error decompressing") => {
                Some(Status::resource_exhausted(format!(
                    "grpc: received message after decompression larger than max {REQUEST_BYTES_MAX}"
                )))
            }
            // No service here answers INTERNAL: it is a request that cannot be decoded, which no repetition cures.
            Code::Internal => Some(Status::invalid_argument(status.message())),
            _ => None,
        }
    }

    fn unimplemented(&self, message: &str) -> Option<Status> {
        let rpc = self.metrics.rpc(self.rpc);
        if let Some(path) = &self.path {
            let mut parts = path.trim_start_matches('/').splitn(2, '/');
            let service = parts.next().unwrap_or_default();
            let method = parts.next().unwrap_or_default();
            return Some(Status::unimplemented(
                if self.metrics.knows_service(service) {
                    format!("unknown method {method} for service {service}")
                } else {
                    format!("unknown service {service}")
                },
            ));
        }
        let name = &rpc.method;
        match message {
            "" | "Not yet implemented" => {
                Some(Status::unimplemented(format!("{name} is not implemented")))
            }
            _ if message.contains(name) => None,
            _ => Some(Status::unimplemented(format!("{name}: {message}"))),
        }
    }

    fn refuse(&mut self, status: &Status) -> Response<Body> {
        self.finish(status.code(), status.message());
        status.clone().into_http()
    }

    fn panicked(&mut self, panic: &(dyn Any + Send)) -> Response<Body> {
        let said = panic
            .downcast_ref::<String>()
            .map(String::as_str)
            .or_else(|| panic.downcast_ref::<&str>().copied());
        tracing::error!(
            rpc = self.metrics.rpc(self.rpc).method,
            panic = said.unwrap_or("no message"),
            "a request caused a panic"
        );
        self.refuse(&Status::internal(
            "the server failed on this request; its log says more",
        ))
    }

    fn finish(&mut self, code: Code, message: &str) {
        self.done = true;
        let latency = self.since.elapsed();
        self.metrics.count(self.rpc, code, latency);
        if code != Code::Ok {
            tracing::debug!(
                rpc = self.metrics.rpc(self.rpc).method,
                ?code,
                message,
                latency_us = latency.as_micros() as u64,
                "refused"
            );
        }
    }
}

impl Drop for Tally {
    fn drop(&mut self) {
        if !self.done {
            self.finish(Code::Cancelled, "the caller went away");
        }
    }
}

/// Clients know an oversize message by this code with the beginning of this text, and only then do not repeat it.
fn oversize(message: &str) -> Option<Status> {
    let rest = message.strip_prefix("Error, decoded message length too large: found ")?;
    let size = rest.split(' ').next().unwrap_or_default();
    Some(Status::resource_exhausted(format!(
        "grpc: received message larger than max ({size} vs. {REQUEST_BYTES_MAX})"
    )))
}
