//! One set: which computer gets which file, and all files.

use crate::{i18n::*, ui::format};
use leptos::prelude::*;
use types::{LoaderPlatform, LoaderSetView};

/// The name of a kind of computer.
pub fn platform(i18n: I18n, platform: LoaderPlatform) -> String {
    match platform {
        LoaderPlatform::Bios => tu_string!(i18n, loaders.bios).to_string(),
        LoaderPlatform::Ia32 => tu_string!(i18n, loaders.ia32).to_string(),
        LoaderPlatform::X64 => tu_string!(i18n, loaders.x64).to_string(),
        LoaderPlatform::Arm64 => tu_string!(i18n, loaders.arm64).to_string(),
    }
}

/// The panel of a set.
#[component]
pub fn Files(set: LoaderSetView) -> impl IntoView {
    let i18n = use_i18n();
    let gives = set.gives.into_iter().map(|g| {
        let signed = if g.signed {
            tu_string!(i18n, settings.yes)
        } else {
            "-"
        };
        view! {
            <tr>
                <th scope="row">{platform(i18n, g.platform)}</th>
                <td data-label=tu_string!(i18n, loaders.kind)>{g.kind.word()}</td>
                <td class="data" data-label=tu_string!(i18n, loaders.path)>{g.file}</td>
                <td data-label=tu_string!(i18n, loaders.signed)>{signed}</td>
            </tr>
        }
    });
    let files = set.files.into_iter().map(|f| {
        view! {
            <tr>
                <th scope="row" class="data">{f.path}</th>
                <td class="num" data-label=tu_string!(i18n, loaders.size) title=format!("{} B", f.size_bytes)>
                    {format::bytes(f.size_bytes)}
                </td>
                <td class="data break-all" data-label="SHA-256">{f.sha256}</td>
            </tr>
        }
    });
    view! {
        <div class="panel cards">
            <div class="ph"><h2 id="files">{tu_string!(i18n, loaders.files_of, name = set.name).to_string()}</h2></div>
            <h3 class="px-4" id="gives">{t!(i18n, loaders.gives)}</h3>
            <div class="tbox" tabindex="0" role="region" aria-labelledby="gives">
                <table class="t">
                    <thead>
                        <tr>
                            <th scope="col">{t!(i18n, loaders.for_whom)}</th>
                            <th scope="col">{t!(i18n, loaders.kind)}</th>
                            <th scope="col">{t!(i18n, loaders.path)}</th>
                            <th scope="col">{t!(i18n, loaders.signed)}</th>
                        </tr>
                    </thead>
                    <tbody>{gives.collect_view()}</tbody>
                </table>
            </div>
            <div class="tbox" tabindex="0" role="region" aria-labelledby="files">
                <table class="t">
                    <thead>
                        <tr>
                            <th scope="col">{t!(i18n, loaders.path)}</th>
                            <th scope="col" class="num">{t!(i18n, loaders.size)}</th>
                            <th scope="col">"SHA-256"</th>
                        </tr>
                    </thead>
                    <tbody>{files.collect_view()}</tbody>
                </table>
            </div>
        </div>
    }
    .into_any()
}
