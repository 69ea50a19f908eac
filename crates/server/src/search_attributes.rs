//! The custom search attributes of a namespace (server-semantics 9.5).

use steadfast_core::Refusal;
use steadfast_engine::Namespace;
use steadfast_protocol::enums::{IndexedValueType, NamespaceState};
use steadfast_protocol::operatorservice::{
    AddSearchAttributesRequest, AddSearchAttributesResponse, ListSearchAttributesRequest,
    ListSearchAttributesResponse, RemoveSearchAttributesRequest, RemoveSearchAttributesResponse,
};
use steadfast_visibility::{is_reserved, is_system_or_predefined, system_attributes};
use tonic::Status;

use crate::frontend::Frontend;
use crate::requests::fields;
use crate::status::status;

/// Custom search attributes of one namespace; a bound on memory, and on what a list shows.
const CUSTOM_MAX: usize = 1000;

impl Frontend {
    pub(crate) async fn add_search_attributes(
        &self,
        request: AddSearchAttributesRequest,
    ) -> Result<AddSearchAttributesResponse, Status> {
        self.blocking(move |frontend| {
            let namespace = frontend.of_operator(&request.namespace)?;
            if request.search_attributes.is_empty() {
                return Err(not_set());
            }
            let mut added = Vec::new();
            for (name, value_type) in request.search_attributes {
                check_new(&name, value_type)?;
                if !namespace.search_attributes.contains_key(&name) {
                    check_type(value_type)?;
                    added.push((name, value_type));
                }
            }
            frontend.namespaces.update(&namespace.name, |record| {
                for (name, value_type) in added {
                    // Somebody else may have added it meanwhile; the first one counts.
                    record.search_attributes.entry(name).or_insert(value_type);
                }
                if record.search_attributes.len() > CUSTOM_MAX {
                    return Err(Refusal::InvalidArgument(format!(
                        "Unable to create search attributes: cannot have more than {CUSTOM_MAX} search attributes."
                    )));
                }
                Ok(())
            })?;
            Ok(AddSearchAttributesResponse {})
        })
        .await
    }

    pub(crate) async fn remove_search_attributes(
        &self,
        request: RemoveSearchAttributesRequest,
    ) -> Result<RemoveSearchAttributesResponse, Status> {
        self.blocking(move |frontend| {
            let namespace = frontend.of_operator(&request.namespace)?;
            if request.search_attributes.is_empty() {
                return Err(not_set());
            }
            for name in &request.search_attributes {
                if is_system_or_predefined(name) {
                    return Err(Refusal::InvalidArgument(format!(
                        "Unable to remove non-custom search attributes: {name}."
                    )));
                }
            }
            frontend.namespaces.update(&namespace.name, |record| {
                for name in &request.search_attributes {
                    record.search_attributes.remove(name);
                }
                Ok(())
            })?;
            Ok(RemoveSearchAttributesResponse {})
        })
        .await
    }

    pub(crate) async fn list_search_attributes(
        &self,
        request: ListSearchAttributesRequest,
    ) -> Result<ListSearchAttributesResponse, Status> {
        let namespace = self.of_operator(&request.namespace).map_err(status)?;
        Ok(ListSearchAttributesResponse {
            custom_attributes: namespace
                .search_attributes
                .iter()
                .map(|(name, value_type)| (name.clone(), value_type.to_protocol() as i32))
                .collect(),
            system_attributes: system_attributes()
                .map(|(name, value_type)| (name.to_owned(), value_type.to_protocol() as i32))
                .collect(),
            storage_schema: Default::default(),
        })
    }

    fn of_operator(&self, name: &str) -> Result<std::sync::Arc<Namespace>, Refusal> {
        fields::set(name, "Namespace is not set on request.")?;
        let namespace = self.usable(name)?;
        debug_assert!(namespace.state != NamespaceState::Deleted);
        Ok(namespace)
    }
}

fn not_set() -> Refusal {
    Refusal::invalid("SearchAttributes are not set on request.")
}

fn check_new(name: &str, value_type: i32) -> Result<(), Refusal> {
    if name.trim().is_empty() {
        return Err(Refusal::invalid("The name of a search attribute is empty."));
    }
    fields::length("Search attribute name", name)?;
    if is_reserved(name) {
        return Err(Refusal::InvalidArgument(format!(
            "Search attribute {name} is reserved by system."
        )));
    }
    if IndexedValueType::try_from(value_type).is_err() {
        return Err(Refusal::InvalidArgument(format!(
            "Unknown search attribute type: {value_type}."
        )));
    }
    Ok(())
}

fn check_type(value_type: i32) -> Result<(), Refusal> {
    if value_type == IndexedValueType::Unspecified as i32 {
        return Err(Refusal::invalid(
            "Unable to create search attributes: cannot have more than 0 search attribute of type Unspecified.",
        ));
    }
    Ok(())
}
