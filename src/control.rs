//! The control thread: a tokio `current_thread` runtime for everything that waits for others; at present the admin
//! endpoint. It reaches shards by mailbox only and is never pinned.

use crate::config::Config;
use ringwire_admin::Admin;
use ringwire_core::placement::Placement;
use ringwire_shard::Node;
use std::io;
use tokio::sync::oneshot;

/// The running control thread, if there is anything to run on it.
pub struct Control(Option<oneshot::Sender<()>>);

/// Starts it. `key`: of the placement, as the shards have it.
pub fn start(admin: Option<Admin>, config: &Config, node: &Node, key: [u64; 2]) -> io::Result<Control> {
    let Some(admin) = admin else {
        return Ok(Control(None));
    };
    let mailboxes = node.mailboxes().to_vec();
    let shards = u16::try_from(mailboxes.len()).expect("checked: at most SHARDS_MAX");
    let node = ringwire_admin::Node {
        mailboxes,
        placement: Placement::new(key, shards),
        name: config.node.name.clone(),
    };
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let (stop, stopped) = oneshot::channel();
    let serve = async move {
        // An error is the sender dropped, which means the same.
        admin.serve(node, async { drop(stopped.await) }).await;
    };
    std::thread::Builder::new()
        .name("control".to_owned())
        .spawn(move || runtime.block_on(serve))?;
    Ok(Control(Some(stop)))
}

impl Control {
    /// Asks it to stop. It is not waited for: a request half sent must not hold up the end of the process.
    pub fn stop(self) {
        if let Some(stop) = self.0 {
            let _ = stop.send(());
        }
    }
}
