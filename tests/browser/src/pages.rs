//! The pages of the UI, each in the states that matter.

use crate::data::Data;

/// A page in some state.
pub struct Page {
    /// What it is called in goldens and results.
    pub name: &'static str,
    /// The route that it is of, as the router has it.
    pub route: &'static str,
    /// Its path on a server with the data of the tests.
    pub path: fn(&Data) -> String,
    /// Whether what it says is the same each time but for times and ids, so that it is compared with a golden.
    pub golden: bool,
    /// Whether it is the answer to a request that makes no sense, and says so by its status too.
    pub refused: bool,
}

const fn page(name: &'static str, route: &'static str, path: fn(&Data) -> String) -> Page {
    Page {
        name,
        route,
        path,
        golden: true,
        refused: false,
    }
}

/// A page that differs each time, or says the same as another one.
const fn unlike(name: &'static str, route: &'static str, path: fn(&Data) -> String) -> Page {
    Page {
        name,
        route,
        path,
        golden: false,
        refused: false,
    }
}

const LIST: &str = "/namespaces/{namespace}/workflows";
const WORKFLOW: &str = "/namespaces/{namespace}/workflows/{workflow}";
const RUN: &str = "/namespaces/{namespace}/workflows/{workflow}/{run}";
const TIMELINE: &str = "/namespaces/{namespace}/workflows/{workflow}/{run}/timeline";
const HISTORY: &str = "/namespaces/{namespace}/workflows/{workflow}/{run}/history";
const EVENT: &str = "/namespaces/{namespace}/workflows/{workflow}/{run}/history/events/{event}";
const PENDING: &str = "/namespaces/{namespace}/workflows/{workflow}/{run}/pending-activities";
const RELATIONSHIPS: &str = "/namespaces/{namespace}/workflows/{workflow}/{run}/relationships";
const QUERY: &str = "/namespaces/{namespace}/workflows/{workflow}/{run}/query";
const CALL_STACK: &str = "/namespaces/{namespace}/workflows/{workflow}/{run}/call-stack";
const METADATA: &str = "/namespaces/{namespace}/workflows/{workflow}/{run}/metadata";

/// All pages.
pub const PAGES: &[Page] = &[
    unlike("home", "/", |_| "/".to_owned()),
    page("help", "/help", |_| "/help".to_owned()),
    page("settings", "/settings", |_| "/settings".to_owned()),
    unlike("namespaces", "/namespaces", |_| "/namespaces".to_owned()),
    unlike("select-namespace", "/select-namespace", |_| {
        "/select-namespace".to_owned()
    }),
    page("search", "/search", |_| {
        "/search?namespace=shop&q=refund".to_owned()
    }),
    page("search-in-vain", "/search", |_| {
        "/search?namespace=shop&q=no-such-thing".to_owned()
    }),
    page("overview", "/namespaces/{namespace}", |_| {
        "/namespaces/shop".to_owned()
    }),
    page("overview-empty", "/namespaces/{namespace}", |_| {
        "/namespaces/empty".to_owned()
    }),
    page("about", "/namespaces/{namespace}/about", |_| {
        "/namespaces/shop/about".to_owned()
    }),
    page("workflows", LIST, |_| {
        "/namespaces/shop/workflows".to_owned()
    }),
    page("workflows-filtered", LIST, |_| {
        "/namespaces/shop/workflows?query=WorkflowType%3D%22Refund%22%20AND%20ExecutionStatus%3D%22Failed%22".to_owned()
    }),
    page("workflows-none", LIST, |_| {
        "/namespaces/shop/workflows?query=WorkflowId%3D%22x%22".to_owned()
    }),
    Page {
        refused: true,
        ..page("workflows-query-wrong", LIST, |_| {
            "/namespaces/shop/workflows?query=What%20is%20this".to_owned()
        })
    },
    page("workflows-empty", LIST, |_| {
        "/namespaces/empty/workflows".to_owned()
    }),
    page("bulk", "/namespaces/{namespace}/workflows-bulk", |_| {
        "/namespaces/shop/workflows-bulk?all=terminate&query=WorkflowType%3D%22Approval%22"
            .to_owned()
    }),
    page(
        "start",
        "/namespaces/{namespace}/workflows/start-workflow",
        |_| "/namespaces/shop/workflows/start-workflow".to_owned(),
    ),
    page(
        "start-like",
        "/namespaces/{namespace}/workflows/start-workflow",
        |data| {
            format!(
                "/namespaces/shop/workflows/start-workflow{}",
                data.run("checkout").like()
            )
        },
    ),
    page("failures", "/namespaces/{namespace}/failures", |_| {
        "/namespaces/shop/failures".to_owned()
    }),
    page("failures-none", "/namespaces/{namespace}/failures", |_| {
        "/namespaces/empty/failures".to_owned()
    }),
    page("task-queues", "/namespaces/{namespace}/task-queues", |_| {
        "/namespaces/shop/task-queues".to_owned()
    }),
    page(
        "task-queues-none",
        "/namespaces/{namespace}/task-queues",
        |_| "/namespaces/empty/task-queues".to_owned(),
    ),
    unlike(
        "task-queue",
        "/namespaces/{namespace}/task-queues/{queue}",
        |_| "/namespaces/shop/task-queues/shop".to_owned(),
    ),
    page(
        "task-queue-abandoned",
        "/namespaces/{namespace}/task-queues/{queue}",
        |_| "/namespaces/shop/task-queues/nobody-polls".to_owned(),
    ),
    page("chain", WORKFLOW, |data| data.run("rounds").chain()),
    page("run-completed", RUN, |data| data.run("order-00").path()),
    page("run-failed", RUN, |data| data.run("refund-0").path()),
    page("run-timed-out", RUN, |data| data.run("late").path()),
    page("run-canceled", RUN, |data| data.run("canceled").path()),
    page("run-terminated", RUN, |data| data.run("terminated").path()),
    page("run-continued", RUN, |data| data.run("rounds").path()),
    page("run-waits-for-signal", RUN, |data| {
        data.run("approval").path()
    }),
    page("run-waits-for-timer", RUN, |data| {
        data.run("reminder").path()
    }),
    page("run-waits-for-worker", RUN, |data| {
        data.run("abandoned").path()
    }),
    page("run-retries", RUN, |data| data.run("label").path()),
    page("run-binary-input", RUN, |data| {
        data.run("report-binary").path()
    }),
    unlike("run-long-result", RUN, |data| {
        data.run("report-long").path()
    }),
    unlike("run-huge-result", RUN, |data| {
        data.run("report-huge").path()
    }),
    unlike("run-busy", RUN, |data| data.run("checkout").path()),
    unlike("run-with-children", RUN, |data| data.run("family").path()),
    page("timeline", TIMELINE, |data| {
        format!("{}/timeline", data.run("refund-0").path())
    }),
    unlike("timeline-busy", TIMELINE, |data| {
        format!("{}/timeline", data.run("checkout").path())
    }),
    page("history", HISTORY, |data| {
        format!("{}/history", data.run("refund-0").path())
    }),
    page("history-steps", HISTORY, |data| {
        format!("{}/history?view=compact", data.run("refund-0").path())
    }),
    unlike("history-json", HISTORY, |data| {
        format!("{}/history?view=json", data.run("refund-0").path())
    }),
    unlike("history-busy", HISTORY, |data| {
        format!("{}/history", data.run("checkout").path())
    }),
    page("event", EVENT, |data| {
        format!("{}/history/events/5", data.run("refund-0").path())
    }),
    page("event-payload", EVENT, |data| {
        format!("{}/history/events/7", data.run("order-00").path())
    }),
    page("pending", PENDING, |data| {
        format!("{}/pending-activities", data.run("label").path())
    }),
    page("pending-timer", PENDING, |data| {
        format!("{}/pending-activities", data.run("reminder").path())
    }),
    page("pending-nothing", PENDING, |data| {
        format!("{}/pending-activities", data.run("order-00").path())
    }),
    page("relationships", RELATIONSHIPS, |data| {
        format!("{}/relationships", data.run("family").path())
    }),
    page("query", QUERY, |data| {
        format!("{}/query", data.run("approval").path())
    }),
    page("query-without-worker", QUERY, |data| {
        format!("{}/query", data.run("abandoned").path())
    }),
    unlike("call-stack", CALL_STACK, |data| {
        format!("{}/call-stack", data.run("approval").path())
    }),
    unlike("metadata", METADATA, |data| {
        format!("{}/metadata", data.run("checkout").path())
    }),
    unlike(
        "memo",
        "/namespaces/{namespace}/workflows/{workflow}/{run}/memo",
        |data| format!("{}/memo", data.run("checkout").path()),
    ),
    unlike(
        "search-attributes",
        "/namespaces/{namespace}/workflows/{workflow}/{run}/search-attributes",
        |data| format!("{}/search-attributes", data.run("checkout").path()),
    ),
    unlike(
        "user-metadata",
        "/namespaces/{namespace}/workflows/{workflow}/{run}/user-metadata",
        |data| format!("{}/user-metadata", data.run("checkout").path()),
    ),
    unlike(
        "workers",
        "/namespaces/{namespace}/workflows/{workflow}/{run}/workers",
        |data| format!("{}/workers", data.run("checkout").path()),
    ),
    unlike("hostile-list", LIST, |_| {
        "/namespaces/hostile/workflows".to_owned()
    }),
    unlike("hostile-overview", "/namespaces/{namespace}", |_| {
        "/namespaces/hostile".to_owned()
    }),
    unlike(
        "hostile-failures",
        "/namespaces/{namespace}/failures",
        |_| "/namespaces/hostile/failures".to_owned(),
    ),
    unlike(
        "hostile-task-queues",
        "/namespaces/{namespace}/task-queues",
        |_| "/namespaces/hostile/task-queues".to_owned(),
    ),
    unlike("hostile-run", RUN, |data| data.run("hostile").path()),
    unlike("hostile-terminated", RUN, |data| {
        data.run("hostile-terminated").path()
    }),
    unlike("hostile-canceled", RUN, |data| {
        data.run("hostile-canceled").path()
    }),
    unlike("hostile-victim", RUN, |data| {
        data.run("hostile-victim").path()
    }),
    unlike("hostile-chain", WORKFLOW, |data| {
        data.run("hostile").chain()
    }),
    unlike("hostile-timeline", TIMELINE, |data| {
        format!("{}/timeline", data.run("hostile").path())
    }),
    unlike("hostile-history", HISTORY, |data| {
        format!("{}/history", data.run("hostile").path())
    }),
    unlike("hostile-steps", HISTORY, |data| {
        format!("{}/history?view=compact", data.run("hostile").path())
    }),
    unlike("hostile-event", EVENT, |data| {
        format!("{}/history/events/1", data.run("hostile").path())
    }),
    unlike("hostile-pending", PENDING, |data| {
        format!("{}/pending-activities", data.run("hostile").path())
    }),
    unlike("hostile-relationships", RELATIONSHIPS, |data| {
        format!("{}/relationships", data.run("hostile").path())
    }),
    unlike("hostile-query", QUERY, |data| {
        format!("{}/query", data.run("hostile").path())
    }),
    unlike("hostile-metadata", METADATA, |data| {
        format!("{}/metadata", data.run("hostile").path())
    }),
    unlike(
        "hostile-start-like",
        "/namespaces/{namespace}/workflows/start-workflow",
        |data| {
            format!(
                "/namespaces/hostile/workflows/start-workflow{}",
                data.run("hostile").like()
            )
        },
    ),
];

/// Routes that are looked at by no page of their own: files, streams, downloads. Other tests fetch them.
pub const NO_PAGES: &[&str] = &[
    "/assets/{name}",
    "/namespaces/{namespace}/overview-live",
    "/namespaces/{namespace}/workflows-live",
    "/namespaces/{namespace}/task-queues-live",
    "/namespaces/{namespace}/task-queue-live/{queue}",
    "/namespaces/{namespace}/workflows/{workflow}/{run}/live",
    "/namespaces/{namespace}/workflows/{workflow}/{run}/history.json",
];
