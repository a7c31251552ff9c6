//! What each command asks the server for.

use super::{
    CliError, ClientCommand, Command, Firmware, ImageCommand, LabCommand, LeaseCommand, Output,
    Reach, connect::Server, render, watch,
};
use serde::Serialize;
use std::path::Path;
use types::{
    BootNetworkView, ClientView, CreateClientParams, ImageView, LeaseView, ListView,
    SystemInfoView, UpdateClientParams,
};

/// Page size of lists; each command reads until the end.
const PAGE: usize = 500;

/// Runs one command.
///
/// # Errors
/// What the server or this side refused; see [`CliError::exit`].
pub fn run(command: Command, reach: &Reach) -> Result<(), CliError> {
    let server = Server::new(reach);
    let out = reach.output;
    match command {
        Command::Image(c) => image(&server, c, out),
        Command::Client(c) => client(&server, c, out),
        Command::Lease(LeaseCommand::Ls) => {
            let leases: Vec<LeaseView> = all(&server, "/api/v1/leases")?;
            print(out, &leases, || render::leases(&leases))
        }
        Command::Lab(c) => lab(&server, c, out),
        Command::Status => {
            let info: SystemInfoView = server.get("/api/v1/system/info")?;
            let networks: Vec<BootNetworkView> = all(&server, "/api/v1/networks")?;
            print(out, &info, || render::status(&info, &networks))
        }
        Command::Version => {
            println!("nsboot {}", env!("CARGO_PKG_VERSION"));
            Ok(())
        }
        // `main` starts the server itself.
        Command::Serve(_) => Ok(()),
    }
}

fn image(server: &Server, command: ImageCommand, out: Output) -> Result<(), CliError> {
    match command {
        ImageCommand::Import { file, name } => {
            let (handle, len) = open(&file)?;
            let path = format!("/api/v1/images?name={}", escape(&name));
            let image: ImageView = server.upload(&path, handle, len)?;
            print(out, &image, || render::images(std::slice::from_ref(&image)))
        }
        ImageCommand::Ls => {
            let images: Vec<ImageView> = all(server, "/api/v1/images")?;
            print(out, &images, || render::images(&images))
        }
        ImageCommand::Rm { image } => {
            server.act("DELETE", &format!("/api/v1/images/{}", escape(&image)))?;
            eprintln!("Removed the image {image}.");
            Ok(())
        }
    }
}

fn client(server: &Server, command: ClientCommand, out: Output) -> Result<(), CliError> {
    let at = |client: &str| format!("/api/v1/clients/{}", escape(client));
    let show = |client: ClientView| {
        print(out, &client, || {
            render::clients(std::slice::from_ref(&client))
        })
    };
    match command {
        ClientCommand::Add {
            mac,
            name,
            image,
            mode,
        } => {
            let params = CreateClientParams {
                name,
                mac,
                image,
                mode: mode.into(),
            };
            show(server.submit("POST", "/api/v1/clients", &params)?)
        }
        ClientCommand::Set {
            client,
            name,
            image,
            mode,
        } => {
            let params = UpdateClientParams {
                name,
                image,
                mode: mode.map(Into::into),
                adopt: None,
            };
            show(server.submit("PATCH", &at(&client), &params)?)
        }
        ClientCommand::Ls { watch: true } => watch::clients::run(server, out),
        ClientCommand::Ls { watch: false } => {
            let clients: Vec<ClientView> = all(server, "/api/v1/clients")?;
            print(out, &clients, || render::clients(&clients))
        }
        ClientCommand::Rm { client } => {
            server.act("DELETE", &at(&client))?;
            eprintln!("Removed the computer {client} and its changes.");
            Ok(())
        }
        ClientCommand::Why { client } => {
            let client: ClientView = server.get(&at(&client))?;
            let networks: Vec<BootNetworkView> = all(server, "/api/v1/networks")?;
            print(out, &client, || render::why(&client, &networks))
        }
    }
}

fn lab(server: &Server, command: LabCommand, out: Output) -> Result<(), CliError> {
    match command {
        LabCommand::Up => server.act("POST", "/api/v1/lab/actions/up"),
        LabCommand::Boot {
            firmware: Firmware::Uefi,
            ..
        } => Err(CliError::Usage {
            what: "virtual computers with UEFI come with the next version".into(),
            code: "NSB-LAB-010",
            hint: "Boot one with --firmware bios.".into(),
        }),
        LabCommand::Boot {
            firmware: Firmware::Bios,
            name,
        } => {
            let client: ClientView = server.submit(
                "POST",
                "/api/v1/lab/actions/boot",
                &types::LabBootParams { name },
            )?;
            print(out, &client, || {
                render::clients(std::slice::from_ref(&client))
            })
        }
        LabCommand::Down { name } => {
            let query = name
                .map(|n| format!("?name={}", escape(&n)))
                .unwrap_or_default();
            server.act("POST", &format!("/api/v1/lab/actions/down{query}"))?;
            eprintln!("Switched off.");
            Ok(())
        }
    }
}

/// Every page of a list.
fn all<T: serde::de::DeserializeOwned>(server: &Server, path: &str) -> Result<Vec<T>, CliError> {
    let mut items = Vec::new();
    let mut cursor: Option<String> = None;
    loop {
        let after = cursor
            .map(|c| format!("&cursor={}", escape(&c)))
            .unwrap_or_default();
        let page: ListView<T> = server.get(&format!("{path}?limit={PAGE}{after}"))?;
        items.extend(page.items);
        match page.next {
            Some(next) => cursor = Some(next),
            None => return Ok(items),
        }
    }
}

fn open(file: &Path) -> Result<(std::fs::File, u64), CliError> {
    let failed = |why: std::io::Error| CliError::Local {
        what: format!("could not read {}", file.display()),
        why: why.to_string(),
        code: "NSB-CLI-005",
        hint: "Name a raw disk image that you may read.",
    };
    let handle = std::fs::File::open(file).map_err(failed)?;
    let meta = handle.metadata().map_err(failed)?;
    if !meta.is_file() {
        return Err(failed(std::io::Error::other("it is not a regular file")));
    }
    Ok((handle, meta.len()))
}

fn print<T: Serialize>(
    out: Output,
    value: &T,
    table: impl FnOnce() -> String,
) -> Result<(), CliError> {
    let text = match out {
        Output::Table => table(),
        Output::Json => serde_json::to_string_pretty(value).map_err(unprintable)?,
        Output::Yaml => {
            let value = serde_json::to_value(value).map_err(unprintable)?;
            render::yaml(&value)
        }
    };
    println!("{}", text.trim_end());
    Ok(())
}

fn unprintable(e: serde_json::Error) -> CliError {
    CliError::Local {
        what: "could not print the answer".into(),
        why: e.to_string(),
        code: "NSB-CLI-003",
        hint: "Use the same version of nsboot on both sides.",
    }
}

/// Percent-encodes everything but RFC 3986 unreserved characters.
fn escape(s: &str) -> String {
    let mut out = String::with_capacity(s.len());
    for b in s.bytes() {
        if b.is_ascii_alphanumeric() || b"-._~".contains(&b) {
            out.push(b as char);
        } else {
            out.push_str(&format!("%{b:02X}"));
        }
    }
    out
}
