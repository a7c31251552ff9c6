//! What the network page does. Each is a public endpoint: the first line checks the session.

#![allow(
    clippy::result_large_err,
    clippy::too_many_arguments,
    reason = "a fault ends its request: boxing it would cost more than moving it once; a form has its fields"
)]

use crate::Fault;
use leptos::prelude::*;

#[cfg(feature = "ssr")]
use types::{
    CreateReservationParams, CreateScopeParams, Problem, UpdateReservationParams, UpdateScopeParams,
};

/// A text of a form as what it stands for; the problem names the field.
#[cfg(feature = "ssr")]
fn read<T: std::str::FromStr>(field: &str, text: &str, rule: &str) -> Result<T, Problem> {
    text.trim().parse().map_err(|_| {
        let hint = "Correct it and try again.";
        Problem::new(422, "NSB-SCOPE-001", "A field can't be read", hint).field(field, rule)
    })
}

/// Several with commas or line ends between them.
#[cfg(feature = "ssr")]
fn each<T: std::str::FromStr>(field: &str, text: &str, rule: &str) -> Result<Vec<T>, Problem> {
    let parts = text.split([',', '\n']).map(str::trim);
    let parts = parts.filter(|part| !part.is_empty());
    parts.map(|part| read(field, part, rule)).collect()
}

/// Options, one a line: a list of addresses has commas of its own.
#[cfg(feature = "ssr")]
pub(crate) fn options(text: &str) -> Result<Vec<types::DhcpOption>, Problem> {
    let lines = text.lines().map(str::trim).filter(|line| !line.is_empty());
    let rule = "write each option on a line like 42:addresses:10.0.0.3";
    lines.map(|line| read("options", line, rule)).collect()
}

/// A lease time; empty leaves it to the boot network, or to the usual one.
#[cfg(feature = "ssr")]
fn seconds(text: &str) -> Result<u32, Problem> {
    match text.trim() {
        "" => Ok(0),
        text => read("lease_seconds", text, SECONDS),
    }
}

#[cfg(feature = "ssr")]
const RANGES: &str = "write first and last address like 10.77.0.100-10.77.0.199";
#[cfg(feature = "ssr")]
const ADDRESS: &str = "write an address like 10.77.0.7";
#[cfg(feature = "ssr")]
const SECONDS: &str = "write a number of seconds like 3600";

/// The box's interfaces, served or not.
#[server(prefix = "/fn", endpoint = "interfaces/list")]
pub async fn interfaces() -> Result<Vec<types::InterfaceView>, Fault> {
    Ok(crate::ssr::viewer()?.interfaces()?)
}

/// Changes what is handed out on a subnet. Router and name servers are empty for a boot network's own
/// scope: there they are settings.
#[server(prefix = "/fn", endpoint = "scopes/update")]
pub async fn update_scope(
    name: String,
    revision: u64,
    ranges: String,
    exclusions: String,
    router: Option<String>,
    dns: Option<String>,
    domain: String,
    seconds: String,
    options: String,
    probe: Option<String>,
) -> Result<(), Fault> {
    let admin = crate::ssr::admin()?;
    let dns = dns.map(|dns| each("dns", &dns, ADDRESS)).transpose()?;
    let params = UpdateScopeParams {
        ranges: Some(each("ranges", &ranges, RANGES)?),
        exclusions: Some(each("exclusions", &exclusions, RANGES)?),
        probe: Some(probe.is_some()),
        router: router.map(|r| r.trim().to_string()),
        dns,
        domain: Some(domain.trim().to_string()),
        lease_seconds: Some(self::seconds(&seconds)?),
        options: Some(self::options(&options)?),
    };
    admin.update_scope(&name, Some(revision), params).await?;
    Ok(())
}

/// Makes the scope of a subnet behind relays.
#[server(prefix = "/fn", endpoint = "scopes/create")]
pub async fn create_scope(
    name: String,
    subnet: String,
    ranges: String,
    router: String,
    dns: String,
) -> Result<(), Fault> {
    let admin = crate::ssr::admin()?;
    let router = Some(router.trim()).filter(|r| !r.is_empty());
    let params = CreateScopeParams {
        name: name.trim().to_string(),
        subnet: read("subnet", &subnet, "write a subnet like 10.20.0.0/24")?,
        ranges: each("ranges", &ranges, RANGES)?,
        exclusions: Vec::new(),
        router: router.map(|r| read("router", r, ADDRESS)).transpose()?,
        dns: each("dns", &dns, ADDRESS)?,
        domain: None,
        lease_seconds: None,
        options: Vec::new(),
    };
    admin.create_scope(params).await?;
    Ok(())
}

/// Removes the scope of a subnet behind relays.
#[server(prefix = "/fn", endpoint = "scopes/remove")]
pub async fn remove_scope(name: String) -> Result<(), Fault> {
    let admin = crate::ssr::admin()?;
    admin.remove_scope(&name, None).await?;
    Ok(())
}

/// Reserves an address for a computer.
#[server(prefix = "/fn", endpoint = "reservations/create")]
pub async fn create_reservation(
    mac: String,
    address: String,
    hostname: String,
) -> Result<(), Fault> {
    let operator = crate::ssr::operator()?;
    let rule = "write a MAC address like 52:54:00:12:34:56";
    let params = CreateReservationParams {
        mac: read("mac", &mac, rule)?,
        address: read("address", &address, ADDRESS)?,
        scope: None,
        hostname: Some(hostname.trim().to_string()),
        options: Vec::new(),
    };
    operator.create_reservation(params).await?;
    Ok(())
}

/// Changes a reservation.
#[server(prefix = "/fn", endpoint = "reservations/update")]
pub async fn update_reservation(
    id: String,
    revision: u64,
    address: String,
    hostname: String,
    options: String,
) -> Result<(), Fault> {
    let operator = crate::ssr::operator()?;
    let params = UpdateReservationParams {
        address: Some(read("address", &address, ADDRESS)?),
        hostname: Some(hostname.trim().to_string()),
        options: Some(self::options(&options)?),
    };
    operator
        .update_reservation(&id, Some(revision), params)
        .await?;
    Ok(())
}

/// Removes a reservation.
#[server(prefix = "/fn", endpoint = "reservations/remove")]
pub async fn remove_reservation(id: String) -> Result<(), Fault> {
    let operator = crate::ssr::operator()?;
    operator.remove_reservation(&id, None).await?;
    Ok(())
}

/// The computer that has this lease keeps the address for good.
#[server(prefix = "/fn", endpoint = "leases/keep")]
pub async fn keep_lease(address: String, scope: String) -> Result<(), Fault> {
    let operator = crate::ssr::operator()?;
    operator.keep_lease(&address, Some(&scope)).await?;
    Ok(())
}

/// Forgets a lease that has ended or rests.
#[server(prefix = "/fn", endpoint = "leases/forget")]
pub async fn forget_lease(address: String, scope: String) -> Result<(), Fault> {
    let operator = crate::ssr::operator()?;
    operator.forget_lease(&address, Some(&scope)).await?;
    Ok(())
}
