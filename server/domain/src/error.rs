//! Everything the rules can answer instead of doing it. Texts are for the person who asked.

use crate::federation::FederationRefusal;
use crate::shares::ShareFault;
use stitchbox_blob::BlobError;
use stitchbox_schema::{NameError, Role, Timestamp};
use stitchbox_store::StoreError;

/// Why something visible may not be done.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// The role in the space does not allow it.
    #[error("your role in this space is {0}: ask a manager of the space for the right to write")]
    Role(Role),
    /// The app password may only make new files.
    #[error("this app password may only create new files; log in with another one to change or remove what exists")]
    CreateOnly,
    /// Only an administrator may.
    #[error("only an administrator may do this")]
    NotAdmin,
    /// An app password, or a token for one, where the account password is needed.
    #[error("this needs the password of your account; an app password cannot make or end others")]
    AppPassword,
    /// The item was written by a run.
    #[error("this was written by a stitching run and is replaced by the next one; copy it to keep and edit it")]
    Derived,
    /// The root of a space, or a folder that only shows others.
    #[error("this folder belongs to the server; it cannot be moved, replaced or removed")]
    Root,
    /// It lies in a folder that was deleted as a whole.
    #[error("this lies in a folder that was deleted; restore the folder, or remove all of it for good")]
    PartOfDeleted,
    /// Somebody else put it into the trash.
    #[error("this was deleted by somebody else; only a manager of the space can remove it for good")]
    DeletedByAnother,
    /// Neither manager nor let to pass on.
    #[error("you may not share this: ask who shares it with you, or a manager of the space")]
    MayNotShare,
    /// More than one has oneself.
    #[error("you cannot give the role {asked}: yours here is {own}")]
    RoleAboveOwn {
        /// What was to be given.
        asked: Role,
        /// What the giver has.
        own: Role,
    },
    /// It belongs to another site.
    #[error("this was received from another site, whose owner alone can share it with others")]
    ReceivedSpace,
    /// The name stands for something else in a personal space.
    #[error("the names Spaces and Shares are taken in the top folder of a personal space; choose another one")]
    ReservedName,
    /// The peer that shares it does not allow it.
    #[error("the site that shares this with you does not allow it; ask its owner for the right")]
    ByPeer,
    /// Moving into or out of a received space.
    #[error("what lies at another site is not moved into or out of it; copy it, then remove the original")]
    AcrossPeers,
    /// Something that only works on this server's own files.
    #[error("this is not possible with what another site shares; download and upload it instead")]
    AtPeer,
}

/// What there is too much of. Each limit is far beyond honest use and keeps one person from filling the server.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Excess {
    /// What a client says about the owner of a lock.
    #[error("the text about the owner of the lock is longer than 4 KiB; shorten it")]
    LockOwner,
    /// Locks of one user in one space.
    #[error("you hold 1000 locks in this space; end some of them first")]
    Locks,
    /// The value of a property.
    #[error("the value of a property is longer than 64 KiB; put it into a file")]
    PropertyValue,
    /// Properties of an item.
    #[error("an item keeps at most 100 properties of 256 KiB together; remove some first")]
    Properties,
    /// Items copied at once.
    #[error("more than 50000 files and folders are not copied at once; copy the folders inside one by one")]
    Copied,
    /// Open upload sessions of one user.
    #[error("you have 1000 uploads in pieces open; finish or cancel some first")]
    Sessions,
    /// Pieces of one upload.
    #[error("a file is not put together from more than 100000 pieces; send larger ones")]
    Chunks,
}

/// The closed error of the rules. Each protocol maps it in one exhaustive match.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// No such thing, or none the asking person may know of.
    #[error("there is nothing here by this name")]
    NotFound,
    /// It is visible, but may not be done.
    #[error("{0}")]
    Forbidden(#[from] Refusal),
    /// The name is taken.
    #[error("there is already something by this name")]
    Exists,
    /// The folder to put it into does not exist.
    #[error("the folder this should go into does not exist; make it first")]
    ParentMissing,
    /// A folder where a file is needed.
    #[error("this is a folder, not a file")]
    IsFolder,
    /// A file where a folder is needed.
    #[error("this is a file, not a folder")]
    NotAFolder,
    /// A folder cannot be put into itself.
    #[error("a folder cannot be moved or copied into itself or onto what contains it")]
    IntoItself,
    /// The name cannot be kept.
    #[error("{0}")]
    Name(#[from] NameError),
    /// A condition of the request does not hold (any more).
    #[error("the item changed in the meantime, or a condition of the request does not hold; look again and repeat")]
    PreconditionFailed,
    /// Somebody holds a lock.
    #[error("\"{path}\" is locked by {holder}; wait until it is unlocked")]
    Locked {
        /// The locked path.
        path: String,
        /// The login name of the holder.
        holder: String,
    },
    /// The named lock does not exist here or is not yours.
    #[error("there is no such lock here, or it belongs to somebody else")]
    NoSuchLock,
    /// The space is full.
    #[error(
        "the space is full: {used} of {quota} bytes are used and {needed} more are needed; remove something or ask for a larger quota"
    )]
    QuotaExceeded {
        /// Bytes in use.
        used: i64,
        /// Bytes allowed.
        quota: i64,
        /// Bytes the request would add.
        needed: i64,
    },
    /// More than one person may have, or may ask for at once.
    #[error("{0}")]
    TooMuch(#[from] Excess),
    /// The body is not what the client says it sent.
    #[error(
        "the {algorithm} checksum of what arrived is {found}, not {expected} as announced: the file was damaged on its way, send it again"
    )]
    ChecksumMismatch {
        /// Which checksum.
        algorithm: &'static str,
        /// As announced.
        expected: String,
        /// As computed.
        found: String,
    },
    /// The checksum header cannot be read.
    #[error("the announced checksum cannot be read; known are SHA256, SHA1, MD5 and ADLER32, as SHA1:hex")]
    ChecksumUnreadable,
    /// Fewer or more bytes arrived than announced.
    #[error("{received} bytes arrived instead of the announced {announced}; send the file again")]
    BodyIncomplete {
        /// Bytes announced.
        announced: u64,
        /// Bytes that came.
        received: u64,
    },
    /// The body broke off.
    #[error("the connection broke before the file was complete; nothing was changed")]
    BodyBroken,
    /// Two servers drew the same id; the same request draws another one.
    #[error("two requests met in a rare coincidence; nothing was changed, send it again")]
    Collision,
    /// The place in the journal a client left off at is not known any more.
    #[error(
        "the changes since this cursor are not kept any more, or the server was restored from a backup; list the tree \
         again and go on from its cursor"
    )]
    CursorTooOld,
    /// Wrong name or password, or a token that is no longer valid.
    #[error("the login is not valid")]
    Unauthenticated,
    /// Too many wrong passwords from this client.
    #[error("too many failed logins; wait {seconds} s and try again")]
    Throttled {
        /// How long to wait.
        seconds: u64,
    },
    /// The bytes lie at a peer that does not answer, or the change had to be made there.
    #[error("{peer} cannot be reached ({reason}){}", seen(*last_seen))]
    PeerUnavailable {
        /// The peer, host[:port].
        peer: String,
        /// When it last answered.
        last_seen: Option<Timestamp>,
        /// What happened, in words for people.
        reason: String,
    },
    /// The peer answered that it does not do it.
    #[error("{peer} refused this: {words}")]
    PeerRefused {
        /// The peer, host[:port].
        peer: String,
        /// Its own words.
        words: String,
    },
    /// The space at the peer is full.
    #[error("there is no room left at {peer}: {words}")]
    PeerFull {
        /// The peer, host[:port].
        peer: String,
        /// Its own words.
        words: String,
    },
    /// The peer has another content by now than what is listed here.
    #[error(
        "the file changed at the site that shares it; its new content will be listed in a moment: look again and repeat"
    )]
    StaleAtPeer,
    /// A password that is too short.
    #[error("the password must have at least 8 characters")]
    WeakPassword,
    /// It cannot be done with another site.
    #[error("{0}")]
    Federation(#[from] FederationRefusal),
    /// A share that cannot be like this.
    #[error("{0}")]
    Share(#[from] ShareFault),
    /// The database failed.
    #[error("{0}")]
    Store(StoreError),
    /// The blob store failed.
    #[error("{0}")]
    Blob(#[from] BlobError),
}

fn seen(last_seen: Option<Timestamp>) -> String {
    match last_seen {
        Some(at) => format!("; it was last seen at {}. Try again later", at.rfc3339()),
        None => "; it was never reached yet. Try again later".to_owned(),
    }
}

impl Error {
    /// Whether the disk under the database or the blob store is full, which only an administrator can mend.
    #[must_use]
    pub fn is_disk_full(&self) -> bool {
        matches!(self, Self::Store(StoreError::Full) | Self::Blob(BlobError::Full))
    }
}

impl From<StoreError> for Error {
    fn from(error: StoreError) -> Self {
        match error {
            // Nearly always a name: the other keys are drawn anew for every row and meet once in years.
            StoreError::Conflict => Self::Exists,
            other => Self::Store(other),
        }
    }
}
