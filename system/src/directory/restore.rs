//! Bringing records back that were dumped.

use std::{collections::BTreeMap, sync::Arc};

use imbl::OrdMap;
use serde::{Deserialize, Serialize};

use super::{
    About, Answer, Ask, Directory, Effect, Grant, Grants, Group, Image, JoinRequest, MAX_ADMINS, MAX_ASKS,
    MAX_ASKS_OF_ONE, MAX_BLOCKED, MAX_GRANTS, MAX_GROUP_GRANTS, MAX_GROUP_IMAGES, MAX_JOIN_REQUESTS,
    MAX_MEMBERS, MAX_NOTICES, MAX_NOTICES_OF_ONE, MAX_VIEWS, Mailbox, Membership, Quota, Refusal, Usage,
    User, VIEWS_KEPT, View, at_most,
    dump::{
        GrantRecord, GroupRecord, Hex, ImageRecord, InboxRecord, MAX_RECORDS, MAX_WEIGHT, Record, UserRecord,
    },
};
use crate::{
    identity::PublicKey,
    seal::BodyHash,
    wire::{codec, foreign},
};

/// Puts records in that are not there yet, all of them or none. Operators may. What is there already has to be the
/// same; so the same records may be brought twice. The quotas of one user do not count, those of the cluster do.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Restore {
    /// Users come before what is about them, groups before the images that are granted to them.
    #[serde(deserialize_with = "foreign::list::<_, _, { 2 * MAX_RECORDS }>")]
    pub records: Vec<Record>,
}

/// The highest number that a counter is brought back with: it goes on from there, and must never run over.
const MAX_COUNTER: u64 = 1 << 53;

/// What goes on growing, of a record.
fn counters(record: &Record) -> Vec<u64> {
    match record {
        // Keys are numbered by hand: whatever has more room than any cluster needs will do.
        Record::Settings(settings) => vec![u64::from(settings.wrapping_key) << 33],
        Record::User(user) => vec![user.credentials],
        Record::Group(_) => Vec::new(),
        Record::Image(image) | Record::Sealed(image, _) => {
            let used = image.grants.iter().map(|grant| grant.used);
            let by_groups = image.group_grants.iter().map(|grant| grant.used);
            let views = image.views.iter().map(|view| view.number);
            used.chain(by_groups).chain(views).chain([image.revision]).collect()
        }
        Record::Inbox(inbox) => vec![inbox.last, inbox.dropped],
    }
}

impl Directory {
    pub(super) fn restore(&mut self, restore: Restore) -> Answer {
        let (after, count) = self.with(restore)?;
        let quotas = after.quotas();
        Quota::Users.check(None, after.users.len() as u64, quotas.users)?;
        Quota::Bytes.check(None, after.index.accounts.bytes(), quotas.bytes)?;
        *self = after;
        Ok(Effect::Restored { count })
    }

    /// This directory with these records, and how many were not there yet. Quotas are not looked at.
    pub(super) fn with(&self, Restore { records }: Restore) -> Result<(Self, u64), Refusal> {
        at_most("number of records", records.len() as u64, MAX_RECORDS as u64)?;
        at_most("weight of the records", records.iter().map(Record::weight).sum(), MAX_WEIGHT)?;
        for counter in records.iter().flat_map(counters) {
            at_most("counter of a record", counter, MAX_COUNTER)?;
        }
        // Tried on a copy, which costs little: a refusal must not leave half of it.
        let mut after = self.clone();
        let mut count = 0;
        for record in records {
            let subject = record.subject();
            let bad = |reason: String| Refusal::BadRecord { record: subject.clone(), reason };
            let present = after.present(&record).map_err(|error| bad(error.to_string()))?;
            match present {
                Some(present) if present == record => continue,
                // There is always one; it only grows.
                Some(Record::Settings(_)) | None => {}
                Some(_) => return Err(Refusal::OtherRecord { record: subject }),
            }
            after.put(record).map_err(|reason| match reason {
                Flaw::Refused(refusal) => bad(refusal.to_string()),
                Flaw::Malformed(what) => bad(what.to_owned()),
            })?;
            count += 1;
        }
        Ok((after, count))
    }

    fn put(&mut self, record: Record) -> Result<(), Flaw> {
        match record {
            Record::Settings(settings) => {
                self.wrapping_key = self.wrapping_key.max(settings.wrapping_key);
                if let Some(quotas) = settings.quotas {
                    quotas.check()?;
                    self.quotas.get_or_insert(quotas);
                }
            }
            Record::User(record) => self.put_user(record)?,
            Record::Group(record) => self.put_group(record)?,
            Record::Image(record) => self.put_image(record, None)?,
            Record::Sealed(record, body) => {
                let body = body.0.try_into().map_err(|_| Flaw::Malformed("body has 32 digits"))?;
                self.put_image(record, Some(BodyHash(body)))?;
            }
            Record::Inbox(record) => self.put_inbox(record)?,
        }
        Ok(())
    }

    fn put_user(&mut self, record: UserRecord) -> Result<(), Flaw> {
        let UserRecord { user, registered_ms, key, password_hash, credentials, blocked } = record;
        let password = password_hash.map(|hash| codec::decode(&hash.0));
        let password = password.transpose().map_err(|_| Flaw::Malformed("password_hash is none"))?;
        let record = User { registered_ms, key: public_key(&key)?, password, credentials };
        at_most("number of users that are blocked", blocked.len() as u64, MAX_BLOCKED as u64)?;
        for other in blocked {
            if other == user || self.has_blocked(&user, &other) {
                return Err(Flaw::Malformed("it blocks itself, or somebody twice"));
            }
            self.insert_block(user.clone(), other);
        }
        self.index.accounts.charge(&user, Usage::of_user(&user, &record));
        self.users.insert(user, record);
        Ok(())
    }

    fn put_group(&mut self, record: GroupRecord) -> Result<(), Flaw> {
        let GroupRecord { group: name, founded_ms, members, requests } = record;
        let entry = |joined_ms, role| Membership { role, joined_ms };
        let members =
            unique(members.into_iter().map(|member| (member.user, entry(member.joined_ms, member.role))))?;
        let request = |asked_ms, known| JoinRequest { asked_ms, known };
        let requests =
            unique(requests.into_iter().map(|record| (record.user, request(record.asked_ms, record.known))))?;
        at_most("number of members", members.len() as u64, MAX_MEMBERS as u64)?;
        at_most("number of requests to join", requests.len() as u64, MAX_JOIN_REQUESTS as u64)?;
        if self.index.ended.contains(&name) {
            return Err(Refusal::GroupEnding { group: name }.into());
        }
        let (members, requests) = (OrdMap::from(members), OrdMap::from(requests));
        let group = Group { founded_ms, members, requests };
        at_most("number of admins", group.admins().count() as u64, MAX_ADMINS as u64)?;
        if group.admins().next().is_none() {
            return Err(Flaw::Malformed("it has no admin"));
        }
        for (user, member) in &group.members {
            self.known_user(user)?;
            self.index.add_member(&name, user, *member);
        }
        for (user, request) in &group.requests {
            self.known_user(user)?;
            if group.members.contains_key(user) {
                return Err(Flaw::Malformed("a member asks to join"));
            }
            self.index.add_join(&name, user, *request);
        }
        self.groups.insert(name, group);
        Ok(())
    }

    fn put_image(&mut self, record: ImageRecord, body: Option<BodyHash>) -> Result<(), Flaw> {
        let (id, owner) = (record.image, self.known_name(&record.owner)?);
        let key = record.key().ok_or(Flaw::Malformed("wrapped_key is none"))?;
        let grants = grants(record.grants, "number of grants", MAX_GRANTS)?;
        let groups = "number of groups that the image is granted to";
        let group_grants = self::grants(record.group_grants, groups, MAX_GROUP_GRANTS)?;
        let grants = grants.into_iter().map(|(viewer, grant)| Ok((self.known_name(&viewer)?, grant)));
        let grants = grants.collect::<Result<_, Refusal>>()?;
        let group_grants = group_grants.into_iter();
        let group_grants = group_grants.map(|(group, grant)| {
            let group = self.known_group_name(&group)?;
            let images = self.index.group_size(&group) + 1;
            at_most("number of images that are granted to the group", images, MAX_GROUP_IMAGES as u64)?;
            Ok((group, grant))
        });
        let group_grants = group_grants.collect::<Result<Grants<_>, Refusal>>()?;
        if self.index.withdrawn.contains_key(&id) {
            return Err(Flaw::Malformed("it was withdrawn a moment ago"));
        }
        let about = About { title: record.title, description: record.description };
        about.check()?;
        let image = Image {
            owner: owner.clone(),
            key,
            media: record.media,
            length: record.length,
            digest: bytes(&record.digest)?,
            revision: record.revision,
            grants,
            owner_key: public_key(&record.owner_key)?,
            group_grants,
            about: about.boxed(),
            body,
        };
        at_most("number of views one by one", record.views.len() as u64, VIEWS_KEPT as u64)?;
        let mut number = record.views.first().map_or(0, |view| view.number);
        for view in record.views {
            if view.number != number {
                return Err(Flaw::Malformed("the numbers of its views do not follow one another"));
            }
            number = number.checked_add(1).ok_or(Flaw::Malformed("the number of a view is the last"))?;
            let viewer = self.known_name(&view.viewer)?;
            self.index.accounts.charge(&owner, Usage::of_view());
            self.views.insert((id, view.number), View { viewer, at_ms: view.at_ms });
        }
        for ask in record.requests {
            self.known_user(&ask.user)?;
            let waiting = self.index.asks.len(&owner) + 1;
            at_most("number of requests that wait for the owner", waiting, MAX_ASKS as u64)?;
            let of_one = self.index.asks.count(&owner, &ask.user) + 1;
            at_most(
                "number of requests of one user that wait for the owner",
                of_one,
                MAX_ASKS_OF_ONE as u64,
            )?;
            let kept = Ask { views: ask.views, note: ask.note, asked_ms: ask.asked_ms, known: ask.known };
            kept.check()?;
            let key = (owner.clone(), id, ask.user);
            if key.2 == owner || self.asks.contains_key(&key) {
                return Err(Flaw::Malformed("the owner asks, or somebody twice"));
            }
            self.insert_ask(key, kept);
        }
        self.index.add_image(id, &image);
        self.images.insert(id, Arc::new(image));
        Ok(())
    }

    fn put_inbox(&mut self, record: InboxRecord) -> Result<(), Flaw> {
        let InboxRecord { user, last, read, dropped, last_dropped, notices } = record;
        self.known_user(&user)?;
        at_most("number of notices", notices.len() as u64, MAX_NOTICES)?;
        if read > last || last_dropped > last {
            return Err(Flaw::Malformed("more was read, or gave way, than was ever in it"));
        }
        let mut before = read;
        for notice in notices {
            let in_order = before < notice.number && notice.number <= last;
            before = notice.number;
            let about = (user.clone(), notice.posted.notice.subject());
            if !in_order || self.index.subjects.contains_key(&about) {
                return Err(Flaw::Malformed("its notices are not in order, or two are about the same"));
            }
            let sender = notice.posted.notice.sender().cloned();
            self.index.add_notice(&user, notice.number, &notice.posted);
            self.notices.insert((user.clone(), notice.number), notice.posted);
            if let Some(sender) = sender {
                let of_one = self.index.inbox.count(&user, &sender);
                at_most("number of notices of one user", of_one, MAX_NOTICES_OF_ONE)?;
            }
        }
        self.mailboxes.insert(user, Mailbox { last, read, dropped, last_dropped });
        Ok(())
    }
}

/// What is wrong with a record.
enum Flaw {
    Refused(Refusal),
    Malformed(&'static str),
}

impl From<Refusal> for Flaw {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(refusal)
    }
}

fn bytes(hex: &Hex) -> Result<[u8; 32], Flaw> {
    hex.0.as_slice().try_into().map_err(|_| Flaw::Malformed("key and digest have 64 digits"))
}

fn public_key(hex: &Hex) -> Result<PublicKey, Flaw> {
    bytes(hex).map(PublicKey::from_bytes)
}

fn unique<Name: Ord, T>(entries: impl Iterator<Item = (Name, T)>) -> Result<BTreeMap<Name, T>, Flaw> {
    let mut map = BTreeMap::new();
    for (name, value) in entries {
        if map.insert(name, value).is_some() {
            return Err(Flaw::Malformed("a name is in a list twice"));
        }
    }
    Ok(map)
}

fn grants<Name: Ord>(
    records: Vec<GrantRecord<Name>>,
    what: &str,
    limit: usize,
) -> Result<BTreeMap<Name, Grant>, Flaw> {
    at_most(what, records.len() as u64, limit as u64)?;
    for record in &records {
        at_most("views of a grant", u64::from(record.left), u64::from(MAX_VIEWS))?;
    }
    unique(records.into_iter().map(|record| (record.to, Grant { left: record.left, used: record.used })))
}
