//! What the delta says of each resource, in the words that risks are told by.
//!
//! This module must not judge again: it only picks the words.

use std::fmt::Write as _;

use super::{AccessDelta, Flag, PrincipalDelta, Verdict};
use crate::plan::risk::{self, Verdicts};

/// So many gains are named where no flag says more.
const NAMED: usize = 2;

impl AccessDelta {
    /// What is known of the access that each resource's change gives or takes.
    pub fn verdicts(&self) -> Verdicts {
        let mut verdicts = Verdicts::new();
        for delta in &self.principals {
            add(&mut verdicts, &delta.address, of_principal(delta));
        }
        for binding in &self.bindings {
            let said = if binding.gained {
                let (account, role) = (&binding.service_account, &binding.role);
                risk::Verdict::Wider(format!("the pods of {account} get the role {role}"))
            } else {
                risk::Verdict::Narrower
            };
            add(&mut verdicts, &binding.address, said);
        }
        verdicts
    }
}

fn of_principal(delta: &PrincipalDelta) -> risk::Verdict {
    match delta.verdict {
        Verdict::Unchanged | Verdict::Reformatted => risk::Verdict::Same,
        Verdict::Narrowed => risk::Verdict::Narrower,
        Verdict::Undecided => {
            let why = delta.undecided.first().map_or("it can't be compared", String::as_str);
            risk::Verdict::Undecided(why.to_owned())
        }
        Verdict::Widened | Verdict::Both => {
            let flags: Vec<&str> = delta.flags.iter().copied().map(Flag::words).collect();
            let aspect = delta.aspect.words();
            let what = if flags.is_empty() {
                let gains = delta.gains.iter().take(NAMED);
                let mut gains = gains.map(super::Grant::as_gain).collect::<Vec<_>>().join("; ");
                let more = delta.gains.len().saturating_sub(NAMED);
                if more > 0 {
                    let _ = write!(gains, "; and {more} more");
                }
                gains
            } else {
                flags.join(", ")
            };
            risk::Verdict::Wider(format!("{aspect} gets wider: {what}"))
        }
    }
}

/// Adds what was said; what needs more of a look stays.
fn add(verdicts: &mut Verdicts, address: &crate::address::Address, said: risk::Verdict) {
    use risk::Verdict::{Narrower, Same, Undecided, Wider};
    let told = match (verdicts.remove(address), said) {
        (None, said) => said,
        (Some(Wider(one)), Wider(other)) => Wider(format!("{one}; {other}")),
        (Some(wider @ Wider(_)), _) | (_, wider @ Wider(_)) => wider,
        (Some(undecided @ Undecided(_)), _) | (_, undecided @ Undecided(_)) => undecided,
        (Some(Narrower), _) | (_, Narrower) => Narrower,
        (Some(Same), Same) => Same,
    };
    verdicts.insert(address.clone(), told);
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::access::{Aspect, Binding, BindingDelta, Grant};

    fn delta(aspect: Aspect, verdict: Verdict, flags: &[Flag]) -> PrincipalDelta {
        PrincipalDelta {
            address: "IamRole.a".parse().unwrap(),
            aspect,
            principal: "role a".into(),
            verdict,
            gains: vec![
                Grant::ManagedPolicy { arn: "one".into() },
                Grant::ManagedPolicy { arn: "two".into() },
                Grant::ManagedPolicy { arn: "three".into() },
            ],
            losses: vec![],
            flags: flags.iter().copied().collect::<BTreeSet<_>>(),
            undecided: vec!["a variable is in it".into()],
        }
    }

    fn told(principals: Vec<PrincipalDelta>) -> risk::Verdict {
        let delta = AccessDelta { principals, bindings: vec![] };
        delta.verdicts().remove(&"IamRole.a".parse().unwrap()).unwrap()
    }

    #[test]
    fn what_needs_the_longest_look_is_said() {
        let wide = delta(Aspect::Permissions, Verdict::Both, &[Flag::PassRole]);
        let narrow = delta(Aspect::Trust, Verdict::Narrowed, &[]);
        let same = delta(Aspect::Trust, Verdict::Reformatted, &[]);
        let unsure = delta(Aspect::Trust, Verdict::Undecided, &[]);
        let said = risk::Verdict::Wider("what it may do gets wider: iam:PassRole".into());
        assert_eq!(told(vec![wide.clone(), narrow.clone()]), said);
        assert_eq!(told(vec![unsure.clone(), wide]), said);
        let said = risk::Verdict::Undecided("a variable is in it".into());
        assert_eq!(told(vec![narrow.clone(), unsure]), said);
        assert_eq!(told(vec![same.clone(), narrow]), risk::Verdict::Narrower);
        assert_eq!(told(vec![same]), risk::Verdict::Same);
        let plain = told(vec![delta(Aspect::Permissions, Verdict::Widened, &[])]);
        let said = "what it may do gets wider: everything in one; everything in two; and 1 more";
        assert_eq!(plain, risk::Verdict::Wider(said.into()));
    }

    #[test]
    fn a_binding_that_is_gained_is_wider_access() {
        let binding = |gained| BindingDelta {
            cluster: String::new(),
            service_account: "n/a".into(),
            role: "r".into(),
            gained,
            by: Binding::PodIdentity,
            address: "PodIdentityAssociation.a".parse().unwrap(),
        };
        let verdict = |gained| {
            let bindings = vec![binding(gained)];
            let mut verdicts = AccessDelta { principals: vec![], bindings }.verdicts();
            verdicts.remove(&"PodIdentityAssociation.a".parse().unwrap()).unwrap()
        };
        assert_eq!(verdict(true), risk::Verdict::Wider("the pods of n/a get the role r".into()));
        assert_eq!(verdict(false), risk::Verdict::Narrower);
    }
}
