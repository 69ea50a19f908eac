//! Versions: what this server calls itself, and which clients it serves (server-semantics 0.3).

use std::cmp::Ordering;

use http::{HeaderMap, HeaderName};
use tonic::Status;

use crate::headers::{CLIENT_NAME, CLIENT_VERSION, SUPPORTED_SERVER_VERSIONS};
use crate::status::{client_version_not_supported, server_version_not_supported};

/// The version of the protocol's reference server whose behaviour this one has. Clients and the web UI decide by it
/// which features there are, so it is plain numbers.
pub const SERVER_VERSION: &str = "1.32.0";

/// The version of Steadfast itself.
pub const STEADFAST_VERSION: &str = env!("CARGO_PKG_VERSION");

/// The clients that are checked, with the versions that are served. Others are served whatever their version.
pub(crate) const SUPPORTED_CLIENTS: [(&str, &str); 8] = [
    ("temporal-cli", "<2.0.0"),
    ("temporal-go", "<2.0.0"),
    ("temporal-java", "<2.0.0"),
    ("temporal-php", "<2.0.0"),
    ("temporal-server", "<2.0.0"),
    ("temporal-typescript", "<2.0.0"),
    ("temporal-ui", "<3.0.0"),
    ("Nexus-go-sdk", "<2.0.0"),
];

/// Whether client and server suit each other, by the headers in which a client states its versions.
pub(crate) fn check(headers: &HeaderMap) -> Result<(), Status> {
    let text = |name: &HeaderName| {
        let value = headers.get(name)?;
        value.to_str().ok().filter(|value| !value.is_empty())
    };
    if let (Some(name), Some(version)) = (text(&CLIENT_NAME), text(&CLIENT_VERSION))
        && let Some((_, supported)) = SUPPORTED_CLIENTS.iter().find(|(client, _)| *client == name)
    {
        let parsed = Version::parse(version).ok_or_else(|| {
            Status::invalid_argument(format!("Unable to parse client version: {version}"))
        })?;
        if !in_range(supported, parsed).unwrap_or(false) {
            return Err(client_version_not_supported(name, version, supported));
        }
    }
    if let Some(wanted) = text(&SUPPORTED_SERVER_VERSIONS) {
        let own = Version::parse(SERVER_VERSION).expect("the version of the server is a version");
        let suits = in_range(wanted, own).ok_or_else(|| {
            Status::invalid_argument(format!(
                "Unable to parse supported server versions: {wanted}"
            ))
        })?;
        if !suits {
            return Err(server_version_not_supported(SERVER_VERSION, wanted));
        }
    }
    Ok(())
}

/// A semantic version.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Version<'a> {
    numbers: [u64; 3],
    /// What follows a `-`; empty for a release.
    pre_release: &'a str,
}

impl<'a> Version<'a> {
    fn parse(text: &'a str) -> Option<Self> {
        let (rest, _build) = text.split_once('+').unwrap_or((text, ""));
        let (core, pre_release) = match rest.split_once('-') {
            Some((_, "")) => return None,
            Some(parts) => parts,
            None => (rest, ""),
        };
        let mut parts = core.split('.');
        let mut number = || -> Option<u64> {
            let part = parts.next()?;
            let plain = part.bytes().all(|byte| byte.is_ascii_digit());
            let zero_led = part.len() > 1 && part.starts_with('0');
            part.parse().ok().filter(|_| plain && !zero_led)
        };
        let numbers = [number()?, number()?, number()?];
        parts.next().is_none().then_some(Self {
            numbers,
            pre_release,
        })
    }

    /// By the rules of semantic versions: a pre-release comes before its release.
    fn compare(self, other: Self) -> Ordering {
        let pre_releases = || match (self.pre_release, other.pre_release) {
            ("", "") => Ordering::Equal,
            ("", _) => Ordering::Greater,
            (_, "") => Ordering::Less,
            (one, another) => compare_identifiers(one, another),
        };
        self.numbers.cmp(&other.numbers).then_with(pre_releases)
    }
}

fn compare_identifiers(one: &str, another: &str) -> Ordering {
    let (mut ours, mut theirs) = (one.split('.'), another.split('.'));
    loop {
        let order = match (ours.next(), theirs.next()) {
            (None, None) => return Ordering::Equal,
            (None, Some(_)) => Ordering::Less,
            (Some(_), None) => Ordering::Greater,
            (Some(our), Some(their)) => match (our.parse::<u64>(), their.parse::<u64>()) {
                (Ok(our), Ok(their)) => our.cmp(&their),
                (Ok(_), Err(_)) => Ordering::Less,
                (Err(_), Ok(_)) => Ordering::Greater,
                (Err(_), Err(_)) => our.cmp(their),
            },
        };
        if order != Ordering::Equal {
            return order;
        }
    }
}

/// Whether the version lies in a range such as `>=1.0.0 <2.0.0 || 3.0.0`; `None` if that is no range.
fn in_range(range: &str, version: Version<'_>) -> Option<bool> {
    let mut any = false;
    for alternative in range.split("||") {
        let mut all = true;
        let mut comparisons = alternative.split_ascii_whitespace().peekable();
        comparisons.peek()?;
        for comparison in comparisons {
            let digits = comparison.find(|c: char| c.is_ascii_digit())?;
            let (operator, bound) = comparison.split_at(digits);
            let order = version.compare(Version::parse(bound)?);
            all &= match operator {
                "" | "=" | "==" => order == Ordering::Equal,
                "!" | "!=" => order != Ordering::Equal,
                ">" => order == Ordering::Greater,
                ">=" => order != Ordering::Less,
                "<" => order == Ordering::Less,
                "<=" => order != Ordering::Greater,
                _ => return None,
            };
        }
        any |= all;
    }
    Some(any)
}

#[cfg(test)]
mod tests {
    use super::*;
    use tonic::Code;

    fn code(headers: &[(&'static str, &'static str)]) -> Code {
        let headers = headers
            .iter()
            .map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap()))
            .collect();
        check(&headers).map_or_else(|status| status.code(), |()| Code::Ok)
    }

    #[test]
    fn clients_are_checked_by_name() {
        let client = |name, version| code(&[("client-name", name), ("client-version", version)]);
        assert_eq!(client("temporal-go", "1.31.0"), Code::Ok);
        assert_eq!(client("temporal-go", "2.0.0"), Code::FailedPrecondition);
        assert_eq!(client("temporal-go", "2.0.0-rc.1"), Code::Ok);
        assert_eq!(client("temporal-go", "1.31"), Code::InvalidArgument);
        assert_eq!(client("temporal-go", "v1.31.0"), Code::InvalidArgument);
        assert_eq!(client("temporal-ui", "2.36.0"), Code::Ok);
        assert_eq!(client("temporal-python", "odd"), Code::Ok);
        assert_eq!(code(&[("client-name", "temporal-go")]), Code::Ok);
    }

    #[test]
    fn clients_may_ask_for_servers() {
        let wanted = |range| code(&[("supported-server-versions", range)]);
        assert_eq!(wanted(">=1.0.0 <2.0.0"), Code::Ok);
        assert_eq!(wanted("<1.0.0 || >=1.30.0"), Code::Ok);
        assert_eq!(wanted(">=2.0.0"), Code::FailedPrecondition);
        assert_eq!(wanted("about 1"), Code::InvalidArgument);
        assert_eq!(wanted("||"), Code::InvalidArgument);
    }

    #[test]
    fn versions_are_ordered() {
        let ordered = [
            "1.0.0-2",
            "1.0.0-10",
            "1.0.0-a",
            "1.0.0-a.1",
            "1.0.0",
            "1.0.1",
            "1.10.0",
        ];
        for pair in ordered.windows(2) {
            let [one, another] = [pair[0], pair[1]].map(|text| Version::parse(text).unwrap());
            assert_eq!(one.compare(another), Ordering::Less, "{pair:?}");
        }
    }
}
