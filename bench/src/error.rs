//! What can go wrong outside the load itself, said so that a user knows what to do.

use std::fmt;

/// An end of the measurement.
#[derive(Debug)]
pub(crate) enum BenchError {
    /// Nothing of this protocol answers at the address.
    Unreachable {
        /// Where it was looked for.
        address: String,
        /// What the last attempt said.
        cause: String,
    },
    /// The server answered a call that the measurement needs with an error.
    Refused {
        /// The call.
        call: &'static str,
        /// Its answer.
        status: Box<tonic::Status>,
    },
    /// A process, a file or an argument was not as needed.
    Setup(String),
}

impl BenchError {
    pub(crate) fn refused(call: &'static str) -> impl FnOnce(tonic::Status) -> BenchError {
        move |status| BenchError::Refused {
            call,
            status: Box::new(status),
        }
    }

    pub(crate) fn setup(what: &str) -> impl FnOnce(std::io::Error) -> BenchError {
        move |error| BenchError::Setup(format!("{what}: {error}"))
    }
}

impl fmt::Display for BenchError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            BenchError::Unreachable { address, cause } => write!(
                f,
                "no server answers at {address} ({cause}).\n\
                 Start one first, for instance `steadfast server start --data-dir ./bench-data`, or give the address of \
                 a running one as --address HOST:PORT (the gRPC port, mostly 7233, not that of the web UI)."
            ),
            BenchError::Refused { call, status } => {
                write!(f, "{call}: {:?}: {}", status.code(), status.message())
            }
            BenchError::Setup(text) => f.write_str(text),
        }
    }
}

impl std::error::Error for BenchError {}
