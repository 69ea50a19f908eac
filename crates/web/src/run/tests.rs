//! What users control reaches a page as text, wherever it stands.

use askama::Template;
use steadfast_protocol::common::{Payload, Payloads};
use steadfast_protocol::failure::failure::FailureInfo;
use steadfast_protocol::failure::{ApplicationFailureInfo, Failure};

use crate::payload::PayloadView;
use crate::payload::failure::chain;

const CORPUS: [&str; 9] = [
    "<script>alert(1)</script>",
    "\"><img src=x onerror=alert(1)>",
    "' onmouseover='alert(1)",
    "</pre><svg onload=alert(1)>",
    "javascript:alert(1)",
    "&lt;script&gt;alert(1)&lt;/script&gt;",
    "</textarea><script>alert(1)</script>",
    "{{constructor.constructor('alert(1)')()}}",
    "\u{2028}</script><script>alert(1)//",
];

fn payload(encoding: &str, text: &str) -> Payload {
    Payload {
        metadata: [
            ("encoding".to_owned(), encoding.to_owned().into()),
            ("messageType".to_owned(), text.to_owned().into()),
            (text.to_owned(), text.to_owned().into()),
        ]
        .into(),
        data: text.to_owned().into(),
        ..Default::default()
    }
}

/// What would end a text or an attribute is escaped: taken out of the page, nothing of the user's is markup.
fn assert_harmless(html: &str, evil: &str) {
    for opening in [
        "<script",
        "<img",
        "<svg",
        "</textarea",
        "\"><img",
        "' onmouseover",
    ] {
        assert!(!html.contains(opening), "{evil} got through: {html}");
    }
}

#[test]
fn payloads_are_text() {
    for evil in CORPUS {
        let json = serde_json::to_string(evil).unwrap();
        for payload in [
            payload("json/plain", &json),
            payload("json/plain", evil),
            payload(evil, evil),
            payload("binary/encrypted", evil),
        ] {
            let html = PayloadView::new(&payload).render().unwrap();
            assert_harmless(&html, evil);
        }
    }
}

#[test]
fn failures_are_text() {
    for evil in CORPUS {
        let failure = Failure {
            message: evil.to_owned(),
            source: evil.to_owned(),
            stack_trace: evil.to_owned(),
            encoded_attributes: Some(payload("binary/encrypted", evil)),
            failure_info: Some(FailureInfo::ApplicationFailureInfo(
                ApplicationFailureInfo {
                    r#type: evil.to_owned(),
                    details: Some(Payloads {
                        payloads: vec![payload("json/plain", evil)],
                    }),
                    ..Default::default()
                },
            )),
            ..Default::default()
        };
        for view in chain(&failure) {
            assert_harmless(&view.render().unwrap(), evil);
        }
    }
}
