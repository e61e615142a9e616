//! What earlier versions have put into the log does what it did then, so that a node that replays it comes to the same
//! state as one whose snapshot covers it.

use super::{
    stage::{Stage, group},
    *,
};

/// Anna's choir of Ben and Carl, and her image, of which Ben has two views.
fn choir() -> (Stage, ImageId) {
    let mut stage = Stage::of(&["anna", "ben", "carl"]);
    let image = stage.image("anna", &[("ben", 2)]);
    stage.create("anna", "choir").unwrap();
    stage.joins("ben", "choir", "anna");
    stage.joins("carl", "choir", "anna");
    for user in ["anna", "ben", "carl"] {
        stage.acknowledges(user, u64::MAX);
    }
    (stage, image)
}

fn granted_earlier(image: ImageId, viewer: &str, views: u32) -> Action {
    Action::SetGrant(SetGrant { owner: name("anna"), image, viewer: name(viewer), views })
}

fn granted_to_group_earlier(image: ImageId, views: u32) -> Action {
    Action::SetGroupGrant(SetGroupGrant { owner: name("anna"), image, group: group("choir"), views })
}

#[test]
fn the_end_of_an_earlier_versions_log_does_what_it_did_then() {
    let (mut stage, image) = choir();
    let snapshot = sections::copy(&stage.directory);
    let tail = [
        granted_earlier(image, "ben", 2),
        granted_earlier(image, "anna", 1),
        granted_earlier(image, "carl", 0),
        granted_to_group_earlier(image, 3),
        granted_to_group_earlier(image, 0),
        granted_to_group_earlier(image, 0),
    ];
    let granted = |views_left| Notice::Granted { image, owner: name("anna"), views_left };
    let mut replayed = Stage { directory: snapshot, number: stage.number, work: 0 };
    for (revision, action) in tail.into_iter().enumerate() {
        let views_left = match &action {
            Action::SetGrant(set) => set.views,
            Action::SetGroupGrant(set) => set.views,
            _ => unreachable!(),
        };
        let answer = Ok(Effect::Granted { views_left, revision: revision as u64 + 1 });
        assert_eq!(stage.does(action.clone()), answer);
        assert_eq!(replayed.does(action), answer);
    }
    for stage in [&stage, &replayed] {
        // Told of the same number, and of none where there was none; of what the group has, nobody is.
        assert_eq!(stage.inbox("ben"), [granted(2)]);
        assert_eq!(stage.inbox("carl"), [granted(0)]);
        assert_eq!(stage.inbox("anna"), []);
        stage.assert_sound();
    }
    assert_eq!(replayed.directory.hash().unwrap(), stage.directory.hash().unwrap());
}

#[test]
fn a_grant_that_an_earlier_version_has_put_into_the_log_is_the_same_request_asked_again() {
    let (mut stage, image) = choir();
    let to_group = SetGroupGrant { owner: name("anna"), image, group: group("choir"), views: 3 };
    for (earlier, again) in [
        (granted_earlier(image, "ben", 5), grant("anna", image, "ben", 5)),
        (Action::SetGroupGrant(to_group.clone()), Action::GrantViewsToGroup(to_group)),
    ] {
        let answer = stage.does(earlier);
        assert!(answer.is_ok(), "{answer:?}");
        let before = stage.directory.clone();
        assert_eq!(stage.directory.apply(command(stage.number, again)), answer);
        assert_eq!(stage.directory, before);
    }
}

#[test]
fn who_has_left_a_group_takes_back_as_known_as_they_gave() {
    let (mut stage, image) = choir();
    stage.grants_group("anna", image, "choir", 3).unwrap();
    stage.leaves("anna", "choir").unwrap();
    stage.grants_group("anna", image, "choir", 0).unwrap();
    let page = stage.directory.inbox(&name("carl"), None, 10);
    let [(_, Posted { notice, known, .. })] = &page.notices[..] else { panic!("{page:?}") };
    let owner = name("anna");
    assert_eq!(*notice, Notice::GrantedToGroup { image, owner, group: group("choir"), views_left: 0 });
    assert!(known);
}
