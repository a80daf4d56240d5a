//! `/api/v1/contacts`: people at other sites with whom an invitation was exchanged.

use crate::Api;
use crate::caller::Caller;
use crate::error::ApiError;
use axum::Json;
use axum::extract::{Path, State};
use http::StatusCode;
use serde::Serialize;
use stitchbox_domain::federation::Contact;
use stitchbox_schema::Timestamp;

#[derive(Serialize)]
pub(crate) struct ContactDocument {
    /// `name@host`: whom to share with.
    id: String,
    /// The site.
    peer: String,
    /// Name for people.
    name: String,
    /// Address for letters; may be empty.
    email: String,
    /// Since when.
    created_at: Timestamp,
}

impl From<Contact> for ContactDocument {
    fn from(contact: Contact) -> Self {
        Self {
            id: format!("{}@{}", contact.remote_user, contact.peer),
            peer: contact.peer,
            name: contact.name,
            email: contact.email,
            created_at: contact.created_at,
        }
    }
}

#[derive(Serialize)]
pub(crate) struct ContactsDocument {
    contacts: Vec<ContactDocument>,
}

pub(crate) async fn get(State(api): State<Api>, Caller(principal): Caller) -> Result<Json<ContactsDocument>, ApiError> {
    let contacts = api.domain.contacts(&principal).await?.into_iter().map(ContactDocument::from).collect();
    Ok(Json(ContactsDocument { contacts }))
}

/// Forgets one, here alone.
pub(crate) async fn delete(
    State(api): State<Api>,
    Caller(principal): Caller,
    Path(id): Path<String>,
) -> Result<StatusCode, ApiError> {
    api.domain.forget_contact(&principal, &id).await?;
    Ok(StatusCode::NO_CONTENT)
}
