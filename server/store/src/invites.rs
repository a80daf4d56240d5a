//! Invites, given and taken, and the contacts they made.

use crate::{Connection, StoreError, Tx};
use sqlx::Row;
use sqlx::any::AnyRow;
use stitchbox_schema::{InviteId, Timestamp, UserId};

/// An invite a user gave.
#[derive(Debug, Clone)]
pub struct Invite {
    /// Id.
    pub id: InviteId,
    /// Who gave it.
    pub user: UserId,
    /// What the other site shows when its user accepts.
    pub token: String,
    /// What the user wrote beside it.
    pub note: String,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it ends.
    pub expires_at: Timestamp,
    /// name@host of who accepted it.
    pub accepted_by: Option<String>,
    /// When.
    pub accepted_at: Option<Timestamp>,
}

fn invite(row: &AnyRow) -> Result<Invite, StoreError> {
    Ok(Invite {
        id: InviteId(row.try_get("id")?),
        user: UserId(row.try_get("user_id")?),
        token: row.try_get("token")?,
        note: row.try_get("note")?,
        created_at: Timestamp(row.try_get("created_at")?),
        expires_at: Timestamp(row.try_get("expires_at")?),
        accepted_by: row.try_get("accepted_by")?,
        accepted_at: row.try_get::<Option<i64>, _>("accepted_at")?.map(Timestamp),
    })
}

/// Makes an invite.
pub async fn insert(tx: &mut Tx, new: &Invite) -> Result<(), StoreError> {
    sqlx::query(
        "INSERT INTO invites (id, user_id, token, note, created_at, expires_at) VALUES ($1, $2, $3, $4, $5, $6)",
    )
    .bind(new.id.0)
    .bind(new.user.0)
    .bind(&new.token)
    .bind(&new.note)
    .bind(new.created_at.0)
    .bind(new.expires_at.0)
    .execute(&mut **tx)
    .await?;
    Ok(())
}

/// The invite with this token.
pub async fn by_token(db: &mut Connection, token: &str) -> Result<Option<Invite>, StoreError> {
    let row = sqlx::query("SELECT * FROM invites WHERE token = $1").bind(token).fetch_optional(db).await?;
    row.as_ref().map(invite).transpose()
}

/// The invites a user gave, latest first.
pub async fn of_user(db: &mut Connection, user: UserId) -> Result<Vec<Invite>, StoreError> {
    let rows = sqlx::query("SELECT * FROM invites WHERE user_id = $1 ORDER BY id DESC LIMIT 500")
        .bind(user.0)
        .fetch_all(db)
        .await?;
    rows.iter().map(invite).collect()
}

/// Notes who accepted an invite; false if somebody did before.
pub async fn accept(tx: &mut Tx, id: InviteId, by: &str, at: Timestamp) -> Result<bool, StoreError> {
    let done =
        sqlx::query("UPDATE invites SET accepted_by = $2, accepted_at = $3 WHERE id = $1 AND accepted_by IS NULL")
            .bind(id.0)
            .bind(by)
            .bind(at.0)
            .execute(&mut **tx)
            .await?;
    Ok(done.rows_affected() == 1)
}

/// Takes an invite back; whether the user had such a one that nobody accepted.
pub async fn remove(tx: &mut Tx, user: UserId, id: InviteId) -> Result<bool, StoreError> {
    let done = sqlx::query("DELETE FROM invites WHERE id = $1 AND user_id = $2 AND accepted_by IS NULL")
        .bind(id.0)
        .bind(user.0)
        .execute(&mut **tx)
        .await?;
    Ok(done.rows_affected() == 1)
}

/// Removes invites that ended before `before`, accepted or not; how many.
pub async fn remove_ended(tx: &mut Tx, before: Timestamp) -> Result<u64, StoreError> {
    let done = sqlx::query("DELETE FROM invites WHERE expires_at < $1").bind(before.0).execute(&mut **tx).await?;
    Ok(done.rows_affected())
}

/// Somebody at another site with whom a user exchanged an invite.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Contact {
    /// Whose contact.
    pub user: UserId,
    /// The name there: what stands before the `@`.
    pub remote_user: String,
    /// The site.
    pub peer: String,
    /// Name for people.
    pub name: String,
    /// Address for letters; may be empty.
    pub email: String,
    /// Since when.
    pub created_at: Timestamp,
}

fn contact(row: &AnyRow) -> Result<Contact, StoreError> {
    Ok(Contact {
        user: UserId(row.try_get("user_id")?),
        remote_user: row.try_get("remote_user")?,
        peer: row.try_get("peer")?,
        name: row.try_get("name")?,
        email: row.try_get("email")?,
        created_at: Timestamp(row.try_get("created_at")?),
    })
}

/// Keeps a contact, or what is new about it.
pub async fn keep_contact(tx: &mut Tx, new: &Contact) -> Result<(), StoreError> {
    sqlx::query(
        "INSERT INTO contacts (user_id, remote_user, peer, name, email, created_at) VALUES ($1, $2, $3, $4, $5, $6)
         ON CONFLICT (user_id, remote_user, peer) DO UPDATE SET name = excluded.name, email = excluded.email",
    )
    .bind(new.user.0)
    .bind(&new.remote_user)
    .bind(&new.peer)
    .bind(&new.name)
    .bind(&new.email)
    .bind(new.created_at.0)
    .execute(&mut **tx)
    .await?;
    Ok(())
}

/// The contacts of a user, by name.
pub async fn contacts_of(db: &mut Connection, user: UserId) -> Result<Vec<Contact>, StoreError> {
    let rows = sqlx::query("SELECT * FROM contacts WHERE user_id = $1 ORDER BY name, remote_user, peer LIMIT 1000")
        .bind(user.0)
        .fetch_all(db)
        .await?;
    rows.iter().map(contact).collect()
}

/// A contact of a user.
pub async fn contact_of(
    db: &mut Connection,
    user: UserId,
    remote_user: &str,
    peer: &str,
) -> Result<Option<Contact>, StoreError> {
    let row = sqlx::query("SELECT * FROM contacts WHERE user_id = $1 AND remote_user = $2 AND peer = $3")
        .bind(user.0)
        .bind(remote_user)
        .bind(peer)
        .fetch_optional(db)
        .await?;
    row.as_ref().map(contact).transpose()
}

/// Forgets a contact; whether there was one.
pub async fn remove_contact(tx: &mut Tx, user: UserId, remote_user: &str, peer: &str) -> Result<bool, StoreError> {
    let done = sqlx::query("DELETE FROM contacts WHERE user_id = $1 AND remote_user = $2 AND peer = $3")
        .bind(user.0)
        .bind(remote_user)
        .bind(peer)
        .execute(&mut **tx)
        .await?;
    Ok(done.rows_affected() == 1)
}

/// Where the acceptance of an invite of a peer stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TakenState {
    /// The peer was not told yet.
    Pending,
    /// It was, and its user is a contact now.
    Accepted,
    /// It would not have it.
    Refused,
}

impl TakenState {
    const ALL: [Self; 3] = [Self::Pending, Self::Accepted, Self::Refused];

    /// The word in SQL and API.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Accepted => "accepted",
            Self::Refused => "refused",
        }
    }
}

/// An invite of a peer that a user here accepted.
#[derive(Debug, Clone)]
pub struct TakenInvite {
    /// Id.
    pub id: InviteId,
    /// Who accepted it.
    pub user: UserId,
    /// Whose it is.
    pub peer: String,
    /// SHA-256 of the token, hexadecimal.
    pub token_hash: String,
    /// Where it stands.
    pub state: TakenState,
    /// What the peer said last.
    pub answer: Option<String>,
    /// When it was accepted here.
    pub created_at: Timestamp,
}

fn taken(row: &AnyRow) -> Result<TakenInvite, StoreError> {
    let id: i64 = row.try_get("id")?;
    let word: &str = row.try_get("state")?;
    let state = TakenState::ALL.into_iter().find(|state| state.as_str() == word);
    Ok(TakenInvite {
        id: InviteId(id),
        user: UserId(row.try_get("user_id")?),
        peer: row.try_get("peer")?,
        token_hash: row.try_get("token_hash")?,
        state: state.ok_or(StoreError::Inconsistent { table: "invites_taken", column: "state", row: id })?,
        answer: row.try_get("answer")?,
        created_at: Timestamp(row.try_get("created_at")?),
    })
}

/// Notes that a user accepts an invite of a peer.
pub async fn insert_taken(tx: &mut Tx, new: &TakenInvite) -> Result<(), StoreError> {
    sqlx::query(
        "INSERT INTO invites_taken (id, user_id, peer, token_hash, state, answer, created_at)
         VALUES ($1, $2, $3, $4, $5, $6, $7)",
    )
    .bind(new.id.0)
    .bind(new.user.0)
    .bind(&new.peer)
    .bind(&new.token_hash)
    .bind(new.state.as_str())
    .bind(new.answer.as_deref())
    .bind(new.created_at.0)
    .execute(&mut **tx)
    .await?;
    Ok(())
}

/// The invites of peers a user accepted, latest first.
pub async fn taken_by(db: &mut Connection, user: UserId) -> Result<Vec<TakenInvite>, StoreError> {
    let rows = sqlx::query("SELECT * FROM invites_taken WHERE user_id = $1 ORDER BY id DESC LIMIT 500")
        .bind(user.0)
        .fetch_all(db)
        .await?;
    rows.iter().map(taken).collect()
}

/// One of them.
pub async fn taken_by_id(db: &mut Connection, id: InviteId) -> Result<Option<TakenInvite>, StoreError> {
    let row = sqlx::query("SELECT * FROM invites_taken WHERE id = $1").bind(id.0).fetch_optional(db).await?;
    row.as_ref().map(taken).transpose()
}

/// Notes what the peer said.
pub async fn set_taken(tx: &mut Tx, id: InviteId, state: TakenState, answer: Option<&str>) -> Result<(), StoreError> {
    sqlx::query("UPDATE invites_taken SET state = $2, answer = $3 WHERE id = $1")
        .bind(id.0)
        .bind(state.as_str())
        .bind(answer)
        .execute(&mut **tx)
        .await?;
    Ok(())
}
