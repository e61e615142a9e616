use super::{stage::Stage, *};

#[test]
fn an_inbox_is_read_in_order_and_once() {
    let mut stage = Stage::of(&["anna", "ben"]);
    let (one, two) = (stage.image("anna", &[]), stage.image("anna", &[]));
    stage.does(grant("anna", one, "ben", 1)).unwrap();
    stage.does(grant("anna", two, "ben", 2)).unwrap();
    stage.does(grant("anna", one, "ben", 3)).unwrap();
    let granted = |image, views_left| Notice::Granted { image, owner: name("anna"), views_left };
    // What is said about the same takes the place of what was said before, and comes last.
    assert_eq!(stage.inbox("ben"), [granted(two, 2), granted(one, 3)]);
    let page = stage.directory.inbox(&name("ben"), None, 1);
    let read = page.notices[0].0;
    assert_eq!(stage.directory.inbox(&name("ben"), Some(read), 10).notices.len(), 1);
    stage.acknowledges("ben", read);
    stage.acknowledges("ben", read);
    assert_eq!(stage.inbox("ben"), [granted(one, 3)]);
    stage.does(grant("anna", two, "ben", 4)).unwrap();
    assert_eq!(stage.inbox("ben"), [granted(one, 3), granted(two, 4)]);
    stage.acknowledges("ben", u64::MAX);
    assert_eq!(stage.inbox("ben"), []);
    stage.does(grant("anna", one, "ben", 5)).unwrap();
    let page = stage.directory.inbox(&name("ben"), None, 10);
    assert_eq!((page.notices[0].0, page.dropped), (5, 0), "numbers grow for ever");
    stage.assert_sound();
}

#[test]
fn a_full_inbox_loses_one_and_says_how_many() {
    let mut directory = Stage::of(&["ben"]).directory;
    let ben = name("ben");
    // A few each, so that nobody is louder than the others.
    for number in 1..=MAX_NOTICES + 3 {
        let (image, owner) = (ImageId(u128::from(number)), name(&format!("u{}", number % 100)));
        directory.notify(&ben, Notice::Granted { image, owner, views_left: 1 });
    }
    // Of those who had 21 the first, and so on.
    let page = directory.inbox(&ben, None, 1);
    assert_eq!((page.notices[0].0, page.dropped), (4, 3));
    assert_eq!(directory.notices_of(&ben, 0).count() as u64, MAX_NOTICES);
    // A reader who had read only up to 2 has missed one; from 3 on nothing is missed.
    let ack = |upto| Acknowledge { user: name("ben"), upto };
    directory.acknowledge(ack(2)).unwrap();
    assert_eq!(directory.inbox(&ben, None, 1).dropped, 3);
    directory.acknowledge(ack(3)).unwrap();
    assert_eq!(directory.inbox(&ben, None, 1).dropped, 0);
}

#[test]
fn notices_of_strangers_give_way_before_those_of_somebody_the_reader_knows() {
    let mut stage = Stage::of(&["ben", "carl"]);
    stage.image("ben", &[("carl", 1)]);
    let mut refuse = |number: u64, owner: UserName| {
        let image = ImageId(number.into());
        stage.directory.notify(&name("ben"), Notice::Refused { image, owner });
    };
    (0..400).for_each(|number| refuse(number, name("carl")));
    // Each of them has one, and Carl has more than anybody.
    (400..MAX_NOTICES + 100).for_each(|number| refuse(number, name(&format!("u{number}"))));
    let notices = || stage.directory.notices_of(&name("ben"), 0);
    let carls = notices().filter(|(_, posted)| posted.notice.sender() == Some(&name("carl")));
    assert_eq!((carls.count(), notices().count() as u64), (400, MAX_NOTICES));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Read to the end and acknowledged whenever: every last word about a subject arrives once, in order.
    #[test]
    fn every_last_word_is_delivered_once_and_in_order(
        steps in prop::collection::vec((0usize..4, 0u32..5), 1..80)
    ) {
        let mut stage = Stage::of(&["anna", "ben"]);
        let images = [stage.image("anna", &[]), stage.image("anna", &[]), stage.image("anna", &[])];
        // What is to arrive, in order: a later word about the same image takes the place of one that was not read.
        let mut expected: Vec<(ImageId, u32)> = Vec::new();
        let (mut delivered, mut all) = (Vec::new(), Vec::new());
        let mut last = 0;
        for (what, views) in steps.into_iter().chain([(3, 99)]) {
            if what < 3 {
                stage.does(grant("anna", images[what], "ben", views)).unwrap();
                expected.retain(|(image, _)| *image != images[what]);
                expected.push((images[what], views));
                continue;
            }
            let page = stage.directory.inbox(&name("ben"), None, views as usize);
            for (number, posted) in page.notices {
                prop_assert!(number > last);
                last = number;
                let Notice::Granted { image, views_left, .. } = posted.notice else { panic!("{posted:?}") };
                delivered.push((image, views_left));
            }
            stage.acknowledges("ben", last);
            all.extend(expected.drain(..expected.len().min(views as usize)));
            stage.assert_sound();
        }
        prop_assert_eq!(delivered, all);
        prop_assert_eq!(stage.inbox("ben"), []);
    }
}
