//! All links lead somewhere, and none leads out of the base path.

use std::sync::Arc;

use anyhow::{Result, ensure};
use serde::Deserialize;

use crate::server::Server;
use crate::suite::Stage;
use crate::tab::{Tab, literal};

crate::tests![
    all_links_lead_somewhere,
    under_a_base_path_all_links_lead_somewhere_and_none_out_of_it,
];

/// Pages of one kind that are looked at: the runs of one namespace say the same in the same places.
const OF_A_KIND: usize = 8;

/// Follows all links from where the tab is, by `fetch`, as far as they are of this site: what is followed is what the
/// server sends, so what there is without scripts. A page is looked at once for each set of its parameters' names:
/// pages in all orders and at all places of paging are the same page. Pages that differ only in the run, the event and
/// the task queue are of one kind. The stream of a page is opened, and closed.
const CRAWLER: &str = r#"((base, most, ofAKind) => {
    const seen = new Set(), kinds = new Map(), waiting = [], wrong = [], slow = [];
    let pages = 0;
    const shape = (url) => url.pathname + ' ' + [...new Set(url.searchParams.keys())].sort().join();
    const inside = (url) => url.pathname === base || url.pathname.startsWith(base + '/');
    const note = (text, from) => {
        if (!URL.canParse(text, from)) { wrong.push(`${text} on ${from} is no URL`); return; }
        const url = new URL(text, from);
        if (url.origin !== location.origin) {
            if (!/^(https?|mailto):$/.test(url.protocol)) wrong.push(`${text} on ${from}`);
            return;
        }
        if (!inside(url)) wrong.push(`${text} on ${from} is not under ${base}`);
        if (seen.has(shape(url))) return;
        seen.add(shape(url));
        const kind = shape(url).replace(/(\/workflows\/)[^\/ ]+(\/[0-9a-f-]{36})?/, '$1*')
            .replace(/(\/events\/|\/task-queues\/)[^\/ ]+/, '$1*');
        kinds.set(kind, (kinds.get(kind) || 0) + 1);
        if (kinds.get(kind) > ofAKind) return;
        waiting.push(url.href.split('#')[0]);
    };
    const follow = async (url) => {
        const stream = await fetch(url);
        const kind = stream.headers.get('content-type');
        if (!stream.ok || kind !== 'text/event-stream') wrong.push(`${stream.status} ${kind} ${url}`);
        await stream.body.cancel();
    };
    const look = async (href) => {
        const began = performance.now();
        const answer = await fetch(href);
        const text = await answer.text();
        pages += 1;
        const took = performance.now() - began;
        if (took > 2000) slow.push(`${Math.round(took)} ms ${href}`);
        if (!answer.ok) wrong.push(`${answer.status} ${href}`);
        if (!inside(new URL(answer.url))) wrong.push(`${href} led to ${answer.url}`);
        if (!(answer.headers.get('content-type') || '').startsWith('text/html')) return;
        const page = new DOMParser().parseFromString(text, 'text/html');
        for (const [selector, name] of [['a[href], link[href]', 'href'], ['img[src], script[src]', 'src']]) {
            for (const element of page.querySelectorAll(selector)) note(element.getAttribute(name), answer.url);
        }
        for (const element of page.querySelectorAll('form, [data-live], [data-here]')) {
            const url = element.getAttribute('action') || element.dataset.live || element.dataset.here;
            if (!inside(new URL(url, answer.url))) wrong.push(`${url} on ${href} is not under ${base}`);
            if (element.dataset.live) await follow(new URL(url, answer.url));
        }
    };
    const work = async (until) => {
        for (let href; performance.now() < until && pages < most && (href = waiting.shift());) await look(href);
    };
    note(location.href, location.href);
    return async () => {
        const until = performance.now() + 3000;
        await Promise.all([work(until), work(until), work(until), work(until)]);
        const left = pages < most ? waiting.length : 0;
        return { pages, kinds: kinds.size, left, wrong: wrong.slice(0, 20), slow };
    };
})"#;

#[derive(Deserialize)]
struct Crawled {
    pages: usize,
    kinds: usize,
    left: usize,
    wrong: Vec<String>,
    slow: Vec<String>,
}

/// Looks at all pages, but at no more than so many, and says how many kinds of them there are.
async fn crawl(tab: &Tab, base: &str, pages_max: usize) -> Result<usize> {
    tab.value::<bool>(&format!(
        "Boolean(window.crawl = {CRAWLER}({}, {pages_max}, {OF_A_KIND}))",
        literal(base)
    ))
    .await?;
    loop {
        let so_far: Crawled = tab.value("window.crawl()").await?;
        let wrong = so_far.wrong.join("\n  ");
        ensure!(wrong.is_empty(), "after {} pages:\n  {wrong}", so_far.pages);
        if so_far.left == 0 {
            println!(
                "  {} pages of {} kinds; slow ones: {}",
                so_far.pages,
                so_far.kinds,
                so_far.slow.join(", ")
            );
            return Ok(so_far.kinds);
        }
    }
}

async fn all_links_lead_somewhere(stage: Arc<Stage>) -> Result<()> {
    let tab = stage.chromium.tab().await?;
    // From there all namespaces are reached.
    tab.go(&stage.url("/namespaces")).await?;
    let kinds = crawl(&tab, "", 5000).await?;
    ensure!(kinds > 100, "only {kinds} kinds of pages");
    tab.close().await
}

async fn under_a_base_path_all_links_lead_somewhere_and_none_out_of_it(
    stage: Arc<Stage>,
) -> Result<()> {
    let server = Server::start(&["--ui-public-path", "/x/y"]).await?;
    let tab = stage.chromium.tab().await?;
    tab.go(&format!("{}/x/y/", server.ui())).await?;
    ensure!(tab.location().await? == "/x/y/namespaces/default/workflows");
    tab.leads(tab.click("link", "Start a workflow")).await?;
    for (field, text) in [
        ("#id", "far from the root"),
        ("#type", "T"),
        ("#queue", "q"),
        ("#input-0", "1"),
    ] {
        tab.fill(field, text).await?;
    }
    tab.leads(tab.click("button", "Start")).await?;
    ensure!(
        tab.location()
            .await?
            .starts_with("/x/y/namespaces/default/workflows/far%20from%20the%20root/")
    );
    let kinds = crawl(&tab, "/x/y", 1000).await?;
    ensure!(kinds > 20, "only {kinds} kinds of pages");
    tab.close().await?;
    let wrong = server.stop().await?;
    ensure!(wrong.is_empty(), "{wrong:?}");
    Ok(())
}
