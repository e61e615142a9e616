use proptest::{collection::vec, prelude::*};

use super::*;

/// A batch that begins at byte `at` of segment 1.
fn batch(records: &[Record<'_>], sequence: u64, at: usize) -> Vec<u8> {
    let mut batch = BatchWriter::default();
    for record in records {
        batch.push(record).unwrap();
    }
    batch.finish(sequence, 1, at as u64).to_vec()
}

fn log_id(term: u64, index: u64) -> LogId {
    LogId::new(openraft::vote::leader_id_std::CommittedLeaderId::new(term), index)
}

#[test]
fn golden_bytes_of_head_batch_and_records() {
    let mut expected = b"VEILLOG\x07".to_vec();
    expected.extend([3, 0, 0, 0, 0, 0, 0, 0, 0, 0, 64, 0, 0, 0, 0, 0]);
    expected.extend(crc32fast::hash(&expected).to_le_bytes());
    expected.extend([0; 4]);
    assert_eq!(head(3, 4 << 20)[..], expected);

    let golden = [
        (Record::Disk(DiskId::new(1, 2)), &[1, 254, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0][..]),
        (Record::Vote(Vote::new(3, 2)), &[2, 3, 1, 2, 0]),
        (Record::Committed(log_id(2, 5)), &[3, 2, 5]),
        (Record::Purged(log_id(2, 4)), &[4, 2, 4]),
        (Record::Last(None), &[5, 0]),
        (Record::Last(Some(9)), &[5, 1, 9]),
        (Record::Entry { index: 258, bytes: b"abc" }, &[6, 2, 1, 0, 0, 0, 0, 0, 0, b'a', b'b', b'c']),
        (Record::Continued, &[7]),
        (Record::Recovered(DiskId::new(1, 2)), &[8, 254, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0]),
    ];
    let mut records = Vec::new();
    for (_, kind_and_body) in &golden {
        let length = (kind_and_body.len() as u32 - 1).to_le_bytes();
        let checked = [&length, *kind_and_body].concat();
        records.extend(crc32fast::hash(&checked).to_le_bytes());
        records.extend(checked);
    }
    let mut expected = [&7u64.to_le_bytes()[..], &(records.len() as u32).to_le_bytes()].concat();
    expected.extend(crc32fast::hash(&expected).to_le_bytes());
    scramble(&mut records, 1, (HEAD + BATCH_HEAD) as u64);
    expected.extend(&records);
    expected.push(0xff);
    expected.resize(expected.len().next_multiple_of(16), 0);
    assert_eq!(batch(&golden.map(|(record, _)| record), 7, HEAD), expected);

    let segment = [&[0; HEAD], &expected[..], &[0; 64]].concat();
    let mut reader = BatchReader::new(1, &segment, None);
    let Next::Batch(read) = reader.next().unwrap() else { panic!("no batch") };
    assert_eq!((read.at, read.sequence), (HEAD, 7));
    assert!(read.records.iter().map(|(_, record)| record).eq(golden.iter().map(|(record, _)| record)));
    assert!(matches!(reader.next(), Ok(Next::End)));
}

#[test]
fn golden_bytes_of_the_pattern_that_scrambles() {
    let mut zeros = [0; 16];
    scramble(&mut zeros, 3, 45);
    assert_eq!(zeros, [119, 55, 83, 167, 31, 137, 5, 205, 191, 252, 218, 214, 111, 184, 46, 102]);
    // From wherever one begins.
    scramble(&mut zeros[5..], 3, 50);
    assert_eq!(zeros[5..], [0; 11]);
}

/// A segment with two batches, and where they begin and end.
fn segment() -> (Vec<u8>, [usize; 3]) {
    let large = [7; 2_000];
    let first = batch(&[Record::Entry { index: 1, bytes: &large }, Record::Last(Some(1))], 1, HEAD);
    let second = batch(&[Record::Entry { index: 2, bytes: &large }], 2, HEAD + first.len());
    let ends = [HEAD, HEAD + first.len(), HEAD + first.len() + second.len()];
    (([&head(1, 8_192), &first[..], &second, &[0; 8_192]].concat()[..8_192]).to_vec(), ends)
}

/// How many batches can be read, and what comes then.
fn read(bytes: &[u8]) -> (usize, Result<bool, Damage>) {
    let mut reader = BatchReader::new(1, bytes, Some(1));
    for count in 0.. {
        match reader.next() {
            Ok(Next::Batch(_)) => {}
            Ok(end) => return (count, Ok(matches!(end, Next::Torn))),
            Err(damage) => return (count, Err(damage)),
        }
    }
    unreachable!()
}

#[test]
fn every_flipped_bit_in_a_batch_is_damage_and_every_cut_of_the_last_is_a_torn_end() {
    let (whole, [first, second, end]) = segment();
    assert_eq!(read(&whole), (2, Ok(false)));
    for at in first..end {
        for bit in 0..8 {
            let mut flipped = whole.clone();
            flipped[at] ^= 1 << bit;
            let batches = usize::from(at >= second);
            let damage = Damage::Content { segment: 1, at: if at >= second { second } else { first } };
            assert_eq!(read(&flipped), (batches, Err(damage)), "{at}.{bit}");
        }
    }
    for cut in second..end {
        let mut torn = whole.clone();
        torn[cut..].fill(0);
        let lost = torn != whole;
        assert_eq!(read(&torn), (2 - usize::from(lost), Ok(lost && cut > second)), "cut at {cut}");
    }
    // What was not used yet may be damaged: nothing is lost.
    for at in end..whole.len() {
        let mut flipped = whole.clone();
        flipped[at] ^= 1;
        assert_eq!(read(&flipped), (2, Ok(true)), "{at}");
    }
}

#[test]
fn sectors_that_are_missing_are_a_torn_end_in_the_last_batch_and_damage_before() {
    let (whole, [first, second, end]) = segment();
    for sector in 0..end.div_ceil(SECTOR) {
        let range = |from: usize, until: usize| {
            (sector * SECTOR).clamp(from, until)..((sector + 1) * SECTOR).clamp(from, until)
        };
        let mut torn = whole.clone();
        torn[range(second, end)].fill(0);
        let lost = torn != whole;
        assert_eq!(read(&torn), (2 - usize::from(lost), Ok(lost)), "sector {sector} of the last");
        let mut damaged = whole.clone();
        damaged[range(first, second)].fill(0);
        let lost = damaged != whole;
        let found = read(&damaged);
        assert_eq!(found.1.is_err(), lost, "sector {sector} of the first: {found:?}");
    }
}

/// Those bytes alone look as if a sector had not been written. The end mark behind them says that it was.
#[test]
fn a_flipped_bit_is_damage_also_where_the_last_sector_of_a_batch_begins_with_zeros() {
    for (sectors, zeros) in (1..4).flat_map(|sectors| (1..4).map(move |zeros| (sectors, zeros))) {
        let end = sectors * SECTOR + zeros;
        let mut scrambled_to_zeros = vec![0; zeros];
        scramble(&mut scrambled_to_zeros, 1, (end - zeros) as u64);
        let length = end - HEAD - BATCH_HEAD - RECORD_HEAD - size_of::<u64>();
        let bytes = [vec![7; length - zeros], scrambled_to_zeros].concat();
        let batch = batch(&[Record::Entry { index: 1, bytes: &bytes }], 1, HEAD);
        let mut segment = [&head(1, 8_192)[..], &batch].concat();
        assert_eq!(segment[end - zeros..=end], [&vec![0; zeros][..], &[END]].concat());
        segment.resize(8_192, 0);
        assert_eq!(read(&segment), (1, Ok(false)));
        for bit in 8 * HEAD..8 * (HEAD + batch.len()) {
            segment[bit / 8] ^= 1 << (bit % 8);
            let damage = Damage::Content { segment: 1, at: HEAD };
            assert_eq!(read(&segment), (0, Err(damage)), "{sectors} sectors, {zeros} zeros, bit {bit}");
            segment[bit / 8] ^= 1 << (bit % 8);
        }
    }
}

#[test]
fn a_length_beyond_the_segment_is_damage() {
    let (mut bytes, [first, ..]) = segment();
    bytes[first..first + 16].copy_from_slice(&batch_head(1, u32::MAX));
    assert_eq!(read(&bytes), (0, Err(Damage::Content { segment: 1, at: first })));
    assert!(split(&[0, 0, 0, 0, 255, 255, 255, 255, 6]).is_none());
}

/// What an entry may hold: all alike, zeros with one bit, anything.
fn content() -> impl Strategy<Value = Vec<u8>> {
    // Those that end a batch just before and just behind the end of a sector are more than others.
    let length = prop_oneof![0usize..1_200, (0usize..3, 0usize..64).prop_map(|(n, by)| 512 * n + 480 - by)];
    length.prop_flat_map(|length| {
        let one_bit = (0..length.max(1), 0u32..8).prop_map(move |(at, bit)| {
            let mut bytes = vec![0; length];
            bytes.iter_mut().skip(at).take(1).for_each(|byte| *byte = 1 << bit);
            bytes
        });
        prop_oneof![
            3 => Just(vec![0; length]),
            1 => Just(vec![0xff; length]),
            1 => one_bit,
            1 => vec(any::<u8>(), length),
        ]
    })
}

/// A segment with two batches of an entry each, and where the second begins and ends.
fn two_batches(first: &[u8], second: &[u8]) -> (Vec<u8>, usize, usize) {
    let first = batch(&[Record::Entry { index: 1, bytes: first }], 1, HEAD);
    let from = HEAD + first.len();
    let second = batch(&[Record::Entry { index: 2, bytes: second }], 2, from);
    let mut segment = [&head(1, 8_192)[..], &first, &second].concat();
    let end = segment.len();
    segment.resize(8_192, 0);
    (segment, from, end)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]

    #[test]
    fn no_bytes_make_the_reader_panic(mut bytes: Vec<u8>, length in 0u32..100) {
        bytes.splice(..0, [[0; HEAD].as_slice(), &batch_head(1, length)].concat());
        let _ = read(&bytes);
    }

    #[test]
    fn a_flipped_bit_in_a_whole_last_batch_is_damage_and_never_torn(first in content(), second in content()) {
        let (mut segment, from, end) = two_batches(&first, &second);
        prop_assert_eq!(read(&segment), (2, Ok(false)));
        for bit in 8 * from..8 * end {
            segment[bit / 8] ^= 1 << (bit % 8);
            let damage = Damage::Content { segment: 1, at: from };
            prop_assert_eq!(read(&segment), (1, Err(damage)), "bit {} of byte {}", bit % 8, bit / 8 - from);
            segment[bit / 8] ^= 1 << (bit % 8);
        }
    }

    /// What was being written is torn in whatever way sectors of it are missing.
    #[test]
    fn a_last_batch_of_which_sectors_are_missing_is_torn(first in content(), second in content(), written: u16) {
        let (whole, from, end) = two_batches(&first, &second);
        let mut torn = whole.clone();
        for sector in from / SECTOR..end.div_ceil(SECTOR) {
            if (written >> (sector % 16)) & 1 == 0 {
                torn[(sector * SECTOR).max(from)..((sector + 1) * SECTOR).min(end)].fill(0);
            }
        }
        let nothing = torn[from..end].iter().all(|byte| *byte == 0);
        let expected = match torn == whole {
            true => (2, Ok(false)),
            false => (1, Ok(!nothing)),
        };
        prop_assert_eq!(read(&torn), expected);
    }
}
