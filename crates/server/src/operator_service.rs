//! OperatorService: which RPC goes where.

use steadfast_protocol::operatorservice as op;
use steadfast_protocol::operatorservice::operator_service_server::OperatorService;
use steadfast_protocol::testservice::test_service_server::TestService;
use tonic::{Request, Response, Status};

use crate::frontend::Frontend;

macro_rules! operator_service {
    ($($rpc:ident: $request:ident => $response:ident;)*) => {
        #[tonic::async_trait]
        impl OperatorService for Frontend {
            $(async fn $rpc(
                &self,
                request: Request<op::$request>,
            ) -> Result<Response<op::$response>, Status> {
                Frontend::$rpc(self, request.into_inner()).await.map(Response::new)
            })*
        }
    };
}

operator_service! {
    add_search_attributes: AddSearchAttributesRequest => AddSearchAttributesResponse;
    remove_search_attributes: RemoveSearchAttributesRequest => RemoveSearchAttributesResponse;
    list_search_attributes: ListSearchAttributesRequest => ListSearchAttributesResponse;
    delete_namespace: DeleteNamespaceRequest => DeleteNamespaceResponse;
    list_clusters: ListClustersRequest => ListClustersResponse;
}

/// The clock of this server is the real one: there is nothing to skip, so nothing of this service is built.
impl TestService for Frontend {}
