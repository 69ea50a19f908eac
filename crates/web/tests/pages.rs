//! The pages over a made-up server: what is written, what is escaped, where links lead, what forms need.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod support;

use std::fs;
use std::io::Write;
use std::path::Path;

use axum::body::Body;
use flate2::Compression;
use flate2::write::GzEncoder;
use http::{Request, StatusCode};
use steadfast_web::Options;
use steadfast_web::payload::codec::CodecOptions;
use support::{ask, get, pages, pages_with, segment};

/// Pages under a namespace of that name.
fn urls(name: &str) -> Vec<String> {
    let name = segment(name);
    let mut urls = vec![
        "/namespaces".to_owned(),
        "/settings?back=/".to_owned(),
        "/help".to_owned(),
        format!("/search?q={name}&namespace={name}"),
        format!("/nowhere/{name}?x={name}"),
    ];
    let within = [
        "".to_owned(),
        "/about".to_owned(),
        "/workflows".to_owned(),
        format!(
            "/workflows?query={name}&col={name}&col=Status&col=Parent&size=20&page=3&token=00&trail=00"
        ),
        format!("/workflows?query=Bogus%3D{name}"),
        "/workflows/start-workflow".to_owned(),
        format!("/workflows/start-workflow?workflowType={name}&taskQueue={name}&input={name}"),
        format!("/workflows/start-workflow?workflowId={name}"),
        format!("/workflows-bulk?all=terminate&query={name}"),
        format!("/workflows-bulk?picked=signal&run=%3Fid%3D{name}%26run%3D{name}"),
        "/failures".to_owned(),
        "/task-queues".to_owned(),
        format!("/task-queues/{name}"),
    ];
    urls.extend(
        within
            .iter()
            .map(|rest| format!("/namespaces/{name}{rest}")),
    );
    urls
}

/// Values of the attributes that hold URLs.
fn targets(html: &str) -> Vec<&str> {
    let attributes = [" href=\"", " action=\"", " src=\"", " data-live=\""];
    let ends = attributes
        .iter()
        .flat_map(|start| html.split(start).skip(1));
    ends.map(|rest| rest.split('"').next().unwrap()).collect()
}

const HOSTILE: [&str; 6] = [
    "\"'><xss onx=1>&amp;{{7*7}}",
    "<script>xss()</script>",
    "javascript:xss()//<xss",
    "</textarea></title><xss>",
    "' onx='xss()' <xss y=\"",
    "\u{202e}<xss\u{0}>`${xss}`",
];

#[tokio::test]
async fn what_users_write_stays_text() {
    for text in HOSTILE {
        let pages = pages(text, "");
        for url in urls(text) {
            let (_, _, html) = get(&pages, &url).await;
            for raw in ["<xss", "<script>", "\"'>", "</textarea></title>", "' onx="] {
                assert!(!html.contains(raw), "{raw} on {url}:\n{html}");
            }
            for target in targets(&html) {
                assert!(
                    !target.trim_start().starts_with("javascript:"),
                    "{target} on {url}"
                );
            }
        }
    }
}

#[tokio::test]
async fn nothing_is_inline() {
    let pages = pages("n", "");
    for url in urls("n") {
        let (status, headers, html) = get(&pages, &url).await;
        let policy = headers["content-security-policy"].to_str().unwrap();
        assert!(policy.contains("default-src 'none'") && !policy.contains("unsafe"));
        for tag in html
            .split('<')
            .filter(|tag| tag.starts_with(char::is_alphabetic))
        {
            let tag = tag.split('>').next().unwrap();
            assert!(
                !tag.starts_with("script") || tag.contains(" src="),
                "{tag} on {url}"
            );
            assert!(
                !tag.starts_with("style") && !tag.contains(" style="),
                "{tag} on {url}"
            );
            // What stands in quotes is no attribute.
            let names: Vec<_> = tag.split('"').step_by(2).collect();
            assert!(
                !names.iter().any(|name| name.starts_with(" on")),
                "{tag} on {url}"
            );
        }
        let is_page = !status.is_redirection();
        assert_eq!(html.matches("<h1").count(), usize::from(is_page), "{url}");
        let mut ids: Vec<_> = html
            .split(" id=\"")
            .skip(1)
            .map(|rest| rest.split('"').next())
            .collect();
        ids.sort_unstable();
        let all = ids.len();
        ids.dedup();
        assert_eq!(ids.len(), all, "an id stands twice on {url}");
    }
}

#[tokio::test]
async fn links_respect_the_base_path() {
    let configured = pages("n", "/x/y");
    for url in urls("n") {
        for url in [url.clone(), format!("/x/y{url}")] {
            let (_, _, html) = get(&configured, &url).await;
            for target in targets(&html) {
                let good = target.starts_with("/x/y/") || target.starts_with('#');
                assert!(good, "{target} on {url}");
            }
        }
    }
    let plain = pages("n", "");
    let request = Request::get("/namespaces").header("x-forwarded-prefix", "/p");
    let (_, _, html) = ask(&plain, request.body(Body::empty()).unwrap()).await;
    assert!(
        targets(&html)
            .iter()
            .all(|target| target.starts_with("/p/") || target.starts_with('#'))
    );
    let request = Request::get("/namespaces").header("x-forwarded-prefix", "//evil.example/\"");
    let (_, _, html) = ask(&plain, request.body(Body::empty()).unwrap()).await;
    assert!(!html.contains("evil"));
}

/// Links lead to pages that there are. Those of one run are tested with their page.
#[tokio::test]
async fn there_are_no_dead_links() {
    let pages = pages("n", "");
    for url in urls("n") {
        let (_, _, html) = get(&pages, &url).await;
        for target in targets(&html) {
            let target = target
                .replace("&amp;", "&")
                .replace("&#38;", "&")
                .replace("&#x3D;", "=");
            let run = target.contains("/workflows/n") || target.contains("-live");
            if target.starts_with('#') || run || target.contains("/nowhere/") {
                continue;
            }
            let (status, _, _) = get(&pages, &target).await;
            let post_only = status == StatusCode::METHOD_NOT_ALLOWED;
            let named = ["/views", "/search-attributes"]
                .iter()
                .any(|end| target.ends_with(end));
            // A form without its fields, and a query that the server refuses.
            let wrong = status == StatusCode::BAD_REQUEST
                && (target.contains("Bogus") || target.ends_with("/workflows-bulk"));
            assert!(
                status.is_success() || status.is_redirection() || post_only && named || wrong,
                "{status} for {target} on {url}"
            );
        }
    }
}

const TOKEN: &str = "0123456789abcdef0123456789abcdef";

fn form(url: &str) -> http::request::Builder {
    Request::post(url)
        .header("host", "ui:1")
        .header("cookie", format!("a=b; csrf={TOKEN}"))
        .header("content-type", "application/x-www-form-urlencoded")
}

#[tokio::test]
async fn forms_of_others_are_refused() {
    let pages = pages("n", "");
    let urls = [
        ("/settings", "theme=dark"),
        ("/namespaces", "name=x&days=1"),
        ("/namespaces/n/about", "days=1"),
        ("/namespaces/n/search-attributes", "name=x&kind=Int"),
        ("/namespaces/n/views", "name=x"),
        ("/namespaces/n/workflows-bulk", "action=delete&query=x"),
        (
            "/namespaces/n/workflows/start-workflow",
            "id=a&type=b&queue=c",
        ),
    ];
    for (url, body) in urls {
        let send = |request: http::request::Builder, body: String| {
            let pages = pages.clone();
            async move { ask(&pages, request.body(Body::from(body)).unwrap()).await.0 }
        };
        let signed = format!("{body}&csrf={TOKEN}");
        assert_eq!(
            send(form(url), body.to_owned()).await,
            StatusCode::FORBIDDEN,
            "{url}"
        );
        let bare = Request::post(url).header("host", "ui:1");
        assert_eq!(
            send(bare, signed.clone()).await,
            StatusCode::FORBIDDEN,
            "{url}"
        );
        let other = form(url).header("origin", "https://evil.example");
        assert_eq!(
            send(other, signed.clone()).await,
            StatusCode::FORBIDDEN,
            "{url}"
        );
        let other = form(url).header("sec-fetch-site", "cross-site");
        assert_eq!(
            send(other, signed.clone()).await,
            StatusCode::FORBIDDEN,
            "{url}"
        );
        let own = form(url)
            .header("origin", "http://ui:1")
            .header("sec-fetch-site", "same-origin");
        assert_ne!(send(own, signed).await, StatusCode::FORBIDDEN, "{url}");
    }
}

async fn post(url: &str, body: &str) -> (StatusCode, http::HeaderMap, String) {
    let pages = pages("n", "");
    let body = format!("{body}&csrf={TOKEN}");
    ask(&pages, form(url).body(Body::from(body.clone())).unwrap()).await
}

#[tokio::test]
async fn forms_do_what_they_say() {
    let (status, headers, _) = post("/settings", "theme=dark&back=//evil.example").await;
    assert_eq!(status, StatusCode::SEE_OTHER);
    assert_eq!(headers["location"], "/");
    assert!(
        headers["set-cookie"]
            .to_str()
            .unwrap()
            .starts_with("theme=dark;")
    );

    let start = "/namespaces/n/workflows/start-workflow";
    let (status, headers, _) = post(start, "id=a/b&type=T&queue=q&input=1").await;
    assert_eq!(status, StatusCode::SEE_OTHER);
    assert_eq!(headers["location"], "/namespaces/n/workflows/a%2Fb/r");
    let (status, _, html) = post(start, "id=kept&type=&queue=q&input={").await;
    assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY);
    assert!(html.contains("value=\"kept\"") && html.contains("A workflow needs a type."));
    assert!(html.contains("This is no JSON"));
    let (status, _, html) = post(start, "id=taken&type=T&queue=q").await;
    assert_eq!(status, StatusCode::CONFLICT);
    assert!(html.contains("value=\"taken\""));
    let (status, _, html) = post(start, "id=a&type=T&queue=q&input=1&more=1").await;
    assert_eq!(status, StatusCode::OK);
    assert_eq!(html.matches("<textarea id=\"input-").count(), 2);

    let bulk = "/namespaces/n/workflows-bulk";
    let (status, _, html) = post(bulk, "action=terminate&query=A%3D1&request=r").await;
    assert_eq!(status, StatusCode::OK);
    assert!(html.contains("0 done, 1 refused; there are more"), "{html}");
    let (status, ..) = post(bulk, "action=terminate").await;
    assert_eq!(status, StatusCode::BAD_REQUEST);
}

#[tokio::test]
async fn errors_are_pages_with_a_way_out() {
    let pages = pages("n", "");
    let (status, _, html) = get(&pages, "/namespaces/missing/about").await;
    assert_eq!(status, StatusCode::NOT_FOUND);
    assert!(html.contains("Namespace n is not found.") && html.contains("NotFound"));
    assert!(html.contains("href=\"/namespaces\""));
    let (status, _, html) = get(&pages, "/namespaces/n/workflows?query=Bogus%3D1").await;
    assert_eq!(status, StatusCode::BAD_REQUEST);
    assert!(html.contains("value=\"Bogus=1\"") && html.contains("invalid query: n"));
}

#[tokio::test]
async fn filters_are_taken_into_the_query() {
    let pages = pages("KwA", "");
    let url = "/namespaces/n/workflows?query=A%3D1&col=Type&add=KwA&is=STARTS_WITH&value=x%22y";
    let (status, headers, _) = get(&pages, url).await;
    assert_eq!(status, StatusCode::SEE_OTHER);
    assert_eq!(
        headers["location"],
        "/namespaces/n/workflows?col=Type&query=A%3D1%20AND%20KwA%20STARTS_WITH%20%22x%5C%22y%22"
    );
}

#[tokio::test]
async fn the_order_of_a_list_stands_in_its_query() {
    let pages = pages("n", "");
    let url = "/namespaces/n/workflows?query=A%3D1%20ORDER%20BY%20StartTime%20DESC";
    let (status, _, html) = get(&pages, url).await;
    assert_eq!(status, StatusCode::OK);
    assert!(
        html.contains(
            "<th scope=\"col\" class=\"time\" aria-sort=\"descending\"><a class=\"sort\""
        )
    );
    assert_eq!(html.matches("aria-sort").count(), 1);
    assert!(html.contains("value=\"A=1 ORDER BY StartTime DESC\""));
    assert!(html.contains("By StartTime, the greatest first."));
    // Filters keep the order; what is done with many at once has none.
    let chip = "query=ExecutionStatus%20%3D%20%22Failed%22%20ORDER%20BY%20StartTime%20DESC";
    assert!(
        html.contains(&format!("A%3D1%20AND%20{}", &chip["query=".len()..])),
        "{html}"
    );
    let bulk = "/namespaces/n/workflows-bulk?all=signal&query=A%3D1%20ORDER%20BY%20StartTime";
    let (_, _, html) = get(&pages, bulk).await;
    assert!(
        html.contains("A=1 AND StartTime") && !html.contains("ORDER BY"),
        "{html}"
    );
}

#[tokio::test]
async fn only_configured_codecs_can_be_chosen() {
    let codec = CodecOptions {
        endpoints: vec![
            "http://localhost:1/c".to_owned(),
            "https://codec.example".to_owned(),
        ],
        ..CodecOptions::default()
    };
    let options = Options {
        codec,
        ..Options::default()
    };
    let pages = pages_with("n", options);
    let (_, _, html) = get(&pages, "/settings").await;
    assert!(html.contains("value=\"http://localhost:1/c\" checked"));
    assert!(html.contains("value=\"https://codec.example\">") && html.contains("value=\"none\">"));
    for (codec, expected) in [
        ("https%3A%2F%2Fcodec.example", StatusCode::SEE_OTHER),
        ("none", StatusCode::SEE_OTHER),
        ("https%3A%2F%2Fevil.example", StatusCode::BAD_REQUEST),
    ] {
        let body = Body::from(format!("codec={codec}&csrf={TOKEN}"));
        let (status, ..) = ask(&pages, form("/settings").body(body).unwrap()).await;
        assert_eq!(status, expected, "{codec}");
    }
    let request = Request::get("/settings").header("cookie", "codec=none");
    let (_, _, html) = ask(&pages, request.body(Body::empty()).unwrap()).await;
    assert!(html.contains("value=\"none\" checked"));
}

#[tokio::test]
async fn assets_are_named_by_content_and_light() {
    let pages = pages("n", "");
    let (_, _, html) = get(&pages, "/help").await;
    let mut total = packed(&html);
    for (target, kind, budget) in [
        ("app-", "css", 12_000),
        ("app-", "js", 14_000),
        ("icon-", "svg", 1_000),
    ] {
        let all = targets(&html);
        let url = all
            .iter()
            .find(|url| url.contains(target) && url.ends_with(kind))
            .unwrap();
        let (status, headers, text) = get(&pages, url).await;
        assert_eq!(status, StatusCode::OK);
        assert!(
            headers["cache-control"]
                .to_str()
                .unwrap()
                .contains("immutable")
        );
        let request = Request::get(*url).header("if-none-match", headers["etag"].clone());
        let (status, _, _) = ask(&pages, request.body(Body::empty()).unwrap()).await;
        assert_eq!(status, StatusCode::NOT_MODIFIED);
        assert!(packed(&text) <= budget, "{url} has {} bytes", packed(&text));
        total += packed(&text);
    }
    assert!(total <= 45_000, "{total} bytes");
    assert_eq!(
        get(&pages, "/assets/app-0000000000000000.css").await.0,
        StatusCode::NOT_FOUND
    );
    let request = Request::get("/help").header("accept-encoding", "br, gzip");
    let (_, headers, text) = ask(&pages, request.body(Body::empty()).unwrap()).await;
    assert_eq!(headers["content-encoding"], "gzip");
    assert!(!text.contains("<html"));
}

fn packed(text: &str) -> usize {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(text.as_bytes()).unwrap();
    encoder.finish().unwrap().len()
}

/// The words of pages, as they stand in tests/golden. `UPDATE_GOLDEN=1` writes them anew.
#[tokio::test]
async fn pages_read_as_they_should() {
    let pages = pages("Name", "");
    for (name, url) in [
        ("overview", "/namespaces/Name"),
        ("namespace", "/namespaces/Name/about"),
        (
            "workflows",
            "/namespaces/Name/workflows?query=ExecutionStatus%3D%22Failed%22+AND+A%3D1&col=Status&col=Name&col=Started&col=Duration",
        ),
        (
            "bulk",
            "/namespaces/Name/workflows-bulk?all=delete&query=A%3D1",
        ),
        ("failures", "/namespaces/Name/failures"),
        ("task-queue", "/namespaces/Name/task-queues/Name"),
        ("failure", "/nowhere"),
    ] {
        let (_, _, html) = get(&pages, url).await;
        let words = words(&html);
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("tests/golden/{name}.txt"));
        if std::env::var_os("UPDATE_GOLDEN").is_some() {
            fs::write(&path, &words).unwrap();
        }
        let expected = fs::read_to_string(&path).unwrap_or_default();
        assert_eq!(words, expected, "{name}");
    }
}

/// The text of a page: one line for each piece between tags, times and dates of the day masked.
fn words(html: &str) -> String {
    let main = html
        .split("<main")
        .nth(1)
        .unwrap()
        .split("</main>")
        .next()
        .unwrap();
    let mut lines = Vec::new();
    for part in main.split('<').skip(1) {
        let (tag, text) = part.split_once('>').unwrap_or((part, ""));
        let text = text.trim();
        if tag.starts_with("time") {
            lines.push("(time)".to_owned());
        } else if !text.is_empty() && !tag.starts_with("option") {
            lines.push(masked(text));
        }
    }
    lines.join("\n") + "\n"
}

/// The present time in queries.
fn masked(text: &str) -> String {
    let mut parts = text.split("&#34;20");
    let mut masked = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        masked.push_str("(now)");
        masked.push_str(part.split_once("&#34;").map_or("", |(_, rest)| rest));
    }
    masked
}
