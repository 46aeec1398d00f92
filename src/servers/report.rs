//! Plans and states as text for a terminal of 80 columns.

use super::plan::{Action, Cause, Change, Line, ServerPlan};
use std::fmt::Write as _;

const WIDTH: usize = 80;

/// Whether marks are coloured: where a person reads on a terminal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Style {
    Plain,
    Coloured,
}

/// All plans, and their sum in one line.
pub(crate) fn plans(plans: &[ServerPlan], style: Style) -> String {
    let mut text = String::new();
    for plan in plans {
        server(&mut text, plan, style);
        text.push('\n');
    }
    let count = |action| plans.iter().filter(|plan| plan.action == action).count();
    let parts = [
        (count(Action::Create), "to create"),
        (count(Action::Update), "to update"),
        (count(Action::Wait), "that AWS is at work on"),
        (count(Action::Refuse), "that a person has to look at"),
        (count(Action::Keep), "as declared"),
    ];
    let parts: Vec<_> = parts
        .iter()
        .filter(|(count, _)| *count > 0)
        .map(|(count, words)| format!("{count} {words}"))
        .collect();
    let _ = writeln!(
        text,
        "Plan: {}.",
        if parts.is_empty() { "nothing is declared".to_owned() } else { parts.join(", ") }
    );
    text
}

fn server(text: &mut String, plan: &ServerPlan, style: Style) {
    let status = plan.status.as_deref().unwrap_or("does not exist");
    let _ = writeln!(text, "{} {} ({}): {status}", plan.kind.words(), plan.name, plan.region);
    for line in &plan.lines {
        self::line(text, line, style);
    }
    for note in &plan.notes {
        wrapped(text, "  note: ", note);
    }
}

fn line(text: &mut String, line: &Line, style: Style) {
    let mark = mark(line.change, style);
    let shown = |value: &Option<String>| value.clone().unwrap_or_else(|| "(absent)".to_owned());
    let field = format!("{:<31}", line.field);
    match line.change {
        Change::Same | Change::Create => {
            let value = shown(&line.would_be);
            let _ = writeln!(text, "  {mark} {field} {value}");
        }
        Change::Update | Change::Blocked => {
            let (is, would_be) = (shown(&line.is), shown(&line.would_be));
            if 4 + field.len() + 1 + is.chars().count() + 4 + would_be.chars().count() <= WIDTH {
                let _ = writeln!(text, "  {mark} {field} {is} -> {would_be}");
            } else {
                let _ = writeln!(
                    text,
                    "  {mark} {}\n      is        {is}\n      would be  {would_be}",
                    line.field
                );
            }
            if line.cause == Some(Cause::Drift) {
                text.push_str("      changed at AWS since the last apply\n");
            }
        }
    }
    if let Some(advice) = &line.advice {
        wrapped(text, "      ", advice);
    }
}

fn mark(change: Change, style: Style) -> String {
    let (mark, colour) = match change {
        Change::Create => ("+", "32"),
        Change::Update => ("~", "33"),
        Change::Blocked => ("!", "31"),
        Change::Same => ("=", "2"),
    };
    match style {
        Style::Plain => mark.to_owned(),
        Style::Coloured => format!("\u{1b}[{colour}m{mark}\u{1b}[0m"),
    }
}

/// Words in lines of 80 columns, each indented by the width of `start`.
fn wrapped(text: &mut String, start: &str, words: &str) {
    let indent = " ".repeat(start.len());
    let mut line = start.to_owned();
    for word in words.split_whitespace() {
        if line.chars().count() + word.chars().count() >= WIDTH && line.trim() != "" {
            let _ = writeln!(text, "{}", line.trim_end());
            line.clone_from(&indent);
        }
        line.push_str(word);
        line.push(' ');
    }
    let _ = writeln!(text, "{}", line.trim_end());
}
