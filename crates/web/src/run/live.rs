//! What changes on a page of a run while it is looked at.

use std::time::Duration;

use axum::extract::Path;
use axum::response::Response;

use super::head::{self, Head};
use super::load::load;
use super::{RunPath, events, named, pending, summary, timeline};
use crate::failure::PageError;
use crate::live;
use crate::visit::Visit;

/// A change is to be seen within a quarter of a second.
const INTERVAL: Duration = Duration::from_millis(200);

pub(super) async fn show(Path(path): RunPath, visit: Visit) -> Result<Response, PageError> {
    let run = named(path);
    live::stream(&visit, INTERVAL, move |visit| {
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
