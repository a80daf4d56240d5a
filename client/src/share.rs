//! `stitchbox share`: access for a user, a partner's server, or whoever has a link.

use stitchbox_remote::Grantee;

use crate::account::AccountArgs;
use crate::exit::Failure;
use crate::place::Written;

/// Arguments of `share`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// What is shared: SPACE:/path or an address
    place: Written,
    /// A user of this server, or name@server of a partner; without it a link is made
    #[arg(long, value_name = "USER")]
    with: Option<String>,
    /// Also changing and deleting, not only reading
    #[arg(long)]
    editable: bool,
    /// File whose first line is the password of the link
    #[arg(long, value_name = "FILE", conflicts_with = "with")]
    link_password_file: Option<std::path::PathBuf>,
    /// Last day, YYYY-MM-DD
    #[arg(long, value_name = "DAY")]
    expires: Option<String>,
    #[command(flatten)]
    account: AccountArgs,
}

pub(crate) async fn run(args: Args) -> Result<(), Failure> {
    let (place, connection) = args.place.reach(&args.account)?;
    let grantee = match &args.with {
        Some(name) if name.contains('@') => Grantee::Federated(name.clone()),
        Some(name) => Grantee::User(name.clone()),
        None => {
            let file = args.link_password_file.as_ref();
            let password = file.map(|file| {
                let text = std::fs::read_to_string(file);
                text.map(|text| text.lines().next().unwrap_or_default().to_owned())
                    .map_err(|error| Failure::failed(format!("{} could not be read: {error}", file.display())))
            });
            Grantee::Link { password: password.transpose()? }
        }
    };
    let path = match connection.space_of(&place).await {
        Ok(Some(space)) if space.kind != "personal" => format!("/Spaces/{}/{}", space.name, place.path),
        Ok(_) => format!("/{}", place.path),
        // another server than ours: the path below its WebDAV address is what it knows
        Err(error) if error.status() == Some(404) => format!("/{}", place.path),
        Err(error) => return Err(Failure::request(&place, &error)),
    };
    let share = connection
        .share(&path, &grantee, args.editable, args.expires.as_deref())
        .await
        .map_err(|error| Failure::failed(error.to_string()))?;
    match share.url {
        Some(url) => println!("{url}"),
        None => println!("shared {place} with {}", args.with.as_deref().unwrap_or("a link")),
    }
    Ok(())
}
