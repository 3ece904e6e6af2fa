//! Traces: each tick as a tree of steps with their times. Where nothing is traced a [`Step`] is empty, and everything asked of it does nothing.
//!
//! A step ends when its last clone goes, so it lasts as long as whatever holds it. It is handed on where work goes from task to task; within one
//! task [`Step::current`] is what the work belongs to.

use std::sync::Arc;

use futures::future::{BoxFuture, FutureExt};
use opentelemetry::trace::{Span, SpanBuilder, SpanKind, Status, TraceContextExt, Tracer};
use opentelemetry::{Context, KeyValue};
use opentelemetry_sdk::trace::SdkTracer;

/// Longest text of an attribute, in characters: queries and messages have no other bound.
const LONGEST_TEXT: usize = 256;

tokio::task_local! {
    static CURRENT: Step;
}

/// Begins traces, or none.
#[derive(Clone, Debug, Default)]
pub struct Traces(Option<SdkTracer>);

/// Something that takes time, and what follows from it.
#[derive(Clone, Debug, Default)]
#[must_use]
pub struct Step(Option<Arc<Begun>>);

#[derive(Debug)]
struct Begun {
    tracer: SdkTracer,
    /// Holds the span.
    context: Context,
}

// === impl Traces ===

impl Traces {
    /// Traces made by a tracer.
    pub const fn new(tracer: SdkTracer) -> Self {
        Self(Some(tracer))
    }

    /// A trace of its own, unless the sampler leaves it out; then nothing that follows from it costs anything either.
    pub fn begin(&self, name: &'static str, attributes: impl FnOnce() -> Vec<KeyValue>) -> Step {
        self.0.as_ref().map_or_else(Step::default, |tracer| Step::start(tracer, &Context::new(), name, SpanKind::Internal, attributes()))
    }
}

// === impl Step ===

impl Step {
    /// What the running task works on; empty outside of [`Step::during`].
    pub fn current() -> Self {
        CURRENT.try_with(Self::clone).unwrap_or_default()
    }

    /// Notes a moment in what the running task works on.
    pub fn moment(name: &'static str) {
        // Outside of any step there is nothing to note.
        let _ = CURRENT.try_with(|step| step.event(name, Vec::new));
    }

    /// Whether it is traced.
    pub const fn is_on(&self) -> bool {
        self.0.is_some()
    }

    /// A step within the process that follows from this one.
    pub fn inner(&self, name: &'static str, attributes: impl FnOnce() -> Vec<KeyValue>) -> Self {
        self.next(name, SpanKind::Internal, attributes)
    }

    /// A request to somebody else that follows from this one.
    pub fn request(&self, name: &'static str, attributes: impl FnOnce() -> Vec<KeyValue>) -> Self {
        self.next(name, SpanKind::Client, attributes)
    }

    fn next(&self, name: &'static str, kind: SpanKind, attributes: impl FnOnce() -> Vec<KeyValue>) -> Self {
        self.0.as_ref().map_or_else(Self::default, |begun| Self::start(&begun.tracer, &begun.context, name, kind, attributes()))
    }

    fn start(tracer: &SdkTracer, parent: &Context, name: &'static str, kind: SpanKind, attributes: Vec<KeyValue>) -> Self {
        let builder = SpanBuilder::from_name(name).with_kind(kind).with_attributes(attributes);
        let span = tracer.build_with_context(builder, parent);
        let sampled = span.is_recording();
        Self(sampled.then(|| Arc::new(Begun { tracer: tracer.clone(), context: parent.with_span(span) })))
    }

    /// More about it. A key that was given before is not replaced.
    pub fn tell(&self, attributes: impl FnOnce() -> Vec<KeyValue>) {
        if let Some(begun) = &self.0 {
            begun.context.span().set_attributes(attributes());
        }
    }

    /// Notes a moment in it.
    pub fn event(&self, name: &'static str, attributes: impl FnOnce() -> Vec<KeyValue>) {
        if let Some(begun) = &self.0 {
            begun.context.span().add_event(name, attributes());
        }
    }

    /// It failed, of this kind, with this message.
    pub fn failed(&self, kind: &'static str, message: &str) {
        if let Some(begun) = &self.0 {
            let span = begun.context.span();
            span.set_attribute(KeyValue::new("error.type", kind));
            span.set_status(Status::error(clipped(message)));
        }
    }

    /// It ends now, whoever still holds it.
    pub fn end(&self) {
        if let Some(begun) = &self.0 {
            begun.context.span().end();
        }
    }

    /// Work that belongs to this step.
    pub fn during<T: Send + 'static>(self, work: impl Future<Output = T> + Send + 'static) -> BoxFuture<'static, T> {
        if self.is_on() { CURRENT.scope(self, work).boxed() } else { work.boxed() }
    }
}

/// A text that fits an attribute.
pub fn clipped(text: &str) -> String {
    match text.char_indices().nth(LONGEST_TEXT) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn never() -> Vec<KeyValue> {
        unreachable!("attributes are made for steps that are traced only")
    }

    #[test]
    fn nothing_is_made_where_nothing_is_traced() {
        let tick = Traces::default().begin("tick", never);
        assert!(!tick.is_on());
        let step = tick.inner("decision", never);
        step.tell(never);
        step.event("signal", never);
        assert!(!step.request("write", never).is_on());
        assert!(!Step::current().is_on());
    }

    #[test]
    fn long_texts_are_cut_between_characters() {
        assert_eq!(clipped("sum(x)"), "sum(x)");
        let long = clipped(&"ä".repeat(LONGEST_TEXT + 1));
        assert_eq!(long.chars().count(), LONGEST_TEXT + 1);
        assert!(long.ends_with("ä…"));
    }
}
