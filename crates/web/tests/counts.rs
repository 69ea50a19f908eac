//! A page does not wait for counts that take long; its event stream brings them.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod support;

use axum::body::Body;
use http::Request;
use http_body_util::BodyExt;
use support::{MANY, SLOWLY_COUNTED, get, pages};
use tower::ServiceExt;

fn list(namespace: &str, rest: &str) -> String {
    format!("/namespaces/{namespace}/{rest}query=WorkflowType%20%3D%20%22{SLOWLY_COUNTED}%22")
}

/// The counts of a page.
fn chips(html: &str) -> &str {
    let (_, rest) = html
        .split_once("<ul class=\"chips\" id=\"counts\"")
        .unwrap();
    rest.split_once("</ul>").unwrap().0
}

fn has_counts(html: &str) -> bool {
    let found = chips(html);
    let counted = found.contains("All <b>2,468</b>");
    assert_eq!(counted, !found.contains(">Count</a>"), "{found}");
    counted
}

#[tokio::test(start_paused = true)]
async fn a_page_goes_without_counts_that_take_long() {
    let pages = pages("n", "");
    let (status, _, html) = get(&pages, &list(MANY, "workflows?")).await;
    assert!(status.is_success());
    // Its rows are there, and a way to the counts for who has no scripts.
    assert!(html.contains("data-testid=\"runs\""));
    assert!(!has_counts(&html));
    assert!(chips(&html).contains("counts=whole"));
    let (_, _, html) = get(&pages, &list(MANY, "workflows?counts=whole&")).await;
    assert!(has_counts(&html));
}

#[tokio::test(start_paused = true)]
async fn among_few_runs_counts_are_always_waited_for() {
    let (_, _, html) = get(&pages("n", ""), &list("n", "workflows?")).await;
    assert!(has_counts(&html));
}

#[tokio::test(start_paused = true)]
async fn the_stream_of_a_list_brings_rows_at_once_and_counts_when_they_are_known() {
    let pages = pages("n", "");
    let request = Request::get(list(MANY, "workflows-live?run=n&"));
    let request = request.body(Body::empty()).unwrap();
    let mut body = pages.oneshot(request).await.unwrap().into_body();
    let mut text = String::new();
    while !text.contains("All <b>2,468</b>") {
        let frame = body.frame().await.unwrap().unwrap();
        if let Ok(data) = frame.into_data() {
            text += &String::from_utf8_lossy(&data);
        }
    }
    let at = |element: &str| text.find(&format!("data: {element}\n")).unwrap();
    assert!(at("run-n") < at("counts"), "{text}");
}
