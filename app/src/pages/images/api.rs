//! What the images page does; the upload itself is REST's `/api/v1/uploads`.

use crate::Fault;
use leptos::prelude::*;
use types::ImageId;

/// Deletes an image; refused while computers boot from it.
#[server(prefix = "/fn", endpoint = "images/remove")]
pub async fn remove_image(id: ImageId) -> Result<(), Fault> {
    let operator = crate::ssr::operator()?;
    operator.remove_image(&id.to_string(), None).await?;
    Ok(())
}

/// Begins the import of a file that the server fetches: `from` is `url` or `path`, and `place` where it is.
#[server(prefix = "/fn", endpoint = "images/fetch")]
pub async fn fetch_image(name: String, from: String, place: String) -> Result<(), Fault> {
    let admin = crate::ssr::admin()?;
    let (url, path) = match from.as_str() {
        "url" => (Some(place), None),
        _ => (None, Some(place)),
    };
    let params = types::ImportImageParams {
        name,
        url,
        path,
        sha256: None,
    };
    admin.fetch_image(params).await?;
    Ok(())
}
