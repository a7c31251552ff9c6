//! DHCP in full mode: one scope on each boot network.

pub mod wire;
