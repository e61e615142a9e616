//! A node whose disk is full, or does not hold what it held.

use std::{
    collections::BTreeMap,
    io,
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use veil::{
    consensus::{Disk, Folder, NewSnapshot, SegmentFile, Segments, SnapshotFile, StartError},
    node::{NodeError, RaftConfig},
};

use super::harness::{Cluster, PATIENCE, Writer, leader, register, register_many, soon};

/// A disk that is full while the switch is on.
struct Filling {
    folder: Folder,
    full: Arc<AtomicBool>,
}

/// Its segments, and each of their files.
struct FillingPart<T: ?Sized> {
    inner: Arc<T>,
    full: Arc<AtomicBool>,
}

fn room(full: &AtomicBool) -> io::Result<()> {
    match full.load(Ordering::SeqCst) {
        true => Err(io::Error::new(io::ErrorKind::StorageFull, "no space left on device")),
        false => Ok(()),
    }
}

impl Filling {
    fn new(folder: &Path, full: &Arc<AtomicBool>) -> Self {
        Self { folder: Folder::create(folder).unwrap(), full: full.clone() }
    }
}

impl Disk for Filling {
    fn open_log(&self) -> io::Result<Arc<dyn Segments>> {
        Ok(Arc::new(FillingPart { inner: self.folder.open_log()?, full: self.full.clone() }))
    }

    fn create_snapshot(&self) -> io::Result<Box<dyn NewSnapshot>> {
        Ok(Box::new(FillingSnapshot { inner: self.folder.create_snapshot()?, full: self.full.clone() }))
    }

    fn open_snapshot(&self) -> io::Result<Option<Arc<dyn SnapshotFile>>> {
        self.folder.open_snapshot()
    }
}

struct FillingSnapshot {
    inner: Box<dyn NewSnapshot>,
    full: Arc<AtomicBool>,
}

impl NewSnapshot for FillingSnapshot {
    fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
        room(&self.full)?;
        self.inner.append(bytes)
    }

    fn sync(&mut self) -> io::Result<()> {
        room(&self.full)?;
        self.inner.sync()
    }

    fn commit(&mut self) -> io::Result<Arc<dyn SnapshotFile>> {
        self.inner.commit()
    }
}

impl Segments for FillingPart<dyn Segments> {
    fn list(&self) -> io::Result<Vec<u64>> {
        self.inner.list()
    }

    fn open(&self, number: u64) -> io::Result<Arc<dyn SegmentFile>> {
        Ok(Arc::new(FillingPart { inner: self.inner.open(number)?, full: self.full.clone() }))
    }

    fn create(&self, number: u64, head: &[u8], length: u64) -> io::Result<Arc<dyn SegmentFile>> {
        room(&self.full)?;
        let inner = self.inner.create(number, head, length)?;
        Ok(Arc::new(FillingPart { inner, full: self.full.clone() }))
    }

    fn remove(&self, number: u64) -> io::Result<()> {
        self.inner.remove(number)
    }
}

impl SegmentFile for FillingPart<dyn SegmentFile> {
    fn length(&self) -> io::Result<u64> {
        self.inner.length()
    }

    fn read_at(&self, bytes: &mut [u8], offset: u64) -> io::Result<()> {
        self.inner.read_at(bytes, offset)
    }

    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        room(&self.full)?;
        self.inner.write_at(bytes, offset)
    }

    fn sync(&self) -> io::Result<()> {
        room(&self.full)?;
        self.inner.sync()
    }
}

/// Fills the disk of the leader, or of a follower, while somebody writes.
async fn fill_the_disk_of(the_leader: bool) {
    let mut cluster = Cluster::start(3, RaftConfig::default()).await;
    let client = cluster.client();
    register_many(&cluster, &client, 0..5).await;
    // Every node gets such a disk, so that it does not matter who leads in the end.
    let mut switches = BTreeMap::new();
    for id in 1..=3u32 {
        let full = Arc::new(AtomicBool::new(false));
        let (node, disk) = (u64::from(id), Filling::new(cluster.disks[&u64::from(id)].path(), &full));
        cluster.stop_node(node).await;
        cluster.start_node_on(node, Arc::new(disk)).await;
        switches.insert(node, full);
        register_many(&cluster, &client, 10 * id..10 * id + 5).await;
    }
    let led = leader(&client).await;
    let victim = if the_leader { led } else { led % 3 + 1 };
    let full = switches[&victim].clone();
    let writer = Writer::start(&client);
    full.store(true, Ordering::SeqCst);
    let reason = tokio::time::timeout_at(soon(), cluster.nodes[&victim].failed()).await.unwrap();
    assert!(reason.contains("no space left"), "{reason}");
    // The others go on, and nothing that was acknowledged is a lie.
    register(&client, "meanwhile", soon()).await.unwrap();
    cluster.stop_node(victim).await;
    full.store(false, Ordering::SeqCst);
    cluster.start_node_on(victim, Arc::new(Filling::new(cluster.disks[&victim].path(), &full))).await;
    let acknowledged = writer.finish().await;
    let index = register_many(&cluster, &client, 500..501).await;
    cluster.wait_until_equal(&client, [victim, leader(&client).await], index).await;
    let held = client.users_of(&cluster.members[&victim].client, PATIENCE).await.unwrap();
    let lost: Vec<_> = acknowledged.iter().filter(|user| held.binary_search(user).is_err()).collect();
    assert!(lost.is_empty(), "acknowledged and lost: {lost:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_follower_whose_disk_is_full_lies_to_nobody_and_comes_back() {
    fill_the_disk_of(false).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_leader_whose_disk_is_full_lies_to_nobody_and_comes_back() {
    fill_the_disk_of(true).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_does_not_start_from_a_damaged_folder_and_says_how_to_rejoin() {
    let mut cluster = Cluster::start(3, RaftConfig { snapshot_every: 32, ..RaftConfig::default() }).await;
    let client = cluster.client();
    register_many(&cluster, &client, 0..100).await;
    let victim = leader(&client).await % 3 + 1;
    // As long as the log has everything, nothing is amiss without a snapshot.
    let address = cluster.members[&victim].client.clone();
    while client.status(&address, PATIENCE).await.unwrap().first_log <= 1 {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    cluster.stop_node(victim).await;
    let folder = cluster.disks[&victim].path().to_owned();
    let whole =
        ["log/0000000001.log", "snapshot"].map(|file| (file, std::fs::read(folder.join(file)).unwrap()));
    // A bit of every sector that is in use.
    let flip = |bytes: &[u8]| {
        let mut damaged = bytes.to_vec();
        let used = bytes.iter().rposition(|byte| *byte != 0).unwrap();
        (300..used).step_by(512).for_each(|at| damaged[at] ^= 1);
        assert!(damaged != bytes);
        Some(damaged)
    };
    let writer = Writer::start(&client);
    for (file, bytes) in &whole {
        // Cut in the middle, a bit flipped, and gone.
        for damaged in [Some(bytes[..bytes.len() / 2].to_vec()), flip(bytes), None] {
            match &damaged {
                Some(damaged) => std::fs::write(folder.join(file), damaged).unwrap(),
                None => std::fs::remove_file(folder.join(file)).unwrap(),
            }
            let what = format!("{file}, {:?} of {} bytes", damaged.map(|left| left.len()), bytes.len());
            match cluster.try_start_node(victim).await.err() {
                Some(NodeError::Raft(StartError::Damaged { node, reason })) => {
                    assert_eq!(node, victim, "{what}: {reason}");
                    let said = StartError::Damaged { node, reason }.to_string();
                    assert!(said.contains(&format!("`veil member remove {victim}`")), "{said}");
                }
                other => panic!("{what}: {:?}", other.map(|error| error.to_string())),
            }
            std::fs::write(folder.join(file), bytes).unwrap();
        }
    }
    // Put back as it was, it goes on.
    cluster.start_node(victim).await;
    writer.finish().await;
    let index = register_many(&cluster, &client, 100..101).await;
    cluster.wait_until_equal(&client, [victim, leader(&client).await], index).await;
}
