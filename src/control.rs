//! The control thread: a tokio `current_thread` runtime for everything that waits for others; at present the admin
//! endpoint, `$SYS`, `--stats` and the answers to what engines ask. It reaches shards by mailbox only and is never pinned.

use ringwire_admin::Admin;
use std::io;
use std::pin::Pin;
use tokio::sync::oneshot;

/// The running control thread, if there is one.
pub struct Control(Option<oneshot::Sender<()>>);

/// Something that runs on it until it ends.
pub type Task = Pin<Box<dyn Future<Output = ()> + Send>>;

/// A task.
pub fn task(future: impl Future<Output = ()> + Send + 'static) -> Task {
    Box::pin(future)
}

/// Starts it, if there is anything to run on it.
pub fn start(admin: Option<Admin>, node: ringwire_admin::Node, tasks: Vec<Task>) -> io::Result<Control> {
    if admin.is_none() && tasks.is_empty() {
        return Ok(Control(None));
    }
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let (stop, stopped) = oneshot::channel();
    let serve = async move {
        for task in tasks {
            tokio::spawn(task);
        }
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
