//! A row of the list: one run.

use askama::Template;
use askama::filters::HtmlSafe;
use steadfast_protocol::common::Payload;
use steadfast_protocol::workflow::WorkflowExecutionInfo;

use super::columns::Column;
use crate::link::Links;
use crate::params::Params;
use crate::status::{self, Shown};
use crate::time::{self, Clock, Moment};

/// One run, as an element of the table and as a fragment that changes.
#[derive(Template)]
#[template(path = "workflows/row.html")]
pub(crate) struct Row {
    /// The id of the element.
    pub(crate) element: String,
    workflow_id: String,
    run_id: String,
    cells: Vec<Cell>,
}

impl HtmlSafe for Row {}

struct Cell {
    label: String,
    content: Content,
}

enum Content {
    Status(Shown),
    Workflow {
        url: String,
        id: String,
        /// What it is a child of.
        parent: Option<(String, String)>,
    },
    Link {
        url: String,
        text: String,
    },
    Text(String),
    Number(i64),
    Ago(Moment),
    /// Still running since.
    Running(Moment),
    Void,
}

/// The id of the element of a run.
pub(crate) fn element(run_id: &str) -> String {
    format!("run-{run_id}")
}

impl Row {
    pub(crate) fn new(
        links: &Links,
        clock: &Clock,
        namespace: &str,
        info: &WorkflowExecutionInfo,
        columns: &[Column],
    ) -> Self {
        let execution = info.execution.clone().unwrap_or_default();
        let made = Made {
            links,
            clock,
            namespace,
            info,
            workflow_id: &execution.workflow_id,
            run_id: &execution.run_id,
        };
        let cells = columns.iter().map(|column| Cell {
            label: column.heading.clone(),
            content: made.content(&column.name),
        });
        Self {
            cells: cells.collect(),
            element: element(&execution.run_id),
            workflow_id: execution.workflow_id,
            run_id: execution.run_id,
        }
    }
}

/// What the cells of a row are made of.
struct Made<'a> {
    links: &'a Links,
    clock: &'a Clock,
    namespace: &'a str,
    info: &'a WorkflowExecutionInfo,
    workflow_id: &'a str,
    run_id: &'a str,
}

impl Made<'_> {
    fn content(&self, column: &str) -> Content {
        let info = self.info;
        let run = |id: &str, run: &str| self.links.run(self.namespace, id, run);
        match column {
            "Status" => Content::Status(status::of_number(info.status)),
            "Id" => Content::Workflow {
                url: run(self.workflow_id, self.run_id),
                id: self.workflow_id.to_owned(),
                parent: info.parent_execution.as_ref().map(|parent| {
                    let url = run(&parent.workflow_id, &parent.run_id);
                    (url, parent.workflow_id.clone())
                }),
            },
            "Run" => Content::Link {
                url: run(self.workflow_id, self.run_id),
                text: self.run_id.to_owned(),
            },
            "Type" => {
                let name = info.r#type.as_ref().map(|kind| kind.name.clone());
                Content::Text(name.unwrap_or_default())
            }
            "Started" => self.ago(info.start_time.as_ref()),
            "Closed" => self.ago(info.close_time.as_ref()),
            "Begins" => self.ago(info.execution_time.as_ref()),
            "Duration" => self.duration(),
            "Queue" => Content::Link {
                url: self.links.task_queue(self.namespace, &info.task_queue),
                text: info.task_queue.clone(),
            },
            "Parent" => match &info.parent_execution {
                Some(parent) => Content::Link {
                    url: run(&parent.workflow_id, &parent.run_id),
                    text: parent.workflow_id.clone(),
                },
                None => Content::Void,
            },
            "Root" => match &info.root_execution {
                Some(root) if root.run_id != self.run_id => Content::Link {
                    url: run(&root.workflow_id, &root.run_id),
                    text: root.workflow_id.clone(),
                },
                _ => Content::Void,
            },
            "Events" => number(info.history_length),
            "Size" => number(info.history_size_bytes),
            attribute => {
                let fields = info.search_attributes.as_ref();
                let payload = fields.and_then(|fields| fields.indexed_fields.get(attribute));
                payload.map_or(Content::Void, |payload| Content::Text(value(payload)))
            }
        }
    }

    fn ago(&self, time: Option<&steadfast_protocol::Timestamp>) -> Content {
        self.clock.moment(time).map_or(Content::Void, Content::Ago)
    }

    fn duration(&self) -> Content {
        let info = self.info;
        let begun = info.execution_time.as_ref().or(info.start_time.as_ref());
        match time::between(begun, info.close_time.as_ref()) {
            Some(nanos) => Content::Text(time::duration(nanos)),
            None => self
                .clock
                .moment(begun)
                .map_or(Content::Void, Content::Running),
        }
    }
}

/// Figures that only closed runs have are 0 for the others.
fn number(number: i64) -> Content {
    match number {
        0 => Content::Void,
        number => Content::Number(number),
    }
}

/// The value of a search attribute: JSON, of which strings are shown as they are.
pub(crate) fn value(payload: &Payload) -> String {
    let text = String::from_utf8_lossy(&payload.data);
    match serde_json::from_str(&text) {
        Ok(serde_json::Value::String(text)) => text,
        Ok(serde_json::Value::Array(values)) => {
            let texts = values.iter().map(|value| match value {
                serde_json::Value::String(text) => text.clone(),
                other => other.to_string(),
            });
            texts.collect::<Vec<_>>().join(", ")
        }
        _ => text.into_owned(),
    }
}

/// How forms name a run: both ids, in a way that cannot be taken apart wrongly.
pub(crate) fn form_name(workflow_id: &str, run_id: &str) -> String {
    Params::default()
        .with("id", workflow_id)
        .with("run", run_id)
        .query()
}
