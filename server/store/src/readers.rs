//! Connections for reading, lent one at a time.

use crate::{Connection, StoreError};
use sqlx::any::{AnyConnectOptions, AnyPoolOptions};
use sqlx::pool::PoolConnection;
use sqlx::{Any, AnyPool, ConnectOptions, Connection as _};
use std::ops::{Deref, DerefMut};
use std::str::FromStr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use stitchbox_schema::migrations::Dialect;
use tokio::sync::{Mutex as Lock, OwnedMutexGuard, OwnedSemaphorePermit, Semaphore};

/// Most connections of this process for reading.
const READERS: u32 = 8;
const PATIENCE: Duration = Duration::from_secs(30);
/// A connection to PostgreSQL that was idle for longer is asked whether it still is one.
const TRUSTED: Duration = Duration::from_secs(20);

/// A borrowed read-only connection; dereferences to [`Connection`].
#[derive(Debug)]
pub struct Reader(Borrowed);

#[derive(Debug)]
enum Borrowed {
    File { connection: OwnedMutexGuard<Connection>, home: Arc<Files>, _place: OwnedSemaphorePermit },
    Server(PoolConnection<Any>),
}

/// Where readers come from. Cheap to clone.
#[derive(Debug, Clone)]
pub(crate) enum Readers {
    File(Arc<Files>),
    Server(AnyPool),
}

/// Open connections to a file. sqlx's pool gives a connection back by a task of its own, which costs more than the read
/// it was borrowed for; to a file there is nothing that could have broken meanwhile.
#[derive(Debug)]
pub(crate) struct Files {
    options: AnyConnectOptions,
    places: Arc<Semaphore>,
    /// Each is locked while it is lent, by the borrower alone.
    idle: Mutex<Vec<Arc<Lock<Connection>>>>,
}

impl Readers {
    pub(crate) fn new(url: &str, dialect: Dialect) -> Result<Self, StoreError> {
        let options = AnyConnectOptions::from_str(url)?.disable_statement_logging();
        if dialect == Dialect::Sqlite {
            let places = Arc::new(Semaphore::new(READERS as usize));
            return Ok(Self::File(Arc::new(Files { options, places, idle: Mutex::default() })));
        }
        let pool = AnyPoolOptions::new()
            .max_connections(READERS)
            .acquire_timeout(PATIENCE)
            .test_before_acquire(false)
            .before_acquire(|connection, about| {
                Box::pin(async move { Ok(about.idle_for < TRUSTED || connection.ping().await.is_ok()) })
            })
            .after_connect(|connection, _| {
                let readonly = sqlx::query("SET default_transaction_read_only = on");
                Box::pin(async move { readonly.execute(connection).await.map(drop) })
            })
            .connect_lazy_with(options);
        Ok(Self::Server(pool))
    }

    pub(crate) async fn borrow(&self) -> Result<Reader, StoreError> {
        let home = match self {
            Self::Server(pool) => return Ok(Reader(Borrowed::Server(pool.acquire().await?))),
            Self::File(home) => home,
        };
        let gone = |_| StoreError::Driver("no connection for reading became free".to_owned());
        let place = match home.places.clone().try_acquire_owned() {
            Ok(place) => place,
            Err(_) => {
                let place = tokio::time::timeout(PATIENCE, home.places.clone().acquire_owned()).await;
                place.map_err(|_| gone(()))?.map_err(|_| gone(()))?
            }
        };
        let idle = home.idle().pop();
        let connection = match idle {
            Some(connection) => connection,
            None => Arc::new(Lock::new(open(&home.options).await?)),
        };
        Ok(Reader(Borrowed::File { connection: connection.lock_owned().await, home: home.clone(), _place: place }))
    }
}

async fn open(options: &AnyConnectOptions) -> Result<Connection, StoreError> {
    let mut connection = options.connect().await?;
    for pragma in ["PRAGMA busy_timeout = 30000", "PRAGMA query_only = ON", "PRAGMA cache_size = -4000"] {
        sqlx::query(pragma).execute(&mut connection).await?;
    }
    Ok(connection)
}

impl Files {
    fn idle(&self) -> MutexGuard<'_, Vec<Arc<Lock<Connection>>>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Borrowed {
    fn drop(&mut self) {
        if let Self::File { connection, home, .. } = self {
            let connection = OwnedMutexGuard::mutex(connection).clone();
            home.idle().push(connection);
        }
    }
}

impl Deref for Reader {
    type Target = Connection;
    fn deref(&self) -> &Connection {
        match &self.0 {
            Borrowed::File { connection, .. } => connection,
            Borrowed::Server(connection) => connection,
        }
    }
}

impl DerefMut for Reader {
    fn deref_mut(&mut self) -> &mut Connection {
        match &mut self.0 {
            Borrowed::File { connection, .. } => connection,
            Borrowed::Server(connection) => connection,
        }
    }
}
