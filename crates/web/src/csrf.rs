//! What makes sure that a form was sent from a page of this UI, with JavaScript or without.
//!
//! Three locks, any of which would do in a modern browser: the cookie with the token is not sent with requests from
//! other sites, the browser says where a request comes from, and the form repeats the token.

use http::HeaderMap;
use http::header::{HOST, ORIGIN};
use uuid::Uuid;

use crate::params::Params;

/// The cookie and the field of the form.
pub(crate) const NAME: &str = "csrf";

/// A token nobody can guess.
pub(crate) fn new_token() -> String {
    Uuid::new_v4().simple().to_string()
}

/// Whether a text may be a token of ours.
pub(crate) fn is_token(text: &str) -> bool {
    text.len() == 32 && text.bytes().all(|byte| byte.is_ascii_hexdigit())
}

/// Why a form is refused; `None` for one that was sent from a page of this UI.
pub(crate) fn objection(headers: &HeaderMap, token: &str, form: &Params) -> Option<&'static str> {
    let header = |name| {
        let value: &http::HeaderValue = headers.get(name)?;
        value.to_str().ok()
    };
    if let Some(site) = headers.get("sec-fetch-site")
        && site != "same-origin"
    {
        return Some("The form was sent from another site.");
    }
    if let Some(origin) = header(ORIGIN.as_str()) {
        // A proxy may end TLS or change the port in front of us, and then says which host was asked for.
        let host = origin.split_once("://").map(|(_, host)| host);
        let asked = [header("x-forwarded-host"), header(HOST.as_str())];
        if !asked.into_iter().flatten().any(|asked| Some(asked) == host) {
            return Some("The form was sent from another origin.");
        }
    }
    if form.text(NAME) != token || !is_token(token) {
        return Some(
            "The form is too old, or cookies are switched off. Go back, reload the page and send it again.",
        );
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn objected(headers: &[(&'static str, &'static str)], field: &str) -> bool {
        let token = "0123456789abcdef0123456789abcdef";
        let headers = headers
            .iter()
            .map(|&(name, value)| {
                let name = http::HeaderName::from_static(name);
                (name, http::HeaderValue::from_static(value))
            })
            .collect();
        let form = Params::default().with(NAME, field);
        objection(&headers, token, &form).is_some()
    }

    #[test]
    fn only_forms_of_this_site_are_taken() {
        let token = "0123456789abcdef0123456789abcdef";
        let host = ("host", "localhost:8233");
        assert!(!objected(&[host], token));
        assert!(!objected(
            &[host, ("origin", "http://localhost:8233")],
            token
        ));
        assert!(!objected(
            &[
                ("host", "inner:1"),
                ("x-forwarded-host", "ui.example"),
                ("origin", "https://ui.example")
            ],
            token
        ));
        assert!(!objected(&[host, ("sec-fetch-site", "same-origin")], token));

        assert!(objected(&[host], ""));
        assert!(objected(&[host], "ffffffffffffffffffffffffffffffff"));
        assert!(objected(&[host, ("origin", "http://evil.example")], token));
        assert!(objected(&[host, ("origin", "null")], token));
        assert!(objected(&[host, ("sec-fetch-site", "cross-site")], token));
        assert!(objected(&[host, ("sec-fetch-site", "same-site")], token));
    }
}
