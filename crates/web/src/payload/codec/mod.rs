//! Remote codecs: they turn payloads that only their owners can read into ones that anybody can.
//!
//! Either the server asks, so that the browser needs no access to the codec and the codec no rules for browsers; or
//! the browser asks, so that the server never sees what is decoded. An operator says which, and where codecs may be.

mod remote;
mod walk;

use http::Uri;

pub use remote::{Codec, CodecError};
pub use walk::payloads;

/// What a viewer chooses who wants payloads as they are stored.
pub const NO_CODEC: &str = "none";

/// Who asks the codec.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Asked {
    /// The server.
    #[default]
    ByServer,
    /// The script of the page.
    ByBrowser,
}

/// Where codecs may be, and how they are asked.
#[derive(Clone, Debug, Default)]
pub struct CodecOptions {
    /// The only URLs that are ever asked, without the `/decode` at their end. The first one is asked unless the viewer
    /// chose another. No codec is asked if there are none.
    pub endpoints: Vec<String>,
    /// Who asks.
    pub asked: Asked,
    /// Pass on who the viewer is (`authorization`), or the cookies of the codec's site if the browser asks.
    pub pass_credentials: bool,
}

/// A URL that may be asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Endpoint {
    base: String,
}

impl Endpoint {
    /// Of a URL: https, or http to this machine.
    ///
    /// # Errors
    /// It is no such URL.
    pub fn new(url: &str) -> Result<Self, CodecError> {
        let refused = || CodecError::Endpoint(url.to_owned());
        let uri: Uri = url.parse().map_err(|_| refused())?;
        let host = uri.host().ok_or_else(refused)?;
        let is_near = matches!(host, "localhost" | "127.0.0.1" | "[::1]");
        let plain = uri
            .authority()
            .is_some_and(|authority| !authority.as_str().contains('@'));
        match uri.scheme_str() {
            Some("https") if plain && uri.query().is_none() => {}
            Some("http") if plain && uri.query().is_none() && is_near => {}
            _ => return Err(refused()),
        }
        Ok(Self {
            base: url.trim_end_matches('/').to_owned(),
        })
    }

    /// As it was configured.
    pub fn url(&self) -> &str {
        &self.base
    }

    /// Where payloads are sent to be decoded.
    pub fn decode_url(&self) -> String {
        format!("{}/decode", self.base)
    }

    /// Scheme, host and port, for the policy of a page that asks it.
    pub fn origin(&self) -> String {
        let rest = self.base.find("://").map_or(0, |at| at + 3);
        let end = self.base[rest..]
            .find('/')
            .map_or(self.base.len(), |at| rest + at);
        self.base[..end].to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_https_or_this_machine() {
        for good in [
            "https://codec.example/x/",
            "http://localhost:8081",
            "http://[::1]:1",
        ] {
            assert!(Endpoint::new(good).is_ok(), "{good}");
        }
        for bad in [
            "http://codec.example",
            "http://localhost.evil.example",
            "https://user:secret@codec.example",
            "https://codec.example/?a=b",
            "ftp://localhost",
            "javascript:alert(1)",
            "/decode",
            "",
        ] {
            assert!(Endpoint::new(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn urls_of_an_endpoint() {
        let endpoint = Endpoint::new("https://codec.example:8443/a/").unwrap();
        assert_eq!(endpoint.decode_url(), "https://codec.example:8443/a/decode");
        assert_eq!(endpoint.origin(), "https://codec.example:8443");
    }
}
