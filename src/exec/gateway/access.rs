//! What commands need to get anywhere: logins to registries, and the token of the
//! cluster.
//!
//! Both are made once for a run and kept good. This module must not let a
//! password or a token into a message.

use std::convert::Infallible;
use std::time::Duration;

use tokio::time::sleep;

use super::{For, Gateway, RENEWAL_PAUSE, lock};
use crate::command::{Answer, Password, RegistryLogin};
use crate::exec::session::{self, Token};
use crate::exec::{ExecError, PrivateFile};
use crate::value::Value;

impl Gateway {
    /// Logs Helm in to a registry, once per host and user.
    pub(super) async fn log_in(&self, login: &RegistryLogin) -> Result<(), ExecError> {
        let key = (login.host.clone(), login.username.clone());
        let mut done = self.session.logins.lock().await;
        if done.contains(&key) {
            return Ok(());
        }
        match self.try_log_in(login).await {
            Err(ExecError::Failed { why }) if login.password == Password::EcrPublic => {
                self.tell_once(&format!("{why}; charts are pulled from there without a login"));
            }
            other => other?,
        }
        done.insert(key);
        Ok(())
    }

    async fn try_log_in(&self, login: &RegistryLogin) -> Result<(), ExecError> {
        let failed = |answer: &Answer| {
            ExecError::failed(format!("no login to {}: {}", login.host, self.failure(answer)))
        };
        let password = match (&login.password, session::password_command(login)) {
            (Password::Given(password), _) => Value::Sensitive(Box::new(password.clone())),
            (_, Some(command)) => {
                let answer = Box::pin(self.repeat(&command, For::Session)).await?;
                if !answer.succeeded() {
                    return Err(failed(&answer));
                }
                Value::Sensitive(Box::new(Value::from(answer.stdout.trim())))
            }
            (Password::Ecr | Password::EcrPublic, None) => Value::Null,
        };
        let command = session::login_command(login, &password)?;
        let answer = Box::pin(self.repeat(&command, For::Session)).await?;
        if answer.succeeded() { Ok(()) } else { Err(failed(&answer)) }
    }

    /// Sees to a token that is good for a while, and to the kubeconfig that
    /// uses it.
    pub(super) async fn ready_token(&self) -> Result<(), ExecError> {
        let access = lock(&self.cluster).clone().ok_or_else(|| {
            ExecError::failed(
                "no cluster is known; set `spec.kubernetes.cluster` in the Stack, or pass \
                 --kubeconfig",
            )
        })?;
        let mut token = self.session.token.lock().await;
        let same = token.as_ref().is_some_and(|token| token.access == access);
        if same && token.as_ref().is_some_and(|token| token.good_for() > 0) {
            return Ok(());
        }
        let command = session::token_command(&access);
        let answer = Box::pin(self.repeat(&command, For::Session)).await?;
        let (text, expires) = answer
            .json()
            .ok()
            .filter(|_| answer.succeeded())
            .and_then(|json| session::parse_token(&json))
            .ok_or_else(|| {
                let why = self.failure(&answer);
                ExecError::failed(format!("no token for the cluster {}: {why}", access.name))
            })?;
        lock(&self.redactor).protect_text(&text);
        self.exec.store(PrivateFile::Token, &text).await?;
        if !same {
            let kubeconfig = session::kubeconfig(&access, PrivateFile::Token.name());
            self.exec.store(PrivateFile::Kubeconfig, &kubeconfig).await?;
        }
        *token = Some(Token { access, expires });
        Ok(())
    }

    /// Renews the token for as long as a command runs that uses it.
    pub(super) async fn keep_token(&self) -> Infallible {
        loop {
            let good_for = self.session.token.lock().await.as_ref().map_or(0, Token::good_for);
            sleep(Duration::from_secs(good_for).max(Duration::from_secs(1))).await;
            if let Err(error) = self.ready_token().await {
                self.tell_once(&format!("the cluster's token could not be renewed: {error}"));
                sleep(RENEWAL_PAUSE).await;
            }
        }
    }
}
