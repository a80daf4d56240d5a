//! Uploads in pieces when everything goes wrong: connections cut at each tenth, the server killed between chunks and
//! at the end. What was acknowledged is there, what is resumed becomes the same bytes, nothing half-made is ever seen.

use std::time::{Duration, Instant};

use stitchbox_tests::{Daemon, Dav, End, Random, digest_of, encode_path, raw_request};

const USER: &str = "olga";
const TENTHS: usize = 10;

fn sessions(dav: &Dav) -> Dav {
    dav.at(&format!("/remote.php/dav/uploads/{USER}"))
}

fn listed(dav: &Dav, session: &str) -> Vec<(String, u64)> {
    let size = |text: Option<&str>| text.and_then(|text| text.parse().ok()).expect("a chunk has a size");
    sessions(dav).list(session).iter().map(|entry| (entry.name(), size(entry.dav("getcontentlength")))).collect()
}

/// MOVE of the session to a path of the user's files, verified by SHA-256.
fn finish(dav: &Dav, session: &str, path: &str, whole: &[u8]) -> Result<u16, String> {
    let call = sessions(dav).call("MOVE", &format!("{session}/.file")).header("Destination", &dav.url(path));
    let call = call.header("OC-Total-Length", &whole.len().to_string());
    let reply = call.header("OC-Checksum", &format!("SHA256:{}", digest_of(whole))).attempt();
    reply.map(|reply| reply.status).map_err(|error| error.to_string())
}

fn upload_of_tus(dav: &Dav, name: &str, size: usize) -> String {
    use base64::Engine as _;
    let name = base64::engine::general_purpose::STANDARD.encode(name);
    let call = dav.call("POST", "/").header("Tus-Resumable", "1.0.0").header("Upload-Length", &size.to_string());
    let reply = call.header("Upload-Metadata", &format!("filename {name}")).send().expect(201);
    reply.header("Location").strip_prefix(dav.base()).expect("a URL of this server").to_owned()
}

fn offset(dav: &Dav, upload: &str) -> usize {
    let call = dav.call_url("HEAD", &format!("{}{upload}", dav.base())).header("Tus-Resumable", "1.0.0");
    call.send().expect(200).header("Upload-Offset").parse().expect("a number")
}

fn patch(dav: &Dav, upload: &str, offset: usize, body: &[u8]) -> Result<u16, String> {
    let call = dav.call_url("PATCH", &format!("{}{upload}", dav.base())).header("Tus-Resumable", "1.0.0");
    let call =
        call.header("Upload-Offset", &offset.to_string()).header("Content-Type", "application/offset+octet-stream");
    call.body(body.to_vec()).attempt().map(|reply| reply.status).map_err(|error| error.to_string())
}

#[test]
fn a_chunked_upload_cut_at_each_tenth_is_resumed() {
    let daemon = Daemon::start();
    let dav = daemon.user(USER);
    let mut random = Random::new(11);
    for cut in 0..TENTHS {
        // An odd size; small chunks (rows) and large ones (files) in turn.
        let chunk = if cut % 2 == 0 { 41_003 } else { 300_007 };
        let whole = random.bytes(chunk * TENTHS - 17);
        let session = format!("/cut-{cut}");
        let path = format!("/{cut}.bin");
        sessions(&dav).mkcol(&session).header("OC-Total-Length", &whole.len().to_string()).send().expect(201);
        let pieces: Vec<&[u8]> = whole.chunks(chunk).collect();
        for (number, piece) in pieces.iter().enumerate().take(cut) {
            sessions(&dav).put(&format!("{session}/{number}"), piece.to_vec()).send().expect(201);
        }
        let address = encode_path(&format!("{}{session}/{cut}", sessions(&dav).root()));
        let head = format!("PUT {address} HTTP/1.1\r\nContent-Length: {}\r\n", pieces[cut].len());
        raw_request(&dav, &head, &pieces[cut][..pieces[cut].len() / 2], End::Cut);
        let there = listed(&dav, &session);
        assert_eq!(there.len(), cut, "the cut chunk is not there: {there:?}");
        assert!(there.iter().all(|(_, size)| *size == chunk as u64));
        assert!(!dav.exists(&path));
        assert_eq!(finish(&dav, &session, &path, &whole), Ok(400), "what is not whole does not end");
        // The rest comes from its end.
        for (number, piece) in pieces.iter().enumerate().skip(cut).rev() {
            sessions(&dav).put(&format!("{session}/{number}"), piece.to_vec()).send().expect(201);
        }
        assert_eq!(finish(&dav, &session, &path, &whole), Ok(201));
        assert!(dav.read(&path) == whole, "cut at {cut} tenths");
    }
    daemon.verify_clean();
}

#[test]
fn a_tus_upload_cut_at_each_tenth_goes_on_where_it_was() {
    let daemon = Daemon::start();
    let dav = daemon.user(USER);
    let whole = Random::new(12).bytes(3_000_001);
    let upload = upload_of_tus(&dav, "x.bin", whole.len());
    for tenth in 1..TENTHS {
        let from = offset(&dav, &upload);
        let until = whole.len() * tenth / TENTHS;
        let head = format!(
            "PATCH {upload} HTTP/1.1\r\nContent-Length: {}\r\nTus-Resumable: 1.0.0\r\nUpload-Offset: {from}\r\n\
             Content-Type: application/offset+octet-stream\r\n",
            whole.len() - from
        );
        raw_request(&dav, &head, &whole[from..until], End::Cut);
        // What arrived is written down by a task that outlives the connection.
        let begin = Instant::now();
        while offset(&dav, &upload) < until && begin.elapsed() < Duration::from_secs(20) {
            std::thread::sleep(Duration::from_millis(20));
        }
        assert_eq!(offset(&dav, &upload), until, "everything that arrived is kept");
        assert!(!dav.exists("/x.bin"));
    }
    let from = offset(&dav, &upload);
    assert_eq!(patch(&dav, &upload, from, &whole[from..]), Ok(204));
    assert!(dav.read("/x.bin") == whole);
    daemon.verify_clean();
}

#[test]
fn a_server_killed_between_chunks_and_at_the_end_loses_nothing_acknowledged() {
    let mut daemon = Daemon::start();
    let mut dav = daemon.user(USER);
    let mut random = Random::new(13);
    let mut before = b"before".to_vec();
    dav.write("/x.bin", before.clone());
    for round in 0..6 {
        let size = 2_000_000 + random.below(1_000_000);
        let whole = random.bytes(size);
        let session = format!("/round-{round}");
        sessions(&dav).mkcol(&session).send().expect(201);
        let pieces: Vec<Vec<u8>> = whole.chunks(257_001).map(<[u8]>::to_vec).collect();
        // Somewhere among the chunks, or close to the end.
        let delay = Duration::from_millis(random.below(if round % 2 == 0 { 60 } else { 200 }) as u64);
        let (client, parts, to, whole_again) = (dav.clone(), pieces.clone(), session.clone(), whole.clone());
        let sender = std::thread::spawn(move || {
            let mut acknowledged = Vec::new();
            for (number, piece) in parts.iter().enumerate() {
                match sessions(&client).put(&format!("{to}/{number}"), piece.clone()).attempt() {
                    Ok(reply) if reply.status == 201 => acknowledged.push(number),
                    _ => return (acknowledged, false),
                }
            }
            let ended = matches!(finish(&client, &to, "/x.bin", &whole_again), Ok(204));
            (acknowledged, ended)
        });
        std::thread::sleep(delay);
        daemon.kill();
        let (acknowledged, ended) = sender.join().expect("the sender ends");
        daemon.restart();
        dav = daemon.client(USER);
        let now = dav.read("/x.bin");
        assert!(now == before || now == whole, "round {round}: half a file");
        assert!(!ended || now == whole, "round {round}: an acknowledged end is lost");
        if now != whole {
            let there = listed(&dav, &session);
            for number in &acknowledged {
                let size = pieces[*number].len() as u64;
                assert!(
                    there.contains(&(number.to_string(), size)),
                    "round {round}: chunk {number} is lost: {there:?}"
                );
            }
            for (number, piece) in pieces.iter().enumerate().filter(|(number, _)| !acknowledged.contains(number)) {
                let status = sessions(&dav).put(&format!("{session}/{number}"), piece.clone()).send().status;
                assert!(matches!(status, 201 | 204), "round {round}: {status}");
            }
        }
        // Whether the killed server had ended it or not, the client asks again and gets the same.
        assert_eq!(finish(&dav, &session, "/x.bin", &whole), Ok(204), "round {round}");
        assert!(dav.read("/x.bin") == whole, "round {round}");
        before = whole;
    }
    daemon.verify_clean();
}

#[test]
fn a_server_killed_during_a_tus_upload_tells_the_truth_afterwards() {
    let mut daemon = Daemon::start();
    let mut dav = daemon.user(USER);
    let whole = Random::new(14).bytes(30_000_000);
    let upload = upload_of_tus(&dav, "x.bin", whole.len());
    for delay in [60, 120, 240] {
        let from = offset(&dav, &upload);
        if from == whole.len() {
            break;
        }
        let (client, to, rest) = (dav.clone(), upload.clone(), whole[from..].to_vec());
        let sender = std::thread::spawn(move || patch(&client, &to, from, &rest));
        std::thread::sleep(Duration::from_millis(delay));
        daemon.kill();
        let done = sender.join().expect("the sender ends");
        daemon.restart();
        dav = daemon.client(USER);
        let now = offset(&dav, &upload);
        assert!(now >= from && now <= whole.len());
        assert!(done != Ok(204) || now == whole.len(), "an acknowledged PATCH is lost");
        assert_eq!(dav.exists("/x.bin"), now == whole.len(), "shown if and only if it is complete");
    }
    let from = offset(&dav, &upload);
    assert_eq!(patch(&dav, &upload, from, &whole[from..]), Ok(204));
    assert!(dav.read("/x.bin") == whole);
    daemon.verify_clean();
}
