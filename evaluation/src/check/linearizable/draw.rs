//! Draws a counter-example as text: who did what, when, what was answered, and the longest order that explains a part
//! of it.

use std::collections::HashSet;

use super::{
    configuration::Slots,
    model::{Model, Operation, Source},
    shrink::{CounterExample, Start},
};

/// So many operations are drawn; the others are counted.
const DRAWN: usize = 24;
/// So many of those of unknown outcome are drawn.
const DRAWN_UNKNOWN: usize = 6;
/// How wide the drawing of times is, characters.
const WIDE: usize = 32;
/// How many orders are tried for the longest.
const TRIED: usize = 100_000;

/// The drawing, on several lines. `who` names whoever asked.
pub(super) fn draw<M: Model>(
    model: &M,
    example: &CounterExample<M>,
    who: impl Fn(&Source) -> String,
) -> String {
    let name = |one: &Operation<M>| format!("{}{}", who(&one.source), model.call_words(&one.call));
    // Those that were sent last: what they may have done may be seen in these answers.
    let unknown = example.unknown.iter().rev().take(DRAWN_UNKNOWN);
    let mut drawn: Vec<&Operation<M>> = example.answered.iter().take(DRAWN).chain(unknown).collect();
    drawn.sort_by_key(|one| one.begin_ns);
    let scale = Scale::of(&drawn);
    let rows: Vec<[String; 5]> = drawn
        .iter()
        .map(|one| {
            let until = one.end_ns().map_or_else(|| "?".to_owned(), ms);
            let reply = one.answer.as_ref().map(|answer| model.reply_words(&answer.reply));
            [
                number(&one.source),
                name(one),
                format!("{} to {until} ms", ms(one.begin_ns)),
                scale.bar(one),
                reply.unwrap_or_else(|| "may have happened, or not".to_owned()),
            ]
        })
        .collect();
    let mut lines = vec![match &example.start {
        Start::Beginning(states) => {
            let states: Vec<String> = states.iter().map(|state| model.state_words(state)).collect();
            format!("  at first: {}", states.join(" or "))
        }
        Start::Anything { at_ns } => format!("  at {} ms, whatever there was before:", ms(*at_ns)),
    }];
    lines.extend(in_columns(&rows));
    let more = [
        (example.answered.len().saturating_sub(DRAWN), "not drawn, whose answers are needed for this"),
        (example.unknown.len().saturating_sub(DRAWN_UNKNOWN), "not drawn, which may have happened, or not"),
        (example.indifferent.len(), "answered, of which it makes no difference whether they took effect"),
    ];
    let more = more.into_iter().filter(|(count, _)| *count > 0);
    lines.extend(more.map(|(count, what)| format!("  and others: {count} {what}")));
    lines.extend(Longest::of(model, example).lines(model, example));
    if !example.minimal {
        lines.push("  there may be a smaller one: it was not looked for to the end".to_owned());
    }
    lines.join("\n")
}

fn ms(ns: i64) -> String {
    format!("{:.3}", ns as f64 / 1e6)
}

/// `operation 17`; `n1, n2`.
pub(super) fn number(source: &Source) -> String {
    match source {
        Source::Operation(op) => format!("operation {op}"),
        Source::ReadBack(nodes) => {
            let nodes: Vec<String> = nodes.iter().map(|node| format!("n{node}")).collect();
            nodes.join(", ")
        }
    }
}

fn in_columns(rows: &[[String; 5]]) -> impl Iterator<Item = String> {
    let width = |column: usize| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0);
    let widths = [width(0), width(1), width(2), width(3), 0];
    rows.iter().map(move |row| {
        let cells: Vec<String> =
            row.iter().zip(widths).map(|(cell, width)| format!("{cell:width$}")).collect();
        format!("  {}", cells.join("  ").trim_end())
    })
}

/// Times by their order: what is drawn is what overlaps, not how long it took.
struct Scale {
    times_ns: Vec<i64>,
}

impl Scale {
    fn of<M: Model>(drawn: &[&Operation<M>]) -> Self {
        let mut times_ns: Vec<i64> =
            drawn.iter().flat_map(|one| [Some(one.begin_ns), one.end_ns()]).flatten().collect();
        times_ns.sort_unstable();
        times_ns.dedup();
        Self { times_ns }
    }

    fn column(&self, time_ns: i64) -> usize {
        let place = self.times_ns.partition_point(|other| *other < time_ns);
        place * (WIDE - 2) / self.times_ns.len().max(1)
    }

    fn bar<M: Model>(&self, one: &Operation<M>) -> String {
        let begin = self.column(one.begin_ns);
        let (end, close) = match one.end_ns() {
            Some(end_ns) => (self.column(end_ns).max(begin + 1), '|'),
            None => (WIDE - 1, '>'),
        };
        format!("{}|{}{close}", " ".repeat(begin), "-".repeat(end - begin - 1))
    }
}

/// The longest order that explains a part of the answers, found by trying.
struct Longest<S> {
    /// By place in the list of all operations, with the state after each.
    order: Vec<(usize, S)>,
    /// The state at first.
    from: Option<S>,
    /// Operations that would have been next, and cannot have been answered so.
    stuck: Vec<usize>,
}

impl<S: Clone + Eq + std::hash::Hash> Longest<S> {
    /// Tries orders one by one, deepest first: the search of Wing and Gong as it is in their paper.
    fn of<M: Model<State = S>>(model: &M, example: &CounterExample<M>) -> Self {
        let all = example.operations();
        let mut longest = Self { order: Vec::new(), from: None, stuck: Vec::new() };
        let mut explained = 0;
        let mut seen: HashSet<(S, Slots)> = HashSet::new();
        for from in example.from(model) {
            let mut stack = vec![(from.clone(), Slots::default(), Vec::<(usize, S)>::new())];
            while let Some((state, done, order)) = stack.pop() {
                if seen.len() >= TRIED {
                    break;
                }
                let first_end_ns = all
                    .iter()
                    .enumerate()
                    .filter(|(place, _)| !done.contains(*place))
                    .filter_map(|(_, one)| one.end_ns())
                    .min()
                    .unwrap_or(i64::MAX);
                let answered = order.iter().filter(|(place, _)| all[*place].answer.is_some()).count();
                let ready = |place: &usize| !done.contains(*place) && all[*place].begin_ns <= first_end_ns;
                if longest.from.is_none() || answered > explained {
                    explained = answered;
                    let stuck = (0..all.len()).filter(ready).filter(|place| all[*place].answer.is_some());
                    longest = Self { order: order.clone(), from: Some(from.clone()), stuck: stuck.collect() };
                }
                // The last one pushed is tried first: those that were answered.
                let candidates = (0..all.len()).filter(ready);
                let (known, unknown): (Vec<_>, Vec<_>) =
                    candidates.partition(|place| all[*place].answer.is_some());
                for place in unknown.into_iter().chain(known.into_iter().rev()) {
                    let Some(next) = all[place].step(model, &state) else { continue };
                    let mut done = done.clone();
                    done.insert(place);
                    if seen.insert((next.clone(), done.clone())) {
                        let mut order = order.clone();
                        order.push((place, next.clone()));
                        stack.push((next, done, order));
                    }
                }
            }
        }
        longest
    }

    fn lines<M: Model<State = S>>(&self, model: &M, example: &CounterExample<M>) -> Vec<String> {
        let all = example.operations();
        let step = |(place, state): &(usize, S)| {
            format!("{} ({})", number(&all[*place].source), model.state_words(state))
        };
        let mut lines = Vec::new();
        lines.push(match self.order.as_slice() {
            [] => "  the longest order that was tried: none of them can have been the first".to_owned(),
            order => {
                let steps: Vec<String> = order.iter().map(step).collect();
                format!("  the longest order that was tried: {}", steps.join(", then "))
            }
        });
        let state = self.order.last().map(|(_, state)| state).or(self.from.as_ref());
        if let Some(state) = state {
            for place in &self.stuck {
                let Some(answer) = &all[*place].answer else { continue };
                lines.push(format!(
                    "  stuck at: {}, which was answered \"{}\" where there was: {}",
                    number(&all[*place].source),
                    model.reply_words(&answer.reply),
                    model.state_words(state)
                ));
            }
        }
        lines
    }
}
