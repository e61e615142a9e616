//! What follows from many images, all at once: what belongs to one user is gathered under their number and put in order in
//! the end. Entry by entry it would take several times as long, and a node that starts waits for it.

use std::collections::HashMap;

use imbl::{OrdMap, OrdSet};

use super::{Image, ImageId, Usage, UserName, familiar::Ties, packed::insert_packed, usage::Accounts};

/// What was gathered.
pub(super) struct Gathered {
    pub(super) owned: OrdSet<(UserName, ImageId)>,
    pub(super) granted: OrdSet<(UserName, ImageId)>,
    pub(super) ties: OrdMap<(UserName, UserName), Ties>,
    pub(super) accounts: Accounts,
}

/// Users by number, as they come.
#[derive(Default)]
pub(super) struct Gathering {
    numbers: HashMap<UserName, u32>,
    users: Vec<OfUser>,
}

#[derive(Default)]
struct OfUser {
    /// In order, as images come in order.
    owned: Vec<ImageId>,
    granted: Vec<ImageId>,
    /// An entry for each grant: to whom, by number, and whether they have opened the image.
    granted_to: Vec<(u32, bool)>,
    usage: Usage,
}

impl Gathering {
    fn number(&mut self, user: &UserName) -> u32 {
        if let Some(number) = self.numbers.get(user) {
            return *number;
        }
        let number = self.users.len() as u32;
        self.numbers.insert(user.clone(), number);
        self.users.push(OfUser::default());
        number
    }

    fn of(&mut self, user: &UserName) -> &mut OfUser {
        let number = self.number(user);
        &mut self.users[number as usize]
    }

    /// Images come by id.
    pub(super) fn add_image(&mut self, id: ImageId, image: &Image) {
        let owner = self.number(&image.owner);
        for (viewer, grant) in image.grants.iter() {
            let viewer = self.number(viewer);
            self.users[viewer as usize].granted.push(id);
            self.users[owner as usize].granted_to.push((viewer, grant.used > 0));
        }
        let of_owner = &mut self.users[owner as usize];
        of_owner.owned.push(id);
        of_owner.usage = of_owner.usage.plus(Usage::of_image(image));
    }

    /// Views in the log of images of one owner.
    pub(super) fn add_views(&mut self, owner: &UserName, count: usize) {
        let of_owner = self.of(owner);
        of_owner.usage = of_owner.usage.plus(Usage::of_views(count));
    }

    pub(super) fn finish(self) -> Gathered {
        let Self { numbers, mut users } = self;
        let mut names: Vec<_> = numbers.into_iter().collect();
        names.sort_unstable_by(|(one, _), (other, _)| one.cmp(other));
        // By number: the place of a user by name.
        let mut places = vec![0u32; names.len()];
        for (place, (_, number)) in names.iter().enumerate() {
            places[*number as usize] = place as u32;
        }

        let (mut owned, mut granted, mut ties) = (OrdSet::new(), OrdSet::new(), OrdMap::new());
        let entries = names.iter().flat_map(|(name, number)| {
            let ids = std::mem::take(&mut users[*number as usize].owned);
            ids.into_iter().map(|id| (name.clone(), id))
        });
        insert_packed(entries, |entry| drop(owned.insert(entry)));
        let entries = names.iter().flat_map(|(name, number)| {
            let ids = std::mem::take(&mut users[*number as usize].granted);
            ids.into_iter().map(|id| (name.clone(), id))
        });
        insert_packed(entries, |entry| drop(granted.insert(entry)));
        let entries = names.iter().flat_map(|(name, number)| {
            let mut to = std::mem::take(&mut users[*number as usize].granted_to);
            to.iter_mut().for_each(|(viewer, _)| *viewer = places[*viewer as usize]);
            to.sort_unstable_by_key(|(place, _)| *place);
            let ties = to.chunk_by(|(one, _), (next, _)| one == next).map(|of_one| {
                let mut ties = Ties::default();
                of_one.iter().for_each(|(_, opened)| ties.add(*opened));
                let (viewer, _) = &names[of_one[0].0 as usize];
                ((name.clone(), viewer.clone()), ties)
            });
            ties.collect::<Vec<_>>()
        });
        insert_packed(entries, |(pair, of_pair)| {
            ties.insert(pair, of_pair);
        });
        let mut accounts = Accounts::default();
        let usages = names.iter().map(|(name, number)| (name, users[*number as usize].usage));
        for (name, usage) in usages.filter(|(_, usage)| *usage != Usage::default()) {
            accounts.charge(name, usage);
        }
        Gathered { owned, granted, ties, accounts }
    }
}
