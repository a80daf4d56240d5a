//! What is wrong with a share that was asked for.

/// Why it cannot be made or changed like this, whoever asks.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ShareFault {
    /// No such user here.
    #[error("there is no user \"{0}\" here; search for people, or write name@host for somebody elsewhere")]
    NoSuchUser(String),
    /// No such group here.
    #[error("there is no group \"{0}\" here")]
    NoSuchGroup(String),
    /// With who shares.
    #[error("this is your own account; choose somebody else to share with")]
    Oneself,
    /// With whose it is.
    #[error("\"{0}\" owns this and needs no share")]
    IsOwner(String),
    /// A second time.
    #[error("you share this with \"{0}\" already; change that share instead")]
    AlreadyShared(String),
    /// File drop for others than links, or into a file.
    #[error("only a link to a folder can be for uploads alone")]
    UploadOnly,
    /// A link or a peer that decides about shares.
    #[error("a link or a partner elsewhere cannot be made a manager; give the role editor")]
    NoManager,
    /// A password where none is asked for.
    #[error("only a link has a password")]
    PasswordWithoutLink,
    /// All of a personal space.
    #[error("the top folder of your files is not shared; make a folder in it and share that")]
    PersonalRoot,
    /// An end that has passed.
    #[error("the share would have ended already; choose a later day")]
    Expired,
    /// Bits, a word or a text that cannot be.
    #[error("these permissions allow nothing with this item")]
    NoRights,
    /// Words beyond measure.
    #[error("label and note of a share may be 255 and 4000 bytes long; shorten them")]
    TooLong,
    /// No address of a person elsewhere.
    #[error("\"{0}\" is no address of a person elsewhere; it is written name@host")]
    BadRecipient(String),
}
