//! `nsboot firmware`: how each kind of firmware boots.

use super::{
    CliError, address::at, connect::Change, console::Console, listing::Listing, render, watch,
};
use clap::{Args, Subcommand};
use types::{CreateFirmwareParams, FirmwareView, PinParams, Topic};

#[derive(Subcommand)]
pub enum FirmwareCommand {
    /// List kinds of firmware, how each boots, and how that went
    Ls {
        /// Go on and show each change; with -o json a line each
        #[arg(long, conflicts_with_all = ["filter", "sort"])]
        watch: bool,
        #[command(flatten)]
        listing: Listing,
    },
    /// Show one
    Show {
        /// Its id, or the computer that it holds for
        firmware: String,
    },
    /// Pin how one computer boots
    Add {
        /// The computer: name, id or Ethernet address
        client: String,
        #[command(flatten)]
        way: Way,
    },
    /// Pin how a kind of firmware boots; without options as it boots now
    Pin {
        /// Its id, or the computer that it holds for
        firmware: String,
        #[command(flatten)]
        way: Way,
        /// Only if it is still at this revision, as `firmware show` says it
        #[arg(long, value_name = "REVISION")]
        if_match: Option<u64>,
    },
    /// Let other ways be tried again
    Unpin {
        /// Its id
        firmware: String,
        /// Only if it is still at this revision, as `firmware show` says it
        #[arg(long, value_name = "REVISION")]
        if_match: Option<u64>,
    },
    /// Forget what was learned or pinned
    Rm {
        /// Ids, or computers that they hold for
        #[arg(required = true, value_name = "FIRMWARE")]
        firmware: Vec<String>,
        /// Only if it is still at this revision, as `firmware show` says it
        #[arg(long, value_name = "REVISION")]
        if_match: Option<u64>,
    },
}

/// A way to boot; what is not given stays, an empty text or 0 is the usual.
#[derive(Args)]
pub struct Way {
    /// The form of DHCP answers: plain, load_now or ask_boot_server
    #[arg(long, value_name = "FORM")]
    form: Option<String>,
    /// Which iPXE build: snponly or ipxe
    #[arg(long, value_name = "LOADER")]
    loader: Option<String>,
    /// The largest block of TFTP, 512 to 1468 bytes
    #[arg(long, value_name = "BYTES")]
    block_size: Option<u16>,
    /// How long an OFFER is held back, milliseconds
    #[arg(long, value_name = "MS")]
    delay: Option<u16>,
    /// How fast files may leave, KiB/s
    #[arg(long, value_name = "KIB")]
    pace: Option<u32>,
}

impl Way {
    fn params(self) -> PinParams {
        PinParams {
            form: self.form,
            loader: self.loader,
            block_size: self.block_size,
            delay_ms: self.delay,
            pace: self.pace,
            pinned: Some(true),
        }
    }
}

/// Runs a command about firmware.
///
/// # Errors
/// As the server says.
pub fn run(command: FirmwareCommand, console: &Console) -> Result<(), CliError> {
    match command {
        FirmwareCommand::Ls { watch: true, .. } => watch::lines::run(Topic::Firmware, console),
        FirmwareCommand::Ls { listing, .. } => {
            let all: Vec<FirmwareView> = console.all(&listing.of("/api/v1/firmware"))?;
            console.print(&all, || render::list(&all))
        }
        FirmwareCommand::Show { firmware } => {
            let one: FirmwareView = console.server.get(&at("firmware", &firmware))?;
            console.print(&one, || render::firmware(&one))
        }
        FirmwareCommand::Add { client, way } => {
            let quirks = way.params();
            let params = CreateFirmwareParams { client, quirks };
            let change = Change::new("POST", "/api/v1/firmware").body(&params)?;
            show(change, console)
        }
        FirmwareCommand::Pin {
            firmware,
            way,
            if_match,
        } => {
            let change = Change::new("PATCH", at("firmware", &firmware)).body(&way.params())?;
            show(change.if_match(if_match), console)
        }
        FirmwareCommand::Unpin { firmware, if_match } => {
            let params = PinParams {
                pinned: Some(false),
                ..PinParams::default()
            };
            let change = Change::new("PATCH", at("firmware", &firmware)).body(&params)?;
            show(change.if_match(if_match), console)
        }
        FirmwareCommand::Rm { firmware, if_match } => {
            console.remove(("firmware", "firmware"), &firmware, |firmware| {
                Change::new("DELETE", at("firmware", firmware)).if_match(if_match)
            })
        }
    }
}

fn show(change: Change, console: &Console) -> Result<(), CliError> {
    match console.change::<FirmwareView>(change)? {
        None => Ok(()),
        Some(one) => console.print(&one, || render::list(std::slice::from_ref(&one))),
    }
}
