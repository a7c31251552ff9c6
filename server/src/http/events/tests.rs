//! One connection against the real router, on a local socket; the events are told by the test.

use super::*;
use crate::{
    http::{Door, limit::Limits, listener, metrics::Metrics, router},
    log::LogLevel,
    planes::Planes,
    tasks::Tasks,
};
use engine::{Engine, EngineConfig, EventBus, now};
use tokio::net::{UnixListener, UnixStream};
use tokio_tungstenite::{
    WebSocketStream, client_async,
    tungstenite::{
        self,
        protocol::frame::coding::{Data, OpCode},
    },
};
use tokio_util::sync::CancellationToken;
use types::{Event, ImageId, Position};
use uuid::Uuid;

struct Stage {
    dir: tempfile::TempDir,
    state: AppState,
}

impl Stage {
    fn open() -> Stage {
        Stage::with(Limits::new())
    }

    fn with(limits: Limits) -> Stage {
        let dir = tempfile::tempdir().expect("temp dir");
        let config = EngineConfig {
            data_dir: dir.path().join("data"),
            ..EngineConfig::default()
        };
        let engine = Engine::open(config).expect("opened");
        let stopping = CancellationToken::new();
        let tasks = Tasks::new(stopping.clone());
        let state = AppState {
            planes: Planes::new(engine.clone(), tasks.clone()),
            metrics: Metrics::new(engine.clone(), tasks.clone()),
            log_level: LogLevel::detached(),
            limits,
            tasks,
            engine,
            started_at: now(),
            stopping: stopping.clone(),
        };
        let socket = UnixListener::bind(dir.path().join("s")).expect("bound");
        let router = router(state.clone(), Door::Local);
        tokio::spawn(listener::serve(
            listener::Socket::Unix(socket),
            router,
            stopping,
        ));
        Stage { dir, state }
    }

    fn events(&self) -> &EventBus {
        self.state.engine.events()
    }

    async fn connect(&self, query: &str) -> WebSocketStream<UnixStream> {
        self.try_connect(query).await.expect("open")
    }

    async fn try_connect(
        &self,
        query: &str,
    ) -> Result<WebSocketStream<UnixStream>, tungstenite::Error> {
        let stream = UnixStream::connect(self.dir.path().join("s")).await;
        let address = format!("ws://localhost/api/v1/ws{query}");
        let opened = client_async(address, stream.expect("connected")).await;
        opened.map(|(socket, _)| socket)
    }
}

impl Drop for Stage {
    fn drop(&mut self) {
        self.state.stopping.cancel();
    }
}

/// The next text; none when the connection has ended.
async fn next(socket: &mut WebSocketStream<UnixStream>) -> Option<String> {
    loop {
        let message = timeout(Duration::from_secs(60), socket.next()).await;
        match message.expect("in time") {
            Some(Ok(tungstenite::Message::Text(text))) => return Some(text.to_string()),
            Some(Ok(tungstenite::Message::Close(_)) | Err(_)) | None => return None,
            Some(Ok(_)) => {}
        }
    }
}

fn parse(text: &str) -> ServerFrame {
    serde_json::from_str(text).expect("a frame")
}

fn image(n: u64) -> Event {
    Event::ImageRemoved {
        id: ImageId(Uuid::from_u128(u128::from(n))),
    }
}

const MANY: u64 = 200_000;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_reader_that_stops_gets_a_new_snapshot_and_disturbs_nobody() {
    let stage = Stage::open();
    let mut good = stage.connect("").await;
    let mut slow = stage.connect("").await;
    assert!(next(&mut good).await.expect("open").contains("snapshot"));
    let mut place = Position::after(None, &parse(&next(&mut slow).await.expect("open")));
    let mut seen = 0;
    for n in 1..=MANY {
        stage.events().publish(image(n));
        if n % 500 == 0 {
            // The good one keeps up and gets each of them, in order, and never a snapshot.
            while seen < n {
                let text = next(&mut good).await.expect("not disturbed");
                seen += 1;
                let begin = format!("{{\"kind\":\"delta\",\"seq\":{seen},");
                assert!(text.starts_with(&begin), "{seen}: {text}");
            }
        }
    }
    // The slow one reads on. It may have been dropped meanwhile, if the above took long.
    let (mut frames, mut snapshots) = (0u64, 0);
    while place.as_ref().is_some_and(|p| p.seq < MANY) {
        let Some(text) = next(&mut slow).await else {
            let since = place.as_ref().expect("known");
            slow = stage.connect(&format!("?since={since}")).await;
            continue;
        };
        let frame = parse(&text);
        frames += 1;
        snapshots += u32::from(matches!(frame, ServerFrame::Snapshot { .. }));
        place = Position::after(place, &frame);
    }
    assert!(snapshots >= 1, "it could not have been told all");
    // What it got late is what was on its way when it stopped: the socket's buffer and one take.
    assert!(frames < MANY / 10, "{frames} frames had waited for it");
    stage.events().publish(image(0));
    let more = parse(&next(&mut slow).await.expect("open"));
    assert!(matches!(more, ServerFrame::Delta { seq, .. } if seq == MANY + 1));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_changed_often_meanwhile_is_told_once() {
    let stage = Stage::open();
    let mut first = stage.connect("").await;
    let place = Position::after(None, &parse(&next(&mut first).await.expect("open")));
    for n in 0..3000 {
        stage.events().publish(image(n % 3));
    }
    let since = place.expect("a snapshot says where");
    let mut back = stage.connect(&format!("?since={since}")).await;
    let resumed = parse(&next(&mut back).await.expect("open"));
    assert!(
        matches!(resumed, ServerFrame::Resumed { seq: 0, .. }),
        "{resumed:?}"
    );
    for n in 2998..=3000 {
        let frame = parse(&next(&mut back).await.expect("open"));
        assert!(
            matches!(frame, ServerFrame::Delta { seq, .. } if seq == n),
            "{frame:?}"
        );
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_more_than_there_are_seats_is_told_and_gets_in_once_one_left() {
    let stage = Stage::with(Limits::with_readers(1));
    let mut first = stage.connect("").await;
    next(&mut first).await.expect("served");
    let refused = stage.try_connect("").await.err();
    let Some(tungstenite::Error::Http(answer)) = refused else {
        panic!("{refused:?}");
    };
    assert_eq!(answer.status(), 503);
    assert_eq!(answer.headers()["retry-after"], "10");
    first.close(None).await.expect("closed");
    assert_eq!(next(&mut first).await, None);
    // The seat is given back by the server's side of it, soon after.
    let again = async {
        loop {
            match stage.try_connect("").await {
                Ok(socket) => break socket,
                Err(_) => tokio::task::yield_now().await,
            }
        }
    };
    let mut again = timeout(Duration::from_secs(60), again).await.expect("free");
    assert!(next(&mut again).await.expect("open").contains("snapshot"));
}

#[tokio::test]
async fn a_long_text_goes_in_pieces_and_is_one_message() {
    for length in [
        0,
        1,
        socket::PIECE,
        socket::PIECE + 1,
        5 * socket::PIECE / 2,
    ] {
        let text: Bytes = "ü".repeat(length).into();
        let mut sent: Vec<Message> = Vec::new();
        feed_text(&mut sent, text.clone())
            .await
            .expect("a Vec takes all");
        let (mut whole, count) = (Vec::new(), sent.len());
        for (n, message) in sent.into_iter().enumerate() {
            let Message::Frame(frame) = message else {
                panic!("{message:?}");
            };
            let header = frame.header();
            assert_eq!(header.is_final, n + 1 == count, "{length}: {n} of {count}");
            let code = if n == 0 { Data::Text } else { Data::Continue };
            assert_eq!(header.opcode, OpCode::Data(code), "{length}: {n}");
            assert!(frame.payload().len() <= socket::PIECE);
            whole.extend_from_slice(frame.payload());
        }
        assert_eq!(whole, text, "{length}");
    }
}

#[test]
fn a_reader_stays_until_its_session_ends_or_its_role_is_lowered() {
    let all = [Role::Viewer, Role::Operator, Role::Admin];
    for at_first in all {
        assert_eq!(verdict(None, at_first).map(|e| e.0), Some(4401));
        for now in all {
            let code = verdict(Some(now), at_first).map(|e| e.0);
            assert_eq!(
                code,
                (now < at_first).then_some(4403),
                "{at_first:?} {now:?}"
            );
        }
    }
}
