//! The `Job` controller: pods until enough of them completed, or too many
//! failed.

use serde_json::{Value, json};

use super::super::store::{self, Key};
use super::Control;
use super::events::Weight;
use super::replica_set::put_count;

impl Control<'_> {
    pub(super) fn job(&mut self, key: &Key) {
        let Some(mut job) = self.object(key) else { return };
        let number = |name: &str, default: i64| {
            job.pointer(&format!("/spec/{name}")).and_then(Value::as_i64).unwrap_or(default)
        };
        let ended = store::is_true(&job, "Complete") || store::is_true(&job, "Failed");
        let suspended = job.pointer("/spec/suspend") == Some(&json!(true));
        if ended || suspended || job.pointer("/metadata/deletionTimestamp").is_some() {
            return;
        }
        let (completions, parallelism) = (number("completions", 1), number("parallelism", 1));
        let patience = number("backoffLimit", 6);
        let pods = self.all_pods_of(&job);
        let in_phase = |phase: &str| {
            let count = pods.iter().filter(|pod| pod.phase == phase).count();
            i64::try_from(count).unwrap_or(i64::MAX)
        };
        let (succeeded, failed) = (in_phase("Succeeded"), in_phase("Failed"));
        let active =
            i64::try_from(pods.iter().filter(|pod| pod.active).count()).unwrap_or(i64::MAX);
        let now = self.now.clone();
        let mut made = 0;
        if succeeded < completions && failed <= patience {
            for _ in active..parallelism.min(completions - succeeded) {
                let name = format!("{}-{}", key.name(), store::next_suffix(self.world, false));
                let prefix = format!("{}-", key.name());
                let result = self
                    .make_pod(&job, &name, |pod| pod["metadata"]["generateName"] = json!(prefix));
                if result.is_err() {
                    break;
                }
                made += 1;
                let message = format!("Created pod: {name}");
                self.event(&job, "job-controller", Weight::Normal, "SuccessfulCreate", &message);
            }
        }
        if !job.get("status").is_some_and(Value::is_object) {
            job["status"] = json!({});
        }
        let status = &mut job["status"];
        if status.get("startTime").is_none() {
            status["startTime"] = json!(now);
        }
        put_count(status, "active", active + made);
        put_count(status, "succeeded", succeeded);
        put_count(status, "failed", failed);
        let ready = pods.iter().filter(|pod| pod.active && pod.ready).count();
        status["ready"] = json!(ready);
        status["terminating"] = json!(0);
        status["uncountedTerminatedPods"] = json!({});
        if succeeded >= completions {
            job["status"]["completionTime"] = json!(now);
            for kind in ["SuccessCriteriaMet", "Complete"] {
                let message = "Reached expected number of succeeded pods";
                let condition = json!({
                    "type": kind, "status": "True", "reason": "CompletionsReached", "message": message,
                    "lastProbeTime": now,
                });
                store::set_condition(&mut job, condition, &now);
            }
            self.event(&job, "job-controller", Weight::Normal, "Completed", "Job completed");
        } else if failed > patience {
            for kind in ["FailureTarget", "Failed"] {
                let message = "Job has reached the specified backoff limit";
                let condition = json!({
                    "type": kind, "status": "True", "reason": "BackoffLimitExceeded", "message": message,
                    "lastProbeTime": now,
                });
                store::set_condition(&mut job, condition, &now);
            }
            let message = "Job has reached the specified backoff limit";
            self.event(&job, "job-controller", Weight::Warning, "BackoffLimitExceeded", message);
        }
        self.put(key, job);
    }
}
