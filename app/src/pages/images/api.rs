//! What the images page does; the upload itself is REST's `POST /api/v1/images`.

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
