//! Building trees out of what is in order.

/// How many entries are between two that are not packed as densely.
const RUN: usize = 8_192;

/// Inserts what is in order: of each run every other entry first, then those between. A tree that only grows at its end
/// leaves nodes half full; these are filled by the second round.
pub(super) fn insert_packed<T>(entries: impl IntoIterator<Item = T>, mut insert: impl FnMut(T)) {
    let mut entries = entries.into_iter();
    let mut between = Vec::with_capacity(RUN / 2);
    while let Some(entry) = entries.next() {
        insert(entry);
        between.extend(entries.next());
        if between.len() == RUN / 2 {
            between.drain(..).for_each(&mut insert);
        }
    }
    between.into_iter().for_each(insert);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_entry_is_inserted_once() {
        for count in [0, 1, 2, 3, RUN - 1, RUN, RUN + 1, 3 * RUN + 5] {
            let mut inserted = Vec::new();
            insert_packed(0..count, |entry| inserted.push(entry));
            assert_eq!(inserted.len(), count);
            inserted.sort_unstable();
            assert!(inserted.into_iter().eq(0..count));
        }
    }
}
