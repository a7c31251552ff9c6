//! The answer that iPXE waits for before it goes on: "no IPv6 router here".
//!
//! iPXE configures IPv4 and IPv6 at once and waits until both have ended. On a network without an
//! IPv6 router nobody answers its router solicitations, and each boot stands still for 16 seconds.
//! A router advertisement with a lifetime of zero (RFC 4861 section 6.2.5: "not a default router"),
//! without prefixes and without DHCPv6, ends that wait and configures nothing. It goes only to the
//! computer that asked, and only while it boots from us; a real router's advertisement is untouched.

mod daemon;
mod wire;

pub use daemon::Ndp;
