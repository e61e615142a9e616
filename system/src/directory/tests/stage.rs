//! What happens in the tests of groups, images and inboxes, in few words.

use super::*;

/// A directory in which one thing happens after the other, a millisecond apart.
pub(super) struct Stage {
    pub(super) directory: Directory,
    pub(super) number: u128,
    /// How many records the last command touched, its retry left out.
    pub(super) work: u64,
}

impl Stage {
    /// These users are logged in.
    pub(super) fn of(users: &[&str]) -> Self {
        let mut stage = Self { directory: Directory::default(), number: 1_000, work: 0 };
        for user in users {
            stage.add_user(user);
        }
        stage
    }

    pub(super) fn add_user(&mut self, user: &str) {
        self.does(register(user)).unwrap();
        self.does(log_in(user)).unwrap();
    }

    /// The id of the last request.
    pub(super) fn last(&self) -> RequestId {
        request(self.number)
    }

    pub(super) fn does(&mut self, action: Action) -> Answer {
        self.number += 1;
        let command = command(self.number, action);
        let at_ms = NOW + (self.number - 1_000) as u64;
        let answer = self.directory.apply(Command { at_ms, ..command.clone() });
        // Whatever was asked: a retry gets the same answer and changes nothing, and a snapshot is as good.
        self.work = self.directory.work();
        let operators = matches!(command.action, Action::Restore(_));
        assert!(self.work <= MAX_WORK || operators, "{:?} touches {} records", command.action, self.work);
        let before = self.directory.clone();
        let remembered = answer.as_ref().err().is_none_or(Refusal::is_remembered);
        assert!(!remembered || self.directory.has_answered(command.request), "{answer:?}");
        assert_eq!(self.directory.apply(Command { at_ms, ..command }), answer);
        if !before.is_clearing_away() {
            assert_eq!(self.directory, before);
        }
        answer
    }

    pub(super) fn image(&mut self, owner: &str, grants: &[(&str, u32)]) -> ImageId {
        self.does(record(owner, grants, 1)).unwrap();
        ImageId(self.last().0)
    }

    pub(super) fn create(&mut self, user: &str, group: &str) -> Answer {
        self.does(Action::CreateGroup(CreateGroup { user: name(user), group: self::group(group) }))
    }

    pub(super) fn asks(&mut self, user: &str, group: &str) -> Answer {
        self.does(Action::AskToJoin(AskToJoin { user: name(user), group: self::group(group) }))
    }

    pub(super) fn answers(&mut self, admin: &str, group: &str, user: &str, accept: bool) -> Answer {
        let (admin, group, user) = (name(admin), self::group(group), name(user));
        self.does(Action::AnswerJoin(AnswerJoin { admin, group, user, accept }))
    }

    pub(super) fn joins(&mut self, user: &str, group: &str, admin: &str) {
        self.asks(user, group).unwrap();
        self.answers(admin, group, user, true).unwrap();
    }

    pub(super) fn leaves(&mut self, user: &str, group: &str) -> Answer {
        self.does(Action::LeaveGroup(LeaveGroup { user: name(user), group: self::group(group) }))
    }

    pub(super) fn removes(&mut self, admin: &str, group: &str, member: &str) -> Answer {
        let (admin, group, member) = (name(admin), self::group(group), name(member));
        self.does(Action::RemoveMember(RemoveMember { admin, group, member }))
    }

    pub(super) fn sets_role(&mut self, admin: &str, group: &str, member: &str, role: Role) -> Answer {
        let (admin, group, member) = (name(admin), self::group(group), name(member));
        self.does(Action::SetRole(SetRole { admin, group, member, role }))
    }

    pub(super) fn grants_group(&mut self, owner: &str, image: ImageId, group: &str, views: u32) -> Answer {
        let (owner, group) = (name(owner), self::group(group));
        self.does(Action::GrantViewsToGroup(SetGroupGrant { owner, image, group, views }))
    }

    pub(super) fn asks_for(&mut self, user: &str, image: ImageId, views: u32) -> Answer {
        let note = "the sea one, please".to_owned();
        self.does(Action::AskForViews(AskForViews { user: name(user), image, views, note }))
    }

    pub(super) fn settles(&mut self, owner: &str, image: ImageId, user: &str, views: Option<u32>) -> Answer {
        let (owner, user) = (name(owner), name(user));
        self.does(Action::AnswerRequest(AnswerRequest { owner, image, user, views }))
    }

    pub(super) fn withdraws(&mut self, owner: &str, image: ImageId) -> Answer {
        self.does(Action::Withdraw(Withdraw { owner: name(owner), image }))
    }

    pub(super) fn acknowledges(&mut self, user: &str, upto: u64) {
        self.does(Action::Acknowledge(Acknowledge { user: name(user), upto })).unwrap();
    }

    /// What is in an inbox.
    pub(super) fn inbox(&self, user: &str) -> Vec<Notice> {
        let page = self.directory.inbox(&name(user), None, PAGE_LIMIT);
        page.notices.into_iter().map(|(_, posted)| posted.notice).collect()
    }

    pub(super) fn role(&self, group: &str, user: &str) -> Option<Role> {
        Some(self.directory.group(&self::group(group))?.members.get(&name(user))?.role)
    }

    pub(super) fn sets(&mut self, quota: Quota, limit: u64) {
        self.does(Action::SetQuotas(SetQuotas { set: vec![(quota, limit)], founding: false })).unwrap();
    }

    pub(super) fn blocks(&mut self, user: &str, blocked: &str) -> Answer {
        self.does(Action::Block(Block { user: name(user), blocked: name(blocked) }))
    }

    pub(super) fn unblocks(&mut self, user: &str, blocked: &str) -> Answer {
        self.does(Action::Unblock(Unblock { user: name(user), blocked: name(blocked) }))
    }

    /// The ids in a list, in order.
    pub(super) fn list(&self, user: &str) -> Vec<ImageId> {
        let (mut seen, mut after) = (Vec::new(), None);
        loop {
            let page = self.directory.list(&name(user), after, PAGE_LIMIT);
            seen.extend(page.lines.iter().map(|line| line.image));
            match page.next {
                Some(next) => after = Some(next),
                None => return seen,
            }
        }
    }

    /// A snapshot comes back the same, indices and all: what is kept up to date is what is counted anew.
    pub(super) fn assert_sound(&self) {
        let copy = sections::copy(&self.directory);
        assert_eq!(copy, self.directory);
        assert_eq!(copy.hash().unwrap(), self.directory.hash().unwrap());
    }
}

pub(super) fn group(text: &str) -> GroupName {
    text.parse().unwrap()
}
