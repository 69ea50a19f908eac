//! Histories: paged, awaited, reversed (server-semantics 7.1).

use std::sync::Arc;

use steadfast_core::Refusal;
use steadfast_core::execution::RunKey;
use steadfast_core::workflow_task::unwritten_events;
use steadfast_protocol::enums::HistoryEventFilterType;
use steadfast_protocol::history::History;
use steadfast_protocol::workflowservice::{
    GetWorkflowExecutionHistoryRequest, GetWorkflowExecutionHistoryResponse,
    GetWorkflowExecutionHistoryReverseRequest, GetWorkflowExecutionHistoryReverseResponse,
};
use tokio::sync::oneshot;

use super::{Call, names, require};
use crate::Engine;
use crate::clock::instant;
use crate::shard::{Durability, Shard, store_refusal};
use crate::token::HistoryToken;

/// Events of a page, where blocks allow it.
pub(super) const PAGE_EVENTS: usize = 256;

/// A look at a history.
enum Look {
    /// This is the answer.
    Page {
        history: History,
        token: Option<HistoryToken>,
        durability: Durability,
    },
    /// Nothing new yet; wait for a change, with this token for the case that none comes.
    Wait {
        changed: oneshot::Receiver<()>,
        token: HistoryToken,
    },
}

impl Engine {
    /// The history, paged, waiting for what comes if asked to.
    ///
    /// # Errors
    /// NOT_FOUND for an unknown run; INVALID_ARGUMENT for a token that is not of this run.
    pub async fn get_workflow_execution_history(
        &self,
        call: Call,
        request: GetWorkflowExecutionHistoryRequest,
    ) -> Result<GetWorkflowExecutionHistoryResponse, Refusal> {
        let node = self.node();
        let until = call.poll_until(self.limits().history_poll);
        let (workflow_id, run_id) = names(request.execution.as_ref());
        let mut token = parse_token(&request.next_page_token, run_id)?;
        loop {
            let look = {
                let mut shard = node.lock_of(&call.namespace.id, workflow_id);
                let run_id = token.as_ref().map_or(run_id, |token| token.run_id.as_str());
                let key = require(&mut shard, &call.namespace, workflow_id, run_id)?;
                look(&mut shard, &key, &call, &request, token.as_ref())?
            };
            match look {
                Look::Page {
                    history,
                    token,
                    durability,
                } => {
                    durability.reached().await?;
                    return Ok(page(history, token));
                }
                Look::Wait {
                    changed,
                    token: next,
                } => {
                    if instant() >= until
                        || tokio::time::timeout_at(until.into(), changed)
                            .await
                            .is_err()
                    {
                        return Ok(page(History::default(), Some(next)));
                    }
                    token = Some(next);
                }
            }
        }
    }

    /// The history, newest first.
    ///
    /// # Errors
    /// As for the history.
    pub async fn get_workflow_execution_history_reverse(
        &self,
        call: Call,
        request: GetWorkflowExecutionHistoryReverseRequest,
    ) -> Result<GetWorkflowExecutionHistoryReverseResponse, Refusal> {
        let node = self.node();
        let (workflow_id, run_id) = names(request.execution.as_ref());
        let token = parse_token(&request.next_page_token, run_id)?;
        let (durability, events, token) = {
            let run_id = token.as_ref().map_or(run_id, |token| token.run_id.as_str());
            let mut shard = node.lock_of(&call.namespace.id, workflow_id);
            let key = require(&mut shard, &call.namespace, workflow_id, run_id)?;
            let run = shard.run(&key);
            let mut events = Vec::new();
            let written = run.head.next_event_id;
            if token.is_none() {
                // The Started event of a first attempt is part of the history that people see.
                let unwritten = unwritten_events(run, true).into_iter().rev();
                events.extend(unwritten.filter(|event| event.event_id >= written));
            }
            let before = token.as_ref().map_or(written, |token| token.next_event_id);
            let stored = shard
                .read_events_reverse(&key, before, page_size(request.maximum_page_size))
                .map_err(|error| store_refusal(&error))?;
            events.extend(stored);
            let last = events.last().map_or(1, |event| event.event_id);
            let token = (last > 1).then(|| HistoryToken {
                run_id: key.run_id.clone(),
                next_event_id: last,
                end_event_id: 0,
            });
            (shard.durability(&key), events, token)
        };
        durability.reached().await?;
        Ok(GetWorkflowExecutionHistoryReverseResponse {
            history: Some(events.into()),
            next_page_token: token.map(|token| token.seal()).unwrap_or_default(),
        })
    }
}

fn look(
    shard: &mut Shard,
    key: &Arc<RunKey>,
    call: &Call,
    request: &GetWorkflowExecutionHistoryRequest,
    token: Option<&HistoryToken>,
) -> Result<Look, Refusal> {
    let store_error = |error| store_refusal(&error);
    let run = shard.run(key);
    let open = run.is_open();
    let next = token.map_or(1, |token| token.next_event_id);
    let next_token = |next_event_id| HistoryToken {
        run_id: key.run_id.clone(),
        next_event_id,
        end_event_id: 0,
    };
    if request.history_event_filter_type == HistoryEventFilterType::CloseEvent as i32 {
        if open {
            let token = next_token(next);
            if request.wait_new_event {
                let changed = shard.watch(key);
                return Ok(Look::Wait { changed, token });
            }
            return Ok(Look::Page {
                history: History::default(),
                token: None,
                durability: shard.durability(key),
            });
        }
        let last = run.head.next_event_id - 1;
        let event = shard.event(key, last).map_err(store_error)?;
        return Ok(Look::Page {
            history: vec![event].into(),
            token: None,
            durability: shard.durability(key),
        });
    }
    // The rest of the history of a workflow task ends where the task began.
    let end = token.map_or(0, |token| token.end_event_id);
    // What is not written may be lost in a crash, and its ids given to other events: who goes on reading from a token
    // is not shown it, so that nothing is missed.
    let unwritten = if request.wait_new_event {
        Vec::new()
    } else {
        unwritten_events(run, call.for_people)
    };
    let written = run.head.next_event_id;
    let visible = unwritten.last().map_or(written, |event| event.event_id + 1);
    let end_visible = if end == 0 { visible } else { end.min(visible) };
    let page_events = page_size(request.maximum_page_size);
    let (mut history, reached) = shard
        .read_history(key, next, written.min(end_visible), page_events)
        .map_err(store_error)?;
    if reached >= written.min(end_visible) {
        let rest = unwritten.into_iter();
        let rest = rest.filter(|event| event.event_id >= reached && event.event_id < end_visible);
        history.events.extend(rest);
    }
    let reached = history
        .events
        .last()
        .map_or(reached, |event| event.event_id + 1);
    let caught_up = reached >= end_visible;
    if !caught_up {
        return Ok(Look::Page {
            history,
            token: Some(HistoryToken {
                end_event_id: end,
                ..next_token(reached)
            }),
            durability: shard.durability(key),
        });
    }
    let waits = request.wait_new_event && open && end == 0;
    if waits && reached <= next {
        let changed = shard.watch(key);
        let token = next_token(reached);
        return Ok(Look::Wait { changed, token });
    }
    Ok(Look::Page {
        history,
        token: waits.then(|| next_token(reached)),
        durability: shard.durability(key),
    })
}

fn page(history: History, token: Option<HistoryToken>) -> GetWorkflowExecutionHistoryResponse {
    GetWorkflowExecutionHistoryResponse {
        history: Some(history),
        next_page_token: token.map(|token| token.seal()).unwrap_or_default(),
        ..Default::default()
    }
}

/// What is not positive means the largest; what is larger than that is cut.
fn page_size(wanted: i32) -> usize {
    match usize::try_from(wanted) {
        Ok(wanted) if wanted > 0 => wanted.min(PAGE_EVENTS),
        _ => PAGE_EVENTS,
    }
}

fn parse_token(bytes: &[u8], run_id: &str) -> Result<Option<HistoryToken>, Refusal> {
    if bytes.is_empty() {
        return Ok(None);
    }
    let token = HistoryToken::decode_checked(bytes)
        .ok_or_else(|| Refusal::invalid("Invalid NextPageToken."))?;
    if !run_id.is_empty() && token.run_id != run_id {
        return Err(Refusal::invalid(
            "RunId in the request does not match the NextPageToken.",
        ));
    }
    Ok(Some(token))
}
