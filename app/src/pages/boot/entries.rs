//! The boot entries: a list, each with its form when it is opened, and the forms for new ones.

use super::api::{AddEntry as AddEntryAction, RemoveEntry, UpdateKernel, UpdateScript};
use crate::{
    i18n::*,
    live::Live,
    start::may,
    ui::{Field, Problems, Select, Shape, StateShape, TextArea, times},
};
use leptos::{form::ActionForm, prelude::*};
use types::{BootEntryId, BootEntryView, EntryKind, Role};

/// Every entry; one that did not change is not drawn anew, so that what is typed in it stays.
#[component]
pub fn Entries() -> impl IntoView {
    let i18n = use_i18n();
    let live = expect_context::<Live>();
    view! {
        <section class="panel livedata" aria-labelledby="entries">
            <div class="ph"><h2 id="entries">{t!(i18n, bootpage.entries)}</h2></div>
            <ul class="stream">
                <For each=move || live.entries.get() key=|e| (e.id, e.revision) let:entry>
                    <Line entry/>
                </For>
            </ul>
        </section>
    }
    .into_any()
}

/// What an entry starts, in a line.
fn starts(i18n: I18n, e: &BootEntryView) -> String {
    match e.kind {
        EntryKind::Image => tu_string!(i18n, bootpage.is_image).to_string(),
        EntryKind::Local => tu_string!(i18n, bootpage.is_local).to_string(),
        EntryKind::Kernel if e.attach_disk => {
            tu_string!(i18n, bootpage.kernel_disk, kernel = e.kernel.clone()).to_string()
        }
        EntryKind::Kernel => e.kernel.clone(),
        EntryKind::Script => {
            tu_string!(i18n, bootpage.script_lines, n = e.script.lines().count()).to_string()
        }
    }
}

#[component]
fn Line(entry: BootEntryView) -> impl IntoView {
    let i18n = use_i18n();
    let (name, mark) = (entry.name.clone(), entry.name.clone());
    let what = starts(i18n, &entry);
    let head = view! {
        <span class="what">
            <span class="font-semibold">{name}</span>
            <span class="meta">{what}</span>
            <Missing id=entry.id/>
        </span>
    };
    if entry.built_in || !may(Role::Operator) {
        return view! { <li class="px-4 py-3" data-entry=mark>{head}</li> }.into_any();
    }
    view! {
        <li data-entry=mark>
            <details>
                <summary>{head}</summary>
                <div class="inside">
                    {match entry.kind {
                        EntryKind::Script => view! { <EditScript entry=entry.clone()/> }.into_any(),
                        _ => view! { <EditKernel entry=entry.clone()/> }.into_any(),
                    }}
                    <Remove entry/>
                </div>
            </details>
        </li>
    }
    .into_any()
}

/// Which of its files are not there. They come and go without a change of the entry, which is not drawn anew for it.
#[component]
fn Missing(id: BootEntryId) -> impl IntoView {
    let i18n = use_i18n();
    let live = expect_context::<Live>();
    let files = Memo::new(move |_| {
        live.entries.with(|all| {
            let entry = all.iter().find(|e| e.id == id);
            entry.map(|e| e.missing.join(", ")).unwrap_or_default()
        })
    });
    move || {
        let files = files.get();
        (!files.is_empty()).then(|| {
            view! {
                <span class="st whitespace-normal [overflow-wrap:anywhere]" data-s="warn">
                    <StateShape shape=Signal::stored(Shape::Warn)/>
                    {tu_string!(i18n, bootpage.missing, files = files).to_string()}
                </span>
            }
        })
    }
}

#[component]
fn EditKernel(entry: BootEntryView) -> impl IntoView {
    let i18n = use_i18n();
    let action = ServerAction::<UpdateKernel>::new();
    let value = action.value();
    view! {
        <ActionForm action attr:class="grid gap-4 max-w-[40rem]">
            <input type="hidden" name="id" value=entry.id.to_string()/>
            <input type="hidden" name="revision" value=entry.revision.to_string()/>
            <Name id=format!("name-{}", entry.id) value=entry.name.clone()/>
            <KernelFields id=entry.id.to_string() entry=Some(entry)/>
            <Problems fault=Signal::derive(move || value.get().and_then(Result::err))/>
            <div><button class="btn btn-primary">{t!(i18n, computer.save)}</button></div>
        </ActionForm>
    }
    .into_any()
}

#[component]
fn EditScript(entry: BootEntryView) -> impl IntoView {
    let i18n = use_i18n();
    let action = ServerAction::<UpdateScript>::new();
    let value = action.value();
    view! {
        <ActionForm action attr:class="grid gap-4 max-w-[40rem]">
            <input type="hidden" name="id" value=entry.id.to_string()/>
            <input type="hidden" name="revision" value=entry.revision.to_string()/>
            <Name id=format!("name-{}", entry.id) value=entry.name/>
            <Script id=format!("script-{}", entry.id) value=entry.script/>
            <Problems fault=Signal::derive(move || value.get().and_then(Result::err))/>
            <div><button class="btn btn-primary">{t!(i18n, computer.save)}</button></div>
        </ActionForm>
    }
    .into_any()
}

#[component]
fn Name(id: String, value: String) -> impl IntoView {
    let i18n = use_i18n();
    view! {
        <Field label=tu_string!(i18n, floor.name) id=id.clone()>
            <input class="input" id=id name="name" value=value required autocomplete="off"/>
        </Field>
    }
    .into_any()
}

/// Kernel, initial RAM disks, command line and disk.
#[component]
fn KernelFields(id: String, entry: Option<BootEntryView>) -> impl IntoView {
    let i18n = use_i18n();
    let [kernel_id, initrds_id, line_id, attach_id] =
        ["kernel", "initrds", "line", "attach"].map(|name| format!("{name}-{id}"));
    let (kernel, initrds, line, attach) = match entry {
        Some(e) => (
            e.kernel,
            e.initrds.join("\n"),
            e.command_line,
            e.attach_disk,
        ),
        None => Default::default(),
    };
    let options = Signal::derive(move || {
        vec![
            (
                "no".to_string(),
                tu_string!(i18n, bootpage.no_disk).to_string(),
            ),
            (
                "yes".to_string(),
                tu_string!(i18n, bootpage.with_disk).to_string(),
            ),
        ]
    });
    view! {
        <Field label=tu_string!(i18n, bootpage.kernel) id=kernel_id.clone() help=tu_string!(i18n, bootpage.file_help)>
            <input class="input data" id=kernel_id name="kernel" value=kernel required autocomplete="off"/>
        </Field>
        <Field label=tu_string!(i18n, bootpage.initrds) id=initrds_id.clone() help=tu_string!(i18n, bootpage.initrds_help)>
            <TextArea id=initrds_id name="initrds" rows=2 value=initrds/>
        </Field>
        <Field label=tu_string!(i18n, bootpage.command_line) id=line_id.clone() help=tu_string!(i18n, bootpage.command_line_help)>
            <input class="input data" id=line_id name="command_line" value=line autocomplete="off"/>
        </Field>
        <Field label=tu_string!(i18n, bootpage.disk) id=attach_id.clone()>
            <Select id=attach_id name="attach" options selected=if attach { "yes" } else { "no" }/>
        </Field>
    }
    .into_any()
}

#[component]
fn Script(id: String, value: String) -> impl IntoView {
    let i18n = use_i18n();
    view! {
        <Field label=tu_string!(i18n, bootpage.script) id=id.clone() help=tu_string!(i18n, bootpage.script_help)>
            <TextArea id=id name="script" rows=8 value=value required=true/>
        </Field>
    }
    .into_any()
}

/// Removing, with a second step; the refusal is shown where it was asked.
#[component]
fn Remove(entry: BootEntryView) -> impl IntoView {
    let i18n = use_i18n();
    let action = ServerAction::<RemoveEntry>::new();
    let value = action.value();
    let name = entry.name;
    view! {
        <details class="pop my-1">
            <summary class="btn btn-danger">{t!(i18n, computer.remove)}</summary>
            <div class="body grid gap-2">
                <ActionForm action>
                    <input type="hidden" name="id" value=entry.id.to_string()/>
                    <button class="btn btn-danger-solid">
                        {tu_string!(i18n, computer.remove_button, name = name).to_string()}
                    </button>
                </ActionForm>
                <Problems fault=Signal::derive(move || value.get().and_then(Result::err))/>
            </div>
        </details>
    }
    .into_any()
}

/// The forms for new entries: a kernel, or a script.
#[component]
pub fn AddEntry() -> impl IntoView {
    let i18n = use_i18n();
    let kernel = ServerAction::<AddEntryAction>::new();
    let script = ServerAction::<AddEntryAction>::new();
    let made = |action: ServerAction<AddEntryAction>| {
        times(move || matches!(action.value().get(), Some(Ok(()))))
    };
    let (kernels, scripts) = (made(kernel), made(script));
    let fault = |action: ServerAction<AddEntryAction>| {
        Signal::derive(move || action.value().get().and_then(Result::err))
    };
    view! {
        <div class="actions">
            <details class="pop">
                <summary class="btn">{t!(i18n, bootpage.add_kernel)}</summary>
                <div class="body panel p-4 w-[40rem] max-w-[calc(100vw-2.5rem)]">
                    <ActionForm action=kernel attr:class="grid gap-4">
                        <input type="hidden" name="kind" value="kernel"/>
                        <input type="hidden" name="script" value=""/>
                        // By a key: the same elements would be kept, and with them what was typed.
                        <For each=move || [kernels.get()] key=|n| *n let:_>
                            <Name id="new-kernel".into() value=String::new()/>
                            <KernelFields id="new".into() entry=None/>
                        </For>
                        <Problems fault=fault(kernel)/>
                        <div><button class="btn btn-primary">{t!(i18n, bootpage.add_button)}</button></div>
                    </ActionForm>
                </div>
            </details>
            <details class="pop">
                <summary class="btn">{t!(i18n, bootpage.add_script)}</summary>
                <div class="body panel p-4 w-[40rem] max-w-[calc(100vw-2.5rem)]">
                    <ActionForm action=script attr:class="grid gap-4">
                        <input type="hidden" name="kind" value="script"/>
                        <input type="hidden" name="kernel" value=""/>
                        <input type="hidden" name="initrds" value=""/>
                        <input type="hidden" name="command_line" value=""/>
                        <input type="hidden" name="attach" value="no"/>
                        <For each=move || [scripts.get()] key=|n| *n let:_>
                            <Name id="new-script-name".into() value=String::new()/>
                            <Script id="new-script".into() value=String::new()/>
                        </For>
                        <Problems fault=fault(script)/>
                        <div><button class="btn btn-primary">{t!(i18n, bootpage.add_button)}</button></div>
                    </ActionForm>
                </div>
            </details>
        </div>
    }
    .into_any()
}
