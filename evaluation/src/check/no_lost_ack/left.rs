//! How many views a grant may have left in the end.
//!
//! A grant is *set*, by the sealing and by every later call, and views take from what was set last. When
//! calls overlap in time, several of them may have been the last. A call that was answered lies between
//! its sending and its answer; one of unknown outcome may take effect at any time after its sending, or
//! never.

use std::collections::{BTreeMap, HashMap, HashSet};

use loadgen::record::{Call, GrantState, ImageState, NodeReadback, Outcome, Reply};
use veil::directory::ImageId;

use super::super::{Evidence, Violations};
use crate::run::Exchange;

/// So many possible last settings are named in a counter-example.
const NAMED: usize = 3;

/// When something took effect: at some time from `sent_ns` to `done_ns`.
#[derive(Debug, Clone, Copy)]
struct Span {
    sent_ns: i64,
    /// The end of time, where the outcome is unknown.
    done_ns: i64,
    acknowledged: bool,
}

impl Span {
    fn of(exchange: &Exchange) -> Self {
        let acknowledged = exchange.is_ok();
        let done_ns = exchange.done_ns.filter(|_| acknowledged).unwrap_or(i64::MAX);
        Self { sent_ns: exchange.sent_ns, done_ns, acknowledged }
    }
}

/// A call that set the views left, or may have.
#[derive(Debug, Clone, Copy)]
struct Setting {
    views: u32,
    span: Span,
    op: u64,
    by_sealing: bool,
}

/// What the history tells of one grant.
#[derive(Debug, Default)]
struct Told {
    /// By the sealing, if it was acknowledged.
    sealed: Option<Setting>,
    /// By later calls, acknowledged or unknown.
    set: Vec<Setting>,
    /// Views that were taken, or may have been.
    views: Vec<Span>,
}

/// What may be left after one setting.
struct Explanation {
    setting: Setting,
    least: u32,
    most: u32,
}

type Grant<'a> = (ImageId, &'a str);
/// Owner and content: all that is known of an image whose sealing was not acknowledged.
type Unnamed<'a> = (&'a str, &'a [u8; 32]);
/// A sealing of unknown outcome: what it gave to whom.
type Sealing<'a> = HashMap<&'a str, Setting>;

/// What may be left of every grant.
pub(super) struct Left<'a> {
    told: BTreeMap<Grant<'a>, Told>,
    /// Images whose sealing was acknowledged.
    sealed: HashSet<ImageId>,
    unnamed: HashMap<Unnamed<'a>, Vec<Sealing<'a>>>,
}

impl<'a> Left<'a> {
    pub(super) fn of(evidence: &Evidence<'a>) -> Self {
        let mut left = Self { told: BTreeMap::new(), sealed: HashSet::new(), unnamed: HashMap::new() };
        for exchange in evidence.history.exchanges.iter().filter(|e| e.is_ok() || e.is_unknown()) {
            left.hear(exchange, evidence.own);
        }
        left
    }

    fn hear(&mut self, exchange: &'a Exchange, own: bool) {
        let span = Span::of(exchange);
        let setting = |views: u32, by_sealing| Setting { views, span, op: exchange.op, by_sealing };
        match (&exchange.call, &exchange.outcome) {
            (Call::Seal { grants, .. }, Some(Outcome::Ok(Reply::Sealed { image, .. }))) => {
                self.sealed.insert(*image);
                for (viewer, views) in grants {
                    self.told.entry((*image, viewer)).or_default().sealed = Some(setting(*views, true));
                }
            }
            // Which image this became, if any, was never heard. On a cluster that was there before, one of
            // the same owner and content may be older than the run.
            (Call::Seal { owner, grants, digest }, _) if own => {
                let sealing = grants.iter().map(|(viewer, views)| (viewer.as_str(), setting(*views, true)));
                self.unnamed.entry((owner, digest)).or_default().push(sealing.collect());
            }
            (Call::Grant { image, viewer, views, .. }, _) => {
                self.told.entry((*image, viewer)).or_default().set.push(setting(*views, false));
            }
            (Call::View { .. }, Some(Outcome::Ok(Reply::Refused))) => {}
            (Call::View { viewer, image }, _) => {
                self.told.entry((*image, viewer)).or_default().views.push(span);
            }
            (Call::Seal { .. } | Call::Register { .. } | Call::Discover { .. }, _) => {}
        }
    }

    /// Looks whether what a node has left of every grant can be explained. Grants that it lacks are not
    /// looked for here.
    pub(super) fn examine(&self, node: &NodeReadback, violations: &mut Violations) {
        for image in &node.images {
            for grant in &image.grants {
                self.examine_grant(node.node, image, grant, violations);
            }
        }
    }

    fn examine_grant(&self, n: u64, state: &ImageState, grant: &GrantState, violations: &mut Violations) {
        let (image, viewer) = (state.image, grant.viewer.as_str());
        let silent = Told::default();
        let told = self.told.get(&(image, viewer)).unwrap_or(&silent);
        let sealings: Vec<Setting> = if self.sealed.contains(&image) {
            told.sealed.into_iter().collect()
        } else if let Some(sealings) = self.unnamed.get(&(state.owner.as_str(), &state.digest)) {
            sealings.iter().filter_map(|sealing| sealing.get(viewer).copied()).collect()
        } else {
            // An image that this run did not seal has a past of which the history knows nothing.
            return;
        };
        let held = || {
            format!(
                "n{n} leaves {viewer} {} views of image {image} of {} with {} used",
                grant.left, state.owner, grant.used
            )
        };
        if told.set.is_empty() {
            let exact = |s: &Setting| u64::from(grant.left) + grant.used == u64::from(s.views);
            if !sealings.iter().any(exact) {
                violations.add(|| match sealings.as_slice() {
                    [] => format!("{}; nobody gave {viewer} any", held()),
                    all => format!(
                        "{}; {}, and nobody set that anew",
                        held(),
                        list(all.iter().map(Setting::words))
                    ),
                });
            }
            return;
        }
        let explanations = explanations(&sealings, told);
        if !explanations.iter().any(|e| (e.least..=e.most).contains(&grant.left)) {
            violations.add(|| {
                format!("{}; there can be {}", held(), list(explanations.iter().map(Explanation::words)))
            });
        }
    }
}

/// Every setting that may have been the last one: no acknowledged one was sent after it was done.
fn explanations(sealings: &[Setting], told: &Told) -> Vec<Explanation> {
    let acknowledged = told.set.iter().filter(|s| s.span.acknowledged);
    let last_sent = acknowledged.map(|s| s.span.sent_ns).max().unwrap_or(i64::MIN);
    let all = sealings.iter().chain(&told.set).filter(|s| s.span.done_ns >= last_sent);
    // Sorted, because one grant may have as many settings and views as there are operations.
    let acknowledged_views = told.views.iter().filter(|view| view.acknowledged);
    let sent = sorted(acknowledged_views.map(|view| view.sent_ns));
    let done = sorted(told.views.iter().map(|view| view.done_ns));
    let explain = |&setting: &Setting| {
        // Certainly taken afterwards, if sent after it was done; and all that may have been, if not done before it was
        // sent.
        let certain = sent.len() - sent.partition_point(|sent_ns| *sent_ns <= setting.span.done_ns);
        let possible = done.len() - done.partition_point(|done_ns| *done_ns < setting.span.sent_ns);
        let less = |taken: usize| setting.views.saturating_sub(u32::try_from(taken).unwrap_or(u32::MAX));
        Explanation { setting, least: less(possible), most: less(certain) }
    };
    all.map(explain).collect()
}

fn sorted(times_ns: impl Iterator<Item = i64>) -> Vec<i64> {
    let mut sorted: Vec<i64> = times_ns.collect();
    sorted.sort_unstable();
    sorted
}

impl Setting {
    fn words(&self) -> String {
        let Self { views, op, span, by_sealing } = self;
        let what = if *by_sealing { "the sealing gave" } else { "a grant set" };
        let how = if span.acknowledged { "" } else { ", outcome unknown" };
        format!("{what} {views} (operation {op}{how})")
    }
}

impl Explanation {
    fn words(&self) -> String {
        let Self { setting, least, most } = self;
        let range = if least == most { format!("{least}") } else { format!("{least} to {most}") };
        format!("{range} if the last word is: {}", setting.words())
    }
}

fn list(words: impl ExactSizeIterator<Item = String>) -> String {
    let more = words.len().saturating_sub(NAMED);
    let mut named: Vec<String> = words.take(NAMED).collect();
    if more > 0 {
        named.push(format!("{more} more"));
    }
    named.join("; or ")
}
