//! What a person or a program sees of a synchronisation.

use std::io::Write as _;
use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use serde::Serialize;
use stitchbox_sync::plan::{Plan, Problem, Step};
use stitchbox_sync::{Event, Observer, Report};

use crate::ls::printable;

/// Sentences and a bar, or JSON lines.
pub(super) struct Show {
    json: bool,
    verbose: bool,
    bar: ProgressBar,
}

impl Show {
    pub(super) fn new(json: bool, verbose: bool, quiet: bool) -> Self {
        let hidden = json || quiet;
        let target = if hidden { ProgressDrawTarget::hidden() } else { ProgressDrawTarget::stderr() };
        let bar = ProgressBar::with_draw_target(Some(0), target);
        if let Ok(style) = ProgressStyle::with_template("{bar:30} {bytes}/{total_bytes}  {bytes_per_sec}  {eta}  {msg}")
        {
            bar.set_style(style);
        }
        Self { json, verbose, bar }
    }

    /// What a pass would do.
    pub(super) fn plan(&self, plan: &Plan) {
        let steps = plan.steps();
        for step in &steps {
            if self.json { line(step) } else { say(&sentence(step)) }
        }
        for problem in &plan.problems {
            if self.json { line(problem) } else { say(&trouble(problem)) }
        }
        if !self.json && steps.is_empty() && plan.problems.is_empty() {
            say("nothing to do");
        }
    }

    /// What a pass did.
    pub(super) fn report(&self, report: &Report) {
        if self.json {
            line(&serde_json::json!({ "event": "report", "report": report }));
            return;
        }
        for conflict in &report.conflicts {
            say(&format!("  both sides changed it; this one is kept beside: {}", printable(conflict)));
        }
        for problem in &report.problems {
            say(&trouble(problem));
        }
        say(&summary(report));
    }

    pub(super) fn finish(&self) {
        self.bar.finish_and_clear();
    }
}

impl Observer for Show {
    fn event(&self, event: Event) {
        match &event {
            Event::Bytes { more } => self.bar.inc(*more),
            _ if self.json => line(&event),
            Event::Planned { bytes, files, .. } if *files > 0 => {
                self.bar.set_length(self.bar.position() + bytes);
                self.bar.enable_steady_tick(Duration::from_millis(200));
            }
            Event::Done { step } if self.verbose => self.bar.suspend(|| say(&sentence(step))),
            Event::Failed { problem } if self.verbose => self.bar.suspend(|| say(&trouble(problem))),
            Event::Offline { reason, pause } => {
                self.bar.suspend(|| eprintln!("stitchbox: {reason}; tried again in {pause} s"));
            }
            Event::Passed { report } => self.bar.suspend(|| self.report(report)),
            Event::Scanned { .. }
            | Event::Hashing { .. }
            | Event::Planned { .. }
            | Event::Begun { .. }
            | Event::Done { .. }
            | Event::Failed { .. } => {}
        }
    }
}

fn sentence(step: &Step) -> String {
    let to = step.to.as_ref().map(|to| format!(" -> {}", printable(to))).unwrap_or_default();
    let copy = step.conflict_copy.as_ref().map(|copy| format!(" (the other is kept as {})", printable(copy)));
    format!("{}: {}{to}{}", step.verb, printable(&step.path), copy.unwrap_or_default())
}

fn trouble(problem: &Problem) -> String {
    format!("  left alone: {}: {}; {}", printable(&problem.path), problem.why, problem.next)
}

fn summary(report: &Report) -> String {
    if report.unchanged {
        return "both sides are equal".to_owned();
    }
    let mut parts = Vec::new();
    let mut part = |count: usize, what: &str| {
        if count > 0 {
            parts.push(format!("{count} {what}"));
        }
    };
    part(report.uploaded, "sent");
    part(report.downloaded, "fetched");
    part(report.folders, "folders made");
    part(report.moved, "moved");
    part(report.deleted_here, "deleted here");
    part(report.deleted_there, "deleted there");
    part(report.conflicts.len(), "kept twice");
    part(report.problems.len(), "left alone");
    part(report.waiting, "still being written");
    if parts.is_empty() { "both sides are equal".to_owned() } else { parts.join(", ") }
}

fn line(document: &impl Serialize) {
    say(&serde_json::to_string(document).unwrap_or_default());
}

fn say(text: &str) {
    // a reader that left early, such as `head`, is no failure
    let _ = writeln!(std::io::stdout(), "{text}");
}
