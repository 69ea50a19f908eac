//! What changes on a page of a run while it is looked at.

use std::time::Duration;

use axum::extract::Path;
use axum::response::Response;

use super::head::{self, Head};
use super::load::load;
use super::{RunPath, events, named, pending, summary, timeline};
use crate::failure::PageError;
use crate::history::news;
use crate::live::{self, Pace};
use crate::visit::Visit;

/// New events tell of themselves; attempts, heartbeats and pollers do not.
const PACE: Pace = Pace {
    least: Duration::from_millis(100),
    again: Duration::from_millis(100),
    most: Duration::from_secs(1),
};

pub(super) async fn show(Path(path): RunPath, visit: Visit) -> Result<Response, PageError> {
    let run = named(path);
    let hints = news::of(&visit, run.clone());
    live::stream(&visit, PACE, hints, move |visit| {
        let run = run.clone();
        async move {
            let page = visit.params.text("page").to_owned();
            let mut loaded = load(&visit, run).await?;
            let head = Head::new(&visit, &loaded, &page);
            let shell = head::shell(&visit, &loaded, &page).await;
            let mut fragments = head.fragments(&shell)?;
            match page.as_str() {
                "summary" => fragments.extend(summary::fragments(&visit, &loaded, &head).await?),
                "timeline" => {
                    fragments.push(timeline::Drawing::new(&visit, &loaded, &head).fragment()?);
                }
                "history" => {
                    fragments.extend(events::fragments(&visit, &loaded, &shell, &head).await?);
                }
                "pending-activities" => {
                    fragments.extend(pending::fragments(&visit, &mut loaded, &shell, &head).await?);
                }
                _ => {}
            }
            Ok(fragments)
        }
    })
}
