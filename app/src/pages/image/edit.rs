//! Changing an image's name, and for whom it is.

use super::api::Update;
use crate::{
    i18n::*,
    ui::{Field, Problems, Select},
};
use leptos::{form::ActionForm, prelude::*};
use types::ImageView;

#[component]
pub fn Edit(image: Signal<ImageView>) -> impl IntoView {
    let i18n = use_i18n();
    let action = ServerAction::<Update>::new();
    let value = action.value();
    let open = NodeRef::<leptos::html::Details>::new();
    Effect::new(move || {
        if let (Some(Ok(())), Some(details)) = (value.get(), open.get_untracked()) {
            details.set_open(false);
        }
    });
    // The image as it was when the form was opened: its revision goes with what the visitor saw.
    let shown = RwSignal::new(image.get_untracked());
    let opened = move |_| {
        let is_open = open.get_untracked().is_some_and(|d| d.open());
        let now = image.get_untracked();
        if is_open && shown.with_untracked(|s| *s != now) {
            shown.set(now);
        }
    };
    view! {
        <details class="pop" node_ref=open on:toggle=opened>
            <summary class="btn">{t!(i18n, image.edit)}</summary>
            <div class="body panel p-4 w-[22rem] max-w-[calc(100vw-2.5rem)]">
                <ActionForm action attr:class="grid gap-4">
                    {move || view! { <Fields image=shown.get()/> }}
                    <Problems fault=Signal::derive(move || value.get().and_then(Result::err))/>
                    <div><button class="btn btn-primary">{t!(i18n, computer.save)}</button></div>
                </ActionForm>
            </div>
        </details>
    }
    .into_any()
}

/// The fields of [`Edit`], filled in.
#[component]
fn Fields(image: ImageView) -> impl IntoView {
    let i18n = use_i18n();
    let whose = match image.is_private {
        true => "private",
        false => "shared",
    };
    let options = Signal::stored(vec![
        (
            "shared".to_string(),
            tu_string!(i18n, image.shared).to_string(),
        ),
        (
            "private".to_string(),
            tu_string!(i18n, image.private).to_string(),
        ),
    ]);
    view! {
        <input type="hidden" name="id" value=image.id.to_string()/>
        <input type="hidden" name="revision" value=image.revision.to_string()/>
        <Field label=tu_string!(i18n, floor.name) id="image-name">
            <input class="input" id="image-name" name="name" value=image.name required autocomplete="off"/>
        </Field>
        <Field label=tu_string!(i18n, image.whose) id="image-whose">
            <Select id="image-whose" name="whose" options selected=whose/>
        </Field>
    }
    .into_any()
}
