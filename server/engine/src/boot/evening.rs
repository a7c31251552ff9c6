//! A server in an evening of the tests: an image, a row of computers that tries first, and their boots.

#![cfg(test)]

use crate::{
    Admin, Engine, EngineConfig, Error,
    export::{BlockDevice, Export},
};
use bytes::Bytes;
use std::{
    path::Path,
    sync::Arc,
    time::{Duration, Instant},
};
use types::{
    Channel, ClientId, CreateClientParams, CreateGroupParams, ImageView, JobView, MacAddr, Topics,
};

pub struct Evening {
    pub engine: Engine,
    pub me: Admin,
    pub dir: tempfile::TempDir,
}

pub async fn evening() -> Evening {
    let evening = start(tempfile::tempdir().unwrap());
    let me = &evening.me;
    import(me, "game", vec![1; 64 * 1024]).await;
    let row = CreateGroupParams {
        name: "row-1".into(),
        channel: Channel::Test,
        ..CreateGroupParams::default()
    };
    me.create_group(row).await.unwrap();
    for (name, n, group) in [
        ("pc-1", 1, None),
        ("pc-2", 2, Some("row-1")),
        ("pc-3", 3, None),
    ] {
        let new = CreateClientParams {
            image: Some("game".into()),
            group: group.map(String::from),
            ..CreateClientParams::new(name, MacAddr([2, 0, 0, 0, 0, n]))
        };
        me.create_client(new).await.unwrap();
    }
    evening
}

fn start(dir: tempfile::TempDir) -> Evening {
    let deadline = Instant::now() + Duration::from_secs(30);
    let engine = loop {
        let opened = Engine::open(EngineConfig {
            data_dir: dir.path().into(),
            ..EngineConfig::default()
        });
        match opened {
            // Work of the one before holds the database until it is through.
            Err(Error::Store(store::Error::InUse { .. })) if Instant::now() < deadline => {
                std::thread::sleep(Duration::from_millis(20));
            }
            opened => break opened.unwrap(),
        }
    };
    let me = engine.as_itself("test");
    Evening { engine, me, dir }
}

/// An image that holds these bytes.
pub async fn import(me: &Admin, name: &str, disk: Vec<u8>) {
    let new = crate::images::NewImport::new(name, None);
    let mut import = me.begin_import(new).await.unwrap();
    import.write(Bytes::from(disk)).await.unwrap();
    import.finish().await.unwrap();
}

impl Evening {
    /// The server after another start, before which this was done to its data folder.
    pub fn restart(self, meanwhile: impl FnOnce(&Path)) -> Evening {
        let Evening { engine, me, dir } = self;
        drop((engine, me));
        meanwhile(dir.path());
        start(dir)
    }

    /// All disks that a boot gives this computer.
    pub async fn boot_with_all(&self, name: &str) -> Export {
        let client = self.engine.clients().require(name).unwrap();
        let disks = self.engine.boots().inner.disks.clone();
        let export = disks.prepare(&client).await.unwrap();
        export.expect("it has an image")
    }

    /// The disk that a boot of this computer starts from.
    pub async fn boot(&self, name: &str) -> Arc<dyn BlockDevice> {
        self.boot_with_all(name).await.device
    }

    /// The first byte of the disk that a boot gives it.
    pub async fn finds(&self, name: &str) -> u8 {
        let mut first = [0; 512];
        self.boot(name).await.read_at(0, &mut first).unwrap();
        first[0]
    }

    /// The superclient starts, writes this all over its first blocks and is switched off.
    pub async fn writes(&self, name: &str, byte: u8) {
        let device = self.boot(name).await;
        device.write_at(0, &[byte; 8192]).unwrap();
        device.flush().unwrap();
    }

    pub async fn apply(&self, comment: &str) -> JobView {
        let job = self.me.apply_changes("game", comment).await.unwrap();
        self.over(&job).await
    }

    pub async fn over(&self, job: &JobView) -> JobView {
        let mut events = self.engine.events().subscribe(Topics::default());
        loop {
            let now = self.me.job(&job.id.to_string()).unwrap();
            if now.state.is_over() {
                return now;
            }
            events.next().await;
        }
    }

    pub fn image(&self) -> ImageView {
        self.me.image("game").unwrap()
    }

    pub fn at(&self, channel: Channel) -> u32 {
        let image = self.image();
        let mut all = image.versions.iter();
        all.find(|v| v.channels.contains(&channel)).unwrap().number
    }

    pub fn id(&self, name: &str) -> ClientId {
        self.engine.clients().require(name).unwrap().id
    }
}

pub fn conflict<T: std::fmt::Debug>(result: Result<T, Error>, says: &str) {
    match result {
        Err(Error::Conflict { .. }) => {
            let text = result.unwrap_err().to_string();
            assert!(text.contains(says), "{text}");
        }
        other => panic!("{other:?}, not a conflict that says {says:?}"),
    }
}

pub async fn move_to(e: &Evening, channel: Channel, version: u32) {
    let moved = e.me.move_channel("game", None, channel, version);
    moved.await.unwrap();
}
