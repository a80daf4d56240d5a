//! The demo's user and project space, made by the command line as an administrator would.

use stitchbox_tests::{Credentials, Daemon, Dav, Random};

const USER: &str = "demo";
const SPACE: &str = "Beamline mirrors";

/// Makes user and space and gives the client of the space.
pub fn make(daemon: &Daemon) -> Dav {
    let password = password();
    daemon.admin_with(&["user", "add", USER, "--password-stdin"], &format!("{password}\n")).succeeded();
    daemon.admin(&["space", "add", SPACE, "--manager", USER]).succeeded();
    println!("demo: made user {USER} and project space \"{SPACE}\"");
    Dav::new(daemon.base(), &format!("/dav/spaces/{SPACE}"), Credentials::Basic(USER.to_owned(), password))
}

/// Says where to look and how to log in.
pub fn show(dav: &Dav) {
    let Credentials::Basic(user, password) = dav.credentials() else { return };
    println!("demo: look at  {}/   login {user}   password {password}", dav.base());
    println!("demo: WebDAV   {}   (the same login)", dav.url("/"));
}

/// Another one each time: the demo may stand open for a while.
fn password() -> String {
    let mut seed = [0u8; 8];
    std::fs::File::open("/dev/urandom")
        .and_then(|mut source| std::io::Read::read_exact(&mut source, &mut seed))
        .expect("the kernel gives random bytes");
    let mut random = Random::new(u64::from_le_bytes(seed));
    let letters: Vec<char> = "abcdefghjkmnpqrstuvwxyz23456789".chars().collect();
    (0..14).filter_map(|_| random.pick(&letters)).collect()
}
