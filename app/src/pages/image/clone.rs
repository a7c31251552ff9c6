//! Making an image of a version.

use super::api::CloneVersion;
use crate::{
    i18n::*,
    ui::{Field, Problems},
};
use leptos::{form::ActionForm, prelude::*};
use types::ImageId;

/// Asks for the name; Activity shows how far it is.
#[component]
pub fn CloneForm(image: ImageId, number: u32) -> impl IntoView {
    let i18n = use_i18n();
    let action = ServerAction::<CloneVersion>::new();
    let value = action.value();
    let field = format!("clone-{number}");
    view! {
        <ActionForm action attr:class="grid gap-2 max-w-[40rem]">
            <input type="hidden" name="id" value=image.to_string()/>
            <input type="hidden" name="version" value=number.to_string()/>
            <Field label=tu_string!(i18n, image.clone_name) id=field.clone() help=tu_string!(i18n, image.clone_help)>
                <input class="input" id=field name="name" required maxlength="64" autocomplete="off"/>
            </Field>
            <div><button class="btn">{t!(i18n, image.clone)}</button></div>
            <Problems fault=Signal::derive(move || value.get().and_then(Result::err))/>
        </ActionForm>
    }
    .into_any()
}
