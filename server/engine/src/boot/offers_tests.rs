use super::*;
use crate::{
    By, Engine, EngineConfig, Next,
    export::{BlockDevice, Export, SessionGuard},
};
use std::{
    io,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};
use types::{CreateClientParams, MacAddr, Topics};

struct Nothing;

impl BlockDevice for Nothing {
    fn size_bytes(&self) -> u64 {
        8192
    }
    fn read_only(&self) -> bool {
        false
    }
    fn read_at(&self, _: u64, buf: &mut [u8]) -> io::Result<()> {
        buf.fill(0);
        Ok(())
    }
    fn write_at(&self, _: u64, _: &[u8]) -> io::Result<()> {
        Ok(())
    }
    fn flush(&self) -> io::Result<()> {
        Ok(())
    }
    fn discard(&self, _: u64, _: u64) -> io::Result<()> {
        Ok(())
    }
    fn extents(&self, _: u64, len: u64) -> io::Result<Vec<(u64, bool)>> {
        Ok(vec![(len, false)])
    }
}

struct Fixture {
    engine: Engine,
    id: ClientId,
    target: String,
    /// How often the session was told to end.
    told: Arc<AtomicUsize>,
    _dir: tempfile::TempDir,
}

/// A computer whose disk is offered.
async fn fixture() -> Fixture {
    let dir = tempfile::tempdir().unwrap();
    let engine = Engine::open(EngineConfig {
        data_dir: dir.path().into(),
        ..EngineConfig::default()
    })
    .unwrap();
    let new = CreateClientParams::new("pc-1", MacAddr([2, 0, 0, 0, 0, 1]));
    let made = engine.as_itself("test").create_client(new).await;
    let id = made.unwrap().id;
    let target = identity::target(id);
    engine.exports().publish(Export {
        target: target.clone(),
        lun: 0,
        serial: "S1".into(),
        naa: 0x3000_0000_0000_0001,
        device: Arc::new(Nothing),
        data: Vec::new(),
        chap: None,
        initiator: None,
    });
    Fixture {
        engine,
        id,
        target,
        told: Arc::default(),
        _dir: dir,
    }
}

impl Fixture {
    fn session(&self) -> SessionGuard {
        let info = SessionInfo {
            id: 0,
            target: self.target.clone(),
            initiator: "iqn.i".into(),
            via: Via::Iscsi { isid: [1; 6] },
            peer: ([10, 77, 0, 5], 5000).into(),
            since: crate::now(),
        };
        let told = self.told.clone();
        let close = Box::new(move || _ = told.fetch_add(1, Ordering::Relaxed));
        let patience = Duration::from_secs(1);
        self.engine
            .exports()
            .register(info, close, patience)
            .unwrap()
    }

    async fn view(&self) -> ExportView {
        self.engine.boots().export("pc-1").await.unwrap()
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_export_says_whose_it_is_and_what_went_over_it() {
    let f = fixture().await;
    let session = f.session();
    let device = f.engine.exports().offered(&f.target).unwrap().device;
    device.read_at(0, &mut [0; 4096]).unwrap();
    device.write_at(0, &[0; 512]).unwrap();
    let view = f.view().await;
    assert_eq!(view.client_name.as_deref(), Some("pc-1"));
    assert_eq!(
        (view.naa.as_str(), view.size_bytes),
        ("3000000000000001", 8192)
    );
    assert_eq!((view.read_bytes, view.written_bytes), (4096, 512));
    assert_eq!(
        (&view.image_name, view.version),
        (&None, None),
        "it has no overlay"
    );
    let [one] = &view.sessions[..] else {
        panic!("{view:?}")
    };
    assert_eq!(
        (one.id, one.peer.as_str()),
        (session.info().id, "10.77.0.5:5000")
    );
    assert_eq!(f.engine.boots().exports().await.unwrap(), [view]);
    drop(session);
    assert!(f.view().await.sessions.is_empty());
    assert!(f.engine.boots().export("pc-2").await.is_err());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_session_is_dropped_by_its_number_and_that_is_written_down() {
    let f = fixture().await;
    let session = f.session();
    let id = session.info().id;
    let (boots, by) = (f.engine.boots(), By::system("test"));
    for (client, number) in [("pc-1", id + 1), ("pc-2", id)] {
        let refused = boots.drop_session(&by, client, number).await;
        assert!(
            matches!(refused, Err(Error::NotFound { .. })),
            "{refused:?}"
        );
    }
    assert_eq!(f.told.load(Ordering::Relaxed), 0);
    boots
        .drop_session(&by, &f.id.to_string(), id)
        .await
        .unwrap();
    assert_eq!(f.told.load(Ordering::Relaxed), 1);
    let itself = f.engine.as_itself("test");
    let log = itself.audit(crate::audit::AuditFilter::default(), None, 10);
    let dropped = log
        .await
        .unwrap()
        .into_iter()
        .find(|e| e.action == "export.drop");
    let before = dropped.unwrap().before.unwrap();
    assert_eq!(before["peer"], "10.77.0.5:5000");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_page_is_told_of_sessions_and_of_what_is_withdrawn() {
    let f = fixture().await;
    let topics: Topics = "storage".parse().unwrap();
    let mut reader = f.engine.events().subscribe(topics);
    let boots = f.engine.boots().clone();
    let teller = tokio::spawn(async move { boots.tell_exports(std::future::pending()).await });
    let mut next = async || match reader.next().await {
        Next::Changes(changes) => changes.last().unwrap().event().clone(),
        Next::Lost => panic!("lost"),
    };
    let Event::ExportChanged { export } = next().await else {
        panic!("it is offered")
    };
    assert!(export.sessions.is_empty());
    let session = f.session();
    let Event::ExportChanged { export } = next().await else {
        panic!("it is used")
    };
    assert_eq!(export.sessions.len(), 1);
    f.engine.exports().withdraw(&f.target);
    drop(session);
    assert_eq!(next().await, Event::ExportRemoved { id: f.id });
    teller.abort();
}
