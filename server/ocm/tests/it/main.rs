//! Peers at the door: the real router over a domain of its own, called in every dialect, and two sites that talk to each
//! other over HTTP.

mod dialects;
mod documents;
mod outages;
mod share_info;
mod site;
mod two_sites;
