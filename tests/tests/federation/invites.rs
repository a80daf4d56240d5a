//! Contacts by invitation, both ways, by string and by link; and what a contact is good for.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;
use stitchbox_tests::federation::{Person, Site, SiteSettings};
use stitchbox_tests::wait_until;

use crate::world::{Pair, name};

fn string_of(invite: &Value) -> String {
    invite["string"].as_str().unwrap_or_else(|| panic!("no string in {invite}")).to_owned()
}

fn knows(person: &Person, other: &Person) -> bool {
    person.contacts().iter().any(|contact| contact["id"] == other.id())
}

#[test]
fn an_invitation_makes_both_contacts_by_string_and_by_link() {
    let pair = Pair::get();
    for by_link in [false, true] {
        let (ada, eve) = pair.people();
        let invite = ada.invite();
        let string = string_of(&invite);
        let decoded = String::from_utf8(STANDARD.decode(&string).unwrap()).unwrap();
        assert!(decoded.ends_with(&format!("@{}", pair.here.host())), "{decoded}");
        let link = invite["link"].as_str().unwrap_or_default().to_owned();
        let given = if by_link { link } else { string.trim_end_matches('=').to_owned() };
        let accepted = eve.try_accept_invite(&given);
        assert!((200..300).contains(&accepted.status), "{accepted:?}");
        wait_until("the contact there", || knows(&eve, &ada));
        wait_until("the contact here", || knows(&ada, &eve));
        let again = pair.there.new_person(&name("max"));
        // the other site says no later, or the own one at once: nobody becomes a contact by it
        again.try_accept_invite(&given);
        assert!(!knows(&ada, &again));
    }
}

#[test]
fn what_is_no_invitation_is_refused_with_words() {
    let pair = Pair::get();
    let (ada, _) = pair.people();
    for wrong in ["", "nonsense", "https://", "dG9rZW4=", &STANDARD.encode("token@"), &STANDARD.encode("a@b/c@d:x")] {
        let reply = ada.try_accept_invite(wrong);
        assert!((400..500).contains(&reply.status) && reply.body.len() > 20, "{wrong}: {reply:?}");
    }
}

#[test]
fn shares_of_contacts_appear_without_a_question_and_those_of_strangers_wait() {
    let here = Site::start();
    let there = Site::start_with(SiteSettings::default().with("FEDERATION__AUTO_ACCEPT", "contacts"));
    let (ada, max, eve) = (here.new_person("ada"), here.new_person("max"), there.new_person("eve"));
    for (person, folder) in [(&ada, "/of ada"), (&max, "/of max")] {
        person.dav().mkcol(folder).send().expect(201);
        person.dav().write(&format!("{folder}/f"), "content");
    }
    eve.try_accept_invite(&string_of(&ada.invite()));
    wait_until("the contact", || knows(&eve, &ada));
    max.share("/of max", eve.id(), "viewer");
    ada.share("/of ada", eve.id(), "viewer");
    eve.wait_path("/Shares/of ada/f");
    let waiting = eve.wait_received("of max", "pending");
    assert!(!eve.dav().exists("/Shares/of max"));
    eve.decline(&waiting);
    wait_until("the answer", || max.shares()[0]["delivery"]["state"] == "declined");
}
