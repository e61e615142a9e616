//! `veil inbox`: what has come in for a user.

use clap::Args;
use serde_json::{Value, json};

use super::{
    ClusterArgs,
    escape::one_line,
    pages::{moment, views as in_words},
    say, say_json,
    session::UserArgs,
};
use crate::directory::{Acknowledge, Notice, Posted};

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
    let mut dropped = 0;
    loop {
        let after = notices.last().map(|(number, _)| *number);
        let page = me.client.inbox(me.user.clone(), after, cluster.deadline()).await?;
        dropped = page.dropped.max(dropped);
        if page.notices.is_empty() {
            break;
        }
        notices.extend(page.notices);
    }
    if cluster.json {
        let rows = notices.iter().map(
            |(number, posted)| json!({ "number": number, "at_ms": posted.at_ms, "notice": posted.notice }),
        );
        say_json(&json!({ "notices": Value::from_iter(rows), "dropped": dropped }))?;
    } else {
        if notices.is_empty() {
            say("nothing new")?;
        }
        for (_, Posted { at_ms, notice, .. }) in &notices {
            say(format_args!("{}  {}", moment(*at_ms), in_a_sentence(notice)))?;
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

fn in_a_sentence(notice: &Notice) -> String {
    match notice {
        Notice::Requested { image, user, views, note } => {
            let note = if note.is_empty() { String::new() } else { format!(": {}", one_line(note)) };
            format!("{user} asks for {} of {image}{note}", in_words(*views))
        }
        Notice::Granted { image, owner, views_left: 0 } => format!("{owner} took {image} back"),
        Notice::Granted { image, owner, views_left } => {
            format!("{owner} gave you {} of {image}", in_words(*views_left))
        }
        Notice::Refused { image, owner } => format!("{owner} refused you views of {image}"),
        Notice::Withdrawn { image, owner } => format!("{owner} withdrew {image}"),
        Notice::JoinRequested { group, user } => format!("{user} asks to join group {group}"),
        Notice::Joined { group } => format!("you are a member of group {group}"),
        Notice::JoinRefused { group } => format!("you were not let into group {group}"),
        Notice::Removed { group } => format!("you were taken out of group {group}"),
        Notice::NowAdmin { group } => format!("you are an admin of group {group}"),
    }
}
