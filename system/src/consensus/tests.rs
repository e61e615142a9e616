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
        Ok(((), log, Machine::new(Arc::new(disk))))
    }
}

/// openraft's own suite: what it expects of any log store and state machine.
#[tokio::test]
async fn the_store_conforms() {
    Suite::test_all(Builder).await.unwrap();
}
