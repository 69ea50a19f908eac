//! Generates the Rust types of the protocol from the .proto files inside the package `temporalio-protos`.
//!
//! `protox` compiles them, so no protoc is needed. The descriptors are written by its own encoder, which keeps the
//! extension options (HTTP routes, routing headers) that the plain prost types drop; the code generator needs only
//! the plain ones.

use std::error::Error;
use std::path::PathBuf;
use std::{env, fs};

use cargo_metadata::MetadataCommand;

const SOURCE_PACKAGE: &str = "temporalio-protos";

const FILES: &[&str] = &[
    "temporal/api/workflowservice/v1/service.proto",
    "temporal/api/operatorservice/v1/service.proto",
    "temporal/api/testservice/v1/service.proto",
    "temporal/api/errordetails/v1/message.proto",
    "temporal/api/sdk/v1/workflow_metadata.proto",
    "temporal/api/protocol/v1/message.proto",
    "google/rpc/status.proto",
];

const LARGE_ATTRIBUTES: &[&str] = &[
    "workflow_execution_started",
    "start_child_workflow_execution_initiated",
    "workflow_execution_continued_as_new",
    "workflow_execution_update_rejected",
    "workflow_task_failed",
    "child_workflow_execution_failed",
];

/// Workflow tasks within answers, which seldom have one. What handles a call has room for several answers.
const TASKS_IN_ANSWERS: &[&str] = &[
    "StartWorkflowExecutionResponse.eager_workflow_task",
    "RespondWorkflowTaskCompletedResponse.workflow_task",
    "PollWorkflowTaskQueueResponse.query",
];

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo:rerun-if-changed=build.rs");
    let protos = proto_folder()?;
    println!("cargo:rerun-if-changed={}", protos.display());

    let mut compiler = protox::Compiler::new(
        ["api_upstream", "testsrv_upstream", "."].map(|include| protos.join(include)),
    )?;
    compiler.include_imports(true).include_source_info(false);
    compiler.open_files(FILES)?;

    let out = PathBuf::from(env::var("OUT_DIR")?);
    fs::write(
        out.join("descriptors.bin"),
        compiler.encode_file_descriptor_set(),
    )?;

    // Payloads are shared, not copied, between a request, the history and the answers: `Bytes` everywhere. Ordered
    // maps make the encoding of a message a function of its content.
    //
    // The largest kinds of event attributes are boxed: they would make every event four times as large.
    let mut builder = tonic_prost_build::configure();
    for attributes in LARGE_ATTRIBUTES {
        builder = builder.boxed(format!(
            ".temporal.api.history.v1.HistoryEvent.attributes.{attributes}_event_attributes"
        ));
    }
    for task in TASKS_IN_ANSWERS {
        builder = builder.boxed(format!(".temporal.api.workflowservice.v1.{task}"));
    }
    builder
        .build_transport(false)
        .generate_default_stubs(true)
        .codec_path("crate::codec::CompactCodec")
        .bytes(".")
        .btree_map(".")
        .extern_path(
            ".temporal.api.history.v1.History",
            "crate::history_message::History",
        )
        .include_file("protocol.rs")
        .compile_fds(compiler.file_descriptor_set())?;
    Ok(())
}

/// The folder of .proto files inside the package that Cargo.lock pins. Asked offline first: the network is needed
/// only where the package was never downloaded.
fn proto_folder() -> Result<PathBuf, Box<dyn Error>> {
    let metadata = |offline: bool| {
        let mut command = MetadataCommand::new();
        let mut options = vec!["--locked".to_owned()];
        if offline {
            options.push("--offline".to_owned());
        }
        command.manifest_path(PathBuf::from(
            env::var("CARGO_MANIFEST_DIR").unwrap_or_default() + "/Cargo.toml",
        ));
        command.other_options(options).exec()
    };
    let metadata = metadata(true).or_else(|_| metadata(false))?;
    let package = metadata
        .packages
        .iter()
        .find(|package| package.name.as_str() == SOURCE_PACKAGE)
        .ok_or_else(|| format!("{SOURCE_PACKAGE} is missing in Cargo.lock"))?;
    let folder = package
        .manifest_path
        .parent()
        .ok_or("a manifest has a folder")?;
    Ok(folder.join("protos").into_std_path_buf())
}
