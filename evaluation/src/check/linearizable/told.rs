//! What a run tells of each user, image and grant: the history, taken apart, with what nodes held in the end as the
//! last questions.

use std::collections::{BTreeMap, HashMap};

use loadgen::record::{Call, GrantState, ImageState, NodeReadback, Outcome, Reply};
use veil::directory::ImageId;

use super::{
    existence::{self, Existence, Value},
    model::{Answer, Operation, Source},
    views::{self, Views},
};
use crate::{
    check::{Evidence, no_lost_ack::short},
    foreign_text::line,
    run::Exchange,
};

/// A grant: image and viewer.
pub(super) type Grant<'a> = (ImageId, &'a str);
/// Owner and content: all that is known of an image whose sealing was not acknowledged.
type Content<'a> = (&'a str, &'a [u8; 32]);

/// What a run tells.
pub(super) struct Told<'a> {
    exchanges: &'a [Exchange],
    /// Whether nothing was there before.
    own: bool,
    /// How many of the exchanges are looked at.
    pub operations: u64,
    /// Registrations, by user.
    users: BTreeMap<&'a str, Vec<u32>>,
    /// Sealings that were acknowledged, by image.
    sealed: BTreeMap<ImageId, Vec<u32>>,
    /// Those of unknown outcome, by what they would have made.
    unnamed: HashMap<Content<'a>, Vec<u32>>,
    /// Settings and views, by grant.
    grants: BTreeMap<Grant<'a>, Vec<u32>>,
    /// For each user, which of the operations that need them ended first, and what it was.
    users_needed: HashMap<&'a str, (u32, &'static str)>,
    /// The same for images.
    images_needed: HashMap<ImageId, (u32, &'static str)>,
    nodes: Vec<Held<'a>>,
    /// When nodes were read back: after all else.
    read_ns: i64,
}

/// What one node held in the end.
struct Held<'a> {
    node: u64,
    users: std::collections::HashSet<&'a str>,
    images: HashMap<ImageId, &'a ImageState>,
    grants: HashMap<Grant<'a>, &'a GrantState>,
}

impl<'a> Held<'a> {
    fn of(node: &'a NodeReadback) -> Self {
        let grants =
            node.images.iter().flat_map(|i| i.grants.iter().map(move |g| ((i.image, g.viewer.as_str()), g)));
        Self {
            node: node.node,
            users: node.users.iter().map(String::as_str).collect(),
            images: node.images.iter().map(|image| (image.image, image)).collect(),
            grants: grants.collect(),
        }
    }
}

impl<'a> Told<'a> {
    /// Takes a history apart.
    pub(super) fn of(evidence: &Evidence<'a>) -> Self {
        // What a node held that is behind is of an earlier time: the check `converged` tells.
        let applied = evidence.answered().iter().map(|node| node.applied).max();
        let nodes = evidence.answered().iter().filter(|node| Some(node.applied) == applied).map(Held::of);
        let exchanges = &evidence.history.exchanges;
        let last_ns = exchanges.iter().flat_map(|one| [Some(one.sent_ns), one.done_ns]).flatten().max();
        let mut told = Self {
            exchanges,
            own: evidence.own,
            operations: 0,
            users: BTreeMap::new(),
            sealed: BTreeMap::new(),
            unnamed: HashMap::new(),
            grants: BTreeMap::new(),
            users_needed: HashMap::new(),
            images_needed: HashMap::new(),
            nodes: nodes.collect(),
            read_ns: last_ns.unwrap_or(0).saturating_add(1),
        };
        for (place, exchange) in (0..).zip(exchanges) {
            if exchange.is_ok() || exchange.is_unknown() {
                told.hear(place, exchange);
            }
        }
        told.hear_nodes();
        told
    }

    fn hear(&mut self, place: u32, exchange: &'a Exchange) {
        match (&exchange.call, &exchange.outcome) {
            (Call::Register { user }, _) => self.users.entry(user).or_default().push(place),
            (Call::Seal { owner, grants, .. }, Some(Outcome::Ok(Reply::Sealed { image, .. }))) => {
                self.sealed.entry(*image).or_default().push(place);
                self.needs_user(owner, place, "seals an image");
                for (viewer, _) in grants {
                    self.grants.entry((*image, viewer)).or_default();
                    self.needs_user(viewer, place, "seals an image for them");
                }
            }
            (Call::Seal { owner, digest, .. }, _) => {
                self.unnamed.entry((owner, digest)).or_default().push(place);
            }
            (Call::Grant { owner, image, viewer, .. }, outcome) => {
                self.grants.entry((*image, viewer)).or_default().push(place);
                if outcome.is_some() && exchange.is_ok() {
                    self.needs_user(owner, place, "sets views");
                    self.needs_user(viewer, place, "sets their views");
                    self.needs_image(*image, place, "sets views of it");
                }
            }
            (Call::View { viewer, image }, _) => {
                self.grants.entry((*image, viewer)).or_default().push(place);
                if exchange.is_ok() {
                    self.needs_user(viewer, place, "views an image");
                    self.needs_image(*image, place, "views it");
                }
            }
            (Call::Discover { .. }, _) => return,
        }
        self.operations += 1;
    }

    /// What nodes hold that belongs to this run.
    fn hear_nodes(&mut self) {
        for node in &self.nodes {
            for grant in node.grants.keys() {
                if self.own || self.sealed.contains_key(&grant.0) {
                    self.grants.entry(*grant).or_default();
                }
            }
        }
    }

    /// Nobody and nothing goes away again, so of all that needs it the one that ended first demands most.
    fn needs_user(&mut self, user: &'a str, place: u32, what: &'static str) {
        let first = self.users_needed.entry(user).or_insert((place, what));
        if self.exchanges[place as usize].done_ns < self.exchanges[first.0 as usize].done_ns {
            *first = (place, what);
        }
    }

    fn needs_image(&mut self, image: ImageId, place: u32, what: &'static str) {
        let first = self.images_needed.entry(image).or_insert((place, what));
        if self.exchanges[place as usize].done_ns < self.exchanges[first.0 as usize].done_ns {
            *first = (place, what);
        }
    }

    fn exchange(&self, place: u32) -> &'a Exchange {
        &self.exchanges[place as usize]
    }

    /// Every user that registrations or needs tell of, and what happened to each.
    pub(super) fn users(
        &self,
    ) -> impl Iterator<Item = (&'a str, existence::State, Vec<Operation<Existence>>)> {
        self.users.keys().copied().map(|user| {
            let mut all: Vec<_> = self.users[user].iter().map(|place| self.create(*place, 0)).collect();
            all.extend(self.users_needed.get(user).map(|(place, what)| self.need(*place, what)));
            all.extend(self.read_back(
                |node| match node.users.contains(user) {
                    true => existence::Reply::Is(0),
                    false => existence::Reply::Missing,
                },
                existence::Call::Read,
            ));
            (user, self.existence_at_first(), sorted(all))
        })
    }

    fn existence_at_first(&self) -> existence::State {
        match self.own {
            true => existence::State::Absent,
            // Whoever was there before may be there already.
            false => existence::State::Anything,
        }
    }

    /// Every image, and what happened to its record: what `contents` say it can be, by place.
    pub(super) fn images(
        &self,
        contents: &Contents<'a>,
    ) -> impl Iterator<Item = (ImageId, Vec<Operation<Existence>>)> {
        let there = self.nodes.iter().flat_map(|node| node.images.keys());
        let mut images: Vec<ImageId> = self.sealed.keys().chain(self.images_needed.keys()).copied().collect();
        images.extend(there.filter(|_| self.own));
        images.sort_unstable();
        images.dedup();
        // What was there before is not known.
        images.retain(|image| self.own || self.sealed.contains_key(image));
        images.into_iter().map(|image| {
            let sealings = self.sealed.get(&image).into_iter().flatten();
            let mut all: Vec<_> = sealings
                .map(|place| self.create(*place, contents.place(content_of(self.exchange(*place)))))
                .collect();
            for content in self.unnamed_contents(image) {
                let sealings = self.unnamed.get(&content).into_iter().flatten();
                all.extend(sealings.map(|place| self.create(*place, contents.place(Some(content)))));
            }
            all.extend(self.images_needed.get(&image).map(|(place, what)| self.need(*place, what)));
            all.extend(self.read_back(
                |node| match node.images.get(&image) {
                    Some(state) => existence::Reply::Is(contents.place(Some((&state.owner, &state.digest)))),
                    None => existence::Reply::Missing,
                },
                existence::Call::Read,
            ));
            (image, sorted(all))
        })
    }

    /// Every grant and what happened to it, where it is known how it began.
    pub(super) fn grants(&self) -> impl Iterator<Item = (Grant<'a>, Vec<Operation<Views>>)> {
        let known =
            self.grants.keys().copied().filter(|(image, _)| self.own || self.sealed.contains_key(image));
        known.map(|grant| (grant, self.grant(grant)))
    }

    fn grant(&self, grant: Grant<'a>) -> Vec<Operation<Views>> {
        let (image, viewer) = grant;
        let sealings = self.sealed.get(&image).into_iter().flatten().copied();
        let unnamed = self.unnamed_contents(image).into_iter();
        let unnamed = unnamed.flat_map(|content| self.unnamed.get(&content).into_iter().flatten().copied());
        let mut all: Vec<Operation<Views>> =
            sealings.chain(unnamed).filter_map(|place| self.on_grant(place, viewer, "")).collect();
        let owner =
            self.sealed.get(&image).and_then(|sealings| content_of(self.exchange(*sealings.first()?)));
        let owner = owner.map_or("", |(owner, _)| owner);
        all.extend(self.grants[&grant].iter().filter_map(|place| self.on_grant(*place, viewer, owner)));
        all.extend(self.read_back(
            |node| match (node.grants.get(&grant), node.images.contains_key(&image)) {
                (Some(held), _) => views::Reply::Grant { left: held.left, used: held.used },
                (None, true) => views::Reply::NoGrant,
                (None, false) => views::Reply::NoImage,
            },
            views::Call::Read,
        ));
        sorted(all)
    }

    /// What an operation does to a grant; nothing, where it does nothing: owners view without one.
    fn on_grant(&self, place: u32, viewer: &str, owner: &str) -> Option<Operation<Views>> {
        let exchange = self.exchange(place);
        let call = match &exchange.call {
            Call::Seal { grants, .. } => {
                let given = grants.iter().find(|(name, _)| name == viewer);
                views::Call::Seal(given.map(|(_, views)| *views))
            }
            Call::Grant { views, .. } => views::Call::Set(*views),
            Call::View { .. } if viewer == owner => return None,
            Call::View { .. } => views::Call::Take,
            Call::Register { .. } | Call::Discover { .. } => return None,
        };
        let reply = match &exchange.outcome {
            Some(Outcome::Ok(Reply::Sealed { .. })) => Some(views::Reply::Sealed),
            Some(Outcome::Ok(Reply::Granted { views_left } | Reply::Viewed { views_left, .. })) => {
                Some(views::Reply::Left(*views_left))
            }
            Some(Outcome::Ok(Reply::Refused)) => Some(views::Reply::Refused),
            _ => None,
        };
        Some(Operation {
            source: Source::Operation(exchange.op),
            begin_ns: exchange.sent_ns,
            call,
            answer: reply.zip(exchange.done_ns).map(|(reply, end_ns)| Answer { end_ns, reply }),
        })
    }

    /// What an image is that nobody was told of, as nodes say.
    fn unnamed_contents(&self, image: ImageId) -> Vec<Content<'a>> {
        if self.sealed.contains_key(&image) {
            return Vec::new();
        }
        let states = self.nodes.iter().filter_map(|node| node.images.get(&image));
        let mut contents: Vec<Content<'a>> =
            states.map(|state| (state.owner.as_str(), &state.digest)).collect();
        contents.sort_unstable();
        contents.dedup();
        contents
    }

    fn create(&self, place: u32, value: usize) -> Operation<Existence> {
        let exchange = self.exchange(place);
        let end_ns = exchange.done_ns.filter(|_| exchange.is_ok());
        Operation {
            source: Source::Operation(exchange.op),
            begin_ns: exchange.sent_ns,
            call: existence::Call::Create(value),
            answer: end_ns.map(|end_ns| Answer { end_ns, reply: existence::Reply::Done }),
        }
    }

    fn need(&self, place: u32, what: &'static str) -> Operation<Existence> {
        Operation { call: existence::Call::Need(what), ..self.create(place, 0) }
    }

    /// What nodes held, each answer once.
    fn read_back<M: super::model::Model>(
        &self,
        held: impl Fn(&Held<'a>) -> M::Reply,
        call: M::Call,
    ) -> impl Iterator<Item = Operation<M>> {
        let mut answers: Vec<(M::Reply, Vec<u64>)> = Vec::new();
        for node in &self.nodes {
            let reply = held(node);
            match answers.iter_mut().find(|(other, _)| *other == reply) {
                Some((_, nodes)) => nodes.push(node.node),
                None => answers.push((reply, vec![node.node])),
            }
        }
        let at_ns = self.read_ns;
        answers.into_iter().map(move |(reply, nodes)| Operation {
            source: Source::ReadBack(nodes.into()),
            begin_ns: at_ns,
            call: call.clone(),
            answer: Some(Answer { end_ns: at_ns, reply }),
        })
    }

    /// Whoever asked for what an operation did.
    pub(super) fn who(&self, op: u64) -> Option<&'a str> {
        let exchange = self.exchanges.iter().find(|exchange| exchange.op == op)?;
        Some(match &exchange.call {
            Call::Register { user } | Call::Discover { user } => user,
            Call::Seal { owner, .. } | Call::Grant { owner, .. } => owner,
            Call::View { viewer, .. } => viewer,
        })
    }
}

fn sorted<M: super::model::Model>(mut operations: Vec<Operation<M>>) -> Vec<Operation<M>> {
    operations.sort_by_key(|operation| operation.begin_ns);
    operations
}

fn content_of(exchange: &Exchange) -> Option<Content<'_>> {
    match &exchange.call {
        Call::Seal { owner, digest, .. } => Some((owner, digest)),
        _ => None,
    }
}

/// All that an image can be, each once.
pub(super) struct Contents<'a> {
    places: HashMap<Content<'a>, usize>,
    /// In words, by place.
    pub words: Vec<Value>,
}

impl<'a> Contents<'a> {
    pub(super) fn of(told: &Told<'a>) -> Self {
        let mut contents = Self { places: HashMap::new(), words: Vec::new() };
        let sealings = told.sealed.values().flatten().filter_map(|place| content_of(told.exchange(*place)));
        let held = told.nodes.iter().flat_map(|node| node.images.values());
        let held = held.map(|state| (state.owner.as_str(), &state.digest));
        for content in sealings.chain(told.unnamed.keys().copied()).chain(held) {
            contents.places.entry(content).or_insert_with(|| {
                let made = format!("an image of {} with content {}…", line(content.0), short(content.1));
                contents.words.push(Value { making: format!("seals {made}"), made });
                contents.words.len() - 1
            });
        }
        contents
    }

    fn place(&self, content: Option<Content<'_>>) -> usize {
        content.and_then(|content| self.places.get(&content).copied()).unwrap_or(usize::MAX)
    }
}
