//! `veil inbox`: what has come in for a user.

use std::collections::BTreeMap;

use clap::Args;
use serde_json::{Value, json};

use super::{
    ClusterArgs,
    escape::one_line,
    pages::{moment, views as in_words},
    say, say_json,
    session::UserArgs,
};
use crate::directory::{Acknowledge, ImageId, Notice, Posted};

/// Show what has come in for you, in order: requests, answers, grants, news of groups.
///
/// It stays there until you acknowledge it. A later notice about the same takes the place of an earlier one.
#[derive(Debug, Args)]
pub(super) struct InboxArgs {
    /// Acknowledge what is shown: it is not shown again.
    #[arg(long)]
    ack: bool,
    #[command(flatten)]
    who: UserArgs,
    #[command(flatten)]
    cluster: ClusterArgs,
}

pub(super) async fn run(args: InboxArgs) -> anyhow::Result<()> {
    let InboxArgs { ack, who, cluster } = args;
    let me = who.logged_in(&cluster).await?;
    let mut notices: Vec<(u64, Posted)> = Vec::new();
    let (mut titles, mut dropped) = (BTreeMap::new(), 0);
    loop {
        let after = notices.last().map(|(number, _)| *number);
        let page = me.client.inbox(me.user.clone(), after, cluster.deadline()).await?;
        dropped = page.dropped.max(dropped);
        if page.notices.is_empty() {
            break;
        }
        notices.extend(page.notices);
        titles.extend(page.titles);
    }
    if cluster.json {
        let rows = notices.iter().map(|(number, Posted { at_ms, notice, .. })| {
            let title = notice.image().and_then(|image| titles.get(&image));
            json!({ "number": number, "at_ms": at_ms, "notice": notice, "title": title })
        });
        say_json(&json!({ "notices": Value::from_iter(rows), "dropped": dropped }))?;
    } else {
        if notices.is_empty() {
            say("nothing new")?;
        }
        for (_, Posted { at_ms, notice, .. }) in &notices {
            say(format_args!("{}  {}", moment(*at_ms), in_a_sentence(notice, &titles)))?;
        }
        if dropped > 0 {
            say(format_args!("{dropped} notices are lost: there were too many"))?;
        }
    }
    // Only what was shown.
    if let (true, Some((upto, _))) = (ack, notices.last()) {
        let acknowledge = Acknowledge { user: me.user, upto: *upto };
        me.client.acknowledge(me.client.request_id(), acknowledge, cluster.deadline()).await?;
    }
    Ok(())
}

fn in_a_sentence(notice: &Notice, titles: &BTreeMap<ImageId, String>) -> String {
    let called = |image: &ImageId| match titles.get(image) {
        Some(title) => format!("{image} \"{}\"", one_line(title)),
        None => image.to_string(),
    };
    match notice {
        Notice::Requested { image, user, views, note } => {
            let note = if note.is_empty() { String::new() } else { format!(": {}", one_line(note)) };
            format!("{user} asks for {} of {}{note}", in_words(*views), called(image))
        }
        Notice::Granted { image, owner, views_left: 0 } => format!("{owner} took {} back", called(image)),
        Notice::Granted { image, owner, views_left } => {
            format!("{owner} gave you {} of {}", in_words(*views_left), called(image))
        }
        Notice::GrantedToGroup { image, owner, group, views_left: 0 } => {
            format!("{owner} took {} back from group {group}", called(image))
        }
        Notice::GrantedToGroup { image, owner, group, views_left } => {
            format!("{owner} gave group {group} {} of {}", in_words(*views_left), called(image))
        }
        Notice::Refused { image, owner } => format!("{owner} refused you views of {}", called(image)),
        Notice::Withdrawn { image, owner } => format!("{owner} withdrew {image}"),
        Notice::JoinRequested { group, user } => format!("{user} asks to join group {group}"),
        Notice::Joined { group } => format!("you are a member of group {group}"),
        Notice::JoinRefused { group } => format!("you were not let into group {group}"),
        Notice::Removed { group } => format!("you were taken out of group {group}"),
        Notice::NowAdmin { group } => format!("you are an admin of group {group}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_notice_names_image_title_owner_group_and_views() {
        let (image, other) = (ImageId(1), ImageId(2));
        let titles = BTreeMap::from([(image, "The sea".to_owned())]);
        let owner = || "anna".parse().unwrap();
        let group = || "choir".parse().unwrap();
        for (notice, said) in [
            (
                Notice::Granted { image, owner: owner(), views_left: 2 },
                "anna gave you 2 views of {} \"The sea\"",
            ),
            (Notice::Granted { image, owner: owner(), views_left: 0 }, "anna took {} \"The sea\" back"),
            (
                Notice::GrantedToGroup { image, owner: owner(), group: group(), views_left: 1 },
                "anna gave group choir 1 view of {} \"The sea\"",
            ),
            (
                Notice::GrantedToGroup { image, owner: owner(), group: group(), views_left: 0 },
                "anna took {} \"The sea\" back from group choir",
            ),
        ] {
            assert_eq!(in_a_sentence(&notice, &titles), said.replace("{}", &image.to_string()));
        }
        let untitled =
            in_a_sentence(&Notice::Granted { image: other, owner: owner(), views_left: 3 }, &titles);
        assert_eq!(untitled, format!("anna gave you 3 views of {other}"));
    }
}
