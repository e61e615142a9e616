//! Lists that come page by page.

use tokio::time::Instant;

use crate::{
    client::{Client, ClientError},
    directory::{Listing, UserName},
};

/// All of a list. `page` is given the last item so far, and gives what comes after it.
pub(super) async fn all<T>(
    mut page: impl AsyncFnMut(Option<&T>) -> Result<Vec<T>, ClientError>,
) -> Result<Vec<T>, ClientError> {
    let mut items: Vec<T> = Vec::new();
    loop {
        let next = page(items.last()).await?;
        if next.is_empty() {
            return Ok(items);
        }
        items.extend(next);
    }
}

/// All of a user's list.
pub(super) async fn whole_list(
    client: &Client,
    user: &UserName,
    deadline: Instant,
) -> Result<Vec<Listing>, ClientError> {
    let (mut lines, mut after) = (Vec::new(), None);
    loop {
        let page = client.list(user.clone(), after, deadline).await?;
        lines.extend(page.lines);
        match page.next {
            Some(next) => after = Some(next),
            None => return Ok(lines),
        }
    }
}

/// A time in milliseconds since the Unix epoch, for people.
pub(super) fn moment(unix_ms: u64) -> String {
    let at = std::time::UNIX_EPOCH.checked_add(std::time::Duration::from_millis(unix_ms));
    // humantime ends with the year 9999.
    let at = at.filter(|_| unix_ms < 253_402_300_800_000);
    at.map_or("in no year known".to_owned(), |at| humantime::format_rfc3339_seconds(at).to_string())
}

/// A number of views, in words.
pub(super) fn views(count: u32) -> String {
    format!("{count} {}", if count == 1 { "view" } else { "views" })
}
