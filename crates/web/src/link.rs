//! All URLs of the UI, made in one place, so that the base path is never forgotten.

use std::sync::Arc;

use crate::params::{Params, encode};

/// Makes URLs under a base path.
#[derive(Clone, Debug, Default)]
pub struct Links {
    /// Empty, or with a leading and without a trailing slash.
    base: Arc<str>,
}

impl Links {
    /// Under this base path. What could not be part of one is taken for no base path.
    pub fn new(base_path: &str) -> Self {
        let trimmed = base_path.trim_matches('/');
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~/".contains(&byte);
        let odd = trimmed
            .split('/')
            .any(|part| matches!(part, "" | "." | ".."));
        if odd || !trimmed.bytes().all(plain) {
            return Self::default();
        }
        Self {
            base: format!("/{trimmed}").into(),
        }
    }

    /// The base path: empty, or with a leading and without a trailing slash.
    pub fn base(&self) -> &str {
        &self.base
    }

    /// A path of these segments, each of which may hold any text.
    pub fn path(&self, segments: &[&str]) -> String {
        let mut url = self.base.to_string();
        for segment in segments {
            url.push('/');
            encode(segment, &mut url);
        }
        if url.is_empty() {
            url.push('/');
        }
        url
    }

    /// The first page.
    pub fn home(&self) -> String {
        self.path(&[""])
    }

    /// A file of the UI.
    pub fn asset(&self, name: &str) -> String {
        self.path(&["assets", name])
    }

    /// All namespaces.
    pub fn namespaces(&self) -> String {
        self.path(&["namespaces"])
    }

    /// The overview of a namespace.
    pub fn namespace(&self, namespace: &str) -> String {
        self.path(&["namespaces", namespace])
    }

    /// The description of a namespace.
    pub fn about(&self, namespace: &str) -> String {
        self.within(namespace, "about")
    }

    /// A page of a namespace, such as `workflows`.
    pub fn within(&self, namespace: &str, page: &str) -> String {
        self.path(&["namespaces", namespace, page])
    }

    /// The workflows of a namespace.
    pub fn workflows(&self, namespace: &str) -> String {
        self.within(namespace, "workflows")
    }

    /// The workflows of a namespace that a query finds.
    pub fn workflows_where(&self, namespace: &str, query: &str) -> String {
        let params = Params::default().with("query", query);
        self.workflows(namespace) + &params.query()
    }

    /// The form that starts a workflow.
    pub fn start_workflow(&self, namespace: &str) -> String {
        self.path(&["namespaces", namespace, "workflows", "start-workflow"])
    }

    /// The form that starts a workflow, filled with what a run was started with.
    pub fn start_like(&self, namespace: &str, workflow_id: &str, run_id: &str) -> String {
        let params = Params::default()
            .with("workflowId", workflow_id)
            .with("runId", run_id);
        self.start_workflow(namespace) + &params.query()
    }

    /// All runs of a workflow id.
    pub fn workflow(&self, namespace: &str, workflow_id: &str) -> String {
        self.path(&["namespaces", namespace, "workflows", workflow_id])
    }

    /// One run.
    pub fn run(&self, namespace: &str, workflow_id: &str, run_id: &str) -> String {
        self.path(&["namespaces", namespace, "workflows", workflow_id, run_id])
    }

    /// A page of one run, such as `history`.
    pub fn run_page(&self, namespace: &str, workflow_id: &str, run_id: &str, page: &str) -> String {
        self.path(&[
            "namespaces",
            namespace,
            "workflows",
            workflow_id,
            run_id,
            page,
        ])
    }

    /// One event of a run.
    pub fn event(&self, namespace: &str, workflow_id: &str, run_id: &str, event_id: i64) -> String {
        let run = self.run_page(namespace, workflow_id, run_id, "history");
        format!("{run}/events/{event_id}")
    }

    /// All task queues of a namespace.
    pub fn task_queues(&self, namespace: &str) -> String {
        self.within(namespace, "task-queues")
    }

    /// One task queue.
    pub fn task_queue(&self, namespace: &str, task_queue: &str) -> String {
        self.path(&["namespaces", namespace, "task-queues", task_queue])
    }

    /// The failures of a namespace, grouped.
    pub fn failures(&self, namespace: &str) -> String {
        self.within(namespace, "failures")
    }

    /// The result of a search.
    pub fn search(&self) -> String {
        self.path(&["search"])
    }

    /// How pages are shown.
    pub fn settings(&self) -> String {
        self.path(&["settings"])
    }

    /// What there is to know about the UI, its keys first.
    pub fn help(&self) -> String {
        self.path(&["help"])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_text_is_one_segment() {
        let links = Links::new("");
        assert_eq!(
            links.run("n", "a/b?c#d %\"<ü", "r"),
            "/namespaces/n/workflows/a%2Fb%3Fc%23d%20%25%22%3C%C3%BC/r"
        );
        assert_eq!(links.home(), "/");
    }

    #[test]
    fn the_base_path_leads() {
        for base in ["/x/y", "x/y", "/x/y/"] {
            let links = Links::new(base);
            assert_eq!(links.home(), "/x/y/");
            assert_eq!(links.workflows("n"), "/x/y/namespaces/n/workflows");
        }
        for odd in ["", "/", "//", "/a/../b", "/a b", "/a\"", "https://x"] {
            assert_eq!(Links::new(odd).base(), "", "{odd}");
        }
    }
}
