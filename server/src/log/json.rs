//! Log lines as JSON: `{"ts","level","target","msg", …fields}`, one object a line. Fields of the
//! spans around a line are its fields too; where names meet, the innermost counts.

use serde_json::{Map, Value};
use std::{fmt, io::Write};
use tracing::{
    Event, Id, Subscriber,
    field::{Field, Visit},
    span::{Attributes, Record},
};
use tracing_subscriber::{Layer, fmt::MakeWriter, layer::Context, registry::LookupSpan};

/// Names of our own; a field with one of them is written with an underscore before it.
const OURS: [&str; 4] = ["ts", "level", "target", "msg"];

/// Writes each event as a line of JSON.
pub struct JsonLines<W> {
    writer: W,
}

impl<W> JsonLines<W> {
    pub fn new(writer: W) -> Self {
        JsonLines { writer }
    }
}

/// The fields of a span or event.
#[derive(Default)]
struct Fields {
    message: Option<String>,
    /// Where a line of the `log` crate is from.
    target: Option<String>,
    rest: Map<String, Value>,
}

impl Fields {
    fn put(&mut self, field: &Field, value: Value) {
        let name = field.name();
        let name = name.strip_prefix("r#").unwrap_or(name);
        match (name, value) {
            ("message", Value::String(text)) => self.message = Some(text),
            ("log.target", Value::String(target)) => self.target = Some(target),
            (name, _) if name.starts_with("log.") => {}
            (name, value) if OURS.contains(&name) => {
                self.rest.insert(format!("_{name}"), value);
            }
            (name, value) => {
                self.rest.insert(name.into(), value);
            }
        }
    }
}

impl Visit for Fields {
    fn record_f64(&mut self, field: &Field, value: f64) {
        self.put(field, value.into());
    }
    fn record_i64(&mut self, field: &Field, value: i64) {
        self.put(field, value.into());
    }
    fn record_u64(&mut self, field: &Field, value: u64) {
        self.put(field, value.into());
    }
    fn record_bool(&mut self, field: &Field, value: bool) {
        self.put(field, value.into());
    }
    fn record_str(&mut self, field: &Field, value: &str) {
        self.put(field, value.into());
    }
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.put(field, format!("{value:?}").into());
    }
}

impl<S, W> Layer<S> for JsonLines<W>
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    W: for<'w> MakeWriter<'w> + 'static,
{
    fn on_new_span(&self, attributes: &Attributes<'_>, id: &Id, context: Context<'_, S>) {
        let Some(span) = context.span(id) else { return };
        let mut fields = Fields::default();
        attributes.record(&mut fields);
        span.extensions_mut().insert(fields);
    }

    fn on_record(&self, id: &Id, values: &Record<'_>, context: Context<'_, S>) {
        let Some(span) = context.span(id) else { return };
        if let Some(fields) = span.extensions_mut().get_mut::<Fields>() {
            values.record(fields);
        }
    }

    fn on_event(&self, event: &Event<'_>, context: Context<'_, S>) {
        let mut own = Fields::default();
        event.record(&mut own);
        let mut fields = Map::new();
        let spans = context.event_scope(event).into_iter();
        for span in spans.flat_map(|scope| scope.from_root()) {
            if let Some(of_span) = span.extensions().get::<Fields>() {
                fields.extend(of_span.rest.iter().map(|(k, v)| (k.clone(), v.clone())));
            }
        }
        fields.extend(own.rest);
        let meta = event.metadata();
        let mut line = head(
            &meta.level().as_str().to_ascii_lowercase(),
            own.target.as_deref().unwrap_or(meta.target()),
            own.message.as_deref().unwrap_or(""),
        );
        for (name, value) in &fields {
            line.push_str(&format!(",{}:{value}", Value::from(name.as_str())));
        }
        line.push_str("}\n");
        // In one piece, so that lines of two threads don't mix. Nobody is left to tell of an error.
        let _ = self.writer.make_writer_for(meta).write_all(line.as_bytes());
    }
}

/// The first four members, in the order that a person looks for them.
fn head(level: &str, target: &str, msg: &str) -> String {
    let ts = serde_json::to_value(engine::now()).unwrap_or_default();
    format!(
        "{{\"ts\":{ts},\"level\":{},\"target\":{},\"msg\":{}",
        Value::from(level),
        Value::from(target),
        Value::from(msg)
    )
}
