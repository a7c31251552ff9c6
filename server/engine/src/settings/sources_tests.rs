//! Layers, bad values and what is said about them.

use super::{
    catalog::Values,
    sources::{ConfigError, Flags, Saved, Sources},
};
use crate::{BootNetworkConfig, UnknownClients, network::LEASE_SECONDS};
use std::net::Ipv4Addr;
use types::{AddressRange, DhcpMode};

const WHOLE: &str = r#"
[http]
listen = "127.0.0.1:3000"
[[boot]]
interface = "br0"
namespace = "lab1"                      # optional: a named network namespace
mode = "full"                           # full | proxy | off
range = "10.77.0.100-10.77.0.199"       # full mode; address and prefix come from the interface
router = "10.77.0.254"                  # optional, told to the computers
dns = "10.77.0.254, 9.9.9.9"            # optional, told to the computers
[clients]
unknown = "adopt"                       # discover | adopt
"#;

fn config(
    text: &str,
    env: &[(&str, &str)],
    flags: Flags,
) -> Result<(Values, Vec<String>), ConfigError> {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("nsboot.toml"), text).unwrap();
    let flags = Flags {
        data_dir: Some(dir.path().into()),
        ..flags
    };
    let env = env.iter().map(|(k, v)| (k.to_string(), v.to_string()));
    let (_, sources) = Sources::gather(&flags, env)?;
    let warnings = sources.warnings.clone();
    Ok((sources.resolve(&Saved::new())?.values, warnings))
}

fn refused(text: &str) -> String {
    config(text, &[], Flags::default())
        .expect_err(text)
        .to_string()
}

#[test]
fn the_smallest_file_that_boots_a_lan_is_read_whole() {
    let (c, warnings) = config(WHOLE, &[], Flags::default()).unwrap();
    assert_eq!(warnings, Vec::<String>::new());
    assert_eq!(c.listen.to_string(), "127.0.0.1:3000");
    assert_eq!(c.unknown_clients, UnknownClients::Adopt);
    assert_eq!(
        c.boot,
        [BootNetworkConfig {
            interface: "br0".into(),
            namespace: Some("lab1".into()),
            mode: DhcpMode::Full,
            range: Some(AddressRange {
                first: Ipv4Addr::new(10, 77, 0, 100),
                last: Ipv4Addr::new(10, 77, 0, 199)
            }),
            router: Some(Ipv4Addr::new(10, 77, 0, 254)),
            dns: vec![Ipv4Addr::new(10, 77, 0, 254), Ipv4Addr::new(9, 9, 9, 9)],
            lease_seconds: LEASE_SECONDS,
            is_lab: false,
        }]
    );
}

#[test]
fn beside_another_server_no_range_is_needed() {
    let text = "[[boot]]\ninterface = \"br0\"\nmode = \"proxy\"\n";
    let (c, _) = config(text, &[], Flags::default()).unwrap();
    assert_eq!((c.boot[0].mode, c.boot[0].range), (DhcpMode::Proxy, None));
}

#[test]
fn a_flag_beats_the_environment_and_that_beats_the_file_and_that_the_database() {
    let env = [("NSBOOT_HTTP__LISTEN", "127.0.0.1:2")];
    let flags = Flags {
        listen: Some("127.0.0.1:1".into()),
        ..Flags::default()
    };
    assert_eq!(config(WHOLE, &env, flags).unwrap().0.listen.port(), 1);
    assert_eq!(
        config(WHOLE, &env, Flags::default())
            .unwrap()
            .0
            .listen
            .port(),
        2
    );
    assert_eq!(
        config(WHOLE, &[], Flags::default())
            .unwrap()
            .0
            .listen
            .port(),
        3000
    );
    let sources = Sources::default;
    let saved = Saved::from([("clients.unknown".to_string(), "adopt".to_string())]);
    assert_eq!(
        sources().resolve(&saved).unwrap().values.unknown_clients,
        UnknownClients::Adopt
    );
    assert_eq!(
        sources().resolve(&Saved::new()).unwrap().values,
        Values::default()
    );
}

#[test]
fn an_unknown_key_warns_with_the_nearest_one() {
    let text = "[http]\nlisten = \"127.0.0.1:1\"\nlissen = \"x\"\n[clients]\nunknwon = \"adopt\"\n";
    let (_, w) = config(text, &[("NSBOOT_HTTP__LISTN", "x")], Flags::default()).unwrap();
    assert_eq!(w.len(), 3, "{w:?}");
    assert!(
        w[0].contains("NSBOOT_HTTP__LISTN") && w[0].contains("`http.listen`"),
        "{w:?}"
    );
    assert!(
        w.iter()
            .any(|w| w.contains("nsboot.toml:3: ") && w.contains("`http.listen`")),
        "{w:?}"
    );
    assert!(
        w.iter()
            .any(|w| w.contains("nsboot.toml:5: ") && w.contains("`clients.unknown`")),
        "{w:?}"
    );
}

#[test]
fn a_bad_value_is_named_by_line_and_key() {
    let boot = "[[boot]]\ninterface = \"br0\"\n";
    for (text, code, parts) in [
        (
            "[http]\nlisten = \"3000\"\n".to_string(),
            "NSB-CONFIG-001",
            vec![":2: ", "`http.listen`"],
        ),
        (
            "[http]\nlisten = 3000\n".into(),
            "NSB-CONFIG-001",
            vec![":2: ", "\"3000\""],
        ),
        (
            "[http]\nlisten = [1]\n".into(),
            "NSB-CONFIG-001",
            vec![":2: ", "one value"],
        ),
        (
            "http = 5\n".into(),
            "NSB-CONFIG-001",
            vec![":1: ", "[http]"],
        ),
        ("[http\n".into(), "NSB-CONFIG-002", vec![":1: "]),
        ("\n\nlisten = = 1\n".into(), "NSB-CONFIG-002", vec![":3: "]),
        (
            "[clients]\nunknown = \"maybe\"\n".into(),
            "NSB-CONFIG-001",
            vec![":2: ", "discover, adopt"],
        ),
        (
            "[lab]\nenabled = \"perhaps\"\n".into(),
            "NSB-CONFIG-001",
            vec![":2: ", "true or false"],
        ),
        (
            "[boot]\ninterface = \"br0\"\n".into(),
            "NSB-CONFIG-001",
            vec!["[[boot]]"],
        ),
        (
            "[[boot]]\nmode = \"off\"\n".into(),
            "NSB-CONFIG-003",
            vec![":1: ", "boot.interface"],
        ),
        (boot.into(), "NSB-CONFIG-003", vec![":1: ", "boot.range"]),
        (
            format!("{boot}mode = \"half\"\n"),
            "NSB-CONFIG-001",
            vec![":3: ", "full, proxy, off"],
        ),
        (
            format!("{boot}range = \"10.0.0.9\"\n"),
            "NSB-CONFIG-001",
            vec![":3: ", "first and last"],
        ),
        (
            format!("{boot}range = \"10.0.0.9-10.0.0.3\"\n"),
            "NSB-CONFIG-001",
            vec!["swap"],
        ),
        (
            format!("{boot}range = \"10.0.0.9-10.0.0.300\"\n"),
            "NSB-CONFIG-001",
            vec!["boot.range"],
        ),
        (
            format!("{boot}range = \"127.0.0.1-127.0.0.9\"\n"),
            "NSB-CONFIG-001",
            vec!["boot.range"],
        ),
        (
            format!("{boot}mode = \"off\"\nrouter = \"0.0.0.0\"\n"),
            "NSB-CONFIG-001",
            vec![":4: ", "boot.router"],
        ),
        (
            format!("{boot}mode = \"off\"\ndns = \"10.0.0.1 10.0.0.2\"\n"),
            "NSB-CONFIG-001",
            vec![":4: ", "boot.dns"],
        ),
        (
            "[[boot]]\ninterface = \"../x\"\nmode = \"off\"\n".into(),
            "NSB-CONFIG-001",
            vec![":2: "],
        ),
        (
            format!("{boot}mode = \"off\"\nnamespace = \"a/b\"\n"),
            "NSB-CONFIG-001",
            vec![":4: "],
        ),
        (
            format!("{boot}mode = \"off\"\n{boot}mode = \"off\"\n"),
            "NSB-CONFIG-001",
            vec![":4: ", "earlier"],
        ),
    ] {
        let said = refused(&text);
        assert!(said.contains(code), "{text}: {said}");
        for part in parts {
            assert!(said.contains(part), "{text}: {said} lacks {part}");
        }
    }
}

#[test]
fn a_list_is_a_text_with_commas_or_a_list() {
    for text in [
        "\"http://A.lan, https://b.lan:8443\"",
        "[\"http://A.lan\", \"https://b.lan:8443\"]",
    ] {
        let text = format!("[http]\nallowed_origins = {text}\n");
        let (values, _) = config(&text, &[], Flags::default()).unwrap();
        assert_eq!(
            values.allowed_origins,
            ["http://a.lan", "https://b.lan:8443"]
        );
    }
    assert!(refused("[http]\nallowed_origins = [1]\n").contains("texts in quotes"));
    for origin in [
        "*",
        "null",
        "a.lan",
        "http://a.lan/",
        "http://a.lan/x",
        "http://u@a.lan",
        "file:///x",
    ] {
        let said = refused(&format!("[http]\nallowed_origins = \"{origin}\"\n"));
        assert!(said.contains("not an origin"), "{origin}: {said}");
    }
}

#[test]
fn a_bad_value_is_told_though_another_hides_it() {
    let flags = Flags {
        listen: Some("127.0.0.1:1".into()),
        ..Flags::default()
    };
    let said = config("[http]\nlisten = \"x\"\n", &[], flags)
        .unwrap_err()
        .to_string();
    assert!(said.contains(":2: "), "{said}");
}

#[test]
fn a_named_file_that_is_missing_is_an_error() {
    let flags = Flags {
        config: Some("/nonexistent/x.toml".into()),
        ..Flags::default()
    };
    let said = Sources::gather(&flags, []).unwrap_err().to_string();
    assert!(
        said.contains("/nonexistent/x.toml") && said.contains("NSB-CONFIG-004"),
        "{said}"
    );
}
