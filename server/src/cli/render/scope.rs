//! Scopes and reservations.

use super::{Row, fields, or_dash};
use types::{DhcpOption, ReservationView, ScopeView};

impl Row for ScopeView {
    const HEAD: &'static [&'static str] = &["NAME", "SUBNET", "RANGES", "LEASES", "KIND"];

    fn cells(&self) -> Vec<String> {
        vec![
            self.name.clone(),
            or_dash(self.subnet),
            listed(&self.ranges),
            format!("{} of {}", self.leases_active, self.leases_total),
            kind(self).into(),
        ]
    }
}

fn kind(scope: &ScopeView) -> &'static str {
    match (scope.is_own, scope.subnet) {
        (true, Some(_)) => "boot network",
        (true, None) => "boot network, not served",
        (false, _) => "behind relays",
    }
}

/// One scope.
pub fn scope(s: &ScopeView) -> String {
    fields(&[
        ("name", s.name.clone()),
        ("kind", kind(s).into()),
        ("subnet", or_dash(s.subnet)),
        ("ranges", listed(&s.ranges)),
        ("excluded", listed(&s.exclusions)),
        ("router", or_dash(s.router)),
        ("dns", listed(&s.dns)),
        ("domain", or_dash(s.domain.as_deref())),
        ("lease", format!("{} s", s.lease_seconds)),
        ("options", options(&s.options)),
        ("probe", if s.probe { "yes" } else { "no" }.into()),
        (
            "in use",
            format!("{} of {}", s.leases_active, s.leases_total),
        ),
        ("revision", s.revision.to_string()),
    ])
}

impl Row for ReservationView {
    const HEAD: &'static [&'static str] = &["ADDRESS", "MAC", "NAME", "SCOPE", "OPTIONS"];

    fn cells(&self) -> Vec<String> {
        vec![
            self.address.to_string(),
            self.mac.to_string(),
            or_dash(self.hostname.as_deref().or(self.client_name.as_deref())),
            self.scope.clone(),
            options(&self.options),
        ]
    }
}

/// One reservation.
pub fn reservation(r: &ReservationView) -> String {
    fields(&[
        ("id", r.id.to_string()),
        ("address", r.address.to_string()),
        ("mac", r.mac.to_string()),
        ("client", or_dash(r.client_name.as_deref())),
        ("host name", or_dash(r.hostname.as_deref())),
        ("scope", r.scope.clone()),
        ("options", options(&r.options)),
        ("made", r.created_at.to_string()),
        ("revision", r.revision.to_string()),
    ])
}

pub(super) fn listed<T: ToString>(all: &[T]) -> String {
    let texts: Vec<String> = all.iter().map(T::to_string).collect();
    match texts.is_empty() {
        true => "-".into(),
        false => texts.join(", "),
    }
}

pub(super) fn options(all: &[DhcpOption]) -> String {
    listed(all)
}
