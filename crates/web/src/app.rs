//! What all requests share.

use std::sync::Arc;

use tokio::sync::watch;

use crate::backend::{Backend, Door};
use crate::history::index::Indexes;
use crate::history::news::Polls;
use crate::link::Links;
use crate::live::Streams;
use crate::payload::codec::{Codec, CodecOptions};

/// How the UI is served.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// The path under which a proxy or the server shows the UI, such as `/steadfast`; empty for the root.
    pub base_path: String,
    /// Where workers and clients connect to, as shown to people.
    pub grpc_address: String,
    /// The version of the server, as shown to people.
    pub version: String,
    /// The codecs that may be asked for what payloads say.
    pub codec: CodecOptions,
}

/// Changes whenever lists may say something else: how often says nothing, nor does it say of what.
pub type Listed = watch::Receiver<u64>;

/// What all requests share.
#[derive(Clone)]
pub struct App {
    pub(crate) backend: Backend,
    pub(crate) options: Arc<Options>,
    pub(crate) links: Links,
    pub(crate) streams: Streams,
    pub(crate) listed: Listed,
    pub(crate) polls: Polls,
    pub(crate) indexes: Indexes,
    pub(crate) codec: Option<Arc<Codec>>,
}

impl App {
    pub(crate) fn new(door: Door, listed: Listed, options: Options) -> Self {
        let codec = Codec::new(&options.codec).map_err(|error| {
            tracing::error!(%error, "payloads stay encoded");
        });
        Self {
            codec: codec.ok().map(Arc::new),
            indexes: Indexes::default(),
            backend: Backend::new(door),
            links: Links::new(&options.base_path),
            options: Arc::new(options),
            streams: Streams::default(),
            listed,
            polls: Polls::default(),
        }
    }
}
