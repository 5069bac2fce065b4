//! A process without descriptors left: it stops accepting for a moment, and recovers by itself. The node runs in a
//! process of its own, because the limit holds for a whole process.

use crate::client::{Client, Running, settings};
use std::io::{BufRead, BufReader, Read};
use std::net::{SocketAddr, TcpStream};
use std::process::{Command, Stdio};

/// The node's side: not a test of its own, but what the test below runs.
#[test]
#[ignore = "run by a_process_without_descriptors_stops_accepting_and_recovers"]
fn node_of_few_descriptors() {
    let node = Running::start(settings(1));
    println!("\naddress {}", node.address());
    // Until the other side has seen enough.
    std::io::stdin().read_to_end(&mut Vec::new()).unwrap();
    println!("\npaused {}", node.stats()[0].accepts_paused);
    node.end();
}

#[test]
fn a_process_without_descriptors_stops_accepting_and_recovers() {
    let test = std::env::current_exe().unwrap();
    let mut child = Command::new("sh")
        .arg("-c")
        .arg(
            "ulimit -n 200 && exec \"$0\" descriptors::node_of_few_descriptors --exact --ignored --nocapture",
        )
        .arg(test)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let mut value = |name: &str| {
        let line = lines.find_map(|line| line.unwrap().strip_prefix(name).map(str::to_owned));
        line.expect("the node says what it is asked")
    };
    let address: SocketAddr = value("address ").parse().unwrap();
    let mut old = Client::connect(address, "old");
    // The kernel completes their handshakes; the node runs out before it has accepted them all.
    let crowd: Vec<_> = (0..400).map(|_| TcpStream::connect(address).unwrap()).collect();
    old.ping();
    std::thread::sleep(std::time::Duration::from_millis(300));
    old.ping();
    drop(crowd);
    Client::connect(address, "new").ping();
    old.ping();
    drop(child.stdin.take());
    assert!(value("paused ").parse::<u64>().unwrap() > 0);
    assert!(child.wait().unwrap().success());
}
