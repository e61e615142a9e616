use std::sync::Arc;

use openraft::vote::leader_id_std::CommittedLeaderId;
use parking_lot::Mutex;

use super::{
    format::{CHUNK, CHUNK_LIMIT, END, HEAD, VERSION},
    *,
};
use crate::{
    consensus::disk::{Disk, Memory, NewSnapshot, SnapshotFile},
    directory::{Action, Actor, Command, Register, RequestId},
    identity::PublicKey,
};

const NOW: u64 = 1_700_000_000_000;

/// A state after the entry at `index`, with so many users.
fn state(index: u64, users: u32) -> Image {
    let mut directory = Directory::default();
    for number in 0..users {
        let user = format!("user-{number:06}").parse().unwrap();
        let register = Register { user, key: PublicKey::from_bytes([7; 32]), password: None };
        directory
            .apply(Command {
                request: RequestId::new(NOW, number.into()),
                at_ms: NOW,
                actor: Actor::Stranger,
                action: Action::Register(register),
            })
            .unwrap();
    }
    Image { applied: Some(LogId::new(CommittedLeaderId::new(1), index)), directory, ..Image::default() }
}

fn bytes_of(image: &Image) -> Vec<u8> {
    let disk = Memory::default();
    let (store, _) = SnapshotStore::open(Arc::new(disk.clone())).unwrap();
    store.write(image).unwrap();
    disk.snapshot().unwrap()
}

/// What a node finds that starts with these bytes on its disk.
fn read_from_disk(bytes: Vec<u8>) -> Result<Image, SnapshotError> {
    let disk = Memory::default();
    disk.put_snapshot(bytes);
    SnapshotStore::open(Arc::new(disk)).map(|(_, image)| image)
}

/// Where the chunks begin, and where the last one ends.
fn bounds(bytes: &[u8]) -> Vec<usize> {
    let mut bounds = vec![HEADER];
    while let Some(head) = bytes.get(bounds[bounds.len() - 1]..).and_then(|rest| rest.first_chunk::<HEAD>()) {
        let length = u32::from_le_bytes([head[1], head[2], head[3], head[4]]) as usize;
        bounds.push(bounds[bounds.len() - 1] + HEAD + length);
    }
    bounds
}

/// The same bytes as a follower gets them: header, and chunk after chunk, cut where they say that they end.
fn receive(bytes: &[u8]) -> Result<Image, SnapshotError> {
    let (store, _) = SnapshotStore::open(Arc::new(Memory::default())).unwrap();
    let (header, mut rest) = bytes.split_at(bytes.len().min(HEADER));
    let mut receiving = Receiving::begin(&store, header)?;
    while !rest.is_empty() {
        let length = rest.get(1..5).map_or(0, |at| u32::from_le_bytes([at[0], at[1], at[2], at[3]]) as usize);
        let (chunk, after) = rest.split_at(rest.len().min(HEAD.saturating_add(length)));
        receiving.take(chunk)?;
        rest = after;
    }
    receiving.finish().map(|mut received| received.take().unwrap().0)
}

#[test]
fn a_state_comes_back_from_disk_and_from_another_node() {
    let image = state(9, 50);
    assert_eq!(read_from_disk(bytes_of(&image)).unwrap(), image);
    assert_eq!(receive(&bytes_of(&image)).unwrap(), image);
}

#[test]
fn every_flipped_bit_is_found() {
    let bytes = bytes_of(&state(9, 3));
    for bit in 0..bytes.len() * 8 {
        let mut damaged = bytes.clone();
        damaged[bit / 8] ^= 1 << (bit % 8);
        assert!(receive(&damaged).is_err(), "bit {bit}, received");
        assert!(read_from_disk(damaged).is_err(), "bit {bit}, on disk");
    }
}

#[test]
fn every_cut_is_found_and_so_is_what_follows_the_end() {
    let bytes = bytes_of(&state(9, 3));
    for length in 0..bytes.len() {
        assert!(receive(&bytes[..length]).is_err(), "{length} bytes, received");
        assert!(read_from_disk(bytes[..length].to_vec()).is_err(), "{length} bytes, on disk");
    }
    let longer = [&bytes[..], &[0]].concat();
    assert!(receive(&longer).is_err());
    let found = read_from_disk(longer);
    assert!(matches!(found, Err(SnapshotError::Trailing { offset }) if offset == bytes.len() as u64));
}

#[test]
fn chunks_that_were_moved_repeated_or_left_out_are_found() {
    let bytes = bytes_of(&state(9, 3));
    let bounds = bounds(&bytes);
    let chunks: Vec<&[u8]> = bounds.windows(2).map(|at| &bytes[at[0]..at[1]]).collect();
    assert!(chunks.len() >= 5, "{} chunks", chunks.len());
    let check = |what: &str, order: &[usize]| {
        let mut other = bytes[..HEADER].to_vec();
        order.iter().for_each(|place| other.extend_from_slice(chunks[*place]));
        assert!(receive(&other).is_err(), "{what}, received");
        assert!(read_from_disk(other).is_err(), "{what}, on disk");
    };
    let whole: Vec<usize> = (0..chunks.len()).collect();
    for place in 0..chunks.len() {
        let mut order = whole.clone();
        order.remove(place);
        check(&format!("without chunk {place}"), &order);
        let mut order = whole.clone();
        order.insert(place, place);
        check(&format!("chunk {place} twice"), &order);
        if place > 0 {
            let mut order = whole.clone();
            order.swap(place - 1, place);
            check(&format!("chunk {place} before the one before it"), &order);
        }
    }
    // A chunk of another snapshot does not fit either.
    let other = bytes_of(&state(8, 3));
    let mixed = [&bytes[..bounds[2]], &other[bounds[2]..]].concat();
    assert!(matches!(read_from_disk(mixed), Err(SnapshotError::Chunk { .. })));
}

#[test]
fn what_is_wrong_is_named_with_its_chunk_and_byte() {
    let bytes = bytes_of(&state(9, 3));
    let second = bounds(&bytes)[1];
    let mut damaged = bytes.clone();
    damaged[second + HEAD] ^= 1;
    let said = read_from_disk(damaged).unwrap_err().to_string();
    assert_eq!(
        said,
        format!(
            "chunk 1 of the snapshot, at byte {second}, is not what was written: its checksum does not fit"
        )
    );
    let mut other = bytes;
    other[8] = 4;
    let said = read_from_disk(other).unwrap_err().to_string();
    assert_eq!(said, format!("the snapshot is of version 4, this program reads {VERSION}"));
    assert!(matches!(read_from_disk(b"VEILLOG\x06 ".to_vec()), Err(SnapshotError::NotASnapshot)));
}

#[test]
fn an_older_snapshot_never_replaces_a_newer_one() {
    let disk: Arc<dyn Disk> = Arc::new(Memory::default());
    let (store, _) = SnapshotStore::open(disk.clone()).unwrap();
    store.write(&state(60, 2)).unwrap();
    store.write(&state(20, 1)).unwrap();
    store.write(&state(60, 1)).unwrap();
    assert_eq!(store.newest().unwrap().meta, state(60, 2).meta());
    assert_eq!(SnapshotStore::open(disk).unwrap().1, state(60, 2));
}

#[test]
fn a_damaged_snapshot_is_replaced_by_one_of_the_same_state() {
    let disk = Memory::default();
    let (store, _) = SnapshotStore::open(Arc::new(disk.clone())).unwrap();
    store.write(&state(60, 2)).unwrap();
    let earlier = store.newest().unwrap();
    let mut damaged = disk.snapshot().unwrap();
    damaged[HEADER + HEAD] ^= 1;
    disk.put_snapshot(damaged);
    store.report_damage(&earlier);
    assert!(store.is_wanted());
    store.write(&state(60, 2)).unwrap();
    assert!(!store.is_wanted());
    assert_eq!(SnapshotStore::open(Arc::new(disk)).unwrap().1, state(60, 2));
    // A late report about one that is no longer there changes nothing.
    store.report_damage(&earlier);
    assert!(!store.is_wanted());
}

#[test]
fn one_that_cannot_be_written_leaves_the_earlier_one() {
    let disk = Memory::default();
    let (store, _) = SnapshotStore::open(Arc::new(disk.clone())).unwrap();
    store.write(&state(20, 1)).unwrap();
    let length = bytes_of(&state(60, 5)).len();
    for room in [0, HEADER, length / 2, length - 1] {
        disk.leave(Some(room));
        let refused = store.write(&state(60, 5));
        assert!(
            matches!(&refused, Err(SnapshotError::Io(error)) if error.kind() == io::ErrorKind::StorageFull)
        );
        assert_eq!(SnapshotStore::open(Arc::new(disk.clone())).unwrap().1, state(20, 1));
    }
    disk.leave(Some(length));
    store.write(&state(60, 5)).unwrap();
    assert_eq!(SnapshotStore::open(Arc::new(disk)).unwrap().1, state(60, 5));
}

/// The power fails at each of the syncs: either snapshot is there as a whole.
#[test]
fn after_a_power_cut_there_is_the_earlier_snapshot_or_the_later_one() {
    let mut later = 0;
    for syncs in 0..4 {
        let disk = Memory::default();
        let (store, _) = SnapshotStore::open(Arc::new(disk.clone())).unwrap();
        store.write(&state(20, 1)).unwrap();
        disk.fail_after(syncs);
        let written = store.write(&state(60, 5));
        disk.crash(&crate::consensus::disk::Crash::Prefix(0));
        let (_, found) = SnapshotStore::open(Arc::new(disk)).unwrap();
        assert_eq!(found, if written.is_ok() { state(60, 5) } else { state(20, 1) });
        later += u32::from(written.is_ok());
    }
    assert_eq!(later, 2);
}

/// A disk that notes how much was written or read at once.
#[derive(Default, Clone)]
struct Counting {
    memory: Memory,
    written: Arc<Mutex<Vec<usize>>>,
    read: Arc<Mutex<Vec<usize>>>,
}

struct CountingWriter(Box<dyn NewSnapshot>, Arc<Mutex<Vec<usize>>>, Arc<Mutex<Vec<usize>>>);
struct CountingReader(Arc<dyn SnapshotFile>, Arc<Mutex<Vec<usize>>>);

impl Disk for Counting {
    fn open_log(&self) -> io::Result<Arc<dyn crate::consensus::Segments>> {
        self.memory.open_log()
    }

    fn create_snapshot(&self) -> io::Result<Box<dyn NewSnapshot>> {
        let inner = self.memory.create_snapshot()?;
        Ok(Box::new(CountingWriter(inner, self.written.clone(), self.read.clone())))
    }

    fn open_snapshot(&self) -> io::Result<Option<Arc<dyn SnapshotFile>>> {
        let read = self.read.clone();
        Ok(self.memory.open_snapshot()?.map(|inner| Arc::new(CountingReader(inner, read)) as _))
    }
}

impl NewSnapshot for CountingWriter {
    fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.1.lock().push(bytes.len());
        self.0.append(bytes)
    }

    fn sync(&mut self) -> io::Result<()> {
        self.0.sync()
    }

    fn commit(&mut self) -> io::Result<Arc<dyn SnapshotFile>> {
        Ok(Arc::new(CountingReader(self.0.commit()?, self.2.clone())))
    }
}

impl SnapshotFile for CountingReader {
    fn length(&self) -> io::Result<u64> {
        self.0.length()
    }

    fn read_at(&self, bytes: &mut [u8], offset: u64) -> io::Result<()> {
        self.1.lock().push(bytes.len());
        self.0.read_at(bytes, offset)
    }
}

#[test]
fn no_more_than_a_chunk_is_written_read_or_received_at_once() {
    let (disk, image) = (Counting::default(), state(9, 60_000));
    let (store, _) = SnapshotStore::open(Arc::new(disk.clone())).unwrap();
    store.write(&image).unwrap();
    let size = disk.memory.snapshot().unwrap().len();
    assert!(size > 2 * CHUNK, "{size} bytes");
    assert_eq!(SnapshotStore::open(Arc::new(disk.clone())).unwrap().1, image);
    let other = Counting::default();
    let (follower, _) = SnapshotStore::open(Arc::new(other.clone())).unwrap();
    assert_eq!(follower.copy(store.newest().unwrap()).unwrap().take().unwrap().0, image);
    for pieces in [&disk.written, &disk.read, &other.written] {
        let pieces = pieces.lock();
        assert!(pieces.iter().sum::<usize>() >= size);
        let largest = pieces.iter().max().copied().unwrap();
        assert!(largest <= HEAD + CHUNK, "{largest} bytes at once");
    }
}

#[test]
fn a_record_that_no_chunk_could_hold_is_not_written() {
    let disk = Memory::default();
    let mut file = disk.create_snapshot().unwrap();
    let mut writer = write::Writer::begin(&mut *file).unwrap();
    let record = |size| bytes::Bytes::from(vec![7; size]);
    use crate::directory::Export;
    writer.record(1, &record(CHUNK_LIMIT - 5)).unwrap();
    writer.record(1, &1u8).unwrap();
    let refused = writer.record(1, &record(CHUNK_LIMIT));
    assert!(matches!(refused, Err(SnapshotError::Record { section: 1, .. })), "{refused:?}");
}

/// A snapshot of these sections, each sealed as it should be.
fn sealed(sections: &[(u8, &[u8])]) -> Vec<u8> {
    let (mut chain, mut bytes) = (Chain::begin(), header().to_vec());
    for (section, payload) in sections {
        let mut chunk = [&[0; HEAD][..], *payload].concat();
        chain.seal(*section, &mut chunk);
        bytes.extend(chunk);
    }
    bytes
}

#[test]
fn what_nobody_writes_is_refused_however_well_it_is_sealed() {
    let (meta, settings) = ((0, &[0, 0, 0, 0][..]), (1, &[0, 1][..]));
    assert!(read_from_disk(sealed(&[meta, settings, (END, &[2, 89])])).is_ok());
    // More chunks than there are, or fewer bytes.
    for end in [[3, 89], [2, 88]] {
        let bytes = sealed(&[meta, settings, (END, &end)]);
        for found in [read_from_disk(bytes.clone()), receive(&bytes)] {
            assert!(matches!(found, Err(SnapshotError::Count { found: 2, .. })), "{found:?}");
        }
    }
    // A chunk that takes more memory than any should.
    let large = vec![0xff; CHUNK_LIMIT + 1];
    let bytes = sealed(&[meta, (1, &large)]);
    for found in [read_from_disk(bytes.clone()), receive(&bytes)] {
        let found = found.map(|image| image.applied);
        assert!(matches!(found, Err(SnapshotError::Chunk { chunk: 1, .. })), "{found:?}");
    }
}

#[test]
fn golden_bytes_of_an_empty_snapshot() {
    let bytes = bytes_of(&Image::default());
    let mut expected = b"VEILSNAP\x05".to_vec();
    let mut checksum = *blake3::hash(&expected).as_bytes();
    let mut chunk = |section: u8, payload: &[u8]| {
        let head = [&[section][..], &(payload.len() as u32).to_le_bytes()].concat();
        checksum = *blake3::hash(&[&checksum[..], &head, payload].concat()).as_bytes();
        expected.extend([&head[..], &checksum, payload].concat());
    };
    // No entry; no membership, which is of no entry and has no members. Clock and key number. Two chunks, 89 bytes.
    chunk(0, &[0, 0, 0, 0]);
    chunk(1, &[0, 1]);
    chunk(END, &[2, 89]);
    assert_eq!(bytes, expected);
}

/// Says in which thread it is dropped.
struct Unused(std::sync::mpsc::Sender<std::thread::ThreadId>);

impl NewSnapshot for Unused {
    fn append(&mut self, _bytes: &[u8]) -> io::Result<()> {
        Ok(())
    }

    fn sync(&mut self) -> io::Result<()> {
        Ok(())
    }

    fn commit(&mut self) -> io::Result<Arc<dyn SnapshotFile>> {
        Err(io::Error::other("it is not to be installed"))
    }
}

impl Drop for Unused {
    fn drop(&mut self) {
        self.0.send(std::thread::current().id()).unwrap();
    }
}

#[test]
fn a_snapshot_that_raft_does_not_need_is_let_go_of_in_another_thread() {
    let (sender, dropped) = std::sync::mpsc::channel();
    drop(Received::new(state(7, 3), Box::new(Unused(sender))));
    assert_ne!(dropped.recv().unwrap(), std::thread::current().id());
}
