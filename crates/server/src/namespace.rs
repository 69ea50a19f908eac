//! Namespaces: registering, describing, changing, deleting them (server-semantics 1.3).

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::time::{SystemTime, UNIX_EPOCH};

use steadfast_core::Refusal;
use steadfast_engine::{BadBinary, NamespaceRecord};
use steadfast_protocol::enums::{ArchivalState, NamespaceState, ReplicationState};
use steadfast_protocol::namespace::namespace_info::{Capabilities, Limits};
use steadfast_protocol::namespace::{
    BadBinaries, BadBinaryInfo, NamespaceConfig, NamespaceInfo, UpdateNamespaceInfo,
};
use steadfast_protocol::operatorservice::{DeleteNamespaceRequest, DeleteNamespaceResponse};
use steadfast_protocol::replication::{ClusterReplicationConfig, NamespaceReplicationConfig};
use steadfast_protocol::workflowservice::{
    DeprecateNamespaceRequest, DeprecateNamespaceResponse, DescribeNamespaceRequest,
    DescribeNamespaceResponse, ListNamespacesRequest, ListNamespacesResponse,
    RegisterNamespaceRequest, RegisterNamespaceResponse, UpdateNamespaceRequest,
    UpdateNamespaceResponse,
};
use steadfast_protocol::{Duration, Timestamp};
use tonic::Status;
use uuid::Uuid;

use crate::frontend::Frontend;
use crate::requests::fields;
use crate::status::status;
use crate::system::CLUSTER_NAME;

const PAGE_SIZE_DEFAULT: usize = 100;
const RETENTION_SECONDS_MIN: i64 = 3600;
const BAD_BINARIES_MAX: usize = 10;
const NANOS: i64 = 1_000_000_000;
/// The most commands and messages of one workflow task completion, bytes.
const COMPLETION_BYTES_MAX: i64 = 40 << 20;

impl Frontend {
    pub(crate) async fn register_namespace(
        &self,
        request: RegisterNamespaceRequest,
    ) -> Result<RegisterNamespaceResponse, Status> {
        self.blocking(move |frontend| {
            name(&request.namespace)?;
            if request.is_global_namespace {
                return Err(Refusal::invalid(
                    "Cannot register global namespace when not enabled",
                ));
            }
            let retention_ns = retention(request.workflow_execution_retention_period)?;
            fields::enumeration::<ArchivalState>("ArchivalState", request.history_archival_state)?;
            fields::enumeration::<ArchivalState>(
                "ArchivalState",
                request.visibility_archival_state,
            )?;
            if frontend.namespaces.by_name(&request.namespace).is_some() {
                return Err(Refusal::NamespaceAlreadyExists(request.namespace));
            }
            if !request.active_cluster_name.is_empty() {
                cluster(&request.active_cluster_name)?;
            }
            for one in &request.clusters {
                cluster(&one.cluster_name)?;
            }
            frontend.namespaces.create(NamespaceRecord {
                id: Uuid::new_v4().to_string(),
                name: request.namespace,
                state: NamespaceState::Registered as i32,
                description: request.description,
                owner_email: request.owner_email,
                data: request.data,
                retention_ns,
                ..NamespaceRecord::default()
            })?;
            Ok(RegisterNamespaceResponse {})
        })
        .await
    }

    pub(crate) async fn describe_namespace(
        &self,
        request: DescribeNamespaceRequest,
    ) -> Result<DescribeNamespaceResponse, Status> {
        let found = match (request.namespace.as_str(), request.id.as_str()) {
            ("", "") => Err(Refusal::invalid("Namespace not set on request.")),
            ("", id) if Uuid::try_parse(id).is_err() => {
                Err(Refusal::invalid("Invalid namespace ID."))
            }
            ("", id) => self
                .namespaces
                .record_by_id(id)
                .ok_or_else(|| Refusal::NamespaceNotFound(id.to_owned())),
            (name, "") => fields::length("Namespace", name).and_then(|()| {
                self.namespaces
                    .record_by_name(name)
                    .ok_or_else(|| Refusal::NamespaceNotFound(name.to_owned()))
            }),
            _ => Err(Refusal::invalid(
                "GetNamespace operation failed.  Both ID and Name specified in request.",
            )),
        };
        Ok(described(&*found.map_err(status)?, self.engine.limits()))
    }

    pub(crate) async fn list_namespaces(
        &self,
        request: ListNamespacesRequest,
    ) -> Result<ListNamespacesResponse, Status> {
        let invalid = |message: &str| status(Refusal::invalid(message));
        let size = match usize::try_from(request.page_size) {
            Ok(0) => PAGE_SIZE_DEFAULT,
            Ok(size) => size,
            Err(_) => return Err(invalid("PageSize is negative.")),
        };
        // The token is the id of the last namespace of the page before.
        let after = match str::from_utf8(&request.next_page_token) {
            Ok("") => None,
            Ok(id) if Uuid::try_parse(id).is_ok() => Some(id),
            _ => return Err(invalid("Invalid NextPageToken.")),
        };
        let include_deleted = request
            .namespace_filter
            .is_some_and(|filter| filter.include_deleted);
        let page = self.namespaces.list(after, size, include_deleted);
        let limits = self.engine.limits();
        let next_page_token = match page.last() {
            Some(last) if page.len() == size => last.id.clone().into(),
            _ => Default::default(),
        };
        Ok(ListNamespacesResponse {
            namespaces: page
                .iter()
                .map(|record| described(record, limits))
                .collect(),
            next_page_token,
        })
    }

    pub(crate) async fn update_namespace(
        &self,
        request: UpdateNamespaceRequest,
    ) -> Result<UpdateNamespaceResponse, Status> {
        self.blocking(move |frontend| {
            name(&request.namespace)?;
            if request.promote_namespace {
                return Err(Refusal::invalid(
                    "global namespace is not enabled on this cluster, cannot promote a namespace",
                ));
            }
            let record = frontend.namespaces.update(&request.namespace, |record| {
                if let Some(info) = request.update_info {
                    update_info(record, info)?;
                }
                if let Some(config) = request.config {
                    update_config(record, config)?;
                }
                if !request.delete_bad_binary.is_empty()
                    && record
                        .bad_binaries
                        .remove(&request.delete_bad_binary)
                        .is_none()
                {
                    return Err(Refusal::InvalidArgument(format!(
                        "Bad binary checksum {} doesn't exists.",
                        request.delete_bad_binary
                    )));
                }
                check_replication(request.replication_config.as_ref())
            })?;
            let all = described(&record, frontend.engine.limits());
            Ok(UpdateNamespaceResponse {
                namespace_info: all.namespace_info,
                config: all.config,
                replication_config: all.replication_config,
                failover_version: all.failover_version,
                is_global_namespace: all.is_global_namespace,
            })
        })
        .await
    }

    pub(crate) async fn deprecate_namespace(
        &self,
        request: DeprecateNamespaceRequest,
    ) -> Result<DeprecateNamespaceResponse, Status> {
        self.blocking(move |frontend| {
            name(&request.namespace)?;
            frontend.namespaces.update(&request.namespace, |record| {
                // A deleted one stays deleted: it is already without its name.
                if record.state != NamespaceState::Deleted as i32 {
                    record.state = NamespaceState::Deprecated as i32;
                }
                Ok(())
            })?;
            Ok(DeprecateNamespaceResponse {})
        })
        .await
    }

    pub(crate) async fn delete_namespace(
        &self,
        request: DeleteNamespaceRequest,
    ) -> Result<DeleteNamespaceResponse, Status> {
        self.blocking(move |frontend| {
            let mut delay = request.namespace_delete_delay;
            fields::duration_field("NamespaceDeleteDelay", delay.as_mut())?;
            let id = match (request.namespace.as_str(), request.namespace_id.as_str()) {
                ("", "") => return Err(Refusal::invalid("Namespace not set on request.")),
                (name, "") => frontend.named(name)?.id.clone(),
                ("", id) => id.to_owned(),
                _ => {
                    return Err(Refusal::invalid(
                        "Only one of namespace name or Id should be set on request.",
                    ));
                }
            };
            let record = frontend.namespaces.delete(&id)?;
            Ok(DeleteNamespaceResponse {
                deleted_namespace: record.name.clone(),
            })
        })
        .await
    }
}

fn name(value: &str) -> Result<(), Refusal> {
    fields::set(value, "Namespace not set on request.")?;
    fields::length("Namespace", value)
}

fn cluster(name: &str) -> Result<(), Refusal> {
    if name != CLUSTER_NAME {
        return Err(Refusal::InvalidArgument(format!(
            "Invalid cluster name: {name}"
        )));
    }
    Ok(())
}

/// At least an hour; what is longer than a hundred years is cut to that.
fn retention(value: Option<Duration>) -> Result<i64, Refusal> {
    let mut value = value.unwrap_or_default();
    if fields::duration(Some(&mut value)).is_err() || value.seconds < RETENTION_SECONDS_MIN {
        return Err(Refusal::invalid(
            "A valid retention period is not set on request.",
        ));
    }
    Ok(value.seconds * NANOS + i64::from(value.nanos))
}

fn update_info(record: &mut NamespaceRecord, info: UpdateNamespaceInfo) -> Result<(), Refusal> {
    if !info.description.is_empty() {
        record.description = info.description;
    }
    if !info.owner_email.is_empty() {
        record.owner_email = info.owner_email;
    }
    record.data.extend(info.data);
    let current = NamespaceState::try_from(record.state).unwrap_or_default();
    match (current, NamespaceState::try_from(info.state)) {
        (_, Ok(NamespaceState::Unspecified)) => {}
        (current, Ok(wanted)) if current == wanted => {}
        (
            NamespaceState::Registered,
            Ok(wanted @ (NamespaceState::Deprecated | NamespaceState::Deleted)),
        )
        | (NamespaceState::Deprecated, Ok(wanted @ NamespaceState::Deleted)) => {
            record.state = wanted as i32;
        }
        _ => return Err(Refusal::invalid("Invalid namespace state update.")),
    }
    Ok(())
}

fn update_config(record: &mut NamespaceRecord, config: NamespaceConfig) -> Result<(), Refusal> {
    if config.workflow_execution_retention_ttl.is_some() {
        record.retention_ns = retention(config.workflow_execution_retention_ttl)?;
    }
    for state in [
        config.history_archival_state,
        config.visibility_archival_state,
    ] {
        fields::enumeration::<ArchivalState>("ArchivalState", state)?;
    }
    update_aliases(
        &mut record.search_attribute_aliases,
        config.custom_search_attribute_aliases,
    )?;
    let added = config.bad_binaries.unwrap_or_default().binaries;
    for (checksum, info) in added {
        fields::length("Bad binary checksum", &checksum)?;
        record.bad_binaries.insert(
            checksum,
            BadBinary {
                reason: info.reason,
                operator: info.operator,
                create_time_ns: now_ns(),
            },
        );
    }
    if record.bad_binaries.len() > BAD_BINARIES_MAX {
        return Err(Refusal::InvalidArgument(format!(
            "Total resetBinaries cannot exceed the max limit: {BAD_BINARIES_MAX}"
        )));
    }
    Ok(())
}

/// An empty alias frees the field; one that is in use is passed over.
fn update_aliases(
    aliases: &mut BTreeMap<String, String>,
    changes: BTreeMap<String, String>,
) -> Result<(), Refusal> {
    for (field, alias) in changes {
        if alias.is_empty() {
            aliases.remove(&field);
            continue;
        }
        if aliases.values().any(|used| *used == alias) {
            continue;
        }
        match aliases.entry(field) {
            Entry::Vacant(free) => free.insert(alias),
            Entry::Occupied(_) => {
                return Err(Refusal::invalid(
                    "Custom search attribute field name already allocated.",
                ));
            }
        };
    }
    Ok(())
}

fn check_replication(config: Option<&NamespaceReplicationConfig>) -> Result<(), Refusal> {
    let Some(config) = config else { return Ok(()) };
    fields::enumeration::<ReplicationState>("ReplicationState", config.state)?;
    if config.state() == ReplicationState::Handover {
        return Err(Refusal::invalid(
            "Handover can only be set for global namespace",
        ));
    }
    if !config.active_cluster_name.is_empty() {
        cluster(&config.active_cluster_name)?;
    }
    for one in &config.clusters {
        cluster(&one.cluster_name)?;
    }
    Ok(())
}

/// The namespace as clients are shown it.
fn described(
    record: &NamespaceRecord,
    given: &steadfast_engine::Limits,
) -> DescribeNamespaceResponse {
    DescribeNamespaceResponse {
        namespace_info: Some(NamespaceInfo {
            name: record.name.clone(),
            state: record.state,
            description: record.description.clone(),
            owner_email: record.owner_email.clone(),
            data: record.data.clone(),
            id: record.id.clone(),
            // A capability makes clients rely on it: only what is there may stand here.
            capabilities: Some(Capabilities {
                eager_workflow_start: true,
                poller_autoscaling: true,
                worker_heartbeats: true,
                reported_problems_search_attribute: true,
                worker_poll_complete_on_shutdown: given.shutdown_ends_polls,
                ..Capabilities::default()
            }),
            limits: Some(Limits {
                blob_size_limit_error: i64::try_from(given.blob_size).unwrap_or(i64::MAX),
                memo_size_limit_error: i64::try_from(given.memo_size).unwrap_or(i64::MAX),
                workflow_task_completion_size_limit_error: COMPLETION_BYTES_MAX,
            }),
            supports_schedules: false,
        }),
        config: Some(NamespaceConfig {
            workflow_execution_retention_ttl: Some(Duration {
                seconds: record.retention_ns / NANOS,
                nanos: (record.retention_ns % NANOS) as i32,
            }),
            bad_binaries: Some(BadBinaries {
                binaries: record
                    .bad_binaries
                    .iter()
                    .map(|(checksum, bad)| (checksum.clone(), shown_binary(bad)))
                    .collect(),
            }),
            history_archival_state: ArchivalState::Disabled as i32,
            visibility_archival_state: ArchivalState::Disabled as i32,
            custom_search_attribute_aliases: record.search_attribute_aliases.clone(),
            ..NamespaceConfig::default()
        }),
        replication_config: Some(NamespaceReplicationConfig {
            active_cluster_name: CLUSTER_NAME.to_owned(),
            clusters: vec![ClusterReplicationConfig {
                cluster_name: CLUSTER_NAME.to_owned(),
                ..ClusterReplicationConfig::default()
            }],
            state: ReplicationState::Normal as i32,
        }),
        failover_version: 0,
        is_global_namespace: false,
        ..DescribeNamespaceResponse::default()
    }
}

fn shown_binary(bad: &BadBinary) -> BadBinaryInfo {
    BadBinaryInfo {
        reason: bad.reason.clone(),
        operator: bad.operator.clone(),
        create_time: Some(Timestamp {
            seconds: bad.create_time_ns.div_euclid(NANOS),
            nanos: bad.create_time_ns.rem_euclid(NANOS) as i32,
        }),
    }
}

fn now_ns() -> i64 {
    let since = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    i64::try_from(since.as_nanos()).unwrap_or(i64::MAX)
}
