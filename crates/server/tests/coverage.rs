//! The table of RPCs in README.md is what the server does: it is made by asking it.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod support;

use std::collections::BTreeMap;
use std::fmt::Write;
use std::path::Path;
use std::time::Duration;

use support::{call, methods, path_of, serve};
use tonic::Code;

const BEGIN: &str = "<!-- rpc-coverage:begin -->";
const END: &str = "<!-- rpc-coverage:end -->";

#[tokio::test]
async fn readme_says_which_rpcs_there_are() {
    let served = serve().await;
    let mut services = BTreeMap::<String, (Vec<String>, Vec<String>)>::new();
    for method in methods() {
        let answer = call(
            &served.channel,
            &path_of(&method),
            Vec::new(),
            Duration::from_secs(5),
        )
        .await;
        let is_built = !answer.is_err_and(|status| status.code() == Code::Unimplemented);
        let (built, missing) = services
            .entry(method.parent_service().name().to_owned())
            .or_default();
        let list = if is_built { built } else { missing };
        list.push(method.name().to_owned());
    }
    let table = table(&services);

    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../README.md");
    let Ok(readme) = std::fs::read_to_string(&path) else {
        return;
    };
    let (before, rest) = readme.split_once(BEGIN).unwrap_or((&readme, END));
    let (found, after) = rest
        .split_once(END)
        .expect("README.md has the end mark too");
    if found == table {
        return;
    }
    if std::env::var_os("UPDATE").is_some() {
        std::fs::write(&path, format!("{before}{BEGIN}{table}{END}{after}")).unwrap();
        return;
    }
    panic!("README.md is stale: run this test with UPDATE=1. It should say:\n{table}");
}

fn table(services: &BTreeMap<String, (Vec<String>, Vec<String>)>) -> String {
    let mut text =
        String::from("\n\n| Service | Built | RPCs built | Not yet |\n|---|---|---|---|\n");
    for (service, (built, missing)) in services {
        let all = built.len() + missing.len();
        let list = |names: &[String]| match names {
            [] => "none".to_owned(),
            names => names.join(", "),
        };
        let count = built.len();
        writeln!(
            text,
            "| {service} | {count} of {all} | {} | {} |",
            list(built),
            list(missing)
        )
        .unwrap();
    }
    text.push('\n');
    text
}
