//! Text that users write.

use super::{Refusal, at_most};

/// Refuses what is longer than `limit` characters, and what a terminal or a page would not show as it is.
pub(super) fn check_text(field: &str, text: &str, limit: usize) -> Result<(), Refusal> {
    // Not even counted, if all its bytes are within the limit.
    if text.len() > limit {
        at_most(&format!("length of the {field} in characters"), text.chars().count() as u64, limit as u64)?;
    }
    match text.chars().position(is_unseen) {
        Some(at) => Err(Refusal::Unseen { field: field.to_owned(), at: at as u64 + 1 }),
        None => Ok(()),
    }
}

/// As much of a text as is within `limit`, without what would be refused.
pub(super) fn fitting(text: &str, limit: usize) -> String {
    text.chars().filter(|c| !is_unseen(*c)).take(limit).collect()
}

/// Control characters, line breaks among them, and those that turn the direction of what follows.
pub(crate) fn is_unseen(c: char) -> bool {
    c.is_control() || matches!(c, '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}
