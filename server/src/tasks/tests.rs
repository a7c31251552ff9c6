use super::*;
use std::sync::atomic::{AtomicU32, Ordering};
use tokio::sync::Notify;

const QUICK: Pace = Pace {
    first: Duration::from_millis(1),
    most: Duration::from_millis(4),
    steady: Duration::from_secs(60),
};
const HOUR: Pace = Pace {
    first: Duration::from_secs(3600),
    most: Duration::from_secs(3600),
    steady: Duration::from_secs(60),
};
const PATIENCE: Duration = Duration::from_secs(20);

async fn until_stopped(stop: CancellationToken) -> Result<(), String> {
    stop.cancelled().await;
    Ok(())
}

fn view(tasks: &Tasks, name: &str) -> TaskView {
    let found = tasks.list().into_iter().find(|t| t.name == name);
    found.expect("in the list")
}

/// Waits until the list says so: the task writes it from another thread.
async fn seen(tasks: &Tasks, name: &str, what: impl Fn(&TaskView) -> bool) -> TaskView {
    let look = async {
        loop {
            let view = view(tasks, name);
            if what(&view) {
                return view;
            }
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(PATIENCE, look).await.expect("in time")
}

#[tokio::test]
async fn a_panic_starts_that_one_again_and_the_others_go_on() {
    let stopping = CancellationToken::new();
    let tasks = Tasks::new(stopping.clone());
    let starts = Arc::new(AtomicU32::new(0));
    let third = Arc::new(Notify::new());
    let (count, reached) = (starts.clone(), third.clone());
    tasks.spawn_paced("weak", QUICK, move |stop| {
        let (n, reached) = (count.fetch_add(1, Ordering::SeqCst), reached.clone());
        async move {
            match n {
                0 => panic!("number {n}"),
                1 => Err("the cable is out".to_string()),
                _ => {
                    reached.notify_one();
                    until_stopped(stop).await
                }
            }
        }
    });
    let others = Arc::new(AtomicU32::new(0));
    let count = others.clone();
    tasks.spawn_paced("other", QUICK, move |stop| {
        count.fetch_add(1, Ordering::SeqCst);
        until_stopped(stop)
    });
    let again = tokio::time::timeout(PATIENCE, third.notified()).await;
    again.expect("it is started a third time");
    let weak = view(&tasks, "weak");
    assert_eq!((weak.state, weak.restarts), (TaskState::Running, 2));
    assert_eq!(weak.last_error.as_deref(), Some("the cable is out"));
    let other = view(&tasks, "other");
    assert_eq!((other.state, other.restarts), (TaskState::Running, 0));
    assert_eq!(other.last_error, None);

    stopping.cancel();
    let ended = tokio::time::timeout(PATIENCE, tasks.finished()).await;
    ended.expect("all end");
    assert_eq!(
        others.load(Ordering::SeqCst),
        1,
        "the other ran all the time"
    );
    assert!(tasks.list().iter().all(|t| t.state == TaskState::Stopped));
}

#[tokio::test]
async fn what_a_panic_said_is_told_while_the_task_waits() {
    let stopping = CancellationToken::new();
    let tasks = Tasks::new(stopping.clone());
    let before = now();
    // Also one that panics before there is a future.
    tasks.spawn_paced(
        "early",
        HOUR,
        |_| -> std::future::Ready<Result<(), String>> { panic!("no {}", "luck") },
    );
    tasks.spawn_paced("late", HOUR, |_| async {
        let none: Option<u8> = None;
        none.map(drop).ok_or("nothing there")
    });
    let early = seen(&tasks, "early", |t| t.state == TaskState::Restarting).await;
    assert_eq!(early.last_error.as_deref(), Some("panicked: no luck"));
    assert!(early.since >= before && early.restarts == 0);
    let late = seen(&tasks, "late", |t| t.state == TaskState::Restarting).await;
    assert_eq!(late.last_error.as_deref(), Some("nothing there"));

    // A pause of an hour holds up nobody.
    stopping.cancel();
    let ended = tokio::time::timeout(PATIENCE, tasks.finished()).await;
    ended.expect("all end");
    let early = view(&tasks, "early");
    assert_eq!(early.state, TaskState::Stopped);
    assert!(early.last_error.is_some(), "still told");
}

#[tokio::test]
async fn one_that_is_done_stays_done_and_one_can_be_stopped_alone() {
    let stopping = CancellationToken::new();
    let tasks = Tasks::new(stopping.clone());
    let runs = Arc::new(AtomicU32::new(0));
    let count = runs.clone();
    let done = tasks.spawn_paced("done", QUICK, move |_| {
        count.fetch_add(1, Ordering::SeqCst);
        async { Ok::<(), String>(()) }
    });
    let one = tasks.spawn("one", until_stopped);
    tasks.spawn("two", until_stopped);
    tokio::time::timeout(PATIENCE, done.ended())
        .await
        .expect("done");
    one.stop();
    tokio::time::timeout(PATIENCE, one.ended())
        .await
        .expect("stopped");
    assert_eq!(runs.load(Ordering::SeqCst), 1);
    let states: Vec<_> = tasks
        .list()
        .into_iter()
        .map(|t| (t.name, t.state))
        .collect();
    let expected = [
        ("done", TaskState::Stopped),
        ("one", TaskState::Stopped),
        ("two", TaskState::Running),
    ];
    assert_eq!(states, expected.map(|(n, s)| (n.to_string(), s)));
    // Started anew it takes its old place in the list.
    tasks.spawn("one", until_stopped);
    assert_eq!(view(&tasks, "one").state, TaskState::Running);
    assert_eq!(tasks.list().len(), 3);
    stopping.cancel();
    tasks.finished().await;
}

#[test]
fn pauses_grow_to_a_bound_and_begin_anew_after_a_good_run() {
    let pace = Pace::default();
    let short = Duration::from_secs(5);
    let mut last = None;
    let pauses: Vec<u64> = (0..8)
        .map(|_| {
            let pause = pace.pause(last, short);
            last = Some(pause);
            pause.as_secs()
        })
        .collect();
    assert_eq!(pauses, [1, 2, 4, 8, 16, 32, 60, 60]);
    assert_eq!(pace.pause(last, Duration::from_secs(60)).as_secs(), 1);
    assert_eq!(pace.pause(last, Duration::from_secs(59)).as_secs(), 60);
}
