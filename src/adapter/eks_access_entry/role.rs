//! Which role an access entry was made for.
//!
//! EKS does not show it, so it is told from the times at which the two were
//! made, and from what the state remembers. This module must not read anything
//! itself.

use jiff::{SignedDuration, Timestamp, Unit};
use serde_json::Value as Json;

use super::super::eks::{IamArn, member, text, unreadable};
use super::super::{Health, Object, Questions, ReadError, Subject, iam, picked};
use crate::command::{Answer, Command};

/// A point in time as the AWS CLI prints it: version 1 passes seconds since
/// 1970 on, version 2 writes RFC 3339. To the millisecond, as EKS keeps it.
pub(super) fn instant(json: &Json) -> Option<Timestamp> {
    let instant = match json {
        Json::Number(seconds) => {
            let since = SignedDuration::try_from_secs_f64(seconds.as_f64()?).ok()?;
            Timestamp::from_duration(since).ok()?
        }
        Json::String(text) => text.parse().ok()?,
        Json::Null | Json::Bool(_) | Json::Array(_) | Json::Object(_) => return None,
    };
    instant.round(Unit::Millisecond).ok()
}

/// What IAM tells of a role.
pub(super) enum Told<'a> {
    /// The answer to `get-role`.
    Alone(Command, &'a Answer),
    /// A member of the list of all roles.
    Listed(Command, &'a Answer, Json),
}

/// Asks for a role: by its name, or off the list of all of them where many
/// entries are read. `None` while it must be asked.
pub(super) fn ask<'a>(
    subject: &Subject<'_>,
    name: &str,
    questions: &mut Questions<'a>,
) -> Option<Told<'a>> {
    if subject.is_one_of_many() {
        let list = iam::list("list-roles").picking("Roles", &[("RoleName", name)]);
        let answer = questions.ask(list.clone())?;
        if let Some(role) = picked(&list, answer) {
            return Some(Told::Listed(list, answer, role));
        }
    }
    let get_role = iam::read_command("get-role", "--role-name", name);
    questions.ask(get_role.clone()).map(|answer| Told::Alone(get_role, answer))
}

/// What is known of an entry, to tell which role it was made for.
pub(super) struct MadeFor<'a> {
    /// The ARN that the entry names.
    pub principal: &'a str,
    /// The account that the entry, and so the cluster, is in.
    pub entry_account: Option<&'a str>,
    /// When the entry was made.
    pub created: Timestamp,
}

impl MadeFor<'_> {
    /// Compares the entry with the role as IAM shows it now: sets the output
    /// `roleId`, the health, or a note that it can't be told.
    pub fn check(
        &self,
        subject: &Subject<'_>,
        told: Told<'_>,
        object: &mut Object,
    ) -> Result<(), ReadError> {
        let unchecked = |why: &str| {
            format!(
                "could not check whether the role is the one that the entry was made for: {why}"
            )
        };
        let account = IamArn::parse(self.principal).map(|arn| arn.account);
        if self.entry_account.is_some_and(|entrys| Some(entrys) != account) {
            // `get-role` looks into our own account, where a role of that name
            // is another one.
            object.notes.push(unchecked("it belongs to another account"));
            return Ok(());
        }
        let remembered = self.remembered(subject);
        if let Some(id) = remembered {
            object.outputs.insert("roleId".into(), id.into());
        }
        let (command, answer, role) = match told {
            Told::Listed(list, answer, role) => (list, answer, Some(role)),
            Told::Alone(get_role, answer) => (get_role, answer, None),
        };
        if answer.is_service_error("NoSuchEntity") {
            object.health = Health::Outdated(format!(
                "its role does not exist: {} was deleted, and a new role of that name is another \
                 role to EKS",
                self.principal
            ));
            return Ok(());
        }
        let denied = answer.service_error().filter(|error| error.code.starts_with("AccessDenied"));
        if denied.is_some() {
            object.notes.push(unchecked("reading the role is denied (iam:GetRole)"));
            return Ok(());
        }
        if !answer.succeeded() {
            return Err(unreadable(command, answer));
        }
        let role = match role {
            Some(role) => role,
            None => member(&command, answer, "Role")?,
        };
        let made = role.get("CreateDate").and_then(instant);
        let (Some(id), Some(arn), Some(made)) = (text(&role, "/RoleId"), text(&role, "/Arn"), made)
        else {
            let why = "the answer does not say which role it is";
            return Err(ReadError::new(command, answer, why));
        };
        if arn != self.principal {
            object.health = Health::Outdated(format!(
                "its role does not exist: the role of that name is {arn} now, not {}",
                self.principal
            ));
            return Ok(());
        }
        match remembered {
            Some(known) if known == id => {}
            Some(known) => {
                object.health = Health::Outdated(format!(
                    "the role was made anew at {made}: it is {id} now, this entry is for {known}; \
                     EKS refuses the new role's nodes"
                ));
                return Ok(());
            }
            // IAM gives whole seconds, so within one second the order is open.
            None if made.as_second() > self.created.as_second() => {
                object.health = Health::Outdated(format!(
                    "the role was made anew at {made}, after this entry ({}): EKS holds the old \
                     role's unique id and refuses its nodes",
                    self.created
                ));
                return Ok(());
            }
            None => {}
        }
        object.outputs.insert("roleId".into(), id.into());
        Ok(())
    }

    /// The id of the role that this very entry was made for, from the state.
    fn remembered<'s>(&self, subject: &Subject<'s>) -> Option<&'s str> {
        let outputs = &subject.prior?.outputs;
        let created: Timestamp = outputs.get("createdAt")?.as_str()?.parse().ok()?;
        if created != self.created {
            return None;
        }
        outputs.get("roleId")?.as_str()
    }
}
