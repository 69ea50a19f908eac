//! The web UI of Steadfast: pages made on the server, the same paths as the official UI, no back door.
//!
//! A request goes through [`front`](mod@crate::front) (base path, caller, language of the page, security headers,
//! compression), then to a handler of a page, which asks the services through a [`backend::Backend`] and renders a
//! template. What a handler cannot do becomes a [`failure::PageError`], which `front` shows as a page.
//!
//! # How a page is built
//! * A folder or file per page, with `pub(crate) fn routes() -> Router<App>`, merged in [`router`]. Paths are those of
//!   the official UI, without the base path.
//! * A handler takes [`visit::Visit`]: who asks and how (query parameters, links, clock, backend of that caller). It
//!   answers `Result<Response, PageError>`; `?` works on gRPC statuses.
//! * A template extends `layout.html` and has the field `shell: Shell`, made by [`visit::Visit::shell`]. It fills the
//!   blocks `content` and, where the page has its own actions beside the heading, `actions`.
//! * Every URL comes from [`link::Links`] (`shell.links`), which knows the base path. Never write a path in a template.
//! * Times and durations come from [`time::Clock`] (`shell.clock`), statuses from [`status`].
//! * Forms are `method="post"`, include `{% include "part/csrf.html" %}`, and their handler takes [`form::Form`], which
//!   has checked where the request comes from. It answers with [`form::see`], a 303 to the page to see next.
//! * What changes while a page is looked at stands in an element with an `id`, rendered by a template of its own (a
//!   *fragment*). The page names its stream, `shell.live = Some(url)`, and that URL's handler answers with
//!   [`live::stream`], which renders the fragments anew when a hint says so and sends those that changed;
//!   `script/10-live.js` patches them in.
//! * What is seen first is painted before the page is read to its end: up to the element `rest`, which a template puts
//!   where nothing that follows moves what is above it, as the head of a table with columns of fixed widths (class
//!   `even`). The template then says so in the block `awaited`. Other pages are painted as a whole. What takes the
//!   server long stands below that, and is sent when it is made ([`late`]).
//! * Style and script: `assets/style/*.css` and `assets/script/*.js` are joined in the order of their names into one
//!   file each. A script file is wrapped in a block of its own. No inline style, no inline script, no `on…` attribute:
//!   the policy of `front` forbids them.
//!
//! # What is absent, by design
//! No access to engine, store or visibility: all goes through the gRPC services with the caller's rights. From the
//! server itself comes one number that changes when lists do; it says when to ask, not what. No state but that of open
//! streams.

mod app;
pub mod asset;
pub mod backend;
mod csrf;
pub mod failure;
mod failures;
pub mod form;
mod fresh;
pub mod front;
mod help;
pub mod history;
mod home;
mod late;
pub mod link;
pub mod live;
mod namespaces;
mod overview;
mod packing;
pub mod params;
pub mod payload;
mod queues;
mod rest;
mod run;
mod search;
mod settings;
pub mod shell;
pub mod status;
pub mod time;
pub mod timeline;
pub mod token;
pub mod visit;
mod workflows;

use axum::Router;

pub use app::{App, Listed, Options};
pub use backend::Door;

/// All pages, for a server that is spoken to through `door`, and whose lists say when to look at them again.
pub fn router(door: Door, listed: Listed, options: Options) -> Router {
    let app = App::new(door, listed, options);
    let pages = Router::new()
        .merge(asset::routes())
        .merge(home::routes())
        .merge(help::routes())
        .merge(settings::routes())
        .merge(namespaces::routes())
        .merge(workflows::routes())
        .merge(overview::routes())
        .merge(failures::routes())
        .merge(queues::routes())
        .merge(search::routes())
        .merge(run::routes())
        .fallback(failure::unknown_path)
        .with_state(app.clone());
    front::before(pages, app)
}
