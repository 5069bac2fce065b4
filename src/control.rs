//! The control thread: a tokio `current_thread` runtime for everything that waits for others; at present the admin
//! endpoint, `--stats` and the answers to what engines ask. It reaches shards by mailbox only and is never pinned.

use ringwire_admin::Admin;
use std::io;
use tokio::sync::oneshot;

/// The running control thread, if there is one.
pub struct Control(Option<oneshot::Sender<()>>);

/// Starts it, if there is anything to run on it. `print`: what `--stats` prints, if it is asked for;
/// `answer`: what answers each shard, if they ask.
pub fn start(
    admin: Option<Admin>,
    node: ringwire_admin::Node,
    print: Option<impl Future<Output = ()> + Send + 'static>,
    answer: Vec<impl Future<Output = ()> + Send + 'static>,
) -> io::Result<Control> {
    if admin.is_none() && print.is_none() && answer.is_empty() {
        return Ok(Control(None));
    }
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let (stop, stopped) = oneshot::channel();
    let serve = async move {
        if let Some(print) = print {
            tokio::spawn(print);
        }
        answer.into_iter().for_each(|answer| drop(tokio::spawn(answer)));
        // An error is the sender dropped, which means the same.
        let stopped = async { drop(stopped.await) };
        match admin {
            Some(admin) => admin.serve(node, stopped).await,
            None => stopped.await,
        }
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
