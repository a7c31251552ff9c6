//! What holds for jobs: they end, can be cancelled, and survive a restart.

use crate::{By, Engine, EngineConfig};
use std::path::Path;
use types::{
    ClientView, CreateClientParams, JobId, JobState, JobView, MacAddr, OverlayMode, Role,
    UpdateClientParams,
};

fn open(dir: &Path) -> Engine {
    Engine::open(EngineConfig {
        data_dir: dir.into(),
        ..EngineConfig::default()
    })
    .unwrap()
}

async fn over(engine: &Engine, job: &JobView) -> JobView {
    let mut events = engine.events().subscribe(types::Topics::default());
    loop {
        let now = engine.jobs().get(job.id).unwrap();
        if now.state.is_over() && engine.jobs().running(Role::Admin).is_empty() {
            return now;
        }
        // Each step of a job is told; what was told before we listened is in `now`.
        let next = tokio::time::timeout(std::time::Duration::from_secs(20), events.next());
        next.await.expect("the job goes on");
    }
}

async fn client(engine: &Engine, n: u8) -> ClientView {
    let params = CreateClientParams::new(format!("pc-{n}"), MacAddr([0x52, 0x54, 0, 0, 0, n]));
    engine
        .as_itself("test")
        .create_client(params)
        .await
        .unwrap()
}

fn keep() -> UpdateClientParams {
    UpdateClientParams {
        mode: Some(OverlayMode::Keep),
        ..UpdateClientParams::default()
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_bulk_change_tells_each_item_and_refuses_another_count() {
    let dir = tempfile::tempdir().unwrap();
    let engine = open(dir.path());
    for n in 1..=3 {
        client(&engine, n).await;
    }
    let itself = engine.as_itself("test");
    let names: Vec<String> = (1..=3).map(|n| format!("pc-{n}")).collect();
    let other = itself.update_clients(&names, 2, keep()).await.unwrap_err();
    assert_eq!(other.code(), "NSB-CLIENT-002");
    let twice = [names.clone(), names.clone()].concat();
    let job = itself.update_clients(&twice, 3, keep()).await.unwrap();
    let done = over(&engine, &job).await;
    assert_eq!(
        (done.state, done.done, done.total),
        (JobState::Succeeded, 3, Some(3))
    );
    assert!(done.items.iter().all(|i| i.state == JobState::Succeeded));
    assert!(itself.clients().iter().all(|c| c.mode == OverlayMode::Keep));
    // What can be seen at once begins no job.
    let missing = UpdateClientParams {
        image: Some("no-such-image".into()),
        ..UpdateClientParams::default()
    };
    let refused = itself.update_clients(&names, 3, missing).await.unwrap_err();
    assert_eq!(refused.code(), "NSB-IMAGE-004");
    // What only each computer can tell is told with it.
    let back = UpdateClientParams {
        adopt: Some(false),
        ..UpdateClientParams::default()
    };
    let job = itself.update_clients(&names, 3, back).await.unwrap();
    let failed = over(&engine, &job).await;
    assert_eq!(failed.state, JobState::Failed);
    let problem = failed.items[0].problem.as_ref().unwrap();
    assert_eq!(problem.code, "NSB-CLIENT-001");
    let audit = itself.audit(Default::default(), None, 100).await.unwrap();
    let updates = audit.iter().filter(|e| e.action == "client.update");
    assert_eq!(updates.count(), 3, "each computer has its own entry");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_image_is_read_again_and_damage_shows() {
    let dir = tempfile::tempdir().unwrap();
    let engine = open(dir.path());
    let itself = engine.as_itself("test");
    let mut import = itself
        .begin_import(crate::images::NewImport::new("disk", None))
        .await
        .unwrap();
    import.write(vec![7u8; 1 << 20].into()).await.unwrap();
    let image = import.finish().await.unwrap();
    let job = itself.verify_image("disk").await.unwrap();
    let good = over(&engine, &job).await;
    assert_eq!((good.state, good.done), (JobState::Succeeded, 1 << 20));
    assert_eq!(good.result.unwrap()["sha256"], image.sha256.unwrap());
    let file = dir.path().join("images").join(format!("{}.raw", image.id));
    let bytes = std::fs::OpenOptions::new().write(true).open(file).unwrap();
    std::os::unix::fs::FileExt::write_at(&bytes, &[8], 4096).unwrap();
    let job = itself.verify_image("disk").await.unwrap();
    let bad = over(&engine, &job).await;
    assert_eq!(bad.state, JobState::Failed);
    assert_eq!(bad.problem.unwrap().code, "NSB-IMAGE-002");
}

/// A job as a stop of the server leaves it: written down as running, with nobody who runs it.
async fn interrupted(dir: &Path, by: By) -> JobView {
    use super::{NewJob, Work};
    let engine = open(dir);
    let one = client(&engine, 1).await;
    let new = NewJob {
        work: Work::UpdateClients {
            ids: vec![one.id],
            change: keep(),
        },
        title: "Change 1 computers".into(),
        unit: types::JobUnit::Items,
        total: Some(1),
        items: vec![(one.id.to_string(), one.name)],
        change: crate::audit::Change::act("client.update_many", "client", 1, "1"),
    };
    let job = engine.jobs().begin(&by, new).await.unwrap();
    let id = job.id();
    // As when the process dies: no end is written.
    std::mem::forget(job);
    let view = engine.jobs().get(id).unwrap();
    engine.jobs().inner.live().clear();
    view
}

/// Its items are of clients that are not there: each fails.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_job_of_which_everything_fails_ends_and_is_written_down() {
    use super::{MAX_ITEMS, NewJob, Work};
    let dir = tempfile::tempdir().unwrap();
    let engine = open(dir.path());
    let ids: Vec<_> = (0..MAX_ITEMS)
        .map(|_| types::ClientId(uuid::Uuid::now_v7()))
        .collect();
    let name = "a-computer-with-as-long-a-name-as-computers-may-have-63-letters";
    let new = NewJob {
        items: ids.iter().map(|i| (i.to_string(), name.into())).collect(),
        work: Work::UpdateClients {
            ids,
            change: keep(),
        },
        title: "Change many computers".into(),
        unit: types::JobUnit::Items,
        total: Some(MAX_ITEMS as u64),
        change: crate::audit::Change::act("client.update_many", "client", 1, "1"),
    };
    let by = By::system("test");
    let id = super::start(&engine, &by, new).await.unwrap();
    let begun = engine.jobs().get(id).unwrap();
    let ended = over(&engine, &begun).await;
    assert_eq!(ended.state, JobState::Failed);
    assert!(ended.items.iter().all(|i| i.problem.is_some()));
    let kept: Option<store::JobRecord> = engine
        .jobs()
        .inner
        .store
        .read(|tx| store::Read::get(tx, &id))
        .unwrap();
    assert_eq!(kept.unwrap().state, JobState::Failed);
    assert!(engine.jobs().inner.live().is_empty());
}

/// As when the set was removed while the job waited.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_job_gives_no_computer_a_loader_set_that_is_gone() {
    let dir = tempfile::tempdir().unwrap();
    let engine = open(dir.path());
    let one = client(&engine, 1).await;
    let new = super::NewJob {
        work: super::Work::UpdateClients {
            ids: vec![one.id],
            change: UpdateClientParams {
                loader_set: Some("gone-1.0".into()),
                ..UpdateClientParams::default()
            },
        },
        title: "Change 1 computers".into(),
        unit: types::JobUnit::Items,
        total: Some(1),
        items: vec![(one.id.to_string(), one.name)],
        change: crate::audit::Change::act("client.update_many", "client", 1, "1"),
    };
    let by = By::system("test");
    let id = super::start(&engine, &by, new).await.unwrap();
    let begun = engine.jobs().get(id).unwrap();
    let ended = over(&engine, &begun).await;
    let problem = ended.items[0].problem.as_ref().expect("refused");
    let why = &problem.fields[0].message;
    assert!(why.contains("no loader set \"gone-1.0\""), "{why}");
    let known = engine.clients().get(one.id).unwrap();
    assert_eq!(known.loader_set, None);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_done_before_a_restart_is_not_done_again() {
    let dir = tempfile::tempdir().unwrap();
    let engine = open(dir.path());
    let (one, two) = (client(&engine, 1).await, client(&engine, 2).await);
    let new = super::NewJob {
        work: super::Work::UpdateClients {
            ids: vec![one.id, two.id],
            change: keep(),
        },
        title: "Change 2 computers".into(),
        unit: types::JobUnit::Items,
        total: Some(2),
        items: [&one, &two]
            .map(|c| (c.id.to_string(), c.name.clone()))
            .into(),
        change: crate::audit::Change::act("client.update_many", "client", 1, "1"),
    };
    let job = engine.jobs().begin(&By::system("test"), new).await.unwrap();
    let view = engine.jobs().get(job.id()).unwrap();
    // The first is done and stored so; then somebody else has it back as it was.
    let store = &engine.jobs().inner.store;
    let id = job.id();
    let mut record: store::JobRecord = store.read(|tx| store::Read::get(tx, &id)).unwrap().unwrap();
    record.items[0].state = JobState::Succeeded;
    store.write(move |tx| tx.put(&record)).await.unwrap();
    std::mem::forget(job);
    engine.jobs().inner.live().clear();

    let after = crashed(dir.path());
    let engine = open(after.path());
    let ended = over(&engine, &view).await;
    assert_eq!((ended.state, ended.done), (JobState::Succeeded, 2));
    let mode = |name: &str| engine.as_itself("test").client(name).unwrap().mode;
    assert_eq!(mode("pc-1"), one.mode, "left as somebody else made it");
    assert_eq!(mode("pc-2"), OverlayMode::Keep);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_job_that_ends_while_it_is_cancelled_is_over_for_good() {
    let dir = tempfile::tempdir().unwrap();
    let engine = open(dir.path());
    let by = By::system("test");
    for _ in 0..300 {
        let new = super::NewJob {
            work: super::Work::VerifyAudit,
            title: "Check".into(),
            unit: types::JobUnit::Items,
            total: None,
            items: Vec::new(),
            change: crate::audit::Change::act("audit.verify", "audit", 1, "1"),
        };
        let job = engine.jobs().begin(&by, new).await.unwrap();
        let view = engine.jobs().get(job.id()).unwrap();
        let (jobs, by) = (engine.jobs().clone(), by.clone());
        let cancelling = tokio::spawn(async move { jobs.cancel(&by, view.id).await });
        tokio::task::spawn_blocking(move || job.finish(Ok(super::Outcome::Items)))
            .await
            .unwrap();
        // Too late is an answer, too.
        let _ = cancelling.await.unwrap();
        over(&engine, &view).await;
        let kept: Option<store::JobRecord> = engine
            .jobs()
            .inner
            .store
            .read(|tx| store::Read::get(tx, &view.id))
            .unwrap();
        assert!(kept.unwrap().state.is_over());
    }
}

/// The forgotten handle holds the registry, and that the store: the file is copied, as after a crash.
fn crashed(dir: &Path) -> tempfile::TempDir {
    let after = tempfile::tempdir().unwrap();
    std::fs::copy(dir.join("nsboot.redb"), after.path().join("nsboot.redb")).unwrap();
    after
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn after_a_restart_a_job_goes_on_or_has_honestly_failed() {
    let dir = tempfile::tempdir().unwrap();
    let job = interrupted(dir.path(), By::system("test")).await;
    let after = crashed(dir.path());
    let engine = open(after.path());
    let done = over(&engine, &job).await;
    assert_eq!(done.state, JobState::Succeeded);
    let restarted = |l: &types::JobLineView| l.text.contains("restarted");
    assert!(done.log.iter().any(restarted));
    assert_eq!(
        engine.as_itself("test").client("pc-1").unwrap().mode,
        OverlayMode::Keep
    );

    // Begun by an account that is not there any more.
    let dir = tempfile::tempdir().unwrap();
    let gone = By {
        actor: crate::Actor::User {
            id: types::UserId(uuid::Uuid::now_v7()),
            name: "gone".into(),
        },
        ..By::system("test")
    };
    let job = interrupted(dir.path(), gone).await;
    let after = crashed(dir.path());
    let engine = open(after.path());
    let failed = over(&engine, &job).await;
    assert_eq!(failed.state, JobState::Failed);
    assert_eq!(failed.problem.unwrap().code, "NSB-AUTH-011");
    assert_eq!(
        engine.as_itself("test").client("pc-1").unwrap().mode,
        OverlayMode::Reset
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_job_can_be_cancelled_once_and_what_breaks_off_has_failed() {
    let dir = tempfile::tempdir().unwrap();
    let engine = open(dir.path());
    let itself = engine.as_itself("test");
    let new = |title: &str| super::NewJob {
        work: super::Work::VerifyAudit,
        title: title.into(),
        unit: types::JobUnit::Items,
        total: None,
        items: Vec::new(),
        change: crate::audit::Change::act("audit.verify", "audit", 1, "1"),
    };
    let by = By::system("test");
    let job = engine.jobs().begin(&by, new("cancelled")).await.unwrap();
    let id = job.id().to_string();
    assert!(itself.cancel_job(&id).await.unwrap().cancel_requested);
    assert!(job.cancelled());
    job.finish(Ok(super::work::Outcome::Cancelled));
    let view = itself.job(&id).unwrap();
    assert_eq!(over(&engine, &view).await.state, JobState::Cancelled);
    let again = itself.cancel_job(&id).await.unwrap_err();
    assert_eq!(again.code(), "NSB-JOB-002");

    let job = engine.jobs().begin(&by, new("broken off")).await.unwrap();
    let view = itself.job(&job.id().to_string()).unwrap();
    let broken = tokio::spawn(async move {
        let _job = job;
        panic!("the work breaks off");
    });
    assert!(broken.await.is_err());
    let failed = over(&engine, &view).await;
    assert_eq!(failed.state, JobState::Failed);
    assert!(failed.problem.is_some());
    let newest = itself.jobs(None, 1).await.unwrap();
    assert_eq!(newest[0].title, "broken off");
    assert_eq!(itself.jobs(Some(newest[0].id), 9).await.unwrap().len(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn jobs_wait_for_their_turn_and_too_many_are_refused() {
    let dir = tempfile::tempdir().unwrap();
    let engine = open(dir.path());
    let itself = engine.as_itself("test");
    // As if two long ones ran.
    let turns = engine.jobs().inner.turns.clone();
    let held = turns.acquire_many_owned(2).await.unwrap();
    let first = itself.verify_audit().await.unwrap();
    assert_eq!((first.state, first.started_at), (JobState::Queued, None));
    for _ in 1..100 {
        itself.verify_audit().await.unwrap();
    }
    let e = itself.verify_audit().await.unwrap_err();
    assert_eq!(e.code(), "NSB-JOB-005");
    itself.cancel_job(&first.id.to_string()).await.unwrap();
    let mut events = engine.events().subscribe(types::Topics::default());
    while itself.job(&first.id.to_string()).unwrap().state != JobState::Cancelled {
        events.next().await;
    }
    drop(held);
    let last = itself.jobs(None, 1).await.unwrap().remove(0);
    assert_eq!(over(&engine, &last).await.state, JobState::Succeeded);
    // Whoever goes away while a job is written down leaves none that nobody runs.
    {
        let mut asked = std::pin::pin!(itself.verify_audit());
        let once = std::future::poll_fn(|cx| {
            // It may be done already; then there is nothing to see.
            let _ = asked.as_mut().poll(cx);
            std::task::Poll::Ready(())
        });
        once.await;
    }
    let newest = loop {
        let newest = itself.jobs(None, 1).await.unwrap().remove(0);
        if newest.id != last.id {
            break newest;
        }
        let next = tokio::time::timeout(std::time::Duration::from_secs(20), events.next());
        next.await.expect("it is begun");
    };
    assert_eq!(over(&engine, &newest).await.state, JobState::Succeeded);
}

/// What a damaged row of the table looks like: bytes that are no job.
#[derive(Clone, serde::Serialize, serde::Deserialize)]
struct Damaged(JobId);

impl store::Record for Damaged {
    const KIND: u8 = 255;
    const SCHEMA: u16 = 1;
    const TABLE: &'static str = "jobs";
    type Key = JobId;

    fn key(&self) -> JobId {
        self.0
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_damaged_job_is_left_out_and_an_administrators_is_seen_by_no_other() {
    let dir = tempfile::tempdir().unwrap();
    let engine = open(dir.path());
    let itself = engine.as_itself("test");
    let one = client(&engine, 1).await;
    let everybodys = itself.update_clients(&[one.name], 1, keep()).await.unwrap();
    over(&engine, &everybodys).await;
    let mut viewers = engine
        .events()
        .subscribe(types::Topics::default())
        .seen_by(Role::Viewer);
    let own = itself.verify_audit().await.unwrap();
    over(&engine, &own).await;
    let broken = JobId(uuid::Uuid::now_v7());
    let write = engine.store().write(move |tx| tx.put(&Damaged(broken)));
    write.await.unwrap();

    let jobs = engine.jobs();
    let ids = async |role, before, limit| {
        let found = jobs.list(role, before, limit).await.unwrap();
        found.into_iter().map(|j| j.id).collect::<Vec<_>>()
    };
    assert_eq!(ids(Role::Admin, None, 9).await, [own.id, everybodys.id]);
    for role in [Role::Viewer, Role::Operator] {
        assert_eq!(ids(role, None, 1).await, [everybodys.id], "a whole page");
        assert!(jobs.show(role, own.id).is_err());
        assert_eq!(jobs.show(role, everybodys.id).unwrap().id, everybodys.id);
    }
    // Nor is it told to them: the next thing that they hear is something else.
    client(&engine, 2).await;
    let crate::Next::Changes(told) = viewers.next().await else {
        panic!("nothing was lost");
    };
    let is_job =
        |c: &std::sync::Arc<crate::Change>| matches!(c.event(), types::Event::JobChanged { .. });
    assert!(!told.is_empty() && !told.iter().any(is_job));
}

fn piece() -> bytes::Bytes {
    bytes::Bytes::from(vec![7; 1 << 20])
}

/// The one job of an engine, told or stored.
async fn only(engine: &Engine) -> JobView {
    let all = engine.jobs().list(Role::Admin, None, 9).await.unwrap();
    assert_eq!(all.len(), 1, "{all:?}");
    engine.jobs().get(all[0].id).unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_upload_is_a_job_with_progress_and_an_end() {
    let dir = tempfile::tempdir().unwrap();
    let engine = open(dir.path());
    let itself = engine.as_itself("test");
    let mut import = itself
        .begin_import(crate::images::NewImport::new("disk", Some(2 << 20)))
        .await
        .unwrap();
    let begun = only(&engine).await;
    assert_eq!(
        (begun.state, begun.total, begun.kind.as_str()),
        (JobState::Running, Some(2 << 20), "image.import")
    );
    import.write(piece()).await.unwrap();
    assert_eq!(only(&engine).await.done, 1 << 20);
    import.write(piece()).await.unwrap();
    let image = import.finish().await.unwrap();
    let done = over(&engine, &begun).await;
    assert_eq!(done.state, JobState::Succeeded, "{done:?}");
    assert_eq!(done.result.unwrap()["image"], image.name);
    let log = itself.audit(Default::default(), None, 9).await.unwrap();
    let imports = log.iter().filter(|e| e.action == "image.import");
    assert_eq!(imports.count(), 1, "the job adds no entry of its own");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_upload_that_is_cancelled_leaves_nothing_and_says_so() {
    let dir = tempfile::tempdir().unwrap();
    let engine = open(dir.path());
    let itself = engine.as_itself("test");
    let mut import = itself
        .begin_import(crate::images::NewImport::new("disk", None))
        .await
        .unwrap();
    import.write(piece()).await.unwrap();
    let job = only(&engine).await;
    itself.cancel_job(&job.id.to_string()).await.unwrap();
    let told = import.cancelled().await;
    assert!(told.to_string().contains("cancelled"), "{told}");
    assert!(import.write(piece()).await.is_err(), "of no use any more");
    drop(import);
    assert_eq!(over(&engine, &job).await.state, JobState::Cancelled);
    assert!(engine.images().find("disk").is_none());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_upload_whose_sender_or_server_is_gone_has_failed() {
    let dir = tempfile::tempdir().unwrap();
    let engine = open(dir.path());
    let itself = engine.as_itself("test");
    let import = itself
        .begin_import(crate::images::NewImport::new("disk", None))
        .await
        .unwrap();
    let job = only(&engine).await;
    drop(import);
    let gone = over(&engine, &job).await;
    assert_eq!(gone.state, JobState::Failed);
    assert!(gone.problem.unwrap().title.contains("ended before"));
    let import = itself
        .begin_import(crate::images::NewImport::new("other", None))
        .await
        .unwrap();
    let all = engine.jobs().list(Role::Admin, None, 9).await.unwrap();
    // As a stop of the server leaves it: nobody says how it ended.
    std::mem::forget(import);
    drop((itself, engine));
    let after = crashed(dir.path());
    let engine = open(after.path());
    let job = over(&engine, &all[0]).await;
    assert_eq!(job.state, JobState::Failed);
    assert!(job.problem.unwrap().title.contains("server was stopped"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_over_goes_when_it_is_old_or_too_many_and_what_is_not_stays() {
    use super::{JobKind, KEEP};
    const DAY: i64 = 86_400;
    let dir = tempfile::tempdir().unwrap();
    let engine = open(dir.path());
    let itself = engine.as_itself("test");
    let new = super::NewJob {
        work: super::Work::VerifyAudit,
        title: "old".into(),
        unit: types::JobUnit::Items,
        total: None,
        items: vec![("a".into(), "a".into()), ("b".into(), "b".into())],
        change: crate::audit::Change::act("audit.verify", "audit", 1, "1"),
    };
    let made = engine.jobs().record_of(&By::system("test"), &new).unwrap();
    let id = |n: usize| JobId(uuid::Uuid::from_u128(n as u128));
    // Began and ended so many days ago; none has not ended.
    let row = |n: usize, began: i64, ended: Option<i64>| store::JobRecord {
        id: id(n),
        state: ended.map_or(JobState::Running, |_| JobState::Failed),
        created_at: crate::now().plus_seconds(-began * DAY),
        finished_at: ended.map(|days| crate::now().plus_seconds(-days * DAY)),
        ..made.clone()
    };
    let put = async |rows: Vec<store::JobRecord>| {
        // As if it had been counted when it ended.
        let over: Vec<_> = rows.iter().filter(|r| r.state.is_over()).cloned().collect();
        engine.jobs().inner.count(&over, &[]);
        let write = engine
            .store()
            .write(move |tx| rows.iter().try_for_each(|row| tx.put(row)));
        write.await.unwrap();
    };
    // The end of a job is when the old ones are looked through.
    let look = async || {
        engine
            .jobs()
            .inner
            .ended
            .store(0, std::sync::atomic::Ordering::Relaxed);
        let job = itself.verify_audit().await.unwrap();
        assert_eq!(over(&engine, &job).await.state, JobState::Succeeded);
        engine.jobs().list(Role::Admin, None, 9999).await.unwrap()
    };
    let counted = |state| {
        let counts = engine.jobs().counts().into_iter();
        let mut of = counts.filter(|(kind, s, _)| (*kind, *s) == (JobKind::VerifyAudit, state));
        of.next().unwrap().2
    };
    put(vec![
        row(1, 92, Some(91)),
        row(2, 90, Some(89)),
        row(3, 200, None),
        row(4, 200, Some(1)),
    ])
    .await;
    let kept = look().await;
    let ids: Vec<_> = kept.iter().map(|j| j.id).skip(1).collect();
    assert_eq!(
        ids,
        [id(4), id(3), id(2)],
        "by its end, and only what is over"
    );
    assert_eq!(counted(JobState::Failed), 2);

    put((10..10 + KEEP).map(|n| row(n, 1, Some(1))).collect()).await;
    let kept = look().await;
    let over = kept.iter().filter(|j| j.state.is_over());
    assert_eq!(over.count(), KEEP, "the newest");
    assert!(
        kept.iter().any(|j| j.id == id(3)),
        "what runs is not counted"
    );
    for (n, there) in [(2, false), (4, false), (10, false), (11, false), (12, true)] {
        assert_eq!(kept.iter().any(|j| j.id == id(n)), there, "{n}");
    }
    let whole = engine.jobs().get(id(3)).unwrap();
    let items: Vec<_> = whole.items.iter().map(|i| i.name.as_str()).collect();
    assert_eq!(items, ["a", "b"]);
    assert_eq!(
        counted(JobState::Failed) + counted(JobState::Succeeded),
        KEEP as u64
    );
}
