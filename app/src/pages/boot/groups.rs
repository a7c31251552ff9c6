//! The groups: a list, each with its form when it is opened, and the form for a new one.

use super::{
    api::{AddGroup as AddGroupAction, RemoveGroup, UpdateGroup},
    fields::{Loader, entry_options},
};
use crate::{
    i18n::*,
    live::Live,
    start::may,
    ui::{Field, Problems, Select, TextArea, channel_word, times},
};
use leptos::{form::ActionForm, prelude::*};
use types::{Channel, GroupView, Role};

/// Every group; one that did not change is not drawn anew.
#[component]
pub fn Groups() -> impl IntoView {
    let i18n = use_i18n();
    let live = expect_context::<Live>();
    view! {
        <section class="panel livedata" aria-labelledby="groups">
            <div class="ph"><h2 id="groups">{t!(i18n, bootpage.groups)}</h2></div>
            <Show
                when=move || !live.groups.with(Vec::is_empty)
                fallback=move || view! { <p class="empty">{t!(i18n, bootpage.no_groups)}</p> }
            >
                <ul class="stream">
                    <For each=move || live.groups.get() key=|g| (g.id, g.revision) let:group>
                        <Line group/>
                    </For>
                </ul>
            </Show>
        </section>
    }
    .into_any()
}

#[component]
fn Line(group: GroupView) -> impl IntoView {
    let i18n = use_i18n();
    let live = expect_context::<Live>();
    let (id, name, mark) = (group.id, group.name.clone(), group.name.clone());
    // Counted here: the group itself does not change when a computer comes or goes.
    let members = move || {
        let rows = live.clients.get();
        let in_it = rows
            .iter()
            .filter(|r| r.view.with(|c| c.group_id == Some(id)));
        tu_string!(i18n, bootpage.members, n = in_it.count()).to_string()
    };
    let boots = group.boot_entry_name.clone();
    let boots = boots.map(|entry| tu_string!(i18n, bootpage.boots, entry = entry).to_string());
    let head = view! {
        <span class="what">
            <span class="font-semibold">{name}</span>
            <span class="meta">{members}" "{boots}</span>
        </span>
    };
    if !may(Role::Operator) {
        return view! { <li class="px-4 py-3" data-group=mark>{head}</li> }.into_any();
    }
    view! {
        <li data-group=mark>
            <details>
                <summary>{head}</summary>
                <div class="inside"><Edit group=group.clone()/><Remove group/></div>
            </details>
        </li>
    }
    .into_any()
}

/// Name, boot entry and loader; empty for a new group.
#[component]
fn Fields(id: String, group: Option<GroupView>) -> impl IntoView {
    let i18n = use_i18n();
    let live = expect_context::<Live>();
    let (name_id, entry_id) = (format!("name-{id}"), format!("entry-{id}"));
    let options_id = format!("options-{id}");
    let dhcp = group.iter().flat_map(|g| &g.options);
    let dhcp: Vec<String> = dhcp.map(ToString::to_string).collect();
    let (name, entry, set, loader, channel) = match group {
        Some(g) => (g.name, g.boot_entry_id, g.loader_set, g.loader, g.channel),
        None => Default::default(),
    };
    let channel_id = format!("channel-{id}");
    let channels =
        Channel::ALL.map(|c| (c.as_str().to_string(), channel_word(i18n, c).to_string()));
    let entry = entry.map(|e| e.to_string()).unwrap_or_default();
    let options = entry_options(live, tu_string!(i18n, bootpage.inherit));
    view! {
        <Field label=tu_string!(i18n, floor.name) id=name_id.clone()>
            <input class="input" id=name_id name="name" value=name required autocomplete="off"/>
        </Field>
        <Field label=tu_string!(i18n, bootpage.entry) id=entry_id.clone()>
            <Select id=entry_id name="boot_entry" options selected=entry/>
        </Field>
        <Loader id set loader/>
        <Field label=tu_string!(i18n, image.channel) id=channel_id.clone() help=tu_string!(i18n, image.channel_help)>
            <Select id=channel_id name="more[channel]" options=Signal::stored(channels.to_vec()) selected=channel.as_str().to_string()/>
        </Field>
        <Field label=tu_string!(i18n, network.options) id=options_id.clone() help=tu_string!(i18n, network.options_help)>
            <TextArea id=options_id name="more[options]" rows=3 value=dhcp.join("\n")/>
        </Field>
    }
    .into_any()
}

#[component]
fn Edit(group: GroupView) -> impl IntoView {
    let i18n = use_i18n();
    let action = ServerAction::<UpdateGroup>::new();
    let value = action.value();
    view! {
        <ActionForm action attr:class="grid gap-4 max-w-[40rem]">
            <input type="hidden" name="id" value=group.id.to_string()/>
            <input type="hidden" name="revision" value=group.revision.to_string()/>
            <Fields id=group.id.to_string() group=Some(group)/>
            <Problems fault=Signal::derive(move || value.get().and_then(Result::err))/>
            <div><button class="btn btn-primary">{t!(i18n, computer.save)}</button></div>
        </ActionForm>
    }
    .into_any()
}

/// Removing, with a second step; the refusal is shown where it was asked.
#[component]
fn Remove(group: GroupView) -> impl IntoView {
    let i18n = use_i18n();
    let action = ServerAction::<RemoveGroup>::new();
    let value = action.value();
    let name = group.name;
    view! {
        <details class="pop my-1">
            <summary class="btn btn-danger">{t!(i18n, computer.remove)}</summary>
            <div class="body grid gap-2">
                <ActionForm action>
                    <input type="hidden" name="id" value=group.id.to_string()/>
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

/// Makes a group.
#[component]
pub fn AddGroup() -> impl IntoView {
    let i18n = use_i18n();
    let action = ServerAction::<AddGroupAction>::new();
    let value = action.value();
    let made = times(move || matches!(value.get(), Some(Ok(()))));
    view! {
        <div class="actions">
            <details class="pop">
                <summary class="btn">{t!(i18n, bootpage.add_group)}</summary>
                <div class="body panel p-4 w-[26rem] max-w-[calc(100vw-2.5rem)]">
                    <ActionForm action attr:class="grid gap-4">
                        // By a key: the same elements would be kept, and with them what was typed.
                        <For each=move || [made.get()] key=|n| *n let:_>
                            <Fields id="new-group".into() group=None/>
                        </For>
                        <Problems fault=Signal::derive(move || value.get().and_then(Result::err))/>
                        <div><button class="btn btn-primary">{t!(i18n, bootpage.add_group_button)}</button></div>
                    </ActionForm>
                </div>
            </details>
        </div>
    }
    .into_any()
}
