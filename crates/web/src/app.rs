//! What all requests share.

use std::sync::Arc;

use crate::backend::{Backend, Door};
use crate::link::Links;
use crate::live::Streams;

/// How the UI is served.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// The path under which a proxy or the server shows the UI, such as `/steadfast`; empty for the root.
    pub base_path: String,
    /// Where workers and clients connect to, as shown to people.
    pub grpc_address: String,
    /// The version of the server, as shown to people.
    pub version: String,
}

/// What all requests share.
#[derive(Clone)]
pub struct App {
    pub(crate) backend: Backend,
    pub(crate) options: Arc<Options>,
    pub(crate) links: Links,
    pub(crate) streams: Streams,
}

impl App {
    pub(crate) fn new(door: Door, options: Options) -> Self {
        Self {
            backend: Backend::new(door),
            links: Links::new(&options.base_path),
            options: Arc::new(options),
            streams: Streams::default(),
        }
    }
}
