//! The RPCs of the protocol, by the descriptors.

use prost::Message;
use rustc_hash::FxHashMap;
use steadfast_protocol::DESCRIPTORS;

/// One RPC.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Rpc {
    /// Full name of the service.
    pub service: String,
    /// Name of the method; empty for the entry that stands for all that is not in the descriptors.
    pub method: String,
}

/// All RPCs of the services that are in the descriptors, and one entry for all others: health, reflection, unknown.
pub(crate) struct Rpcs {
    all: Vec<Rpc>,
    by_path: FxHashMap<String, usize>,
}

impl Rpcs {
    /// As the protocol has them.
    pub(crate) fn new() -> Self {
        let files =
            FileSet::decode(DESCRIPTORS).expect("the generated descriptors are well-formed");
        let mut all = vec![Rpc {
            service: String::new(),
            method: String::new(),
        }];
        for file in files.file {
            for service in file.service {
                let name = format!("{}.{}", file.package, service.name);
                all.extend(service.method.into_iter().map(|method| Rpc {
                    service: name.clone(),
                    method: method.name,
                }));
            }
        }
        let by_path = all
            .iter()
            .enumerate()
            .skip(1)
            .map(|(index, rpc)| (format!("/{}/{}", rpc.service, rpc.method), index))
            .collect();
        Self { all, by_path }
    }

    /// The index of the RPC with this path; 0 for all others.
    pub(crate) fn find(&self, path: &str) -> usize {
        self.by_path.get(path).copied().unwrap_or_default()
    }

    /// Every one, in the order of their indexes.
    pub(crate) fn all(&self) -> &[Rpc] {
        &self.all
    }
}

// Of the descriptors only the names are wanted; what is not declared here is skipped.

#[derive(Clone, PartialEq, prost::Message)]
struct FileSet {
    #[prost(message, repeated, tag = "1")]
    file: Vec<File>,
}

#[derive(Clone, PartialEq, prost::Message)]
struct File {
    #[prost(string, tag = "2")]
    package: String,
    #[prost(message, repeated, tag = "6")]
    service: Vec<Service>,
}

#[derive(Clone, PartialEq, prost::Message)]
struct Service {
    #[prost(string, tag = "1")]
    name: String,
    #[prost(message, repeated, tag = "2")]
    method: Vec<Method>,
}

#[derive(Clone, PartialEq, prost::Message)]
struct Method {
    #[prost(string, tag = "1")]
    name: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_found() {
        let rpcs = Rpcs::new();
        let index = rpcs.find("/temporal.api.workflowservice.v1.WorkflowService/GetSystemInfo");
        assert_eq!(rpcs.all()[index].method, "GetSystemInfo");
        assert_eq!(rpcs.find("/grpc.health.v1.Health/Check"), 0);
    }
}
