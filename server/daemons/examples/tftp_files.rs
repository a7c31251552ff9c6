//! Serves the folder `loaders` of a data folder by TFTP on one interface, without the rest of NSBoot: to
//! measure it.
//!
//! `tftp_files INTERFACE DATA-FOLDER`

use daemons::{
    net::NetThread,
    tftp::{Signals, Tftp},
};
use engine::{
    Engine, EngineConfig,
    boot::{Signal, Who},
};
use std::{error::Error, sync::Arc};
use tokio_util::sync::CancellationToken;
use types::Timestamp;

struct Silent;
impl Signals for Silent {
    fn signal(&self, _: Who, _: Timestamp, _: Signal) {}
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [interface, data] = arguments.as_slice() else {
        return Err("usage: tftp_files INTERFACE DATA-FOLDER".into());
    };
    let engine = Engine::open(EngineConfig {
        data_dir: data.into(),
        ..EngineConfig::default()
    })?;
    let net = NetThread::enter(None)?;
    let (loaders, counters) = (engine.loaders().clone(), engine.counters().clone());
    let tftp = Tftp::open(&net, interface, loaders, Arc::new(Silent), counters)?;
    tftp.run(CancellationToken::new()).await;
    Ok(())
}
