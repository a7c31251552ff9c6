//! The pages that the browser fetches when it first shows them; the server always has them whole.
//! `cargo leptos build --split` puts each into a WASM file of its own.

use super::{
    account::Account, activity::Activity, boot::Boot, computer::Computer, firmware::Firmware,
    floor::Floor, image::Image, images::Images, loaders::Loaders, network::Network,
    settings::Settings, storage::Storage, users::Users,
};
use leptos::prelude::*;
use leptos_router::{LazyRoute, lazy_route};

pub struct FloorPage;

#[lazy_route]
impl LazyRoute for FloorPage {
    fn data() -> Self {
        FloorPage
    }
    fn view(_this: Self) -> AnyView {
        view! { <Floor/> }.into_any()
    }
}

pub struct ComputerPage;

#[lazy_route]
impl LazyRoute for ComputerPage {
    fn data() -> Self {
        ComputerPage
    }
    fn view(_this: Self) -> AnyView {
        view! { <Computer/> }.into_any()
    }
}

pub struct BootPage;
#[lazy_route]
impl LazyRoute for BootPage {
    fn data() -> Self {
        BootPage
    }
    fn view(_this: Self) -> AnyView {
        view! { <Boot/> }.into_any()
    }
}

pub struct FirmwarePage;

#[lazy_route]
impl LazyRoute for FirmwarePage {
    fn data() -> Self {
        FirmwarePage
    }
    fn view(_this: Self) -> AnyView {
        view! { <Firmware/> }.into_any()
    }
}

pub struct ImagesPage;

#[lazy_route]
impl LazyRoute for ImagesPage {
    fn data() -> Self {
        ImagesPage
    }
    fn view(_this: Self) -> AnyView {
        view! { <Images/> }.into_any()
    }
}

pub struct ImagePage;

#[lazy_route]
impl LazyRoute for ImagePage {
    fn data() -> Self {
        ImagePage
    }
    fn view(_this: Self) -> AnyView {
        view! { <Image/> }.into_any()
    }
}

pub struct LoadersPage;

#[lazy_route]
impl LazyRoute for LoadersPage {
    fn data() -> Self {
        LoadersPage
    }
    fn view(_this: Self) -> AnyView {
        view! { <Loaders/> }.into_any()
    }
}

pub struct NetworkPage;

#[lazy_route]
impl LazyRoute for NetworkPage {
    fn data() -> Self {
        NetworkPage
    }
    fn view(_this: Self) -> AnyView {
        view! { <Network/> }.into_any()
    }
}

pub struct ActivityPage;

#[lazy_route]
impl LazyRoute for ActivityPage {
    fn data() -> Self {
        ActivityPage
    }
    fn view(_this: Self) -> AnyView {
        view! { <Activity/> }.into_any()
    }
}

pub struct StoragePage;

#[lazy_route]
impl LazyRoute for StoragePage {
    fn data() -> Self {
        StoragePage
    }
    fn view(_this: Self) -> AnyView {
        view! { <Storage/> }.into_any()
    }
}

pub struct UsersPage;

#[lazy_route]
impl LazyRoute for UsersPage {
    fn data() -> Self {
        UsersPage
    }
    fn view(_this: Self) -> AnyView {
        view! { <Users/> }.into_any()
    }
}

pub struct SettingsPage;

#[lazy_route]
impl LazyRoute for SettingsPage {
    fn data() -> Self {
        SettingsPage
    }
    fn view(_this: Self) -> AnyView {
        view! { <Settings/> }.into_any()
    }
}

pub struct AccountPage;

#[lazy_route]
impl LazyRoute for AccountPage {
    fn data() -> Self {
        AccountPage
    }
    fn view(_this: Self) -> AnyView {
        view! { <Account/> }.into_any()
    }
}
