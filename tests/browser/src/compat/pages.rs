//! What is visited, and what is done there. The data that the pages show is made by `tests/browser/compat/data.py`.

/// One visit: a page, and what is done on it one after the other.
pub(crate) struct Visit {
    /// Names the visit in the report.
    pub(crate) name: String,
    pub(crate) steps: Vec<Step>,
}

/// One thing that a person does. After each the page comes to rest.
pub(crate) enum Step {
    /// Goes to a path. `{run:ID}` in it stands for the page of the latest run with that workflow id.
    Go(String),
    /// Clicks the first thing that can be seen of those that a selector finds.
    Click(&'static str),
    /// Clicks the button, link, tab or option that shows this text; a count or a description may stand below it.
    ClickText(&'static str),
    /// Replaces what stands in a field.
    Fill(&'static str, &'static str),
}

/// Every visit, in order: what changes something comes last, so that all before it sees the same.
pub(crate) fn visits(namespace: &str) -> Vec<Visit> {
    let home = format!("/namespaces/{namespace}");
    let mut visits = Vec::new();
    for path in [
        "/",
        "/namespaces",
        "/select-namespace",
        "/common-errors",
        "/import/events",
        "/nowhere",
    ] {
        visits.push(page(path.to_owned()));
    }
    visits.push(page(home.clone()));
    visits.push(page("/namespaces/nowhere/workflows".to_owned()));

    visits.push(page(format!("{home}/workflows")));
    for query in QUERIES {
        visits.push(page(format!("{home}/workflows?query={}", encoded(query))));
    }
    for id in ["missing", "deleted"] {
        visits.push(page(format!("{home}/workflows/{id}")));
    }
    for id in RUNS {
        // By way of the list, as a link in a chat would.
        visits.push(page(format!("{home}/workflows/{id}")));
        visits.push(page(format!("{{run:{id}}}/history")));
    }
    for id in ["order", "waiting"] {
        for tab in TABS {
            visits.push(page(format!("{{run:{id}}}/{tab}")));
        }
    }
    for tab in [
        "relationships",
        "call-stack",
        "query",
        "pending-activities",
        "workers",
    ] {
        for id in ["lonely", "stuck", "family", "continued"] {
            visits.push(page(format!("{{run:{id}}}/{tab}")));
        }
    }
    for queue in ["compat", "compat-lonely", "never-used"] {
        visits.push(page(format!("{home}/task-queues/{queue}")));
    }
    visits.push(page(format!("{home}/workflows/start-workflow")));
    for part in NOT_YET {
        visits.push(page(format!("{home}/{part}")));
    }
    visits.push(page("/nexus".to_owned()));
    visits.extend(looking(&home));
    visits.extend(changing(&home));
    visits
}

/// Runs in every state.
const RUNS: &[&str] = &[
    "order",
    "waiting",
    "failed",
    "timed-out",
    "cancelled",
    "terminated",
    "continued",
    "retried",
    "stuck",
    "lonely",
    "delayed",
    "cron",
    "large",
    "raw",
    "family",
    "repeated",
    "order-failing-child",
    "cancelled-from-outside",
];

/// What is shown of a run, beside timeline and history.
const TABS: &[&str] = &[
    "relationships",
    "workers",
    "pending-activities",
    "call-stack",
    "query",
    "user-metadata",
    "memo",
    "search-attributes",
    "metadata",
    "nexus-links",
    "history/events/1",
    "history/events/5",
];

/// Pages whose calls may be missing.
const NOT_YET: &[&str] = &[
    "schedules",
    "batch-operations",
    "archival",
    "workers",
    "workers/deployments",
];

/// The dialect that the filters of the UI speak, and what people write by hand.
const QUERIES: &[&str] = &[
    "`ExecutionStatus`=\"Running\"",
    "`ExecutionStatus`=\"Running\" OR `ExecutionStatus`=\"Failed\"",
    "(`ExecutionStatus`=\"TimedOut\" OR `ExecutionStatus`=\"Canceled\") AND `WorkflowType`=\"Patient\"",
    "`ParentWorkflowId` is null",
    "`ParentWorkflowId` is not null",
    "`WorkflowId` STARTS_WITH \"order\"",
    "`WorkflowType` in (\"Order\", \"Failing\")",
    "`WorkflowType` IN (\"Order\",\"Child\") AND `CompatBool`=true",
    "`CompatBool`=false",
    "`CompatInt`>=7",
    "`CompatDouble`<0.75",
    "`CompatText`=\"fox\"",
    "`CompatKeyword`!=\"shipped\"",
    "`CompatList` in (\"red\")",
    "`CompatDatetime` BETWEEN \"2026-01-01T00:00:00.000Z\" AND \"2026-02-01T00:00:00.000Z\"",
    "`StartTime` > \"2020-01-01T00:00:00.000Z\"",
    "`CloseTime` is null",
    "`ExecutionDuration` > \"1h\"",
    "`ExecutionDuration` < 3600000000000",
    "`HistoryLength` > 100",
    "`RunId`=\"x\"",
    "`WorkflowId`=\"a \\\"quoted\\\" \\\\ id\"",
    "  `WorkflowId`=\"order\"  ",
    "`TemporalReportedProblems` is not null",
    "`ExecutionStatus`=\"Running\" AND `TemporalReportedProblems` IN (\"category=WorkflowTaskFailed\", \"category=WorkflowTaskTimedOut\")",
    "`TemporalChangeVersion`=\"compat-patch\"",
    "`TaskQueue`=\"compat-lonely\"",
    "StartTime >= \"2020-01-01T00:00:00.000Z\" order by StartTime",
    "`Unknown`=\"x\"",
    "this is no query",
];

/// Uses a page without changing anything.
fn looking(home: &str) -> Vec<Visit> {
    let workflows = format!("{home}/workflows");
    vec![
        visit(
            "list: raw query typed",
            vec![
                Step::Go(workflows.clone()),
                Step::Click("[data-testid=toggle-manual-query]"),
                Step::Fill(
                    "[data-testid$=manual-search-input]",
                    "WorkflowType = 'Patient'",
                ),
                Step::Click("[data-testid$=manual-search-button]"),
            ],
        ),
        visit(
            "list: view of running ones",
            vec![Step::Go(workflows.clone()), Step::ClickText("Running")],
        ),
        visit(
            "list: view of failing tasks",
            vec![
                Step::Go(workflows.clone()),
                Step::ClickText("Task Failures"),
            ],
        ),
        visit(
            "list: view of parents",
            vec![
                Step::Go(workflows.clone()),
                Step::ClickText("Parent Workflows"),
            ],
        ),
        visit(
            "list: columns",
            vec![
                Step::Go(workflows.clone()),
                Step::Click("[data-testid=workflows-summary-table-configuration-button]"),
            ],
        ),
        visit(
            "list: view saved",
            vec![
                Step::Go(format!(
                    "{workflows}?query={}",
                    encoded("`WorkflowType`=\"Child\"")
                )),
                Step::Click("[data-testid=create-view-button], [data-testid=save-view-button]"),
                Step::Fill("dialog[open] input", "Children"),
                Step::Click("dialog[open] [data-testid=confirm-modal-button]"),
                Step::ClickText("All Workflows"),
                Step::ClickText("Children"),
            ],
        ),
        visit(
            "list: next page and back",
            vec![
                Step::Go(format!("{home}-many/workflows")),
                Step::Click("[aria-label=Next]"),
                Step::Click("[aria-label=Previous]"),
            ],
        ),
        visit(
            "reset: dialog",
            vec![
                Step::Go("{run:order}/history".to_owned()),
                Step::ClickText("Reset"),
            ],
        ),
        visit(
            "history: compact",
            vec![
                Step::Go("{run:order}/history".to_owned()),
                Step::Click("[data-testid=compact]"),
            ],
        ),
        visit(
            "history: JSON",
            vec![
                Step::Go("{run:order}/history".to_owned()),
                Step::Click("[data-testid=json]"),
            ],
        ),
        visit(
            "history: download",
            vec![
                Step::Go("{run:order}/history".to_owned()),
                Step::Click("[data-testid=download]"),
                Step::Click("dialog[open] [data-testid=confirm-modal-button]"),
            ],
        ),
        visit(
            "history: raw",
            vec![Step::Go(
                "/api/v1{run:order}/history.json".replace("{run:order}", "{api:order}"),
            )],
        ),
        visit(
            "query: run",
            vec![
                Step::Go("{run:waiting}/query".to_owned()),
                Step::ClickText("Run Query"),
            ],
        ),
        visit(
            "query: of a closed run",
            vec![
                Step::Go("{run:order}/query".to_owned()),
                Step::ClickText("Run Query"),
            ],
        ),
        visit(
            "call stack: refreshed",
            vec![
                Step::Go("{run:waiting}/call-stack".to_owned()),
                Step::ClickText("Refresh Call Stack"),
            ],
        ),
        visit(
            "start: like another one",
            vec![
                Step::Go("{run:order}/timeline".to_owned()),
                Step::ClickText("More Actions"),
                Step::Click("[data-testid=start-workflow-button]"),
            ],
        ),
    ]
}

/// Changes something, each time another workflow.
fn changing(home: &str) -> Vec<Visit> {
    let workflows = format!("{home}/workflows");
    vec![
        visit(
            "start: id in use",
            vec![
                Step::Go(format!("{workflows}/start-workflow")),
                Step::Fill("#workflowId", "waiting"),
                Step::Fill("#taskQueue", "compat"),
                Step::Fill("#workflowType", "Patient"),
                Step::Click("[data-testid=start-workflow-button]"),
            ],
        ),
        visit(
            "start: form",
            vec![
                Step::Go(format!("{workflows}/start-workflow")),
                Step::Fill("#workflowId", "from-the-form"),
                Step::Fill("#taskQueue", "compat"),
                Step::Fill("#workflowType", "Patient"),
                Step::Click("[data-testid=start-workflow-button]"),
            ],
        ),
        visit(
            "start: with a search attribute",
            vec![
                Step::Go(format!("{workflows}/start-workflow")),
                Step::Fill("#workflowId", "from-the-form-too"),
                Step::Fill("#taskQueue", "compat"),
                Step::Fill("#workflowType", "Patient"),
                Step::ClickText("More options"),
                Step::Click("[data-testid=add-search-attribute-button]"),
                Step::Click("[data-testid=search-attribute-select-button]"),
                Step::ClickText("CompatKeyword"),
                Step::Fill("[data-testid=custom-search-attribute-value]", "typed"),
                Step::Click("[data-testid=start-workflow-button]"),
            ],
        ),
        visit(
            "start: seen at once",
            vec![Step::Go(format!("{workflows}/from-the-form"))],
        ),
        visit(
            "signal: dialog",
            vec![
                Step::Go("{run:to-signal}/history".to_owned()),
                Step::ClickText("More Actions"),
                Step::Click("[data-testid=signal-button]"),
                Step::Click("[data-testid=signal-select-button]"),
                Step::ClickText("end"),
                Step::Click("dialog[open] [data-testid=confirm-modal-button]"),
            ],
        ),
        visit(
            "signal: of any name",
            vec![
                Step::Go("{run:waiting}/history".to_owned()),
                Step::ClickText("More Actions"),
                Step::Click("[data-testid=signal-button]"),
                Step::Click("[data-testid=signal-select-button]"),
                Step::ClickText("Custom"),
                Step::Fill("dialog[open] #signal-name", "unheard-of"),
                Step::Click("dialog[open] [data-testid=confirm-modal-button]"),
            ],
        ),
        visit(
            "cancel: dialog",
            vec![
                Step::Go("{run:to-cancel}/history".to_owned()),
                Step::ClickText("Request Cancellation"),
                Step::Click("dialog[open] [data-testid=confirm-modal-button]"),
            ],
        ),
        visit(
            "terminate: dialog",
            vec![
                Step::Go("{run:to-terminate}/history".to_owned()),
                Step::ClickText("More Actions"),
                Step::Click("[data-testid=terminate-button]"),
                Step::Fill(
                    "dialog[open] #workflow-termination-reason",
                    "no longer needed",
                ),
                Step::Click("dialog[open] [data-testid=confirm-modal-button]"),
            ],
        ),
        visit("list: after all that", vec![Step::Go(workflows)]),
    ]
}

fn page(path: String) -> Visit {
    Visit {
        name: path.clone(),
        steps: vec![Step::Go(path)],
    }
}

fn visit(name: &str, steps: Vec<Step>) -> Visit {
    Visit {
        name: name.to_owned(),
        steps,
    }
}

/// As a value in a URL.
fn encoded(text: &str) -> String {
    text.bytes()
        .map(|byte| match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' => {
                (byte as char).to_string()
            }
            _ => format!("%{byte:02X}"),
        })
        .collect()
}
