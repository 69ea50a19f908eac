//! Pages that begin before all of them is known. What takes long to find stands last among what is seen, in the place
//! that the template keeps for it; a browser paints meanwhile what is above it, with scripts and without.

use std::convert::Infallible;
use std::future::ready;

use askama::Template;
use axum::body::Body;
use axum::response::{Html, IntoResponse, Response};
use bytes::Bytes;
use futures_util::{StreamExt, stream};

use crate::failure::PageError;

/// Where a template has what comes late. What others have written cannot say so: `<` is escaped there.
const PLACE: &str = "<!-- late -->";

/// What is shown in that place if it cannot be made. The page has begun: its status says nothing of this.
#[derive(Template)]
#[template(path = "part/late_failure.html")]
struct LateFailure<'a> {
    failure: &'a PageError,
}

/// A page that is sent up to its [`PLACE`] at once. The rest follows when `late` is made, which begins only then.
pub(crate) fn page(
    template: &impl Template,
    late: impl Future<Output = Result<String, PageError>> + Send + 'static,
) -> Result<Response, PageError> {
    let page = template.render()?;
    let (before, after) = page.split_once(PLACE).unwrap_or((&page, ""));
    let (before, after) = (Bytes::from(before.to_owned()), after.to_owned());
    let end = async move {
        // What is known leaves meanwhile.
        tokio::task::yield_now().await;
        let late = late.await;
        let late = late.or_else(|failure| LateFailure { failure: &failure }.render());
        Bytes::from(late.unwrap_or_default() + &after)
    };
    let parts = stream::once(ready(before)).chain(stream::once(end));
    let body = Body::from_stream(parts.map(Ok::<_, Infallible>));
    Ok(Html(body).into_response())
}

#[cfg(test)]
mod tests {
    use http_body_util::BodyExt;
    use tokio::sync::oneshot;

    use super::*;

    #[derive(Template)]
    #[template(source = "<p>{{ known }}</p><!-- late --><p>end</p>", ext = "html")]
    struct Known<'a> {
        known: &'a str,
    }

    /// The next part of a page.
    async fn part(body: &mut Body) -> String {
        let part = body.frame().await.expect("there is more");
        let part = part.expect("it does not fail").into_data();
        String::from_utf8(part.expect("it is no trailer").to_vec()).expect("it is text")
    }

    #[tokio::test]
    async fn what_is_known_goes_out_before_the_rest_is_made() {
        let (make, made) = oneshot::channel::<String>();
        let late = async { made.await.map_err(|_| PageError::invalid("never")) };
        let known = Known {
            known: "<!-- late -->",
        };
        let mut body = page(&known, late).expect("it is rendered").into_body();
        assert_eq!(part(&mut body).await, "<p>&#60;!-- late --&#62;</p>");
        make.send("<b>late</b>".to_owned())
            .expect("it is waited for");
        assert_eq!(part(&mut body).await, "<b>late</b><p>end</p>");
        assert!(body.frame().await.is_none());
    }

    #[tokio::test]
    async fn what_cannot_be_made_says_so_in_its_place() {
        let late = ready(Err(PageError::invalid("It is <late>.")));
        let mut body = page(&Known { known: "" }, late)
            .expect("it is rendered")
            .into_body();
        part(&mut body).await;
        let end = part(&mut body).await;
        assert!(end.contains("It is &#60;late&#62;."), "{end}");
        assert!(end.ends_with("<p>end</p>"), "{end}");
    }
}
