//! The place of the state, for commands that look after it and need nothing
//! else: a local one asks no service.

use std::sync::Arc;

use super::options::{AccessOptions, AwsOptions, StackOptions};
use super::session::{self, Session, load};
use crate::manifest::stack::Stack;
use crate::store::{Lock, LockInfo, Store};

/// The store of a stack, and the way to it.
pub(crate) struct Storage {
    /// The store.
    pub store: Store,
    /// The stack's name.
    pub stack: String,
    run: String,
    session: Option<Session>,
}

impl Storage {
    /// The store that the options name; nothing where the manifests are wrong,
    /// which is then printed.
    ///
    /// # Errors
    /// When the manifests can't be read, or the way to the store can't be
    /// prepared.
    pub(crate) fn open(options: &StackOptions, aws: &AwsOptions) -> anyhow::Result<Option<Self>> {
        let Some(stack) = load(options, aws.region.as_deref())? else { return Ok(None) };
        Self::of(stack, options, aws).map(Some)
    }

    /// The store of a stack that is loaded.
    ///
    /// # Errors
    /// When the way to the store can't be prepared.
    pub(crate) fn of(
        stack: Arc<Stack>,
        options: &StackOptions,
        aws: &AwsOptions,
    ) -> anyhow::Result<Self> {
        let name = stack.name.clone();
        Ok(match session::local_store(&stack, options) {
            Some(store) => Self {
                store: Store::Local(store),
                stack: name,
                run: session::run_id(),
                session: None,
            },
            None => {
                let session = Session::new(stack, options, &AccessOptions::of(aws))?;
                Self {
                    store: session.engine.store.clone(),
                    stack: name,
                    run: session.run().to_owned(),
                    session: Some(session),
                }
            }
        })
    }

    /// Runs the work of a command to its end.
    ///
    /// # Errors
    /// What the work says.
    pub(crate) fn block_on(
        &self,
        work: impl AsyncFnOnce(&Self) -> anyhow::Result<u8>,
    ) -> anyhow::Result<u8> {
        match &self.session {
            Some(session) => session.block_on(async |_| work(self).await),
            None => session::wait(work(self))?,
        }
    }

    /// Runs work that changes something, under the lock.
    ///
    /// # Errors
    /// When another run holds the lock; what the work says.
    pub(crate) fn under_lock(
        &self,
        operation: &str,
        work: impl AsyncFnOnce(&Self, &Lock) -> anyhow::Result<u8>,
    ) -> anyhow::Result<u8> {
        self.block_on(async |this| {
            let lock = session::take_lock(&this.store, &this.me(operation)).await?;
            let ended = work(this, &lock).await;
            let released = this.store.release(lock).await;
            let ended = ended?;
            released?;
            Ok(ended)
        })
    }

    /// What a lock says of this run.
    pub(crate) fn me(&self, operation: &str) -> LockInfo {
        session::lock_info(&self.run, operation)
    }
}
