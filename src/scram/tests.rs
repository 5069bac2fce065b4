//! Users, exchanges and the file, with the client of rsasl and with what no client would send.

use super::credentials::{Credentials, ITERATIONS_MIN, decoy_line, prepare, user_line};
use super::exchange::{ScramExchange, Users};
use super::passwd::derive;
use super::*;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, Mac};
use proptest::prelude::*;
use ringwire_core::Answer;
use rsasl::prelude::{Mechname, SASLClient, SASLConfig, Session};
use sha2::{Digest, Sha256};

const SALT: &[u8] = b"0123456789abcdef";

fn text(users: &[(&str, &str)]) -> String {
    let lines = users.iter().map(|(name, password)| {
        let keys = derive(password, SALT, ITERATIONS_MIN);
        user_line(name, &keys) + "\n"
    });
    decoy_line(&[7; 32]) + "\n" + &lines.collect::<String>()
}

fn users(users: &[(&str, &str)]) -> Users {
    Users::new(Credentials::parse(&text(users)).unwrap())
}

fn client(username: &str, password: &str) -> Session {
    let config = SASLConfig::with_credentials(None, username.to_owned(), password.to_owned());
    let name = Mechname::parse(NAME.as_bytes()).unwrap();
    SASLClient::new(config.unwrap()).start_suggested(&[name]).unwrap()
}

fn says(client: &mut Session, heard: Option<&[u8]>) -> Vec<u8> {
    let mut said = Vec::new();
    client.step(heard, &mut said).unwrap();
    said
}

/// How an exchange with rsasl's client ends, and what the server's first message was.
fn outcome(users: &Users, username: &str, password: &str) -> (Answer, String) {
    let (mut client, mut server) = (client(username, password), ScramExchange::begin(users).unwrap());
    let first = says(&mut client, None);
    let Answer::Continue { data } = server.step(&first) else {
        panic!("a first message is answered");
    };
    let proof = says(&mut client, Some(&data));
    let answer = server.step(&proof);
    if let Answer::Accepted { data, .. } = &answer {
        // The client believes the server too.
        client.step(Some(data), &mut Vec::new()).unwrap();
    }
    (answer, String::from_utf8(data.to_vec()).unwrap())
}

fn accepted(answer: &Answer) -> Option<&str> {
    match answer {
        Answer::Accepted { username, .. } => Some(username),
        Answer::Continue { .. } | Answer::Refused | Answer::Busy => None,
    }
}

#[test]
fn the_stored_keys_are_those_of_the_example_in_rfc_7677() {
    let salt = STANDARD.decode("W22ZaJ0SNY7soEsUEjb6gQ==").unwrap();
    let keys = derive("pencil", &salt, 4_096);
    let nonce = "rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0";
    let message =
        format!("n=user,r=rOprNGfwEbeRWgbNEkqO,r={nonce},s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096,c=biws,r={nonce}");
    let sign = |key: &[u8]| -> [u8; 32] {
        let hmac = Hmac::<Sha256>::new_from_slice(key).unwrap();
        hmac.chain_update(&message).finalize().into_bytes().into()
    };
    let verifier = STANDARD.encode(sign(&keys.server_key));
    assert_eq!(verifier, "6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=");
    let proof = STANDARD
        .decode("dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=")
        .unwrap();
    let signature = sign(&keys.stored_key);
    let client_key: Vec<u8> = proof
        .iter()
        .zip(signature)
        .map(|(left, right)| left ^ right)
        .collect();
    assert_eq!(Sha256::digest(client_key)[..], keys.stored_key);
}

#[test]
fn a_user_with_the_right_password_is_accepted_and_any_other_refused() {
    let users = users(&[("ann", "secret"), ("b,c=d", "p\u{e4}ss"), ("e:f g", "x")]);
    for (name, password) in [("ann", "secret"), ("b,c=d", "p\u{e4}ss"), ("e:f g", "x")] {
        assert_eq!(accepted(&outcome(&users, name, password).0), Some(name));
        assert_eq!(outcome(&users, name, "wrong").0, Answer::Refused);
    }
    assert_eq!(outcome(&users, "nobody", "secret").0, Answer::Refused);
}

#[test]
fn an_unknown_user_is_told_what_a_known_one_is_and_the_same_each_time() {
    let users = users(&[("ann", "secret")]);
    let salt_and_count = |name: &str| {
        let (_, message) = outcome(&users, name, "x");
        message.split_once(",s=").unwrap().1.to_owned()
    };
    let known = salt_and_count("ann");
    for name in ["nobody", "no,body", "Ann"] {
        let unknown = salt_and_count(name);
        assert_eq!(unknown, salt_and_count(name));
        assert_ne!(unknown, known);
        assert_eq!(unknown.len(), known.len());
        assert!(unknown.ends_with(",i=4096"), "{unknown}");
    }
    assert_ne!(salt_and_count("nobody"), salt_and_count("nobody2"));
}

#[test]
fn nobody_acts_as_somebody_else() {
    let users = users(&[("ann", "secret"), ("bob", "secret")]);
    let config = SASLConfig::with_credentials(Some("bob".to_owned()), "ann".to_owned(), "secret".to_owned());
    let name = Mechname::parse(NAME.as_bytes()).unwrap();
    let mut client = SASLClient::new(config.unwrap()).start_suggested(&[name]).unwrap();
    let mut server = ScramExchange::begin(&users).unwrap();
    let Answer::Continue { data } = server.step(&says(&mut client, None)) else {
        panic!("refused too early");
    };
    assert_eq!(server.step(&says(&mut client, Some(&data))), Answer::Refused);
}

#[test]
fn messages_of_another_shape_are_refused() {
    let users = users(&[("ann", "secret")]);
    let firsts: [&[u8]; 13] = [
        b"",
        b"n",
        b"n,",
        b"n,,",
        b"n,,n",
        b"n,,n=",
        b"n,,n=ann",
        b"n,,n=ann,r",
        b"n,,n=ann,r=",
        b"n,a,n=ann,r=x",
        b"n,a=,n=ann,r=x",
        b"n,,n=ann,r=x,",
        b"p=tls-unique,,n=ann,r=x",
    ];
    for first in firsts {
        let mut server = ScramExchange::begin(&users).unwrap();
        assert_eq!(server.step(first), Answer::Refused, "{first:?}");
    }
    for last in [
        &b""[..],
        b"c",
        b"c=biws",
        b"c=biws,r",
        b"c=biws,r=x,p",
        b"c=biws,r=x,p=,",
        b"c=,r=,p=",
        b"c=%,r=x,p=x",
    ] {
        let mut server = ScramExchange::begin(&users).unwrap();
        let answer = server.step(b"n,,n=ann,r=x");
        assert!(matches!(answer, Answer::Continue { .. }), "{answer:?}");
        assert_eq!(server.step(last), Answer::Refused, "{last:?}");
    }
}

proptest! {
    // rsasl must not see what makes it panic, whatever a client sends.
    #[test]
    fn no_bytes_end_the_process(
        first in "[npy]?,?(a=?b?)?,?[mn]?=?[a-z=,]{0,6},?r?=?[!-~]{0,6}",
        noise in proptest::collection::vec(any::<u8>(), 0..24),
        last in "c?=?[a-zA-Z+/=]{0,6},?r?=?[!-~]{0,8},?p?=?[a-zA-Z=]{0,50},?",
    ) {
        let users = Users::new(Credentials::parse("").unwrap());
        for opening in [first.as_bytes(), &noise, b"n,,n=ann,r=x"] {
            for end in [last.as_bytes(), &noise] {
                let mut server = ScramExchange::begin(&users).unwrap();
                if let Answer::Continue { data } = server.step(opening) {
                    prop_assert!(!data.is_empty());
                    prop_assert_eq!(server.step(end), Answer::Refused);
                }
            }
        }
    }

    #[test]
    fn a_line_reads_back_as_it_was_written(name in "\\PC{1,20}", iterations in 4_096u32..100_000, salt: [u8; 16]) {
        let Ok(name) = prepare(&name) else {
            return Ok(());
        };
        let mut keys = derive("x", &salt, ITERATIONS_MIN);
        keys.iterations = iterations;
        let read = Credentials::parse(&user_line(&name, &keys));
        let read = read.map_err(|mistakes| TestCaseError::fail(format!("{mistakes:?}")))?;
        prop_assert!(read.is_known(&name));
        prop_assert_eq!(read.keys(&name), keys);
    }
}

#[test]
fn each_mistake_in_a_file_is_told_with_its_line() {
    let good = text(&[("ann", "x")]);
    let user = good.lines().nth(1).unwrap();
    let few = user.replace("$4096:", "$4095:");
    let text =
        format!("{good}\n# fine\nann\n{user}\n{few}\nbob:SCRAM-SHA-256$4096:x$y\ndecoy:AAAA\n#{user}\n");
    let mistakes = Credentials::parse(&text).unwrap_err();
    let lines: Vec<_> = mistakes.iter().map(ToString::to_string).collect();
    let starts = [
        "line 5: expected USERNAME:SCRAM",
        "line 6: user `ann` is there twice",
        "line 7: expected 4096 to",
        "line 8: expected ITERATIONS",
        "line 9: expected decoy:",
    ];
    assert_eq!(lines.len(), starts.len(), "{lines:?}");
    for (line, start) in lines.iter().zip(starts) {
        assert!(line.starts_with(start), "{line}");
    }
}

#[test]
fn a_changed_file_is_read_again_and_a_broken_one_is_not_taken() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("users");
    std::fs::write(&path, text(&[("ann", "old")])).unwrap();
    let scram = Scram::open(&path).unwrap();
    let accepts = |password| {
        let state = scram.state.lock();
        accepted(&outcome(&state.users, "ann", password).0).is_some()
    };
    assert!(accepts("old"));
    std::fs::write(&path, text(&[("ann", "new"), ("bob", "x")])).unwrap();
    scram.look(&mut scram.state.lock());
    assert!(accepts("new") && !accepts("old"));
    for broken in ["nonsense\n", ""] {
        std::fs::write(&path, broken).unwrap();
        if broken.is_empty() {
            std::fs::remove_file(&path).unwrap();
        }
        scram.look(&mut scram.state.lock());
        assert!(accepts("new"), "{broken:?}");
    }
}
