use openraft::{
    StorageError,
    testing::log::{StoreBuilder, Suite},
};

use super::{disk::Memory, log::LogStore, machine::Machine, types::TypeConfig, *};

struct Builder;

impl StoreBuilder<TypeConfig, LogStore, Machine> for Builder {
    async fn build(&self) -> Result<((), LogStore, Machine), StorageError<TypeConfig>> {
        let disk = Memory::default();
        let (log, _closed) = LogStore::open(disk.open_database().unwrap()).unwrap();
        Ok(((), log, Machine::open(Arc::new(disk)).unwrap()))
    }
}

/// openraft's own suite: what it expects of any log store and state machine.
#[tokio::test]
async fn the_store_conforms() {
    Suite::test_all(Builder).await.unwrap();
}

mod durable {
    use openraft::{
        EntryPayload, RaftLogReader,
        entry::RaftEntry,
        storage::{RaftLogStorage, RaftLogStorageExt},
    };

    use super::{
        super::{
            disk::Folder,
            log::TAIL_LIMIT,
            types::{Entry, LogId, Vote},
        },
        *,
    };
    use crate::{directory::Register, wire::codec};

    fn id(term: u64, index: u64) -> LogId {
        LogId::new(openraft::vote::leader_id_std::CommittedLeaderId::new(term), index)
    }

    fn entry(term: u64, index: u64) -> Entry {
        let register = Register { user: format!("u{index}").parse().unwrap() };
        let action = Action::Register(register);
        let command = Command { request: RequestId(u128::from(index)), at_ms: 7, action };
        Entry::new(id(term, index), EntryPayload::Normal(command))
    }

    /// A log in `folder`, and what tells when it is closed.
    fn open(folder: &tempfile::TempDir) -> (LogStore, Closed) {
        let disk = Folder::create(folder.path()).unwrap();
        LogStore::open(disk.open_database().unwrap()).unwrap()
    }

    async fn close(log: LogStore, closed: Closed) {
        drop(log);
        closed.await.unwrap_err();
    }

    async fn indices(log: &mut LogStore) -> Vec<(u64, u64)> {
        let entries = log.try_get_log_entries(..).await.unwrap();
        entries.iter().map(|entry| (entry.log_id.committed_leader_id().term, entry.log_id.index)).collect()
    }

    #[tokio::test]
    async fn log_vote_and_committed_survive_a_restart() {
        let folder = tempfile::tempdir().unwrap();
        let (mut log, closed) = open(&folder);
        log.save_vote(&Vote::new(3, 2)).await.unwrap();
        log.save_committed(Some(id(1, 2))).await.unwrap();
        log.blocking_append((1..=9).map(|index| entry(1, index))).await.unwrap();
        close(log, closed).await;

        let (mut log, closed) = open(&folder);
        assert_eq!(log.read_vote().await.unwrap(), Some(Vote::new(3, 2)));
        assert_eq!(log.read_committed().await.unwrap(), Some(id(1, 2)));
        assert_eq!(log.try_get_log_entries(9..).await.unwrap(), [entry(1, 9)]);
        // What another leader overwrote and what was purged stay so.
        log.truncate_after(Some(id(1, 5))).await.unwrap();
        log.blocking_append([entry(4, 6), entry(4, 7)]).await.unwrap();
        log.purge(id(1, 3)).await.unwrap();
        close(log, closed).await;

        let (mut log, closed) = open(&folder);
        assert_eq!(indices(&mut log).await, [(1, 4), (1, 5), (4, 6), (4, 7)]);
        let state = log.get_log_state().await.unwrap();
        assert_eq!((state.last_purged_log_id, state.last_log_id), (Some(id(1, 3)), Some(id(4, 7))));
        close(log, closed).await;
    }

    #[tokio::test]
    async fn entries_older_than_those_in_memory_are_read_from_disk() {
        let folder = tempfile::tempdir().unwrap();
        let (mut log, closed) = open(&folder);
        let many = TAIL_LIMIT as u64 + 100;
        log.blocking_append((1..=many).map(|index| entry(1, index))).await.unwrap();
        // The writer trims after it has reported; the next write waits for that.
        log.save_vote(&Vote::new(1, 1)).await.unwrap();
        let old = log.try_get_log_entries(1..200).await.unwrap();
        assert_eq!(old.len(), 199);
        assert_eq!(old[0], entry(1, 1));
        let across = log.try_get_log_entries(90..120).await.unwrap();
        assert_eq!(
            across.iter().map(|entry| entry.log_id.index).collect::<Vec<_>>(),
            (90..120).collect::<Vec<_>>()
        );
        close(log, closed).await;
    }

    #[tokio::test]
    async fn a_log_with_a_gap_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let (mut log, closed) = open(&folder);
        log.blocking_append([entry(1, 1), entry(1, 2), entry(1, 4)]).await.unwrap();
        close(log, closed).await;
        let disk = Folder::create(folder.path()).unwrap();
        let error = LogStore::open(disk.open_database().unwrap()).unwrap_err();
        assert!(error.to_string().contains("gap"), "{error}");
    }

    #[test]
    fn golden_bytes_of_a_log_entry_and_a_vote() {
        let bytes = codec::encode(&entry(2, 5)).unwrap();
        assert_eq!(bytes, [2, 5, 1, 5, 7, 0, 2, b'u', b'5']);
        assert_eq!(codec::encode(&Vote::new(3, 2)).unwrap(), [3, 1, 2, 0]);
    }
}
