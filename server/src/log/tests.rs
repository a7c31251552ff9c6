use super::*;
use serde_json::Value;
use std::io;
use tracing::{Dispatch, dispatcher::with_default};

/// Takes what is written.
#[derive(Clone, Default)]
struct Page(Arc<Mutex<Vec<u8>>>);

impl io::Write for Page {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().expect("whole").write(bytes)
    }
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Page {
    /// The lines so far, which are taken away.
    fn lines(&self) -> Vec<Value> {
        let bytes = std::mem::take(&mut *self.0.lock().expect("whole"));
        let text = String::from_utf8(bytes).expect("UTF-8");
        assert!(text.is_empty() || text.ends_with('\n'), "{text}");
        let parsed = text.lines().map(serde_json::from_str);
        parsed.map(|line| line.expect(&text)).collect()
    }
}

fn log(level: &str) -> (LogLevel, Dispatch, Page) {
    let page = Page::default();
    let writer = page.clone();
    let (level, layer) = LogLevel::new(level).expect("a level");
    let lines = JsonLines::new(move || writer.clone());
    let subscriber = tracing_subscriber::registry().with(layer).with(lines);
    (level, Dispatch::new(subscriber), page)
}

#[test]
fn a_line_is_an_object_with_the_fields_of_its_spans() {
    let (_, dispatch, page) = log("info");
    with_default(&dispatch, || {
        let outer = tracing::error_span!(
            target: CONTEXT, "request", request_id = "r-1", n = 1, boot_id = tracing::field::Empty
        );
        let _in = outer.enter();
        outer.record("boot_id", "b-1");
        let _inner = tracing::error_span!(target: CONTEXT, "inner", n = 2).entered();
        tracing::warn!(
            target: "engine::boot",
            name = "a\"b\n", yes = true, minus = -3, half = 0.5, big = u64::MAX,
            shown = %0, list = ?[1, 2],
            target = "iqn.x", level = 7,
            "it {}", "happened"
        );
        tracing::debug!("not told");
    });
    let lines = page.lines();
    assert_eq!(lines.len(), 1, "{lines:?}");
    let line = &lines[0];
    let expected = serde_json::json!({
        "ts": line["ts"], "level": "warn", "target": "engine::boot", "msg": "it happened",
        "request_id": "r-1", "boot_id": "b-1", "n": 2, "name": "a\"b\n", "yes": true, "minus": -3,
        "half": 0.5, "big": u64::MAX, "shown": "0", "list": "[1, 2]", "_target": "iqn.x", "_level": 7,
    });
    assert_eq!(*line, expected);
    let ts = line["ts"].as_str().expect("a time");
    assert!(ts.starts_with("20") && ts.ends_with('Z'), "{ts}");
}

/// Makes a change at once.
fn set(level: &LogLevel, to: &str) -> Result<(), Error> {
    let prepared = level.prepare(to);
    futures_util::FutureExt::now_or_never(prepared)
        .expect("nobody else changes it")
        .map(LevelChange::make)
}

#[test]
fn a_change_is_made_when_it_is_and_the_next_one_waits_for_it() {
    use futures_util::FutureExt;
    let (level, _log, _) = log("info");
    let prepare = |to| {
        level
            .prepare(to)
            .now_or_never()
            .map(|c| c.expect("a level"))
    };
    let first = prepare("debug").expect("free");
    assert_eq!((level.get().as_str(), first.before()), ("info", "info"));
    assert!(
        prepare("warn").is_none(),
        "it would say what is not so any more"
    );
    first.make();
    drop(prepare("error").expect("free again"));
    let second = prepare("warn").expect("one that was dropped is in nobody's way");
    assert_eq!((level.get().as_str(), second.before()), ("debug", "debug"));
}

#[test]
fn the_level_changes_live_and_spans_stay_whatever_it_is() {
    let (level, dispatch, page) = log("warn");
    let told = || {
        with_default(&dispatch, || {
            let span = tracing::error_span!(target: CONTEXT, "request", request_id = "r");
            let _in = span.entered();
            tracing::debug!(target: "engine::boot", "engine");
            tracing::info!(target: "nsboot::http", "http");
            tracing::warn!(target: "store", "store");
        });
        let lines = page.lines();
        assert!(lines.iter().all(|l| l["request_id"] == "r"), "{lines:?}");
        let texts = lines.iter().filter_map(|l| l["msg"].as_str());
        texts.map(str::to_string).collect::<Vec<_>>()
    };
    assert_eq!(told(), ["store"]);
    for (to, expected) in [
        ("info", &["http", "store"][..]),
        ("trace", &["engine", "http", "store"]),
        (" engine=debug,warn ", &["engine", "store"]),
        ("engine::boot=debug", &["engine"]),
        ("off", &[]),
        ("ERROR", &[]),
        ("info", &["http", "store"]),
    ] {
        with_default(&dispatch, || set(&level, to)).expect(to);
        page.lines();
        assert_eq!(told(), expected, "{to}");
        assert_eq!(level.get(), to.trim());
    }
}

#[test]
fn a_bad_filter_says_what_is_wrong_and_changes_nothing() {
    let (level, ..) = log("info");
    let long = "engine=debug,".repeat(100) + "info";
    for bad in [
        "",
        "  ",
        "inof",
        "engine=",
        "engine=loud",
        "info,,debug",
        "=",
        "info,inof",
        &long,
        "a[b=info",
    ] {
        let error = set(&level, bad).expect_err(bad);
        let problem = error.problem();
        assert_eq!((problem.status, problem.fields.len()), (422, 1), "{bad}");
        assert_eq!(problem.fields[0].field, "level");
        assert_eq!(level.get(), "info");
    }
    let error = set(&level, "info,inof").expect_err("no level").to_string();
    assert!(
        error.contains("`inof`") && error.contains("debug"),
        "{error}"
    );
}

#[test]
fn a_terminal_gets_text_and_the_rest_json_unless_told_otherwise() {
    for (wanted, terminal, format) in [
        (None, true, Format::Text),
        (None, false, Format::Json),
        (Some("json"), true, Format::Json),
        (Some("text"), false, Format::Text),
        (Some("yaml"), false, Format::Json),
        (Some(""), true, Format::Text),
    ] {
        assert_eq!(Format::choose(wanted, terminal), format, "{wanted:?}");
    }
}
