//! Streams of pages over a made-up server: when it is asked, and when not.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod support;

use std::sync::atomic::Ordering;
use std::time::Duration;

use axum::body::Body;
use http::{Request, StatusCode};
use http_body_util::BodyExt;
use steadfast_web::Options;
use support::Fake;
use tokio::sync::watch;
use tokio::time::sleep;
use tower::ServiceExt;

#[tokio::test(start_paused = true)]
async fn a_list_is_looked_at_when_it_says_so_and_else_seldom() {
    let fake = Fake::new("n");
    let lists = fake.lists.clone();
    let listed = watch::Sender::new(0);
    let pages = fake.pages(listed.subscribe(), Options::default());
    let request = Request::get("/namespaces/n/workflows-live?run=r");
    let stream = pages.oneshot(request.body(Body::empty()).unwrap()).await;
    let mut stream = stream.unwrap().into_body();
    let mut said = String::new();
    while !said.contains("id=\"counts\"") {
        let part = stream.frame().await.unwrap().unwrap().into_data().unwrap();
        said.push_str(std::str::from_utf8(&part).unwrap());
    }
    assert!(said.starts_with("event: hello\ndata: "), "{said}");
    assert!(
        said.contains("event: patch\ndata: counts\ndata: <"),
        "{said}"
    );

    // What was just seen for the first time is looked at a few times more.
    sleep(Duration::from_secs(60)).await;
    let looked = async |after: Duration| {
        let before = lists.load(Ordering::Relaxed);
        sleep(after).await;
        lists.load(Ordering::Relaxed) - before
    };
    let idle = looked(Duration::from_secs(60)).await;
    assert!(
        (5..=6).contains(&idle),
        "looked at {idle} times in a minute"
    );
    // The next look without a reason is then seconds away.
    while looked(Duration::from_secs(1)).await == 0 {}
    listed.send_modify(|changes| *changes += 1);
    assert_eq!(looked(Duration::from_millis(5)).await, 1, "at once");
    let busy = async {
        for _ in 0..1000 {
            sleep(Duration::from_millis(10)).await;
            listed.send_modify(|changes| *changes += 1);
        }
    };
    let (busy, ()) = tokio::join!(looked(Duration::from_secs(10)), busy);
    // Ten times a second, and what the quiet time has saved.
    assert!(
        (90..=106).contains(&busy),
        "looked at {busy} times in ten seconds"
    );
    // Two changes after a quiet time are each shown at once.
    sleep(Duration::from_secs(5)).await;
    for _ in 0..2 {
        listed.send_modify(|changes| *changes += 1);
        assert_eq!(looked(Duration::from_millis(5)).await, 1, "at once");
    }
    drop(stream);
    sleep(Duration::from_secs(1)).await;
    listed.send_modify(|changes| *changes += 1);
    let after = looked(Duration::from_secs(60)).await;
    assert_eq!(after, 0, "nobody looks any more");
}

#[tokio::test]
async fn who_joins_a_page_sees_what_is_there() {
    let fake = Fake::new("n");
    let pages = fake.pages(watch::Sender::new(0).subscribe(), Options::default());
    let mut streams = Vec::new();
    for _ in 0..3 {
        let request = Request::get("/namespaces/n/workflows-live");
        let request = request.body(Body::empty()).unwrap();
        let stream = pages.clone().oneshot(request).await.unwrap();
        assert_eq!(stream.status(), StatusCode::OK);
        let mut stream = stream.into_body();
        let mut said = String::new();
        while !said.contains("2,468") {
            let part = stream.frame().await.unwrap().unwrap().into_data().unwrap();
            said.push_str(std::str::from_utf8(&part).unwrap());
        }
        streams.push(stream);
    }
}
