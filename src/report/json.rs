//! One JSON object per line, for machines.

use std::io::Write;

use crate::event::{Event, EventSink};

/// Prints every event.
#[derive(Debug, Default)]
pub struct JsonSink {}

impl JsonSink {
    /// To standard output.
    pub fn new() -> Self {
        Self {}
    }
}

impl EventSink for JsonSink {
    fn event(&mut self, event: &Event) {
        if let Ok(mut line) = serde_json::to_vec(event) {
            line.push(b'\n');
            // A reader that went away wants no more lines.
            std::io::stdout().lock().write_all(&line).ok();
        }
    }
}
