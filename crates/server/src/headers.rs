//! The names of the headers that each request is asked for: made once, since to read a name from text costs more than to
//! look it up.

use http::HeaderName;

/// What the client is called.
pub(crate) static CLIENT_NAME: HeaderName = HeaderName::from_static("client-name");
/// The client's own version.
pub(crate) static CLIENT_VERSION: HeaderName = HeaderName::from_static("client-version");
/// The versions of servers that the client works with.
pub(crate) static SUPPORTED_SERVER_VERSIONS: HeaderName =
    HeaderName::from_static("supported-server-versions");
/// How long the caller waits.
pub(crate) static TIMEOUT: HeaderName = HeaderName::from_static("grpc-timeout");
/// How the messages of the sender are compressed.
pub(crate) static ENCODING: HeaderName = HeaderName::from_static("grpc-encoding");
/// How messages for the sender may be compressed.
pub(crate) static ACCEPTED_ENCODINGS: HeaderName = HeaderName::from_static("grpc-accept-encoding");
