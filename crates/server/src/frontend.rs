//! The state behind the services, and the way of a request through them: namespace, checks, engine.

use std::pin::Pin;
use std::sync::Arc;

use http::HeaderValue;
use steadfast_core::Refusal;
use steadfast_engine::token::TaskToken;
use steadfast_engine::{Call, Engine, Namespace, Namespaces};
use steadfast_protocol::enums::NamespaceState;
use tokio::sync::watch;
use tonic::{Request, Status};

use crate::deadline::Arrival;
use crate::headers::CLIENT_NAME;
use crate::requests::sizes::SizeLog;
use crate::requests::{Checked, Context, Scope, fields};
use crate::searches::Searches;
use crate::status::{short_name, status};
use crate::waits::Waits;
use crate::workers::Workers;

/// What the services work with. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Frontend {
    pub(crate) engine: Engine,
    pub(crate) namespaces: Arc<Namespaces>,
    /// Lists and counts.
    pub(crate) searches: Searches,
    pub(crate) workers: Arc<Workers>,
    /// The long polls that wait.
    pub(crate) waits: Arc<Waits>,
    pub(crate) size_log: Arc<SizeLog>,
    /// The address that clients are told.
    pub(crate) address: Arc<str>,
    /// True once the server is stopping: long polls then end.
    pub(crate) draining: watch::Receiver<bool>,
}

impl Frontend {
    /// Finds the namespace of the request and checks it, so that the engine can take it.
    pub(crate) fn admit<R: Checked>(&self, request: Request<R>) -> Result<(Call, R), Status> {
        let (metadata, _, mut message) = request.into_parts();
        let arrival = Arrival::now(metadata.as_ref());
        let admitted = self
            .resolve(&message.scope(), R::STARTS)
            .and_then(|namespace| {
                let limits = self.engine.limits();
                self.size_log.look_at(&message, &namespace.name, limits);
                message.check(&Context {
                    namespace: &namespace,
                    limits,
                    arrived: arrival.at,
                    deadline: arrival.deadline,
                })?;
                Ok(namespace)
            });
        let namespace = admitted.map_err(status)?;
        let client = metadata
            .as_ref()
            .get(&CLIENT_NAME)
            .map(HeaderValue::as_bytes);
        let call = Call {
            namespace,
            deadline: arrival.deadline,
            for_people: matches!(client, Some(b"temporal-cli" | b"temporal-ui")),
        };
        Ok((call, message))
    }

    /// The namespace a request is about, if the request is let into it (server-semantics 0.2).
    fn resolve(&self, scope: &Scope<'_>, starts: bool) -> Result<Arc<Namespace>, Refusal> {
        let namespace = match *scope {
            Scope::Namespace("") if starts => return Err(Refusal::invalid("Namespace is empty.")),
            Scope::Namespace(name) => self.named(name)?,
            Scope::Task { namespace, token } => self.of_task(namespace, token)?,
        };
        let allowed: &[NamespaceState] = if starts {
            &[NamespaceState::Registered]
        } else {
            &[NamespaceState::Registered, NamespaceState::Deprecated]
        };
        check_state(&namespace, allowed)?;
        Ok(namespace)
    }

    /// The namespace of that name.
    pub(crate) fn named(&self, name: &str) -> Result<Arc<Namespace>, Refusal> {
        fields::set(name, "Namespace not set on request.")?;
        fields::length("Namespace", name)?;
        self.namespaces
            .by_name(name)
            .ok_or_else(|| Refusal::NamespaceNotFound(name.to_owned()))
    }

    /// The namespace of that name, where it is not deleted.
    pub(crate) fn usable(&self, name: &str) -> Result<Arc<Namespace>, Refusal> {
        self.resolve(&Scope::Namespace(name), false)
    }

    /// The namespace of a task's token; it must be the one that is named, if one is.
    fn of_task(&self, name: &str, token: &[u8]) -> Result<Arc<Namespace>, Refusal> {
        let named = match name {
            "" => None,
            name => Some(self.named(name)?),
        };
        if token.is_empty() {
            return Err(Refusal::invalid("Task token not set on request."));
        }
        let id = TaskToken::namespace_of(token)
            .ok_or_else(|| Refusal::invalid("Error deserializing task token."))?;
        match named {
            Some(named) if named.id == id => Ok(named),
            Some(_) => Err(Refusal::invalid(
                "Operation requested with a token from a different namespace.",
            )),
            None => self
                .namespaces
                .by_id(&id)
                .ok_or(Refusal::NamespaceNotFound(id)),
        }
    }

    /// Runs what blocks where it may.
    pub(crate) async fn blocking<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Self) -> Result<T, Refusal> + Send + 'static,
    ) -> Result<T, Status> {
        let frontend = self.clone();
        match tokio::task::spawn_blocking(move || work(&frontend)).await {
            Ok(outcome) => outcome.map_err(status),
            Err(error) => match error.try_into_panic() {
                Ok(panic) => std::panic::resume_unwind(panic),
                Err(_) => Err(status(stopping())),
            },
        }
    }

    /// Waits for `poll`, or for the server to stop: `None` then. Pinned by the caller, since what is handed over by
    /// value has its place twice, here and there.
    pub(crate) async fn until_stopping<T>(
        &self,
        poll: Pin<&mut impl Future<Output = T>>,
    ) -> Option<T> {
        let mut draining = self.draining.clone();
        tokio::select! {
            biased;
            answer = poll => Some(answer),
            _ = draining.wait_for(|draining| *draining) => None,
        }
    }
}

/// What callers are told who would have to wait for a server that stops.
pub(crate) fn stopping() -> Refusal {
    Refusal::Unavailable("the server is stopping".to_owned())
}

fn check_state(namespace: &Namespace, allowed: &[NamespaceState]) -> Result<(), Refusal> {
    if allowed.contains(&namespace.state) {
        return Ok(());
    }
    let name = |state: &NamespaceState| short_name(state.as_str_name(), "NAMESPACE_STATE_");
    let wanted: Vec<_> = allowed.iter().map(name).collect();
    Err(Refusal::NamespaceInvalidState {
        namespace: namespace.name.clone(),
        state: namespace.state as i32,
        allowed: allowed.iter().map(|&state| state as i32).collect(),
        message: format!(
            "Namespace has invalid state: {}. Must be {}.",
            name(&namespace.state),
            wanted.join(" or ")
        ),
    })
}
