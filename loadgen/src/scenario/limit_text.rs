//! Reads a limit: `metric comparison value [@ window]`.

use super::{
    Comparison, FailoverFigure, Limit, Metric, OperationKind, OutcomeKind, Window,
    source::{duration, one_of},
};

/// A limit that makes no sense.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{wrong}; expected {expected}")]
pub struct LimitError {
    /// What is wrong.
    pub wrong: String,
    /// What would have been right.
    pub expected: String,
}

fn error(wrong: impl Into<String>, expected: impl Into<String>) -> LimitError {
    LimitError { wrong: wrong.into(), expected: expected.into() }
}

const SHAPE: &str = "a metric, a comparison and a value, such as \"view.p99 < 50ms @ steady\"";

const COMPARISONS: [(&str, Comparison); 5] = [
    ("<", Comparison::Less),
    ("<=", Comparison::AtMost),
    ("==", Comparison::Equal),
    (">=", Comparison::AtLeast),
    (">", Comparison::Greater),
];

const FIGURES: [(&str, FailoverFigure); 4] = [
    ("elect", FailoverFigure::Elect),
    ("unavailable", FailoverFigure::Unavailable),
    ("recover", FailoverFigure::Recover),
    ("lost_work", FailoverFigure::LostWork),
];

const QUANTILES: [(&str, f64); 5] =
    [("p50", 0.5), ("p90", 0.9), ("p99", 0.99), ("p999", 0.999), ("max", 1.0)];

fn find<T: Copy>(table: &[(&str, T)], name: &str) -> Option<T> {
    table.iter().find(|(known, _)| *known == name).map(|(_, value)| *value)
}

/// Every metric there is, for error messages.
fn metrics() -> String {
    let figures = FIGURES.map(|(name, _)| name).join("|");
    let quantiles = QUANTILES.map(|(name, _)| name).join("|");
    let outcomes = OutcomeKind::ALL.map(OutcomeKind::name).join(", ");
    let operations = OperationKind::ALL.map(OperationKind::name).join("|");
    format!(
        "fault[*].({figures}), fault[*].({figures}).({quantiles}), elections, distinguishable, ok_ratio, \
         {outcomes}, ({quantiles}) or ({operations}).({quantiles})"
    )
}

impl Limit {
    /// Reads a limit of a scenario with so many `faults`.
    ///
    /// # Errors
    /// When the text is no limit, or speaks of a fault that there is not.
    pub fn parse(text: &str, faults: usize) -> Result<Self, LimitError> {
        let (relation, window) = match text.split_once('@') {
            Some((relation, window)) => (relation, Some(window.trim())),
            None => (text, None),
        };
        let Some(sign) = relation.find(['<', '=', '>', '!']) else {
            return Err(error("has no comparison", SHAPE));
        };
        let (name, rest) = relation.split_at(sign);
        let length = rest.find(|c| !matches!(c, '<' | '=' | '>' | '!')).unwrap_or(rest.len());
        let (sign, value) = rest.split_at(length);
        let comparison = find(&COMPARISONS, sign).ok_or_else(|| {
            error(format!("{sign} is no comparison"), one_of(&COMPARISONS.map(|(sign, _)| sign)))
        })?;
        let metric = metric(name.trim(), faults)?;
        let value = value_of(metric, value.trim())?;
        Ok(Self {
            text: text.to_owned(),
            metric,
            comparison,
            value,
            window: window.map_or(Ok(Window::Measured), |name| window_of(metric, name))?,
        })
    }
}

fn metric(name: &str, faults: usize) -> Result<Metric, LimitError> {
    let unknown = || error(format!("\"{name}\" is no metric"), metrics());
    if let Some(rest) = name.strip_prefix("fault[") {
        let (index, figure) = rest.split_once("].").ok_or_else(unknown)?;
        let (figure, quantile) = match figure.split_once('.') {
            None => (figure, None),
            Some((figure, quantile)) => (figure, Some(find(&QUANTILES, quantile).ok_or_else(unknown)?)),
        };
        let figure = find(&FIGURES, figure).ok_or_else(unknown)?;
        return match (fault_index(index, faults)?, quantile) {
            (index, None) => Ok(Metric::Fault { index, figure }),
            (None, Some(quantile)) => Ok(Metric::Faults { figure, quantile }),
            (Some(_), Some(_)) => Err(error(format!("\"{name}\" is a quantile of one fault"), "fault[*]")),
        };
    }
    if name == "elections" {
        return Ok(Metric::Elections);
    }
    if name == "distinguishable" {
        return match faults {
            0 => Err(error(
                "distinguishable is looked at and the scenario has no faults",
                "a [[fault]], or a limit on something else",
            )),
            _ => Ok(Metric::Distinguishable),
        };
    }
    if name == "ok_ratio" {
        return Ok(Metric::OkRatio);
    }
    if let Some(outcome) = OutcomeKind::ALL.into_iter().find(|kind| kind.name() == name) {
        return Ok(Metric::Count(outcome));
    }
    let (operation, quantile) = match name.split_once('.') {
        None => (None, name),
        Some((operation, quantile)) => {
            let known = OperationKind::ALL.into_iter().find(|kind| kind.name() == operation);
            (Some(known.ok_or_else(unknown)?), quantile)
        }
    };
    let quantile = find(&QUANTILES, quantile).ok_or_else(unknown)?;
    Ok(Metric::Latency { operation, quantile })
}

fn fault_index(index: &str, faults: usize) -> Result<Option<usize>, LimitError> {
    if faults == 0 {
        let wrong = format!("fault[{index}] is looked at and the scenario has no faults");
        return Err(error(wrong, "a [[fault]], or a limit on something else"));
    }
    if index == "*" {
        return Ok(None);
    }
    match index.parse::<usize>() {
        Ok(number) if number < faults && !index.starts_with('+') => Ok(Some(number)),
        _ => Err(error(
            format!("there is no fault[{index}]"),
            match faults {
                1 => "* or 0".to_owned(),
                _ => format!("* or a number from 0 to {}", faults - 1),
            },
        )),
    }
}

/// Milliseconds for times, the number itself for the rest.
fn value_of(metric: Metric, text: &str) -> Result<f64, LimitError> {
    let is_time = match metric {
        Metric::Latency { .. } => true,
        Metric::Fault { figure, .. } | Metric::Faults { figure, .. } => figure != FailoverFigure::LostWork,
        Metric::OkRatio | Metric::Count(_) | Metric::Elections | Metric::Distinguishable => false,
    };
    if is_time {
        let length = duration(text).map_err(|wrong| error(wrong, "a time with a unit such as 50ms"))?;
        return Ok(length.as_secs_f64() * 1e3);
    }
    let example = if metric == Metric::OkRatio { "0.99" } else { "0" };
    match text.parse::<f64>() {
        Ok(number) if number.is_finite() && number >= 0.0 => Ok(number),
        _ => Err(error(
            format!("\"{text}\" is not a count or ratio"),
            format!("a number without a unit such as {example}"),
        )),
    }
}

fn window_of(metric: Metric, name: &str) -> Result<Window, LimitError> {
    let of_the_whole_run = match metric {
        Metric::Fault { .. } | Metric::Faults { .. } => Some("a figure of a fault"),
        Metric::Elections => Some("the number of elections"),
        Metric::Distinguishable => Some("the number of distinguishable faults"),
        Metric::OkRatio | Metric::Count(_) | Metric::Latency { .. } => None,
    };
    if let Some(what) = of_the_whole_run {
        return Err(error(format!("\"@ {name}\" does not go with {what}"), "no window"));
    }
    if name == "steady" {
        Ok(Window::Steady)
    } else {
        Err(error(format!("\"@ {name}\" is no window"), "@ steady, or nothing"))
    }
}
