//! What users here asked the owners of received spaces to share with others.

use crate::{Connection, StoreError, Tx};
use sqlx::Row;
use sqlx::any::AnyRow;
use stitchbox_schema::{SpaceId, Timestamp, UserId};

/// Where such a wish stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AskedState {
    /// The owner did not answer yet.
    Pending,
    /// The owner made the share.
    Made,
    /// The recipient accepted it.
    Accepted,
    /// The owner would not, or the recipient.
    Refused,
    /// It is over.
    Ended,
}

impl AskedState {
    const ALL: [Self; 5] = [Self::Pending, Self::Made, Self::Accepted, Self::Refused, Self::Ended];

    /// The word in SQL and API.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Made => "made",
            Self::Accepted => "accepted",
            Self::Refused => "refused",
            Self::Ended => "ended",
        }
    }
}

/// A wish as stored.
#[derive(Debug, Clone)]
pub struct AskedReshare {
    /// Id; what we call it towards the owner.
    pub id: i64,
    /// The received space.
    pub space: SpaceId,
    /// Who wishes it.
    pub user: UserId,
    /// With whom, name@host.
    pub recipient: String,
    /// Where it stands.
    pub state: AskedState,
    /// What the owner calls the share it made.
    pub provider_id: Option<String>,
    /// The secret the owner told, sealed.
    pub secret_sealed: Option<String>,
    /// What the owner said last.
    pub answer: Option<String>,
    /// When it was wished.
    pub created_at: Timestamp,
}

fn asked(row: &AnyRow) -> Result<AskedReshare, StoreError> {
    let id: i64 = row.try_get("id")?;
    let word: &str = row.try_get("state")?;
    let state = AskedState::ALL.into_iter().find(|state| state.as_str() == word);
    Ok(AskedReshare {
        id,
        space: SpaceId(row.try_get("space_id")?),
        user: UserId(row.try_get("user_id")?),
        recipient: row.try_get("recipient")?,
        state: state.ok_or(StoreError::Inconsistent { table: "reshares_asked", column: "state", row: id })?,
        provider_id: row.try_get("provider_id")?,
        secret_sealed: row.try_get("secret_sealed")?,
        answer: row.try_get("answer")?,
        created_at: Timestamp(row.try_get("created_at")?),
    })
}

/// Notes a wish.
pub async fn insert(tx: &mut Tx, new: &AskedReshare) -> Result<(), StoreError> {
    sqlx::query(
        "INSERT INTO reshares_asked (id, space_id, user_id, recipient, state, provider_id, secret_sealed, answer, created_at)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)",
    )
    .bind(new.id)
    .bind(new.space.0)
    .bind(new.user.0)
    .bind(&new.recipient)
    .bind(new.state.as_str())
    .bind(new.provider_id.as_deref())
    .bind(new.secret_sealed.as_deref())
    .bind(new.answer.as_deref())
    .bind(new.created_at.0)
    .execute(&mut **tx)
    .await?;
    Ok(())
}

/// The wish with this id.
pub async fn by_id(db: &mut Connection, id: i64) -> Result<Option<AskedReshare>, StoreError> {
    let row = sqlx::query("SELECT * FROM reshares_asked WHERE id = $1").bind(id).fetch_optional(db).await?;
    row.as_ref().map(asked).transpose()
}

/// The wishes about a space, latest first.
pub async fn of_space(db: &mut Connection, space: SpaceId) -> Result<Vec<AskedReshare>, StoreError> {
    let rows = sqlx::query("SELECT * FROM reshares_asked WHERE space_id = $1 ORDER BY id DESC LIMIT 500")
        .bind(space.0)
        .fetch_all(db)
        .await?;
    rows.iter().map(asked).collect()
}

/// Notes what the owner said.
pub async fn set_state(tx: &mut Tx, id: i64, state: AskedState, answer: Option<&str>) -> Result<(), StoreError> {
    sqlx::query("UPDATE reshares_asked SET state = $2, answer = $3 WHERE id = $1")
        .bind(id)
        .bind(state.as_str())
        .bind(answer)
        .execute(&mut **tx)
        .await?;
    Ok(())
}

/// Notes the share the owner made.
pub async fn set_made(
    tx: &mut Tx,
    id: i64,
    provider_id: Option<&str>,
    secret_sealed: Option<&str>,
) -> Result<(), StoreError> {
    sqlx::query("UPDATE reshares_asked SET state = 'made', provider_id = $2, secret_sealed = $3 WHERE id = $1")
        .bind(id)
        .bind(provider_id)
        .bind(secret_sealed)
        .execute(&mut **tx)
        .await?;
    Ok(())
}
