//! What connects an execution to others: links and completion callbacks (server-semantics 2.9, 2.10).

use prost::Message;
use steadfast_core::Refusal;
use steadfast_protocol::common::{Callback, Link, callback, link};
use steadfast_protocol::enums::EventType;

const LINKS_MAX: usize = 10;
const LINK_BYTES_MAX: usize = 4000;
const CALLBACKS_MAX: usize = 2000;
const CALLBACK_URL_BYTES_MAX: usize = 1000;
const CALLBACK_HEADER_BYTES_MAX: usize = 8 << 10;

/// The links of a request and of its callbacks.
pub(crate) fn links(links: &[Link], callbacks: &[Callback]) -> Result<(), Refusal> {
    if links.is_empty() && callbacks.is_empty() {
        return Ok(());
    }
    let all = || {
        let of_callbacks = callbacks.iter().flat_map(|callback| &callback.links);
        links.iter().chain(of_callbacks)
    };
    let count = all().count();
    if count > LINKS_MAX {
        return Err(Refusal::InvalidArgument(format!(
            "cannot attach more than {LINKS_MAX} links per request, got {count}"
        )));
    }
    all().try_for_each(check_link)
}

fn check_link(link: &Link) -> Result<(), Refusal> {
    let size = link.encoded_len();
    if size > LINK_BYTES_MAX {
        return Err(Refusal::InvalidArgument(format!(
            "link exceeds allowed size of {LINK_BYTES_MAX}, got {size}"
        )));
    }
    let complete = |kind: &str, fields: &[(&str, &str)]| match fields
        .iter()
        .find(|(_, value)| value.is_empty())
    {
        Some((field, _)) => Err(Refusal::InvalidArgument(format!(
            "{kind} link must not have an empty {field} field"
        ))),
        None => Ok(()),
    };
    match &link.variant {
        Some(link::Variant::WorkflowEvent(event)) => {
            complete(
                "workflow event",
                &[
                    ("namespace", &event.namespace),
                    ("workflow ID", &event.workflow_id),
                    ("run ID", &event.run_id),
                ],
            )?;
            match &event.reference {
                Some(link::workflow_event::Reference::EventRef(reference))
                    if reference.event_type == EventType::Unspecified as i32
                        && reference.event_id != 0 =>
                {
                    Err(Refusal::invalid(
                        "workflow event link ref cannot have an unspecified event type and a non-zero event ID",
                    ))
                }
                _ => Ok(()),
            }
        }
        Some(link::Variant::BatchJob(job)) => complete("batch job", &[("job ID", &job.job_id)]),
        Some(link::Variant::Activity(activity)) => complete(
            "activity",
            &[
                ("namespace", &activity.namespace),
                ("activity ID", &activity.activity_id),
                ("run ID", &activity.run_id),
            ],
        ),
        Some(link::Variant::NexusOperation(operation)) => complete(
            "nexus operation",
            &[
                ("namespace", &operation.namespace),
                ("operation ID", &operation.operation_id),
                ("run ID", &operation.run_id),
            ],
        ),
        Some(link::Variant::Workflow(workflow)) => complete(
            "workflow",
            &[
                ("namespace", &workflow.namespace),
                ("workflow ID", &workflow.workflow_id),
                ("run ID", &workflow.run_id),
            ],
        ),
        Some(link::Variant::Callback(callback)) => {
            complete("callback", &[("namespace", &callback.namespace)])
        }
        None => Err(Refusal::invalid("unknown link variant")),
    }
}

/// The callbacks of a workflow to start. No external address is allowed, and the server calls nobody yet: all that
/// is well-formed is refused too, so that no one waits for a call that never comes.
pub(crate) fn callbacks(callbacks: &[Callback]) -> Result<(), Refusal> {
    if callbacks.len() > CALLBACKS_MAX {
        return Err(Refusal::InvalidArgument(format!(
            "cannot attach more than {CALLBACKS_MAX} callbacks to an execution"
        )));
    }
    callbacks.iter().try_for_each(|callback| {
        match &callback.variant {
            Some(callback::Variant::Nexus(nexus)) => nexus_callback(nexus)?,
            Some(callback::Variant::Internal(_) | callback::Variant::NexusHandler(_)) => {}
            None => return Err(Refusal::invalid("unknown callback variant")),
        }
        Err(Refusal::Unimplemented(
            "completion callbacks are not implemented".to_owned(),
        ))
    })
}

fn nexus_callback(nexus: &callback::Nexus) -> Result<(), Refusal> {
    if nexus.url.len() > CALLBACK_URL_BYTES_MAX {
        return Err(Refusal::InvalidArgument(format!(
            "invalid url: url length longer than max length allowed of {CALLBACK_URL_BYTES_MAX}"
        )));
    }
    let header_size = nexus
        .header
        .iter()
        .map(|(key, value)| key.len() + value.len())
        .sum::<usize>();
    if header_size > CALLBACK_HEADER_BYTES_MAX {
        return Err(Refusal::InvalidArgument(format!(
            "invalid header: header size longer than max allowed size of {CALLBACK_HEADER_BYTES_MAX}"
        )));
    }
    if nexus.url == "temporal://system" {
        return Ok(());
    }
    let (scheme, rest) = nexus.url.split_once("://").unwrap_or(("", ""));
    let cause = match scheme {
        "http" | "https" if rest.is_empty() || rest.starts_with('/') => "missing host",
        "http" | "https" => "url does not match any configured callback address",
        _ => "unknown scheme",
    };
    Err(Refusal::InvalidArgument(format!(
        "invalid url: {cause}: {}",
        nexus.url
    )))
}
