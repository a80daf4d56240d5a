//! Why something cannot be done with another site.

/// Said before anything is tried; what a peer answers is told where its call ends.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FederationRefusal {
    /// No origin is configured, or federation is switched off.
    #[error(
        "this installation does not share with other sites; an administrator sets its address ([server] origin) and \
         [federation] enabled"
    )]
    Off,
    /// What is configured does not work.
    #[error("[federation] cannot be used: {0}")]
    Settings(String),
    /// The text names nobody at another site.
    #[error("\"{0}\" is nobody at another site; write it as name@host")]
    Address(String),
    /// The address names this site.
    #[error("\"{0}\" is somebody of this installation; share with the name before the @")]
    Ourselves(String),
    /// The administrator's trust does not reach there.
    #[error("the administrator does not allow sharing with {0}; ask for it to be added to the allowed peers")]
    Untrusted(String),
    /// The peer wants an invite first.
    #[error("{0} takes shares only from people its users know: exchange an invite first (`stitchbox invite`)")]
    MustInvite(String),
    /// There is a share of this item with this recipient already.
    #[error("this is shared with {0} already; change that share")]
    SharedAlready(String),
    /// The invite cannot be read, or does not hold any more.
    #[error("this is not an invite, or one that has ended; ask for a new one")]
    Invite,
}
