//! The life of a long-running command: its tasks, the signals that end it, and the rule that if one task ends by itself,
//! all end, and the program with failure: half a server is worse than none, which something will start again.

use crate::failure::Failure;
use std::collections::HashMap;
use std::time::Duration;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::task::{Id, JoinError, JoinSet};
use tokio_util::sync::CancellationToken;

/// The tasks of a command.
#[derive(Debug)]
pub struct Lifecycle {
    terminate: Signal,
    interrupt: Signal,
    drain: Duration,
    stop: CancellationToken,
    tasks: Tasks,
}

#[derive(Debug, Default)]
struct Tasks {
    running: JoinSet<()>,
    names: HashMap<Id, &'static str>,
}

impl Lifecycle {
    /// From now on signals are heard; `drain` is how long requests and runs under way may take to end.
    pub fn new(drain: Duration) -> Result<Self, Failure> {
        Ok(Self {
            terminate: signal(SignalKind::terminate()).map_err(Failure::other("cannot wait for SIGTERM"))?,
            interrupt: signal(SignalKind::interrupt()).map_err(Failure::other("cannot wait for SIGINT"))?,
            drain,
            stop: CancellationToken::new(),
            tasks: Tasks::default(),
        })
    }

    /// Cancelled when everything is to end.
    #[must_use]
    pub fn stop(&self) -> CancellationToken {
        self.stop.clone()
    }

    /// Starts a task that ends only when told to.
    pub fn start(&mut self, name: &'static str, task: impl Future<Output = ()> + Send + 'static) {
        let handle = self.tasks.running.spawn(task);
        self.tasks.names.insert(handle.id(), name);
    }

    /// Waits for SIGTERM, SIGINT or the end of a task, then ends the others. A second signal does not wait for them.
    pub async fn wait(self) -> Result<(), Failure> {
        let Self { mut terminate, mut interrupt, drain, stop, mut tasks } = self;
        let outcome = tokio::select! {
            _ = terminate.recv() => Ok(()),
            _ = interrupt.recv() => Ok(()),
            Some(ended) = tasks.running.join_next_with_id() => Err(tasks.ended(ended)),
        };
        tracing::info!("ending: no new work is taken, what is under way may finish");
        stop.cancel();
        tokio::select! {
            () = tasks.finish() => {}
            _ = terminate.recv() => tracing::warn!("told twice: ending at once"),
            _ = interrupt.recv() => tracing::warn!("told twice: ending at once"),
            () = tokio::time::sleep(drain) => {
                let left: Vec<_> = tasks.names.values().collect();
                tracing::warn!(?left, "ending although not everything is finished");
            }
        }
        outcome
    }
}

impl Tasks {
    async fn finish(&mut self) {
        while let Some(ended) = self.running.join_next_with_id().await {
            match ended {
                Ok((id, ())) => {
                    self.names.remove(&id);
                }
                Err(error) => {
                    self.ended(Err(error));
                }
            }
        }
    }

    fn ended(&mut self, ended: Result<(Id, ()), JoinError>) -> Failure {
        let (id, panic) = match ended {
            Ok((id, ())) => (id, None),
            Err(error) => (error.id(), Some(error)),
        };
        let task = self.names.remove(&id).unwrap_or("task");
        if let Some(error) = panic {
            tracing::error!(task, %error, "a part of the program broke");
        }
        Failure::TaskEnded(task)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_end_of_one_task_ends_the_others_with_failure() {
        for panics in [false, true] {
            let mut life = Lifecycle::new(Duration::from_secs(5)).unwrap();
            let stop = life.stop();
            let (told, hears) = tokio::sync::oneshot::channel();
            life.start("steady", async move {
                stop.cancelled().await;
                told.send(()).unwrap();
            });
            life.start("brief", async move { assert!(!panics, "on purpose") });
            let failure = life.wait().await.unwrap_err().to_string();
            assert!(failure.contains("brief"), "{failure}");
            hears.await.expect("the other was told to end and waited for");
        }
    }
}
