//! Charts and toolbox against the lock file, and what a lock file would say now.
//!
//! This module must not write the file.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::read::failed;
use super::{Engine, EngineError};
use crate::adapter::{Blocker, Context, Source, SourceAt, source_digest};
use crate::manifest::files::folder_digest;
use crate::manifest::lock::{FORMAT_VERSION, LockFile, Pin};
use crate::manifest::resource::Resource;
use crate::plan::{Action, Change};

impl Engine {
    /// Where a declared resource's content comes from, as far as the manifests
    /// tell.
    fn source(&self, resource: &Resource) -> Option<Source> {
        let context = Context {
            name: resource.address.name.clone(),
            account: None,
            region: self.region.clone(),
            external: resource.external,
            files: Arc::clone(&resource.files),
        };
        let adapter = resource.address.kind.adapter();
        adapter.source(&adapter.desired(&resource.spec, &context).ok()?)
    }

    async fn digest(&self, source: &Source) -> Result<String, String> {
        match &source.at {
            SourceAt::Published(command) => {
                let answer = self.gateway.read(command).await;
                let answer = answer.map_err(|error| failed(command, &error).why)?;
                source_digest(&answer).map_err(|why| self.gateway.show(&why))
            }
            SourceAt::Folder(path) => {
                folder_digest(&self.stack.directory, path).map(|digest| digest.as_str().to_owned())
            }
        }
    }

    /// What a lock file would hold now.
    ///
    /// # Errors
    /// The first thing whose content can't be told, and why.
    pub async fn pins(&self) -> Result<LockFile, String> {
        let mut charts = BTreeMap::new();
        for resource in &self.stack.resources {
            let Some(source) = self.source(resource) else { continue };
            let address = resource.address.to_string();
            let digest = self.digest(&source).await.map_err(|why| format!("{address}: {why}"))?;
            let Source { reference, version, .. } = source;
            charts.insert(address, Pin { reference, version, digest });
        }
        let image = self.stack.toolbox.image.clone();
        let digest = self.gateway.toolbox_digest().await.map_err(|error| error.to_string())?;
        // Where no image runs, what was known of it stays.
        let known = self.stack.lock.as_ref().and_then(|lock| lock.toolbox.clone());
        let toolbox = match (image, digest) {
            (Some(reference), Some(digest)) => Some(Pin { reference, version: None, digest }),
            (image, _) => known.filter(|known| image.as_ref() == Some(&known.reference)),
        };
        Ok(LockFile { format_version: FORMAT_VERSION, toolbox, charts })
    }

    /// The entries that the lock file lacks or has for something else.
    pub fn stale_pins(&self) -> Vec<String> {
        let lock = self.stack.lock.as_ref();
        let fits = |resource: &&Resource| {
            self.source(resource).is_some_and(|source| {
                lock.is_none_or(|lock| lock.pin(&resource.address, &source).is_none())
            })
        };
        self.stack.resources.iter().filter(fits).map(|one| one.address.to_string()).collect()
    }

    /// Refuses a toolbox whose content is not the locked one.
    ///
    /// # Errors
    /// `ToolboxMoved`.
    pub(super) async fn check_toolbox(&self) -> Result<(), EngineError> {
        let pin = self.stack.lock.as_ref().and_then(|lock| lock.toolbox.as_ref());
        let Some(pin) = pin.filter(|pin| Some(&pin.reference) == self.stack.toolbox.image.as_ref())
        else {
            return Ok(());
        };
        // What can't be told now, the first command tells better.
        if let Ok(Some(found)) = self.gateway.toolbox_digest().await
            && found != pin.digest
        {
            return Err(EngineError::ToolboxMoved {
                image: pin.reference.clone(),
                locked: pin.digest.clone(),
                found,
            });
        }
        Ok(())
    }

    /// Blocks what would pull another content than the locked one, and tells of
    /// what is not locked.
    pub(super) async fn check_charts(&self, changes: &mut [Change]) {
        let Some(lock) = &self.stack.lock else { return };
        for change in changes {
            let pulls = matches!(
                change.action,
                Action::Create | Action::Adopt | Action::Update | Action::Replace | Action::Repair
            );
            if !pulls || change.commands.is_empty() {
                continue;
            }
            let resource = self.stack.resource(&change.address);
            let Some(source) = resource.and_then(|resource| self.source(resource)) else {
                continue;
            };
            let version = source.version.as_deref().unwrap_or("of no version");
            let name = format!("{} {version}", source.reference);
            let Some(pin) = lock.pin(&change.address, &source) else {
                change.notes.push(format!(
                    "{name} is not in the lock file; `lkh lock` takes it in, --locked refuses it"
                ));
                continue;
            };
            let message = match self.digest(&source).await {
                Ok(found) if found == pin.digest => continue,
                Ok(found) => format!(
                    "the chart {name} is not the one that was locked: it is {found} now, and the \
                     lock file says {}",
                    pin.digest
                ),
                Err(why) => format!("nobody knows whether {name} is what was locked: {why}"),
            };
            change.blockers.push(Blocker {
                code: "ChartMoved".into(),
                message,
                next: "look what was published under that version; `lkh lock` accepts it".into(),
            });
        }
    }
}
