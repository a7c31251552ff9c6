//! Every place that makes an argument list, by name: a new one needs a row.

use crate::imports::sources;

/// Every line of the product that starts a process or adds to its arguments, and where what is not
/// written out comes from. A new line needs a row here: say what can be in it, and who has looked at it.
const CALLS: &[(&str, &str, &str)] = &[
    (
        "machine.rs",
        "let command = self.command()?.current_dir(dir).behind(stage.enter()?);",
        "the data folder; ours",
    ),
    (
        "machine.rs",
        "spawn(command, &dir.join(format!(\"{}.qemu.log\", self.name))).await",
        "a computer's name: clients::check_name",
    ),
    (
        "machine.rs",
        "let command = Command::new(&qemu()?)",
        "a fixed program",
    ),
    (
        "machine.rs",
        ".args([\"-name\", name, \"-nodefaults\", \"-display\", \"none\"])",
        "a computer's name: no comma, no leading hyphen",
    ),
    (
        "machine.rs",
        ".args([\"-accel\", \"tcg\", \"-uuid\", &uuid.to_string()])",
        "a UUID",
    ),
    ("machine.rs", ".arg(\"-netdev\")", ""),
    (
        "machine.rs",
        ".arg(format!(\"tap,id=n0,ifname={tap},script=no,downscript=no\"))",
        "made of an Ethernet address",
    ),
    ("machine.rs", ".arg(\"-chardev\")", ""),
    (
        "machine.rs",
        ".arg(format!(",
        "a computer's name: no comma, no slash; an Ethernet address",
    ),
    ("machine.rs", ".args([\"-serial\", \"chardev:s0\"]);", ""),
    (
        "machine.rs",
        ".args([\"-m\", \"512\", \"-boot\", \"n\", \"-device\"])",
        "",
    ),
    (
        "machine.rs",
        ".arg(format!(\"virtio-net-pci,netdev=n0,mac={}\", self.mac))",
        "an Ethernet address",
    ),
    (
        "machine.rs",
        ".args([\"-machine\", \"q35\", \"-m\", \"1024\"])",
        "",
    ),
    ("machine.rs", ".arg(\"-drive\")", ""),
    (
        "machine.rs",
        ".arg(format!(\"if=pflash,format=raw,readonly=on,file={UEFI_CODE}\"))",
        "a constant",
    ),
    (
        "machine.rs",
        ".arg(format!(\"if=pflash,format=raw,file={}\", self.vars()))",
        "a computer's name: no comma, no slash",
    ),
    (
        "machine.rs",
        ".args([\"-device\", \"virtio-rng-pci\", \"-device\"])",
        "",
    ),
    (
        "stage.rs",
        "let pids = ip(&[\"netns\", \"pids\", &self.namespace]).await?;",
        "a hash",
    ),
    (
        "stage.rs",
        "ip(&[\"netns\", \"del\", &self.namespace]).await?;",
        "a hash",
    ),
    (
        "stage.rs",
        "ip(&[\"netns\", \"add\", &self.namespace]).await?;",
        "a hash",
    ),
    (
        "stage.rs",
        "self.ip(&[\"link\", \"add\", BRIDGE, \"type\", \"bridge\"]).await?;",
        "a constant",
    ),
    (
        "stage.rs",
        "self.ip(&[\"addr\", \"add\", ADDRESS, \"dev\", BRIDGE]).await?;",
        "constants",
    ),
    (
        "stage.rs",
        "self.ip(&[\"link\", \"set\", BRIDGE, \"up\"]).await?;",
        "a constant",
    ),
    (
        "stage.rs",
        "self.ip(&[\"link\", \"set\", \"lo\", \"up\"]).await",
        "",
    ),
    (
        "stage.rs",
        "if self.ip(&[\"link\", \"show\", \"dev\", tap]).await.is_ok() {",
        "made of an Ethernet address",
    ),
    (
        "stage.rs",
        "self.ip(&[\"tuntap\", \"add\", \"dev\", tap, \"mode\", \"tap\"])",
        "made of an Ethernet address",
    ),
    (
        "stage.rs",
        "self.ip(&[\"link\", \"set\", tap, \"master\", BRIDGE]).await?;",
        "made of an Ethernet address",
    ),
    (
        "stage.rs",
        "self.ip(&[\"link\", \"set\", tap, \"up\"]).await",
        "made of an Ethernet address",
    ),
    (
        "stage.rs",
        "let nsenter = Command::new(&Program::find(\"nsenter\", \"util-linux\")?);",
        "a fixed program",
    ),
    (
        "stage.rs",
        "Ok(nsenter.arg(format!(\"--net=/run/netns/{}\", self.namespace)))",
        "a hash",
    ),
    ("stage.rs", "ip(&all).await.map(drop)", "the calls above"),
    (
        "stage.rs",
        "Command::new(&ip_program()?)",
        "a fixed program",
    ),
    ("stage.rs", ".args(args.iter().copied())", "the calls above"),
];

#[test]
fn every_argument_of_every_process_has_been_looked_at() {
    let marks = [
        "Command::new(",
        ".arg(",
        ".args(",
        "ip(&",
        "spawn(command",
        ".behind(",
    ];
    let mut found = Vec::new();
    for (name, text) in sources("server/engine/src") {
        // Whoever names the module, under whatever name, is looked at.
        let code = text.split("#[cfg(test)]").next().unwrap_or("");
        if name.contains("/os/") || !code.contains("os::") && !code.contains("os,") {
            continue;
        }
        let lines = code.lines().map(str::trim);
        let calls = lines.filter(|l| marks.iter().any(|m| l.contains(m)) && !l.contains("fn "));
        let file = name.rsplit('/').next().expect("a name").to_string();
        found.extend(calls.map(|l| (file.clone(), l.to_string())));
    }
    let known =
        |(file, line): &&(String, String)| CALLS.iter().any(|(f, l, _)| file == f && line == l);
    let unknown: Vec<_> = found.iter().filter(|c| !known(c)).collect();
    assert!(unknown.is_empty(), "these need a row: {unknown:#?}");
    for (file, line, _) in CALLS {
        let is_there = found.iter().any(|(f, l)| f == file && l == line);
        assert!(is_there, "{file} has no such line any more: {line}");
    }
}
