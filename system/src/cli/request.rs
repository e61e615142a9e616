//! `veil ask`, `veil requests` and `veil answer`: asking an owner for views, and what comes of it.

use std::ffi::OsString;

use clap::Args;
use futures_util::{StreamExt, TryStreamExt, stream};
use serde_json::{Value, json};

use super::{
    ClusterArgs,
    escape::one_line,
    image::image_of,
    pages::{all, moment, views as in_words},
    say, say_json,
    session::UserArgs,
};
use crate::{
    client::ClientError,
    directory::{AnswerRequest, Ask, AskForViews, ImageId, Refusal, UserName},
};

/// How many requests are answered at a time.
pub(super) const AT_A_TIME: usize = 16;

/// Ask the owner of an image for views of it.
///
/// The request waits for the owner, who finds it in their inbox, and the answer for you, in yours (`veil inbox`).
/// Asking again for the same image takes the place of what you asked before.
#[derive(Debug, Args)]
pub(super) struct AskArgs {
    /// The image: its id, or the sealed file.
    image: OsString,
    /// How many views.
    views: u32,
    /// A word to the owner: at most 200 characters, on one line.
    #[arg(long, value_name = "TEXT", default_value = "")]
    note: String,
    #[command(flatten)]
    who: UserArgs,
    #[command(flatten)]
    cluster: ClusterArgs,
}

pub(super) async fn ask(args: AskArgs) -> anyhow::Result<()> {
    let AskArgs { image, views, note, who, cluster } = args;
    let image = image_of(&image)?;
    let me = who.logged_in(&cluster).await?;
    let ask = AskForViews { user: me.user, image, views, note };
    me.client.ask_for_views(me.client.request_id(), ask, cluster.deadline()).await?;
    cluster.done(
        format_args!("asked for {} of {image}; the answer will be in your inbox", in_words(views)),
        json!({ "image": image.to_string(), "views": views }),
    )?;
    Ok(())
}

/// List the requests for views of your images that wait for your answer, or refuse them all.
#[derive(Debug, Args)]
pub(super) struct RequestsArgs {
    /// Refuse all that wait now.
    #[arg(long)]
    refuse_all: bool,
    /// Only those of this user.
    #[arg(long, value_name = "USER")]
    from: Option<UserName>,
    #[command(flatten)]
    who: UserArgs,
    #[command(flatten)]
    cluster: ClusterArgs,
}

pub(super) async fn requests(args: RequestsArgs) -> anyhow::Result<()> {
    let RequestsArgs { refuse_all, from, who, cluster } = args;
    let me = who.logged_in(&cluster).await?;
    let deadline = cluster.deadline();
    let page = async |last: Option<&(ImageId, UserName, Ask)>| {
        let after = last.map(|(image, user, _)| (*image, user.clone()));
        me.client.requests(me.user.clone(), after, deadline).await
    };
    let mut waiting = all(page).await?;
    waiting.retain(|(_, user, _)| from.as_ref().is_none_or(|from| from == user));
    if refuse_all {
        let (client, owner) = (&me.client, &me.user);
        let refused = stream::iter(&waiting).map(|(image, user, _)| async move {
            let answer =
                AnswerRequest { owner: owner.clone(), image: *image, user: user.clone(), views: None };
            settled(client.answer_request(client.request_id(), answer, deadline).await.map(drop))
        });
        let refused: Vec<bool> = refused.buffer_unordered(AT_A_TIME).try_collect().await?;
        let refused = refused.into_iter().filter(|refused| *refused).count();
        let word = if refused == 1 { "request is" } else { "requests are" };
        cluster.done(format_args!("{refused} {word} refused"), json!({ "refused": refused }))?;
        return Ok(());
    }
    if cluster.json {
        say_json(&Value::from_iter(waiting.iter().map(|(image, user, ask)| {
            json!({
                "image": image.to_string(),
                "user": user.as_str(),
                "views": ask.views,
                "note": ask.note,
                "asked_ms": ask.asked_ms,
            })
        })))?;
        return Ok(());
    }
    if waiting.is_empty() {
        say("nobody asks for views")?;
    }
    for (image, user, ask) in waiting {
        let note = if ask.note.is_empty() { String::new() } else { format!(": {}", one_line(&ask.note)) };
        let at = moment(ask.asked_ms);
        say(format_args!("{at}  {image}  {user} asks for {}{note}", in_words(ask.views)))?;
    }
    Ok(())
}

/// Whether this has refused it: it may have been answered, taken back or given way meanwhile.
pub(super) fn settled(answered: Result<(), ClientError>) -> Result<bool, ClientError> {
    match answered {
        Ok(()) => Ok(true),
        Err(ClientError::Refused(
            Refusal::NoRequest { .. } | Refusal::NoJoinRequest { .. } | Refusal::UnknownImage { .. },
        )) => Ok(false),
        Err(error) => Err(error),
    }
}

/// Answer a request for views of your image.
///
/// You may grant another number than was asked for; it is what they have left from now on.
#[derive(Debug, Args)]
pub(super) struct AnswerArgs {
    /// The image: its id, or the sealed file.
    image: OsString,
    /// Who has asked.
    viewer: UserName,
    /// How many views they have left from now on, or `refuse`.
    #[arg(value_name = "VIEWS|refuse", value_parser = parse_answer)]
    answer: Answered,
    #[command(flatten)]
    who: UserArgs,
    #[command(flatten)]
    cluster: ClusterArgs,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Answered {
    Views(u32),
    Refused,
}

fn parse_answer(text: &str) -> Result<Answered, String> {
    match (text, text.parse()) {
        ("refuse", _) => Ok(Answered::Refused),
        (_, Ok(views)) if views > 0 => Ok(Answered::Views(views)),
        _ => Err("expected a number of views from 1, or `refuse`".to_owned()),
    }
}

pub(super) async fn answer(args: AnswerArgs) -> anyhow::Result<()> {
    let AnswerArgs { image, viewer, answer, who, cluster } = args;
    let image = image_of(&image)?;
    let me = who.logged_in(&cluster).await?;
    let views = match answer {
        Answered::Views(views) => Some(views),
        Answered::Refused => None,
    };
    let answer = AnswerRequest { owner: me.user, image, user: viewer.clone(), views };
    let left = me.client.answer_request(me.client.request_id(), answer, cluster.deadline()).await?;
    let text = match left {
        Some(left) => format!("{viewer} has {} of {image} left", in_words(left)),
        None => format!("{viewer} is refused views of {image}"),
    };
    let json = json!({ "image": image.to_string(), "viewer": viewer.as_str(), "views_left": left });
    cluster.done(text, json)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_a_number_or_a_refusal() {
        assert_eq!(parse_answer("3"), Ok(Answered::Views(3)));
        assert_eq!(parse_answer("refuse"), Ok(Answered::Refused));
        for bad in ["0", "-1", "yes", ""] {
            assert!(parse_answer(bad).is_err(), "{bad}");
        }
    }
}
