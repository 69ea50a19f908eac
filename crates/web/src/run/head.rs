//! The head of every page of a run: how it stands, why it waits, what it is, where to go.

use std::collections::BTreeSet;

use askama::Template;
use steadfast_protocol::enums::WorkflowExecutionStatus as Status;
use uuid::Uuid;

use super::load::Loaded;
use super::text::{Shown, Text};
use super::waiting::{self, Situation};
use crate::failure::PageError;
use crate::history::index::RunName;
use crate::link::Links;
use crate::live::Fragment;
use crate::params::Params;
use crate::payload::size;
use crate::shell::{Section, Shell};
use crate::status;
use crate::time::{self, Moment};
use crate::visit::Visit;

/// Pages of a run: the last segment of the path, the name, the key.
const TABS: [(&str, &str, &str); 8] = [
    ("", "Summary", "s"),
    ("timeline", "Timeline", "t"),
    ("history", "History", "h"),
    ("pending-activities", "Pending", "p"),
    ("relationships", "Relationships", "r"),
    ("query", "Queries", "q"),
    ("call-stack", "Call stack", ""),
    ("metadata", "Data", "d"),
];

/// A sentence about the run.
pub(super) struct Sentence {
    /// The id of the element, so that one sentence does not turn into another with parts that move; empty for none.
    pub(super) element: String,
    pub(super) class: &'static str,
    pub(super) text: Shown,
    pub(super) advice: String,
    pub(super) link: String,
    pub(super) link_text: &'static str,
}

/// Another run.
pub(super) struct Relative {
    pub(super) label: &'static str,
    pub(super) text: String,
    pub(super) link: String,
}

pub(super) struct Tab {
    pub(super) name: &'static str,
    pub(super) link: String,
    pub(super) current: bool,
    pub(super) count: String,
    pub(super) key: &'static str,
}

/// What `run/head.html` and `run/frame.html` show.
pub(super) struct Head {
    links: Links,
    pub(super) name: RunName,
    pub(super) status: status::Shown,
    pub(super) workflow_type: String,
    pub(super) task_queue: String,
    pub(super) started: Option<Moment>,
    pub(super) closed: Option<Moment>,
    pub(super) took: String,
    pub(super) events: i64,
    pub(super) bytes: String,
    pub(super) sdk: String,
    pub(super) facts: Vec<(&'static str, String)>,
    pub(super) relatives: Vec<Relative>,
    pub(super) reasons: Vec<Sentence>,
    pub(super) outcome: Option<Sentence>,
    pub(super) cancel_requested: bool,
    pub(super) is_open: bool,
    pub(super) tabs: Vec<Tab>,
    /// For the signal and cancel forms: sending one twice does it once.
    pub(super) request_id: String,
    /// What was just done.
    pub(super) notice: &'static str,
    /// Why payloads are not decoded.
    pub(super) codec_problem: String,
    /// The codec that the browser asks: its URL, and whether cookies go there.
    pub(super) codec: Option<(String, bool)>,
}

#[derive(Template)]
#[template(path = "run/head.html")]
struct HeadFragment<'a> {
    shell: &'a Shell,
    head: &'a Head,
}

#[derive(Template)]
#[template(
    source = "<span id=\"run-status\" data-testid=\"run-status\">{{ head.status }}</span>",
    ext = "html"
)]
struct StatusFragment<'a> {
    head: &'a Head,
}

/// The frame of a page of this run, which is followed while the run is open.
pub(super) async fn shell(visit: &Visit, loaded: &Loaded, page: &str) -> Shell {
    let title = &loaded.name.workflow_id;
    let mut shell = visit
        .shell(Some(&loaded.name.namespace), Section::Workflows, title)
        .await;
    if loaded.is_open() {
        shell.live = Some(stream(visit, loaded, page, &visit.params));
    }
    shell
}

/// The stream of what changes on a page of this run that is looked at so.
pub(super) fn stream(visit: &Visit, loaded: &Loaded, page: &str, params: &Params) -> String {
    let name = &loaded.name;
    let stream = visit
        .links
        .run_page(&name.namespace, &name.workflow_id, &name.run_id, "live");
    let page = if page.is_empty() { "summary" } else { page };
    stream + &params.with("page", page).query()
}

impl Head {
    pub(super) fn new(visit: &Visit, loaded: &Loaded, page: &str) -> Self {
        let info = &loaded.info;
        let extended = loaded
            .description
            .workflow_extended_info
            .clone()
            .unwrap_or_default();
        let facts = &loaded.index.grouping.facts;
        let took = time::between(info.start_time.as_ref(), info.close_time.as_ref());
        let mut head = Self {
            links: visit.links.clone(),
            name: loaded.name.clone(),
            status: status::of_number(info.status),
            workflow_type: info.r#type.clone().unwrap_or_default().name,
            task_queue: info.task_queue.clone(),
            started: visit.clock.moment(info.start_time.as_ref()),
            closed: visit.clock.moment(info.close_time.as_ref()),
            took: took.map_or_else(String::new, time::duration),
            events: loaded.index.last_event(),
            bytes: size(usize::try_from(info.history_size_bytes).unwrap_or(0)),
            sdk: facts.sdk.clone(),
            facts: Vec::new(),
            relatives: Vec::new(),
            reasons: Vec::new(),
            outcome: None,
            cancel_requested: extended.cancel_requested && loaded.is_open(),
            is_open: loaded.is_open(),
            tabs: Vec::new(),
            request_id: Uuid::new_v4().to_string(),
            notice: notice(visit.params.text("done")),
            codec_problem: String::new(),
            codec: super::browser_codec(visit)
                .map(|(codec, endpoint)| (endpoint.decode_url(), codec.pass_credentials())),
        };
        head.add_facts(loaded);
        head.add_relatives(loaded, &extended.reset_run_id);
        head.add_reasons(visit, loaded);
        head.add_outcome(visit, loaded);
        head.add_tabs(loaded, page);
        head
    }

    /// The fragments every page of a run has.
    pub(super) fn fragments(&self, shell: &Shell) -> Result<Vec<Fragment>, PageError> {
        Ok(vec![
            Fragment::render("run-head", &HeadFragment { shell, head: self })?,
            Fragment::render("run-status", &StatusFragment { head: self })?,
        ])
    }

    /// A page of this run.
    pub(super) fn page(&self, page: &str) -> String {
        let name = &self.name;
        match page {
            "" => self
                .links
                .run(&name.namespace, &name.workflow_id, &name.run_id),
            page => self
                .links
                .run_page(&name.namespace, &name.workflow_id, &name.run_id, page),
        }
    }

    /// The page of one of its events.
    pub(super) fn event_link(&self, event_id: &i64) -> String {
        let name = &self.name;
        self.links
            .event(&name.namespace, &name.workflow_id, &name.run_id, *event_id)
    }

    /// What the copy menu offers besides ids: a name, and the text.
    pub(super) fn copies(&self, address: &str) -> Vec<(&'static str, String)> {
        let command = |verb: &str, more: &str| {
            format!(
                "temporal workflow {verb} --address {} --namespace {} --workflow-id {} --run-id {}{more}",
                quoted(address),
                quoted(&self.name.namespace),
                quoted(&self.name.workflow_id),
                quoted(&self.name.run_id)
            )
        };
        let mut copies = vec![
            ("CLI: describe", command("describe", "")),
            ("CLI: history as JSON", command("show", " --output json")),
            ("CLI: call stack", command("stack", "")),
        ];
        if self.is_open {
            copies.push((
                "CLI: signal",
                command("signal", " --name NAME --input '{}'"),
            ));
            copies.push(("CLI: cancel", command("cancel", "")));
            copies.push(("CLI: terminate", command("terminate", " --reason ''")));
        }
        copies.push((
            "Query of the list",
            format!(
                "WorkflowId = {}",
                crate::workflows::query::quoted(&self.name.workflow_id)
            ),
        ));
        copies
    }

    fn add_facts(&mut self, loaded: &Loaded) {
        let facts = &loaded.index.grouping.facts;
        self.facts.push((
            "State transitions",
            loaded.info.state_transition_count.to_string(),
        ));
        let more = [
            ("Started by", &facts.started_by),
            ("Last worker", &facts.worker),
            ("Cron", &facts.cron),
        ];
        let more = more.into_iter().filter(|(_, text)| !text.is_empty());
        self.facts
            .extend(more.map(|(name, text)| (name, text.clone())));
        let attempt = loaded.index.groups().first().map_or(0, |run| run.attempt);
        if attempt > 1 {
            self.facts.push(("Attempt", attempt.to_string()));
        }
    }

    fn add_relatives(&mut self, loaded: &Loaded, reset_run: &str) {
        let name = loaded.name.clone();
        if let Some(parent) = &loaded.info.parent_execution {
            self.relate(
                "Parent",
                &parent.workflow_id,
                &parent.run_id,
                &parent.workflow_id,
            );
        }
        if let Some(root) = &loaded.info.root_execution
            && root.run_id != name.run_id
            && loaded.info.parent_execution.as_ref() != Some(root)
        {
            self.relate("Root", &root.workflow_id, &root.run_id, &root.workflow_id);
        }
        let facts = loaded.index.grouping.facts.clone();
        for (label, run_id) in [
            ("First run", facts.first_run.as_str()),
            ("Previous run", facts.previous_run.as_str()),
            ("Next run", facts.next_run.as_str()),
            ("Reset to", reset_run),
        ] {
            if !run_id.is_empty() && run_id != name.run_id {
                self.relate(label, &name.workflow_id, run_id, run_id);
            }
        }
    }

    fn relate(&mut self, label: &'static str, workflow_id: &str, run_id: &str, text: &str) {
        self.relatives.push(Relative {
            label,
            text: text.to_owned(),
            link: self.links.run(&self.name.namespace, workflow_id, run_id),
        });
    }

    fn add_reasons(&mut self, visit: &Visit, loaded: &Loaded) {
        let reasons = waiting::reasons(&Situation {
            description: &loaded.description,
            open: loaded
                .index
                .grouping
                .open()
                .map(|(_, group)| group)
                .collect(),
            task_failure: loaded.index.grouping.facts.task_failure.as_ref(),
            pollers: &loaded.pollers,
            now: loaded.now,
        });
        let mut known = BTreeSet::from([0]);
        self.reasons = reasons
            .into_iter()
            .map(|reason| Sentence {
                element: match known.insert(reason.event) {
                    true => format!("reason-{}", reason.event),
                    false => String::new(),
                },
                class: reason.tone.class(),
                text: reason.text.shown(&visit.clock),
                advice: reason.advice,
                link: match reason.event {
                    0 => String::new(),
                    event => self.event_link(&event),
                },
                link_text: "",
            })
            .collect();
    }

    fn add_outcome(&mut self, visit: &Visit, loaded: &Loaded) {
        let Some(run) = loaded.index.groups().first() else {
            return;
        };
        if loaded.is_open() {
            return;
        }
        let why = match run.failure.as_str() {
            "" => String::new(),
            failure => format!(": {failure}"),
        };
        let (class, text) = match Status::try_from(loaded.info.status) {
            Ok(Status::Completed) => ("done", format!("Completed in {}", self.took)),
            Ok(Status::Failed) => ("wrong", format!("Failed after {}{why}", self.took)),
            Ok(Status::TimedOut) => ("wrong", format!("Timed out after {}", self.took)),
            Ok(Status::Canceled) => ("calm", format!("Canceled after {}", self.took)),
            Ok(Status::Terminated) => ("wrong", format!("Terminated after {}{why}", self.took)),
            Ok(Status::ContinuedAsNew) => {
                ("calm", format!("Went on in a new run after {}", self.took))
            }
            _ => return,
        };
        let next = &loaded.index.grouping.facts.next_run;
        let (link, link_text) = match (next.as_str(), run.events.last()) {
            ("", Some(event)) => (self.event_link(event), "Last event"),
            ("", None) => (String::new(), ""),
            (next, _) => (
                self.links
                    .run(&self.name.namespace, &self.name.workflow_id, next),
                "Next run",
            ),
        };
        self.outcome = Some(Sentence {
            element: String::new(),
            class,
            text: Text::from(text).shown(&visit.clock),
            advice: String::new(),
            link,
            link_text,
        });
    }

    fn add_tabs(&mut self, loaded: &Loaded, page: &str) {
        let description = &loaded.description;
        let pending = description.pending_activities.len()
            + description.pending_children.len()
            + description.pending_nexus_operations.len();
        self.tabs = TABS
            .iter()
            .map(|&(word, name, key)| Tab {
                name,
                link: self.page(word),
                current: word == page,
                count: match word {
                    "history" => self.events.to_string(),
                    "pending-activities" if pending > 0 && loaded.is_open() => pending.to_string(),
                    _ => String::new(),
                },
                key,
            })
            .collect();
    }
}

/// As one word of a shell.
fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', r"'\''"))
}

fn notice(done: &str) -> &'static str {
    match done {
        "signal" => "The signal was sent.",
        "cancel" => "The cancellation was requested.",
        "terminate" => "The workflow was terminated.",
        _ => "",
    }
}
