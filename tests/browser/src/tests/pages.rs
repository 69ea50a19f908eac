//! Each page: with scripts and without, narrow, its meaning, its rules of accessibility, and that nothing it shows can
//! become markup.

use std::sync::Arc;

use anyhow::{Context, Result, ensure};

use crate::pages::{NO_PAGES, PAGES, Page};
use crate::routes::Routes;
use crate::suite::{Stage, Test};
use crate::tab::Tab;
use crate::{axe, golden};

const NARROW: i64 = 320;

/// What hostile text would have made, had it been taken for markup; the script that pages have, and no other.
const MARKUP: &str = "[...document.querySelectorAll('*')].filter((element) =>
        element.matches('img[src=x], svg[onload], iframe, object, embed, script:not([src*=\"/assets/app-\"])')
        || [...element.attributes].some(({ name, value }) =>
            name.startsWith('on') || name === 'style' || /^\\s*javascript:/i.test(value) && /^(href|src|action)$/.test(name)))
    .map((element) => element.outerHTML.slice(0, 200))";

/// What sticks out of a page that is too narrow for it.
const STICKS_OUT: &str = "document.documentElement.scrollWidth <= innerWidth ? [] :
    [...document.querySelectorAll('body *')].filter((element) => element.getBoundingClientRect().right > innerWidth)
        .map((element) => element.outerHTML.slice(0, 120)).slice(0, 5).concat(`${document.documentElement.scrollWidth} px`)";

/// What people get of a page, to be the same with scripts and without. How many marks and idle stretches there are in
/// the drawing of an open run, and whether it has room to zoom, depends on how long it is open.
const OFFERED: &str = "JSON.stringify({
    heading: document.querySelector('h1').innerText,
    forms: document.querySelectorAll('form').length,
    links: document.querySelectorAll('main a[href]:not(#run-timeline a)').length })";

/// One test for each page, and one for the list of pages.
pub fn tests() -> Vec<Test> {
    let list = Test {
        name: "every_route_is_a_page_with_a_test".to_owned(),
        only_looks: true,
        run: Box::new(|_| Box::pin(async { every_route_is_a_page_with_a_test() })),
    };
    let pages = PAGES.iter().map(|page| Test {
        name: format!("page {}", page.name),
        only_looks: true,
        run: Box::new(move |stage| Box::pin(looked_at(stage, page))),
    });
    std::iter::once(list).chain(pages).collect()
}

fn every_route_is_a_page_with_a_test() -> Result<()> {
    let routes = Routes::read()?;
    let listed = || {
        PAGES
            .iter()
            .map(|page| page.route)
            .chain(NO_PAGES.iter().copied())
    };
    for route in &routes.get {
        ensure!(
            listed().any(|listed| listed == route),
            "{route} is not in src/pages.rs"
        );
    }
    for listed in listed() {
        ensure!(
            routes.get.contains(listed),
            "{listed} is in src/pages.rs, but the UI has no such route"
        );
    }
    Ok(())
}

async fn looked_at(stage: Arc<Stage>, page: &'static Page) -> Result<()> {
    let tab = stage.chromium.tab().await?;
    let url = stage.url(&(page.path)(&stage.data));
    if page.refused {
        tab.provoke(&["status 400", "status of 400"]);
    }
    tab.go(&url).await?;
    let status = tab.status().await?;
    ensure!((status == 400) == page.refused, "answered with {status}");
    ensure!(
        tab.value::<i64>("document.querySelectorAll('h1').length")
            .await?
            == 1,
        "one h1 on each page"
    );
    let offered: String = tab.value(OFFERED).await?;
    if page.golden {
        golden::compare(page.name, &golden::tree(&tab, page.name == "help").await?)?;
    }
    axe::check(&tab).await?;
    fits(&tab).await?;
    // By now the stream of the page has worked its own markup into it.
    no_markup(&tab).await?;

    tab.size(1280, 800).await?;
    tab.scripts(false).await?;
    tab.go(&url).await.context("without scripts")?;
    let plain: String = tab.value(OFFERED).await?;
    ensure!(
        plain == offered,
        "without scripts {plain}, with scripts {offered}"
    );
    no_markup(&tab).await.context("without scripts")?;
    tab.close().await
}

/// Fails if text has become markup.
pub(super) async fn no_markup(tab: &Tab) -> Result<()> {
    let markup: Vec<String> = tab.value(MARKUP).await?;
    ensure!(
        markup.is_empty(),
        "markup made of data:\n  {}",
        markup.join("\n  ")
    );
    Ok(())
}

/// Fails if a narrow page scrolls sideways, with its menus closed or open.
async fn fits(tab: &Tab) -> Result<()> {
    tab.size(NARROW, 600).await?;
    for open in ["closed", "open"] {
        let menus = format!(
            "document.querySelectorAll('details').forEach((one) => (one.open = {}))",
            open == "open"
        );
        tab.value::<()>(&menus).await?;
        let out: Vec<String> = tab.value(STICKS_OUT).await?;
        ensure!(
            out.is_empty(),
            "sticks out at {NARROW} px, menus {open}:\n  {}",
            out.join("\n  ")
        );
    }
    Ok(())
}
