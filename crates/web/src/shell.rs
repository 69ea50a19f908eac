//! What frames every page: names, navigation, search, theme.

use steadfast_protocol::workflowservice::ListNamespacesRequest;

use crate::asset;
use crate::link::Links;
use crate::params::Params;
use crate::time::Clock;
use crate::visit::Visit;

/// How many namespaces the switch offers; the page of namespaces has all.
const SWITCH_MAX: i32 = 30;

/// Light, dark, or as the system has it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Theme {
    /// As the system has it.
    #[default]
    System,
    /// Light.
    Light,
    /// Dark.
    Dark,
}

impl Theme {
    /// Of its name in the cookie and in the page.
    pub fn of_name(name: &str) -> Self {
        match name {
            "light" => Self::Light,
            "dark" => Self::Dark,
            _ => Self::System,
        }
    }

    /// Its name in the cookie and in the page.
    pub fn name(self) -> &'static str {
        match self {
            Self::System => "system",
            Self::Light => "light",
            Self::Dark => "dark",
        }
    }
}

/// The part of the navigation a page belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Section {
    /// What is wrong now.
    Overview,
    /// Workflows and their runs.
    Workflows,
    /// Failures, grouped.
    Failures,
    /// Task queues.
    TaskQueues,
    /// The namespace itself.
    Namespace,
    /// Pages outside a namespace.
    None,
}

/// What the frame of a page shows. Templates that extend `layout.html` have it in their field `shell`.
#[derive(Clone, Debug)]
pub struct Shell {
    /// The URLs of the pages.
    pub links: Links,
    /// The heading of the page and the tab of the browser.
    pub title: String,
    /// The namespace the page is about; empty for none.
    pub namespace: String,
    /// Some namespaces to go to.
    pub namespaces: Vec<String>,
    /// The part of the navigation the page belongs to.
    pub section: Section,
    /// When and in which time zone.
    pub clock: Clock,
    /// Light, dark, or as the system has it.
    pub theme: Theme,
    /// Whether rows are far apart.
    pub roomy: bool,
    /// For forms; `part/csrf.html` writes it.
    pub csrf: String,
    /// The stream of what changes on this page, if anything does.
    pub live: Option<String>,
    /// The URL of the style sheet.
    pub style: String,
    /// The URL of the script.
    pub script: String,
    /// The URL of the icon.
    pub icon: String,
    /// The icon, as an element.
    pub mark: &'static str,
    /// The version of the server.
    pub version: String,
    /// Where workers and clients connect to.
    pub grpc_address: String,
    /// What was last searched for.
    pub search: String,
    /// The URL of the page itself, to come back to.
    pub here: String,
}

impl Shell {
    pub(crate) async fn new(
        visit: &Visit,
        namespace: Option<&str>,
        section: Section,
        title: &str,
    ) -> Self {
        let request = ListNamespacesRequest {
            page_size: SWITCH_MAX,
            ..ListNamespacesRequest::default()
        };
        // Without this list the page is still good.
        let answer = visit.backend.workflow().list_namespaces(request).await;
        let namespaces = answer.map(|answer| answer.into_inner().namespaces);
        let names = namespaces.unwrap_or_default().into_iter();
        let names = names.filter_map(|namespace| Some(namespace.namespace_info?.name));
        let mut names: Vec<_> = names.collect();
        names.sort();
        Self::framed(visit, names, namespace, section, title)
    }

    /// Without asking anyone, for pages that say that something is wrong.
    pub(crate) fn framed(
        visit: &Visit,
        namespaces: Vec<String>,
        namespace: Option<&str>,
        section: Section,
        title: &str,
    ) -> Self {
        let links = visit.links.clone();
        Self {
            title: title.to_owned(),
            namespace: namespace.unwrap_or_default().to_owned(),
            namespaces,
            section,
            clock: visit.clock.clone(),
            theme: visit.theme,
            roomy: visit.roomy,
            csrf: visit.csrf.clone(),
            live: None,
            style: links.asset(asset::style_name()),
            script: links.asset(asset::script_name()),
            icon: links.asset(asset::icon_name()),
            mark: asset::icon(),
            version: visit.app.options.version.clone(),
            grpc_address: visit.app.options.grpc_address.clone(),
            search: visit.params.text("q").to_owned(),
            here: visit.here(&visit.params),
            links,
        }
    }

    /// With a stream of what changes on the page.
    #[must_use]
    pub fn live(mut self, url: String) -> Self {
        self.live = Some(url);
        self
    }

    /// The parts of the namespace.
    pub fn navigation(&self) -> [Item; 5] {
        let (links, name) = (&self.links, self.namespace.as_str());
        let item = |section, name, url, key| Item {
            name,
            url,
            key,
            current: self.section == section,
        };
        [
            item(Section::Overview, "Overview", links.namespace(name), "g o"),
            item(
                Section::Workflows,
                "Workflows",
                links.workflows(name),
                "g w",
            ),
            item(Section::Failures, "Failures", links.failures(name), "g f"),
            item(
                Section::TaskQueues,
                "Task queues",
                links.task_queues(name),
                "g q",
            ),
            item(Section::Namespace, "Namespace", links.about(name), "g d"),
        ]
    }

    /// Where the settings are; they lead back here.
    pub fn settings_link(&self) -> String {
        let back = Params::default().with("back", &self.here);
        self.links.settings() + &back.query()
    }
}

/// A part of the navigation.
pub struct Item {
    /// What it is called.
    pub name: &'static str,
    /// Where it is.
    pub url: String,
    /// The keys that lead there.
    pub key: &'static str,
    /// Whether this page belongs to it.
    pub current: bool,
}
