//! What a directory exports comes in again as the same directory.

use super::{stage::Stage, *};

/// Keeps each section, and how many records it has.
#[derive(Default)]
struct Kept(Vec<(u8, Vec<Vec<u8>>)>);

impl Export for Kept {
    type Error = codec::CodecError;

    fn record<T: Serialize>(&mut self, section: u8, record: &T) -> Result<(), codec::CodecError> {
        if self.0.last().is_none_or(|(last, _)| *last != section) {
            self.0.push((section, Vec::new()));
        }
        self.0.last_mut().unwrap().1.push(codec::encode(record)?);
        Ok(())
    }
}

fn kept(directory: &Directory) -> Kept {
    let mut kept = Kept::default();
    directory.export(&mut kept).unwrap();
    kept
}

/// The bytes of each section.
pub(super) fn exported(directory: &Directory) -> Vec<(u8, Vec<u8>)> {
    kept(directory).0.into_iter().map(|(section, records)| (section, records.concat())).collect()
}

/// What is made of a directory's records, `at_a_time` of them together.
fn copy_by(directory: &Directory, at_a_time: usize) -> Directory {
    let mut import = Import::default();
    for (section, records) in kept(directory).0 {
        records.chunks(at_a_time).for_each(|some| import.take(section, &some.concat()).unwrap());
    }
    import.finish()
}

pub(super) fn copy(directory: &Directory) -> Directory {
    copy_by(directory, usize::MAX)
}

/// Something of every section.
fn everything() -> Directory {
    let mut stage = Stage::of(&["anna", "ben", "carl"]);
    let image = stage.image("anna", &[("ben", 2)]);
    stage.does(open("ben", image)).unwrap();
    stage.create("anna", "choir").unwrap();
    stage.asks("carl", "choir").unwrap();
    let (user, note) = (name("carl"), "please".to_owned());
    stage.does(Action::AskForViews(AskForViews { user, image, views: 3, note })).unwrap();
    stage.does(Action::Block(Block { user: name("ben"), blocked: name("carl") })).unwrap();
    stage.does(Action::SetQuotas(SetQuotas { set: vec![(Quota::ALL[0], 70)], founding: false })).unwrap();
    let mut forgotten = forgotten::Forgotten::default();
    forgotten.add(NOW - 2 * REQUEST_WINDOW_MS);
    stage.directory.answers.set_forgotten(forgotten);
    stage.directory
}

#[test]
fn every_section_is_exported_in_order_and_comes_back() {
    let directory = everything();
    let sections: Vec<u8> = exported(&directory).into_iter().map(|(section, _)| section).collect();
    // What earlier versions have written, the third among it, is written no more.
    assert_eq!(sections, [1, 2, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14]);
    for at_a_time in [1, 2, 3, usize::MAX] {
        let copy = copy_by(&directory, at_a_time);
        assert_eq!(copy, directory, "{at_a_time} at a time");
        assert_eq!(copy.hash().unwrap(), directory.hash().unwrap());
    }
}

#[test]
fn images_of_an_earlier_version_come_in_without_a_body() {
    let mut directory = everything();
    let without = |image: &Image| Image { body: None, ..image.clone() };
    directory.images = directory.images.iter().map(|(id, image)| (*id, Arc::new(without(image)))).collect();
    let mut import = Import::default();
    let mut sections = exported(&directory);
    let (_, images) = sections.pop().unwrap();
    // What is new in a record comes last, and is nothing here.
    let record = codec::encode(directory.images.iter().next().unwrap().1.as_ref()).unwrap();
    assert_eq!((record.last(), directory.images.len()), (Some(&0), 1));
    sections.push((3, images[..images.len() - 1].to_vec()));
    sections.sort();
    for (section, bytes) in sections {
        import.take(section, &bytes).unwrap();
    }
    assert_eq!(import.finish(), directory);
}

#[test]
fn sections_out_of_order_unknown_ones_and_cut_records_are_refused() {
    let sections = exported(&everything());
    let mut import = Import::default();
    import.take(sections[2].0, &sections[2].1).unwrap();
    let earlier = import.take(sections[1].0, &sections[1].1);
    assert!(matches!(earlier, Err(ImportError::OutOfOrder { section: 2, after: 4 })), "{earlier:?}");
    let unknown = import.take(200, &[]);
    assert!(matches!(unknown, Err(ImportError::UnknownSection(200))), "{unknown:?}");
    for (section, bytes) in &sections {
        let cut = Import::default().take(*section, &bytes[..bytes.len() - 1]);
        assert!(matches!(cut, Err(ImportError::Malformed { .. })), "section {section}: {cut:?}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]
    #[test]
    fn any_directory_comes_back_with_the_same_hash(
        steps in prop::collection::vec((0u8..6, 0u32..6, 0u32..6, 0u32..4), 1..120),
        at_a_time in 1usize..40,
    ) {
        let users = ["anna", "ben", "carl", "dora", "emil", "fay"];
        let mut stage = Stage::of(&users);
        let mut images = Vec::new();
        for (what, one, other, count) in steps {
            let (one, other) = (users[one as usize], users[other as usize]);
            let group = format!("group-{count}");
            let image = images.get(count as usize).copied();
            // Some are refused, and the refusals remembered.
            let answer = match (what, image) {
                (0, _) | (_, None) => stage.does(record(one, &[(other, count)], 1)),
                (1, Some(image)) => stage.does(open(one, image)),
                (2, Some(image)) => stage.does(grant(one, image, other, count)),
                (3, Some(_)) => stage.create(one, &group),
                (4, Some(_)) => stage.asks(one, &group),
                (_, Some(image)) => {
                    let (user, note) = (name(one), String::new());
                    stage.does(Action::AskForViews(AskForViews { user, image, views: count, note }))
                }
            };
            if let Ok(Effect::Recorded { .. }) = answer {
                images.insert(0, ImageId(stage.last().0));
            }
        }
        let directory = stage.directory;
        let copy = copy_by(&directory, at_a_time);
        prop_assert_eq!(copy.hash().unwrap(), directory.hash().unwrap());
        prop_assert_eq!(copy, directory);
    }
}
