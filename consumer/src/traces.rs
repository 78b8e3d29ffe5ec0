//! Spans for records and events that belong to a trace (feature `otel`): what is applied and what goes out are children of
//! whatever produced the record.
//!
//! Exported by OTLP over HTTP, as the standard's own variables say; without `OTEL_EXPORTER_OTLP_ENDPOINT` or
//! `OTEL_EXPORTER_OTLP_TRACES_ENDPOINT` nowhere. Attributes are those of OpenTelemetry's conventions for messaging.

use std::collections::HashMap;
use std::time::{Duration, SystemTime};

use opentelemetry::global::{self, BoxedSpan};
use opentelemetry::propagation::TextMapPropagator;
use opentelemetry::trace::{Span, SpanKind, Status, TraceContextExt, Tracer};
use opentelemetry::{Context, KeyValue};
use opentelemetry_otlp::SpanExporter;
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::propagation::TraceContextPropagator;
use opentelemetry_sdk::trace::SdkTracerProvider;

use crate::batch::Batch;
use crate::error::Error;
use crate::messages::PartitionId;
use crate::outlet::{Event, TOPIC};

const NAME: &str = "deed-consumer";
const HEADER: &str = "traceparent";
const ENDPOINTS: [&str; 2] = [
    "OTEL_EXPORTER_OTLP_ENDPOINT",
    "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT",
];

/// The exporter, until the process ends; what is waiting is sent when it is dropped.
pub struct Exporter(SdkTracerProvider);

impl Drop for Exporter {
    fn drop(&mut self) {
        if let Err(error) = self.0.shutdown() {
            tracing::warn!(%error, "traces are not all exported");
        }
    }
}

/// Begins to export, if there is somewhere to.
pub fn start() -> Result<Option<Exporter>, Error> {
    if ENDPOINTS
        .iter()
        .all(|name| std::env::var_os(name).is_none())
    {
        return Ok(None);
    }
    let wrong = |error: &dyn std::fmt::Display| Error::Config(format!("{}: {error}", ENDPOINTS[0]));
    let exporter = SpanExporter::builder().with_http().build();
    let exporter = exporter.map_err(|error| wrong(&error))?;
    let provider = SdkTracerProvider::builder()
        .with_batch_exporter(exporter)
        .with_resource(Resource::builder().with_service_name(NAME).build())
        .build();
    global::set_tracer_provider(provider.clone());
    Ok(Some(Exporter(provider)))
}

/// A batch was applied, in so long: a span for each of its records that is in a trace.
pub fn applied(of: &PartitionId, group: &str, batch: &Batch, took: Duration) {
    let end = SystemTime::now();
    for (offset, trace) in batch.traces() {
        let Some(parent) = parent(trace) else {
            continue;
        };
        let mut span = global::tracer(NAME)
            .span_builder(format!("process {}", of.topic))
            .with_kind(SpanKind::Consumer)
            .with_start_time(end - took)
            .with_attributes([
                KeyValue::new("messaging.system", "kafka"),
                KeyValue::new("messaging.operation.type", "process"),
                KeyValue::new("messaging.destination.name", of.topic.clone()),
                KeyValue::new(
                    "messaging.destination.partition.id",
                    of.partition.to_string(),
                ),
                KeyValue::new("messaging.kafka.offset", offset),
                KeyValue::new("messaging.consumer.group.name", group.to_owned()),
            ])
            .start_with_context(&global::tracer(NAME), &parent);
        span.end_with_timestamp(end);
    }
}

/// Events on their way out, each that is in a trace with a span.
#[derive(Default)]
pub struct Sending(Vec<BoxedSpan>);

impl Sending {
    /// Begins a span for the event; what its record says of the trace, so that whoever reads it is a child of it.
    pub fn begin(&mut self, event: &Event) -> Option<String> {
        let parent = parent(event.traceparent.as_deref()?)?;
        let tracer = global::tracer(NAME);
        let span = tracer
            .span_builder(format!("send {TOPIC}"))
            .with_kind(SpanKind::Producer)
            .with_attributes([
                KeyValue::new("messaging.system", "kafka"),
                KeyValue::new("messaging.operation.type", "send"),
                KeyValue::new("messaging.destination.name", TOPIC),
                KeyValue::new("messaging.message.id", event.id.to_string()),
                KeyValue::new("deed.event.type", event.kind.clone()),
            ])
            .start_with_context(&tracer, &parent);
        let context = span.span_context().clone();
        self.0.push(span);
        let mut headers = HashMap::new();
        let context = Context::new().with_remote_span_context(context);
        TraceContextPropagator::new().inject_context(&context, &mut headers);
        headers.remove(HEADER)
    }

    /// Kafka committed them, or did not.
    pub fn end(self, done: Result<(), String>) {
        for mut span in self.0 {
            if let Err(error) = &done {
                span.set_status(Status::error(error.clone()));
            }
            span.end();
        }
    }
}

fn parent(traceparent: &str) -> Option<Context> {
    let headers = HashMap::from([(HEADER.to_owned(), traceparent.to_owned())]);
    let parent = TraceContextPropagator::new().extract(&headers);
    let is_valid = parent.span().span_context().is_valid();
    is_valid.then_some(parent)
}
