//! `/ocm/accept`: where the link of an invite leads. Who has an account here accepts it with name and password; of an
//! invite of this site itself, who comes is shown the string to take home.

use crate::Ocm;
use crate::call;
use crate::page::{escape, page};
use crate::refusal::Refused;
use crate::share_info::field;
use axum::body::{Body, to_bytes};
use axum::extract::State;
use axum::response::Response;
use http::request::Parts;
use http::{Request, StatusCode};
use stitchbox_domain::Error;
use stitchbox_domain::auth::Entrance;
use stitchbox_domain::federation::CallRefusal;
use stitchbox_federation::wire::Invite;

/// Longest form, bytes.
const LONGEST: usize = 10_000;

fn invite(parts: &Parts) -> Option<Invite> {
    let query = parts.uri.query()?;
    let (token, host) = (field(query, "token")?, field(query, "providerDomain")?);
    Invite::parse(&format!("{token}@{host}")).ok()
}

fn no_invite() -> Response {
    let body = "<p>This address holds no invite. Ask for the whole link, or for the invite as text.</p>";
    page(StatusCode::BAD_REQUEST, "No invite", body)
}

/// The form.
pub(crate) async fn show(State(ocm): State<Ocm>, request: Request<Body>) -> Result<Response, Refused> {
    let (parts, _) = request.into_parts();
    let site = ocm.domain.federation().ok_or(CallRefusal::Off)?;
    let Some(invite) = invite(&parts) else { return Ok(no_invite()) };
    if invite.host == *site.host() {
        let body = format!(
            "<p>Somebody at {} wants to exchange files with you. Accept the invite at your own site: paste this text \
             there, where invites are accepted.</p><p><code>{}</code></p>",
            escape(site.host().as_str()),
            escape(&invite.to_text())
        );
        return Ok(page(StatusCode::OK, "An invite", &body));
    }
    Ok(form(&invite, StatusCode::OK, None))
}

fn form(invite: &Invite, status: StatusCode, trouble: Option<&str>) -> Response {
    let trouble = trouble.map(|text| format!("<p class=\"trouble\" role=\"alert\">{}</p>", escape(text)));
    let body = format!(
        "<p>Somebody at <strong>{}</strong> wants to exchange files with you. If you accept, that site learns your user \
         name, and both of you may share with each other.</p>{}<form method=\"post\"><label>User name<input name=\"user\" \
         autocomplete=\"username\" required autofocus></label><label>Password of your account<input name=\"password\" \
         type=\"password\" autocomplete=\"current-password\" required></label><button>Accept the invite</button></form>",
        escape(invite.host.as_str()),
        trouble.unwrap_or_default()
    );
    page(status, "An invite", &body)
}

/// The form, filled in.
pub(crate) async fn accept(State(ocm): State<Ocm>, request: Request<Body>) -> Result<Response, Refused> {
    let (parts, body) = request.into_parts();
    ocm.domain.federation().ok_or(CallRefusal::Off)?;
    let Some(invite) = invite(&parts) else { return Ok(no_invite()) };
    let bytes = to_bytes(body, LONGEST).await.map_err(|_| Refused::TooLong)?;
    let text = String::from_utf8_lossy(&bytes).into_owned();
    let value = |name: &str| field(&text, name).unwrap_or_default();
    let client = call::client(&parts);
    let login = ocm.domain.login_basic(&value("user"), &value("password"), client, Entrance::Api).await;
    let principal = match login {
        Ok(principal) => principal,
        Err(error @ (Error::Unauthenticated | Error::Throttled { .. })) => {
            return Ok(form(&invite, StatusCode::UNAUTHORIZED, Some(&error.to_string())));
        }
        Err(error) => return Err(error.into()),
    };
    match ocm.domain.accept_invite(&principal, &invite.to_text()).await {
        Ok(_) => {
            let body = format!(
                "<p>{} is being told. As soon as it has answered, you find the person among your contacts.</p>",
                escape(invite.host.as_str())
            );
            Ok(page(StatusCode::OK, "Accepted", &body))
        }
        Err(Error::Federation(refusal)) => Ok(form(&invite, StatusCode::FORBIDDEN, Some(&refusal.to_string()))),
        Err(error) => Err(error.into()),
    }
}
