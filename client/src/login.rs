//! `stitchbox login` and `stitchbox logout`: an app password for this device, and its end.

use std::time::{Duration, Instant};

use reqwest::Url;
use stitchbox_remote::{Connection, Credentials, LoginFlow, is_this_machine, with_slash};

use crate::account::AccountArgs;
use crate::exit::Failure;
use crate::logins::{Login, Logins};

/// How long a person has (the server forgets the login after about as long).
const PERSON: Duration = Duration::from_secs(20 * 60);
/// Pause between two questions whether the person is done.
const PAUSE: Duration = Duration::from_secs(2);

/// Arguments of `login`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Address of the server, such as <https://store.example.org>
    url: Url,
    #[command(flatten)]
    account: AccountArgs,
}

/// Arguments of `logout`.
#[derive(Debug, clap::Args)]
pub(crate) struct LogoutArgs {
    /// Address of the server; else the latest login ends
    url: Option<Url>,
    #[command(flatten)]
    account: AccountArgs,
}

pub(crate) async fn run(args: Args) -> Result<(), Failure> {
    let server = with_slash(&args.url);
    warn_of_plain_text(&server);
    let mut logins = Logins::read()?;
    let login = match (args.account.user(), args.account.password()?) {
        (Some(user), Some(password)) => with_password(&args.account, &server, user, password).await?,
        (Some(_), None) => return Err(Failure::usage("--user needs --password-file FILE or --password-stdin")),
        (None, Some(_)) => return Err(Failure::usage("a password was given, but no user: add --user NAME")),
        (None, None) => in_browser(&args.account, &server).await?,
    };
    logins.keep(login.clone())?;
    println!("logged in to {} as {}; kept in {}", login.server, login.user, logins.file().display());
    Ok(())
}

/// With the account's password an app password is fetched, so that the account's own is not kept.
async fn with_password(account: &AccountArgs, server: &Url, user: &str, password: String) -> Result<Login, Failure> {
    let credentials = Credentials::Basic { user: user.to_owned(), password: password.clone() };
    let connection = account.connect_with(server, credentials, account.options()?)?;
    let app_password = match connection.app_password().await {
        Ok(Some(fresh)) => fresh,
        // it is an app password already
        Ok(None) => password,
        Err(error) if matches!(error.status(), Some(404 | 405 | 501)) => {
            check(&connection, server).await?;
            eprintln!("note: this server gives no app passwords; the password itself is kept");
            password
        }
        Err(error) => return Err(Failure::request(server, &error)),
    };
    Ok(Login { server: server.clone(), user: user.to_owned(), app_password })
}

/// Whether the password opens the server, where nothing else told.
async fn check(connection: &Connection, server: &Url) -> Result<(), Failure> {
    let user = connection.user().await.map_err(|error| Failure::request(server, &error))?;
    let own = stitchbox_remote::child(server, ["remote.php", "dav", "files", &user]);
    match connection.look_at(&own).await {
        Ok(_) => Ok(()),
        Err(error) => Err(Failure::request(server, &error)),
    }
}

async fn in_browser(account: &AccountArgs, server: &Url) -> Result<Login, Failure> {
    let connection = account.connect_with(server, Credentials::None, account.options()?)?;
    let flow = match connection.begin_login().await {
        Ok(flow) => flow,
        Err(error) if matches!(error.status(), Some(404 | 405 | 501)) => {
            return Err(Failure::failed(format!(
                "{server} offers no login in a browser; use --user NAME with --password-stdin"
            )));
        }
        Err(error) => return Err(Failure::request(server, &error)),
    };
    println!("Open this page on any device, log in, and allow this program in:\n\n  {}\n", flow.page);
    let granted = tokio::select! {
        granted = wait_for_person(&connection, &flow) => granted?,
        _ = tokio::signal::ctrl_c() => return Err(Failure::interrupted()),
    };
    Ok(Login { server: server.clone(), user: granted.user, app_password: granted.app_password })
}

async fn wait_for_person(connection: &Connection, flow: &LoginFlow) -> Result<stitchbox_remote::Granted, Failure> {
    let end = Instant::now() + PERSON;
    while Instant::now() < end {
        tokio::time::sleep(PAUSE).await;
        match connection.poll_login(flow).await {
            Ok(Some(granted)) => return Ok(granted),
            Ok(None) => {}
            // the network of a laptop comes and goes
            Err(error) if error.is_passing() => {}
            Err(error) => return Err(Failure::request(connection.server(), &error)),
        }
    }
    Err(Failure::failed("nobody allowed this program in within 20 minutes; run the same command again"))
}

pub(crate) async fn logout(args: LogoutArgs) -> Result<(), Failure> {
    let mut logins = Logins::read()?;
    let server = args.url.as_ref().map(with_slash);
    let login = logins
        .find(server.as_ref(), args.account.user())
        .cloned()
        .ok_or_else(|| Failure::unauthorized("nobody is logged in here: nothing to end"))?;
    let (user, password) = (login.user.clone(), login.app_password.clone());
    let connection =
        args.account.connect_with(&login.server, Credentials::Basic { user, password }, args.account.options()?)?;
    match connection.revoke().await {
        Ok(()) => {}
        // revoked before, or never one that could be
        Err(error) if matches!(error.status(), Some(401 | 403 | 404 | 405 | 501)) => {
            eprintln!("note: the server had no app password to revoke ({error})");
        }
        Err(error) => {
            return Err(Failure::request("the login is kept, because its app password could not be revoked", &error));
        }
    }
    logins.forget(&login)?;
    println!("logged out of {} as {}", login.server, login.user);
    Ok(())
}

/// A password over a network that others can listen to.
fn warn_of_plain_text(server: &Url) {
    if server.scheme() == "http" && !is_this_machine(server) {
        eprintln!("warning: {server} is not encrypted: everybody on the way can read the password; use https");
    }
}
