//! Scopes: what is handed out on a subnet; reservations: which computer has which address there.

use crate::{AddressRange, ClientId, MacAddr, ReservationId, Timestamp};
use serde::{Deserialize, Serialize};
use std::{fmt, net::Ipv4Addr, str::FromStr};

/// A network as its own address and the length of its prefix. Written `10.20.0.0/24`.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Subnet {
    address: Ipv4Addr,
    prefix_len: u8,
}

impl Subnet {
    /// The network that an address is on; a prefix longer than 32 counts as 32.
    pub fn of(address: Ipv4Addr, prefix_len: u8) -> Subnet {
        let prefix_len = prefix_len.min(32);
        Subnet {
            address: Ipv4Addr::from_bits(address.to_bits() & mask(prefix_len)),
            prefix_len,
        }
    }

    /// The address of the network itself, which no computer may have.
    pub fn network(self) -> Ipv4Addr {
        self.address
    }

    /// The address that reaches all computers of it.
    pub fn broadcast(self) -> Ipv4Addr {
        Ipv4Addr::from_bits(self.address.to_bits() | !mask(self.prefix_len))
    }

    /// The network mask.
    pub fn mask(self) -> Ipv4Addr {
        Ipv4Addr::from_bits(mask(self.prefix_len))
    }

    /// Leading ones of the mask.
    pub fn prefix_len(self) -> u8 {
        self.prefix_len
    }

    /// Whether an address is in it.
    pub fn contains(self, address: Ipv4Addr) -> bool {
        address.to_bits() & mask(self.prefix_len) == self.address.to_bits()
    }

    /// Whether some address is in both.
    pub fn overlaps(self, other: Subnet) -> bool {
        self.contains(other.address) || other.contains(self.address)
    }
}

fn mask(prefix_len: u8) -> u32 {
    u32::MAX
        .checked_shl(32 - u32::from(prefix_len))
        .unwrap_or(0)
}

impl fmt::Display for Subnet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.address, self.prefix_len)
    }
}

impl From<Subnet> for String {
    fn from(subnet: Subnet) -> String {
        subnet.to_string()
    }
}

/// What is wrong with a text, and how to write it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ScopeTextError(pub String);

impl fmt::Display for ScopeTextError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
impl std::error::Error for ScopeTextError {}

impl FromStr for Subnet {
    type Err = ScopeTextError;

    fn from_str(s: &str) -> Result<Subnet, ScopeTextError> {
        let wrong = || ScopeTextError("write a subnet like 10.20.0.0/24".into());
        let (address, prefix_len) = s.trim().split_once('/').ok_or_else(wrong)?;
        let address: Ipv4Addr = address.parse().map_err(|_| wrong())?;
        let digits = prefix_len.bytes().all(|b| b.is_ascii_digit());
        let prefix_len: u8 = prefix_len.parse().map_err(|_| wrong())?;
        if prefix_len > 32 || !digits {
            return Err(wrong());
        }
        let subnet = Subnet::of(address, prefix_len);
        if subnet.address != address {
            return Err(ScopeTextError(format!(
                "{address} is an address inside of it; the network itself is {subnet}"
            )));
        }
        Ok(subnet)
    }
}

impl TryFrom<String> for Subnet {
    type Error = ScopeTextError;
    fn try_from(text: String) -> Result<Subnet, ScopeTextError> {
        text.parse()
    }
}

impl fmt::Display for AddressRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.first == self.last {
            true => self.first.fmt(f),
            false => write!(f, "{}-{}", self.first, self.last),
        }
    }
}

/// First and last address, or one alone.
impl FromStr for AddressRange {
    type Err = ScopeTextError;

    fn from_str(s: &str) -> Result<AddressRange, ScopeTextError> {
        let wrong =
            || ScopeTextError("write first and last address like 10.77.0.100-10.77.0.199".into());
        let (first, last) = s.split_once('-').unwrap_or((s, s));
        let ip = |s: &str| s.trim().parse::<Ipv4Addr>().map_err(|_| wrong());
        let range = AddressRange {
            first: ip(first)?,
            last: ip(last)?,
        };
        match range.first > range.last {
            true => Err(ScopeTextError(
                "the first address is above the last; swap them".into(),
            )),
            false => Ok(range),
        }
    }
}

/// How the value of a DHCP option is written.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum OptionKind {
    /// Characters, as they are.
    Text,
    /// IPv4 addresses with commas between them.
    Addresses,
    /// A number of 8 bits.
    U8,
    /// A number of 16 bits.
    U16,
    /// A number of 32 bits.
    U32,
    /// Bytes, two hexadecimal digits each.
    Hex,
}

impl OptionKind {
    /// Every one.
    pub const ALL: [OptionKind; 6] = [
        OptionKind::Text,
        OptionKind::Addresses,
        OptionKind::U8,
        OptionKind::U16,
        OptionKind::U32,
        OptionKind::Hex,
    ];

    /// As JSON and the command line write it.
    pub fn word(self) -> &'static str {
        match self {
            OptionKind::Text => "text",
            OptionKind::Addresses => "addresses",
            OptionKind::U8 => "u8",
            OptionKind::U16 => "u16",
            OptionKind::U32 => "u32",
            OptionKind::Hex => "hex",
        }
    }
}

/// A DHCP option that an administrator set. Written `42:addresses:10.0.0.1,10.0.0.2`.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct DhcpOption {
    /// Its number in the IANA registry *BOOTP Vendor Extensions and DHCP Options*.
    pub code: u8,
    pub kind: OptionKind,
    pub value: String,
}

impl fmt::Display for DhcpOption {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}:{}", self.code, self.kind.word(), self.value)
    }
}

impl FromStr for DhcpOption {
    type Err = ScopeTextError;

    fn from_str(s: &str) -> Result<DhcpOption, ScopeTextError> {
        let wrong = || {
            let kinds = OptionKind::ALL.map(OptionKind::word).join(", ");
            ScopeTextError(format!(
                "write an option like 42:addresses:10.0.0.1; its kind is one of {kinds}"
            ))
        };
        let mut parts = s.trim().splitn(3, ':');
        let mut next = || parts.next().ok_or_else(wrong);
        let code = next()?.trim().parse().map_err(|_| wrong())?;
        let kind = next()?.trim();
        let kind = OptionKind::ALL.into_iter().find(|k| k.word() == kind);
        Ok(DhcpOption {
            code,
            kind: kind.ok_or_else(wrong)?,
            value: next()?.to_string(),
        })
    }
}

/// A scope, as shown: what is handed out on a subnet.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct ScopeView {
    /// That of its boot network (`br0`, `lab1/br0`), or what it was called.
    pub name: String,
    /// Whether it is a boot network's own; its first range, router and name servers are then those of the
    /// setting `boot.NAME`. Else it is of a subnet behind relays, and any boot network serves it.
    pub is_own: bool,
    /// None while its boot network does not run.
    #[cfg_attr(feature = "schema", schema(value_type = Option<String>))]
    pub subnet: Option<Subnet>,
    /// While its boot network runs, that of the setting is the first.
    pub ranges: Vec<AddressRange>,
    /// Never handed out, though they lie in a range.
    pub exclusions: Vec<AddressRange>,
    #[cfg_attr(feature = "schema", schema(value_type = Option<String>, format = Ipv4))]
    pub router: Option<Ipv4Addr>,
    #[cfg_attr(feature = "schema", schema(value_type = Vec<String>))]
    pub dns: Vec<Ipv4Addr>,
    /// The domain that names without a dot are looked up in.
    pub domain: Option<String>,
    /// How long its leases last now.
    pub lease_seconds: u32,
    /// What was set for that here; None leaves it to the boot network's, or to 3600.
    #[serde(default)]
    pub own_lease_seconds: Option<u32>,
    /// Sent with every answer, whether it was asked for or not.
    pub options: Vec<DhcpOption>,
    /// Whether addresses are looked for before they are first handed out.
    pub probe: bool,
    /// Leases that live.
    pub leases_active: u32,
    /// Addresses that there are to give.
    pub leases_total: u32,
    /// Raised by one with each change; the ETag of REST.
    pub revision: u64,
}

/// A new scope, of a subnet behind relays.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct CreateScopeParams {
    /// 1 to 32 letters, digits or `-_.`
    pub name: String,
    #[cfg_attr(feature = "schema", schema(value_type = String))]
    pub subnet: Subnet,
    /// May be none: then reserved addresses are given alone.
    #[serde(default)]
    pub ranges: Vec<AddressRange>,
    #[serde(default)]
    pub exclusions: Vec<AddressRange>,
    #[serde(default)]
    #[cfg_attr(feature = "schema", schema(value_type = Option<String>, format = Ipv4))]
    pub router: Option<Ipv4Addr>,
    #[serde(default)]
    #[cfg_attr(feature = "schema", schema(value_type = Vec<String>))]
    pub dns: Vec<Ipv4Addr>,
    #[serde(default)]
    pub domain: Option<String>,
    /// 60 to 31536000; 3600 when it is not given.
    #[serde(default)]
    pub lease_seconds: Option<u32>,
    #[serde(default)]
    pub options: Vec<DhcpOption>,
}

/// A change to a scope; what is absent stays, a list is replaced as a whole.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields, default)]
pub struct UpdateScopeParams {
    /// The range of a boot network's setting is always one of them, named or not.
    pub ranges: Option<Vec<AddressRange>>,
    pub exclusions: Option<Vec<AddressRange>>,
    /// An address; empty takes it away. Of a boot network's own scope it is in the setting.
    pub router: Option<String>,
    /// Of a boot network's own scope they are in the setting.
    #[cfg_attr(feature = "schema", schema(value_type = Option<Vec<String>>))]
    pub dns: Option<Vec<Ipv4Addr>>,
    /// Empty takes it away.
    pub domain: Option<String>,
    /// 60 to 31536000; 0 takes away what was set.
    pub lease_seconds: Option<u32>,
    pub options: Option<Vec<DhcpOption>>,
    /// Whether addresses are looked for before they are first handed out: by ARP, behind relays by ICMP.
    pub probe: Option<bool>,
}

/// An address that is one computer's for good.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct ReservationView {
    pub id: ReservationId,
    /// The scope's name.
    pub scope: String,
    pub mac: MacAddr,
    #[cfg_attr(feature = "schema", schema(value_type = String, format = Ipv4))]
    pub address: Ipv4Addr,
    /// What the computer is told that it is called; None leaves that to its name here.
    pub hostname: Option<String>,
    /// They go before those of the scope.
    pub options: Vec<DhcpOption>,
    pub client_id: Option<ClientId>,
    pub client_name: Option<String>,
    pub created_at: Timestamp,
    /// Raised by one with each change; the ETag of REST.
    pub revision: u64,
}

/// A new reservation.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct CreateReservationParams {
    pub mac: MacAddr,
    /// In the scope's subnet, inside or outside its ranges.
    #[cfg_attr(feature = "schema", schema(value_type = String, format = Ipv4))]
    pub address: Ipv4Addr,
    /// The scope's name; absent, it is the one whose subnet has the address.
    #[serde(default)]
    pub scope: Option<String>,
    #[serde(default)]
    pub hostname: Option<String>,
    #[serde(default)]
    pub options: Vec<DhcpOption>,
}

/// A change to a reservation; what is absent stays.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields, default)]
pub struct UpdateReservationParams {
    #[cfg_attr(feature = "schema", schema(value_type = Option<String>, format = Ipv4))]
    pub address: Option<Ipv4Addr>,
    /// Empty takes it away.
    pub hostname: Option<String>,
    pub options: Option<Vec<DhcpOption>>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn subnets_are_networks_and_nothing_else() {
        let net: Subnet = "10.20.0.0/22".parse().expect("a subnet");
        assert_eq!(net.to_string(), "10.20.0.0/22");
        assert_eq!(net.mask(), Ipv4Addr::new(255, 255, 252, 0));
        assert_eq!(net.broadcast(), Ipv4Addr::new(10, 20, 3, 255));
        assert!(net.contains(Ipv4Addr::new(10, 20, 3, 1)));
        assert!(!net.contains(Ipv4Addr::new(10, 20, 4, 1)));
        for (other, overlaps) in [
            ("10.20.2.0/24", true),
            ("10.0.0.0/8", true),
            ("10.20.4.0/24", false),
            ("0.0.0.0/0", true),
        ] {
            let other: Subnet = other.parse().expect("a subnet");
            assert_eq!(net.overlaps(other), overlaps, "{other}");
            assert_eq!(other.overlaps(net), overlaps, "{other}");
        }
        for bad in [
            "",
            "10.20.0.0",
            "10.20.0.1/22",
            "10.20.0.0/33",
            "10.20.0.0/+8",
            "x/8",
            "10.0.0.0/",
        ] {
            assert!(bad.parse::<Subnet>().is_err(), "{bad}");
        }
        let json = serde_json::to_string(&net).expect("JSON");
        assert_eq!(serde_json::from_str::<Subnet>(&json).expect("read"), net);
    }

    #[test]
    fn ranges_and_options_are_read_as_they_are_written() {
        for text in ["10.0.0.1-10.0.0.9", "10.0.0.1"] {
            assert_eq!(
                text.parse::<AddressRange>().expect("a range").to_string(),
                text
            );
        }
        for bad in [
            "",
            "10.0.0.9-10.0.0.1",
            "10.0.0.1-",
            "x-y",
            "10.0.0.1-10.0.0.2-10.0.0.3",
        ] {
            assert!(bad.parse::<AddressRange>().is_err(), "{bad}");
        }
        for text in [
            "42:addresses:10.0.0.1,10.0.0.2",
            "15:text:a:b",
            "26:u16:1500",
            "252:hex:0aff",
        ] {
            assert_eq!(
                text.parse::<DhcpOption>().expect("an option").to_string(),
                text
            );
        }
        for bad in ["", "42", "42:text", "256:text:x", "x:text:y", "42:words:x"] {
            assert!(bad.parse::<DhcpOption>().is_err(), "{bad}");
        }
    }
}
