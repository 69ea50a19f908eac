//! What authors say of their workflows, which is Markdown, as elements of a page.
//!
//! Nothing that is written there becomes markup of its own: HTML is shown as the text that it is, images as the words in
//! their place, and links lead to other sites over http and https only.

use std::fmt;

use askama::filters::{Html, HtmlSafe, escape};
use pulldown_cmark::{CowStr, Event, HeadingLevel, Options, Parser, Tag, TagEnd, html};

/// What is longer is shown as it was written.
const BYTES_MAX: usize = 64 << 10;

/// A text in Markdown: `{{ markdown }}` in a template.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Markdown(String);

impl HtmlSafe for Markdown {}

impl fmt::Display for Markdown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Markdown {
    /// Reads a text.
    pub fn new(text: &str) -> Self {
        if text.len() > BYTES_MAX {
            return Self(format!("<pre tabindex=\"0\">{}</pre>", escaped(text)));
        }
        let options = Options::ENABLE_TABLES | Options::ENABLE_STRIKETHROUGH;
        let mut links = Links::default();
        let events = Parser::new_ext(text, options).filter_map(|event| links.harmless(event));
        let mut page = String::with_capacity(text.len() * 2);
        html::push_html(&mut page, events);
        Self(page)
    }

    /// Whether there is nothing to see.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

#[derive(Default)]
struct Links {
    /// The link that is being written leads somewhere.
    open: bool,
}

impl Links {
    /// What is written for an event; nothing for some.
    fn harmless<'a>(&mut self, event: Event<'a>) -> Option<Event<'a>> {
        let own = |html: &'static str| Some(Event::InlineHtml(CowStr::Borrowed(html)));
        match event {
            Event::Html(text) | Event::InlineHtml(text) => Some(Event::Text(text)),
            Event::Start(Tag::HtmlBlock) => own("<p>"),
            Event::End(TagEnd::HtmlBlock) => own("</p>"),
            Event::Start(Tag::Link { dest_url, .. }) => {
                self.open = leads_away(&dest_url);
                self.open.then(|| link(&dest_url))
            }
            Event::End(TagEnd::Link) if !self.open => None,
            Event::Start(Tag::Image { .. }) | Event::End(TagEnd::Image) => None,
            // The page has a first and a second level of its own.
            Event::Start(Tag::Heading { level, .. }) => Some(Event::Start(Tag::Heading {
                level: below(level),
                id: None,
                classes: Vec::new(),
                attrs: Vec::new(),
            })),
            Event::End(TagEnd::Heading(level)) => Some(Event::End(TagEnd::Heading(below(level)))),
            // Without the name of a language, which would become a class of the style sheet.
            Event::Start(Tag::CodeBlock(_)) => own("<pre tabindex=\"0\"><code>"),
            // Without alignments, which would become styles.
            Event::Start(Tag::Table(_)) => Some(Event::Start(Tag::Table(Vec::new()))),
            other => Some(other),
        }
    }
}

fn leads_away(url: &str) -> bool {
    let begins = |scheme: &str| {
        let start = url.get(..scheme.len());
        start.is_some_and(|start| start.eq_ignore_ascii_case(scheme))
    };
    begins("http://") || begins("https://")
}

fn link(url: &str) -> Event<'static> {
    let link = format!(
        "<a href=\"{}\" rel=\"noopener noreferrer nofollow\">",
        escaped(url)
    );
    Event::InlineHtml(link.into())
}

fn escaped(text: &str) -> String {
    match escape(text, Html) {
        Ok(escaped) => escaped.to_string(),
        Err(never) => match never {},
    }
}

/// Two levels below.
fn below(level: HeadingLevel) -> HeadingLevel {
    match level {
        HeadingLevel::H1 => HeadingLevel::H3,
        HeadingLevel::H2 => HeadingLevel::H4,
        HeadingLevel::H3 => HeadingLevel::H5,
        _ => HeadingLevel::H6,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(text: &str) -> String {
        Markdown::new(text).to_string().replace('\n', "")
    }

    #[test]
    fn what_people_write_reads_well() {
        for (text, html) in [
            ("", ""),
            ("Order **4711**", "<p>Order <strong>4711</strong></p>"),
            (
                "# Order\n\n- one *lamp*",
                "<h3>Order</h3><ul><li>one <em>lamp</em></li></ul>",
            ),
            (
                "[terms](https://example.com/terms?a=1&b=2 \"all\")",
                "<p><a href=\"https://example.com/terms?a=1&#38;b=2\" rel=\"noopener noreferrer nofollow\">terms</a></p>",
            ),
            (
                "```js\na < b\n```",
                "<pre tabindex=\"0\"><code>a &lt; b</code></pre>",
            ),
            (
                "|a|\n|:-:|\n|b|",
                "<table><thead><tr><th>a</th></tr></thead><tbody><tr><td>b</td></tr></tbody></table>",
            ),
            ("![a lamp](https://example.com/lamp.png)", "<p>a lamp</p>"),
            (
                "[![lamp](x.png)](http://a)",
                "<p><a href=\"http://a\" rel=\"noopener noreferrer nofollow\">lamp</a></p>",
            ),
            ("~~no~~ `x`", "<p><del>no</del> <code>x</code></p>"),
        ] {
            assert_eq!(shown(text), html, "{text}");
        }
        let long = "<b>".repeat(BYTES_MAX);
        assert!(shown(&long).starts_with("<pre tabindex=\"0\">&#60;b&#62;"));
    }

    /// Ways in which Markdown was taken for markup elsewhere.
    const CORPUS: [&str; 34] = [
        "<script>alert(1)</script>",
        "a <script>alert(1)</script> b",
        "<img src=x onerror=alert(1)>",
        "<svg/onload=alert(1)>",
        "<iframe src=//evil.example></iframe>",
        "<a href=\"javascript:alert(1)\">x</a>",
        "<div style=\"position:fixed\">x</div>",
        "<style>*{display:none}</style>",
        "<!-- --><script>alert(1)</script>",
        "<?php x ?><script>alert(1)</script>",
        "<![CDATA[<script>alert(1)</script>]]>",
        "<!DOCTYPE x><script>alert(1)</script>",
        "[x](javascript:alert(1))",
        "[x](JaVaScRiPt:alert(1))",
        "[x](java\tscript:alert(1))",
        "[x](javascript&colon;alert(1))",
        "[x](&#106;avascript:alert(1))",
        "[x](\u{1}javascript:alert(1))",
        "[x](data:text/html;base64,PHNjcmlwdD4=)",
        "[x](vbscript:msgbox(1))",
        "[x](//evil.example)",
        "[x](file:///etc/passwd)",
        "[x][1]\n\n[1]: javascript:alert(1)",
        "<javascript:alert(1)>",
        "<x:\"onclick=alert(1)>",
        "![x](x\" onerror=\"alert(1))",
        "![x](javascript:alert(1))",
        "![\"onerror=alert(1) x=\"](https://a/b)",
        "[x](https://a/\"onmouseover=\"alert(1))",
        "[x](<https://a/\"><script>alert(1)</script>>)",
        "[x](https://a 'y\" onclick=\"alert(1)')",
        "```\"onclick=alert(1)\nx\n```",
        "# x {#y onclick=alert(1) .visually-hidden style=a}",
        "</p></section></main><script>alert(1)</script>",
    ];

    #[test]
    fn nothing_hostile_becomes_markup() {
        let all = CORPUS.join("\n\n");
        let nested = CORPUS.map(|text| format!("> - **{text}** `{text}`"));
        let texts = CORPUS.iter().map(|text| (*text).to_owned());
        for text in texts.chain(nested).chain([all]) {
            let html = Markdown::new(&text).to_string();
            for tag in html.split('<').skip(1) {
                let (tag, _) = tag.split_once('>').unwrap_or((tag, ""));
                let (name, attributes) = tag.split_once(' ').unwrap_or((tag, ""));
                let plain = [
                    "p",
                    "h3",
                    "blockquote",
                    "ul",
                    "li",
                    "strong",
                    "em",
                    "code",
                    "pre",
                    "hr /",
                ];
                let known = match name.trim_start_matches('/') {
                    "a" => {
                        let parts: Vec<_> = attributes.split('"').collect();
                        tag == "/a"
                            || parts.len() == 5
                                && parts[0] == "href="
                                && parts[1].starts_with("https://")
                                && parts[2..] == [" rel=", "noopener noreferrer nofollow", ""]
                    }
                    "pre" => matches!(attributes, "" | "tabindex=\"0\""),
                    name => attributes.is_empty() && plain.contains(&name),
                };
                assert!(known, "<{tag}> of {text}\n{html}");
            }
        }
    }
}
