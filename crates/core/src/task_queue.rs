//! Which task queues users may name (server-semantics 8.2).

/// The names of partitions begin with it.
pub const RESERVED_PREFIX: &str = "/_sys/";
/// The queues of the server's own workers begin with it.
const INTERNAL_PREFIX: &str = "temporal-sys-per-ns-";
/// One more of them.
const INTERNAL_NAME: &str = "temporal-sys-worker-controller-per-ns-tq";

/// Whether a workflow or an activity may be put on the queue of that name: not on those of the server, unless what puts
/// it there runs on one itself. `parent` is the queue of the workflow that names it; empty where a client does.
///
/// # Errors
/// The sentence for the caller.
pub fn check(name: &str, parent: &str) -> Result<(), String> {
    if name.starts_with(RESERVED_PREFIX) {
        return Err(format!(
            "task queue name cannot start with reserved prefix {RESERVED_PREFIX}"
        ));
    }
    if !is_internal(name) || is_internal(parent) {
        return Ok(());
    }
    let refused = format!("cannot use internal per-namespace task queue:{name}");
    Err(match parent {
        "" => refused,
        parent => format!("{refused} (in parent component task queue: {parent})"),
    })
}

fn is_internal(name: &str) -> bool {
    name.starts_with(INTERNAL_PREFIX) || name == INTERNAL_NAME
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_queues_of_the_server_are_its_own() {
        assert_eq!(check("q", ""), Ok(()));
        assert_eq!(check("temporal-sys-other", "q"), Ok(()));
        assert_eq!(check("temporal-sys-per-ns-tq", INTERNAL_NAME), Ok(()));
        assert_eq!(
            check("temporal-sys-per-ns-tq", "q").unwrap_err(),
            "cannot use internal per-namespace task queue:temporal-sys-per-ns-tq (in parent component task queue: q)"
        );
        assert!(check("/_sys/q/1", "").is_err());
    }
}
