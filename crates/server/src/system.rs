//! RPCs about the server itself (server-semantics 1.1, 1.2, 1.4).

use std::collections::BTreeMap;

use steadfast_protocol::operatorservice::{
    ClusterMetadata, ListClustersRequest, ListClustersResponse,
};
use steadfast_protocol::taskqueue::TaskQueuePartitionMetadata;
use steadfast_protocol::version::{ReleaseInfo, VersionInfo};
use steadfast_protocol::workflowservice::get_system_info_response::Capabilities;
use steadfast_protocol::workflowservice::{
    GetClusterInfoRequest, GetClusterInfoResponse, GetSearchAttributesRequest,
    GetSearchAttributesResponse, GetSystemInfoRequest, GetSystemInfoResponse,
    ListTaskQueuePartitionsRequest, ListTaskQueuePartitionsResponse,
};
use steadfast_visibility::system_attributes;
use tonic::Status;

use crate::frontend::Frontend;
use crate::requests::task_queue;
use crate::status::status;
use crate::version::{SERVER_VERSION, STEADFAST_VERSION, SUPPORTED_CLIENTS};

pub(crate) const CLUSTER_NAME: &str = "active";
const INITIAL_FAILOVER_VERSION: i64 = 1;
const FAILOVER_VERSION_INCREMENT: i64 = 10;
/// Nobody configures shards; clients only show the number.
const HISTORY_SHARD_COUNT: i32 = 1;

impl Frontend {
    pub(crate) async fn get_system_info(
        &self,
        _: GetSystemInfoRequest,
    ) -> Result<GetSystemInfoResponse, Status> {
        Ok(GetSystemInfoResponse {
            server_version: SERVER_VERSION.to_owned(),
            capabilities: Some(Capabilities {
                signal_and_query_header: true,
                internal_error_differentiation: true,
                activity_failure_include_heartbeat: true,
                supports_schedules: false,
                encoded_failure_attributes: true,
                // Workers may state their build ids; they are recorded, and no task is routed by them.
                build_id_based_versioning: true,
                upsert_memo: true,
                eager_workflow_start: true,
                sdk_metadata: true,
                count_group_by_execution_status: true,
                nexus: false,
                server_scaled_deployments: false,
                server_scaled_provider_cloud_run: false,
            }),
        })
    }

    pub(crate) async fn get_cluster_info(
        &self,
        _: GetClusterInfoRequest,
    ) -> Result<GetClusterInfoResponse, Status> {
        let supported_clients: BTreeMap<_, _> = SUPPORTED_CLIENTS
            .iter()
            .map(|(name, versions)| ((*name).to_owned(), (*versions).to_owned()))
            .collect();
        Ok(GetClusterInfoResponse {
            supported_clients,
            server_version: SERVER_VERSION.to_owned(),
            cluster_id: self.namespaces.cluster_id().to_owned(),
            version_info: Some(VersionInfo {
                current: Some(ReleaseInfo {
                    version: SERVER_VERSION.to_owned(),
                    notes: format!("Steadfast {STEADFAST_VERSION}"),
                    ..ReleaseInfo::default()
                }),
                ..VersionInfo::default()
            }),
            cluster_name: CLUSTER_NAME.to_owned(),
            history_shard_count: HISTORY_SHARD_COUNT,
            persistence_store: "steadfast".to_owned(),
            // The web UI decides by this name whether there are list filters.
            visibility_store: "sqlite".to_owned(),
            initial_failover_version: INITIAL_FAILOVER_VERSION,
            failover_version_increment: FAILOVER_VERSION_INCREMENT,
        })
    }

    pub(crate) async fn list_clusters(
        &self,
        _: ListClustersRequest,
    ) -> Result<ListClustersResponse, Status> {
        Ok(ListClustersResponse {
            clusters: vec![ClusterMetadata {
                cluster_name: CLUSTER_NAME.to_owned(),
                cluster_id: self.namespaces.cluster_id().to_owned(),
                address: self.address.to_string(),
                http_address: String::new(),
                initial_failover_version: INITIAL_FAILOVER_VERSION,
                history_shard_count: HISTORY_SHARD_COUNT,
                is_connection_enabled: true,
                is_replication_enabled: false,
            }],
            next_page_token: Default::default(),
        })
    }

    /// A queue is in one piece, which this server has; nobody needs to have used it.
    pub(crate) async fn list_task_queue_partitions(
        &self,
        mut request: ListTaskQueuePartitionsRequest,
    ) -> Result<ListTaskQueuePartitionsResponse, Status> {
        let queue = task_queue::named(request.task_queue.as_mut()).map_err(status)?;
        let whole = vec![TaskQueuePartitionMetadata {
            key: queue.name.clone(),
            owner_host_name: self.address.to_string(),
        }];
        self.usable(&request.namespace).map_err(status)?;
        Ok(ListTaskQueuePartitionsResponse {
            activity_task_queue_partitions: whole.clone(),
            workflow_task_queue_partitions: whole,
        })
    }

    /// The attributes that every namespace has, and the custom ones of all namespaces: the request names none.
    pub(crate) async fn get_search_attributes(
        &self,
        _: GetSearchAttributesRequest,
    ) -> Result<GetSearchAttributesResponse, Status> {
        let mut keys: BTreeMap<_, _> = self
            .namespaces
            .list(None, usize::MAX, false)
            .iter()
            .flat_map(|record| record.search_attributes.clone())
            .collect();
        keys.extend(
            system_attributes()
                .map(|(name, value_type)| (name.to_owned(), value_type.to_protocol() as i32)),
        );
        Ok(GetSearchAttributesResponse { keys })
    }
}
