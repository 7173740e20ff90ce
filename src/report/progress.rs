//! Progress on a terminal: the same lines as elsewhere, above one line per node that is at work for longer than a moment and
//! a total. What is to be seen is kept in a `View`; a thread of its own draws it ten times a second, so that a run of many
//! short nodes does not spend its time on drawing.

use std::io::Write;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use indicatif::{MultiProgress, ProgressBar, ProgressStyle};

use crate::base::clock::Clock;
use crate::event::{Event, EventSink, Progress};
use crate::report::lines::{Closing, LineSink, Paint};
use crate::report::view::View;

/// Between two pictures.
const FRAME: Duration = Duration::from_millis(100);

/// Draws with indicatif, on standard error.
pub struct ProgressSink {
    lines: LineSink,
    paint: Paint,
    clock: Clock,
    verbose: bool,
    shared: Arc<Shared>,
    /// Draws from the start of a run to its end.
    drawer: Option<JoinHandle<()>>,
}

/// What the sink and the thread that draws share.
#[derive(Default)]
struct Shared {
    state: Mutex<State>,
    wake: Condvar,
}

#[derive(Default)]
struct State {
    view: View,
    /// Lines that are to stay, above all that moves.
    lines: String,
    over: bool,
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl ProgressSink {
    /// With or without colours; `verbose` shows fresh nodes and what commands print.
    pub fn new(color: bool, verbose: bool, clock: Clock) -> Self {
        let lines = LineSink::new(color, verbose, clock).with_closing(Closing::Linked);
        Self { lines, paint: Paint(color), clock, verbose, shared: Arc::default(), drawer: None }
    }

    fn begin(&mut self) {
        let (shared, clock, paint) = (Arc::clone(&self.shared), self.clock, self.paint);
        self.drawer = Some(std::thread::spawn(move || draw(&shared, clock, paint)));
    }

    /// Takes away what moves; what stays has been written when this returns.
    fn end(&mut self) {
        let Some(drawer) = self.drawer.take() else { return };
        self.shared.state().over = true;
        self.shared.wake.notify_all();
        // A panic while drawing loses a picture; the lines that stay are written below.
        drawer.join().ok();
        let left = std::mem::take(&mut self.shared.state().lines);
        write(&left);
    }
}

impl EventSink for ProgressSink {
    fn event(&mut self, event: &Event) {
        match event {
            Event::Started { .. } if self.drawer.is_none() => self.begin(),
            Event::Finished(_) => self.end(),
            _ => {}
        }
        let is_seen = matches!(event, Event::Output { .. }) && !self.verbose;
        let text = if is_seen { None } else { self.lines.text(event) };
        if self.drawer.is_none() {
            return write(&text.unwrap_or_default());
        }
        let mut state = self.shared.state();
        state.view.take(event, self.clock.elapsed_ms());
        state.lines.push_str(&text.unwrap_or_default());
        if matches!(event, Event::Ended { failure: Some(_), .. } | Event::Warning { .. }) {
            self.shared.wake.notify_all();
        }
    }

    fn shows_progress(&self) -> bool {
        true
    }

    fn progress(&mut self, progress: &Progress) {
        self.shared.state().view.tell(progress);
    }
}

impl Drop for ProgressSink {
    fn drop(&mut self) {
        self.end();
    }
}

/// A terminal that went away wants no more lines.
fn write(text: &str) {
    std::io::stderr().lock().write_all(text.as_bytes()).ok();
}

fn draw(shared: &Shared, clock: Clock, paint: Paint) {
    let bars = MultiProgress::new();
    let style =
        |template: &str| ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar());
    let total = bars.add(ProgressBar::new_spinner().with_style(style("{spinner} {wide_msg}")));
    let mut nodes: Vec<ProgressBar> = Vec::new();
    let mut state = shared.state();
    while !state.over {
        state = shared.wake.wait_timeout(state, FRAME).unwrap_or_else(PoisonError::into_inner).0;
        let now_ms = clock.elapsed_ms();
        let lines = std::mem::take(&mut state.lines);
        let text = state.view.total(now_ms);
        let at_work = state.view.at_work(now_ms, most_nodes(), paint);
        drop(state);
        if !lines.is_empty() {
            bars.suspend(|| write(&lines));
        }
        while nodes.len() > at_work.len() {
            if let Some(bar) = nodes.pop() {
                bar.finish_and_clear();
                bars.remove(&bar);
            }
        }
        while nodes.len() < at_work.len() {
            let bar = ProgressBar::new_spinner().with_style(style("{wide_msg}"));
            nodes.push(bars.insert_before(&total, bar));
        }
        for (bar, line) in nodes.iter().zip(at_work) {
            // Every change is a picture.
            if bar.message() != line {
                bar.set_message(line);
            }
        }
        total.set_message(text);
        state = shared.state();
    }
    drop(state);
    nodes.iter().chain([&total]).for_each(ProgressBar::finish_and_clear);
    bars.clear().ok();
}

/// Half of the screen is for lines that stay.
fn most_nodes() -> usize {
    const UNKNOWN: u16 = 24;
    let rows = rustix::termios::tcgetwinsize(std::io::stderr()).map_or(UNKNOWN, |size| size.ws_row);
    usize::from(if rows == 0 { UNKNOWN } else { rows } / 2).max(1)
}
