//! One resource in each situation, and what is decided.

use super::*;
use crate::adapter::Identity;
use crate::diff::Origin;

fn field(path: &[&str], after: Value) -> FieldChange {
    let mut segments = path.iter().copied();
    let first = Path::new(segments.next().unwrap_or_default());
    FieldChange {
        path: segments.fold(first, |path, segment| path.join(segment)),
        before: None,
        after: Some(after),
        origin: Origin::Change,
        replace: false,
    }
}

#[test]
fn what_exists_is_not_created_again_while_its_identity_is_not_known() {
    let part = |value: Value| Identity::new([("name", value)]);
    let unknown = Value::Unknown("${EksCluster.main.subnetIds}".into());
    let desired = Desired { identity: part(unknown), ..Desired::default() };
    let prior = Prior { identity: part("discovery".into()), ..Prior::default() };
    let present = Live::Present(Box::default());
    let decided = |prior, old| {
        decide(Facts {
            adapter: crate::adapter::Kind::Ec2Tags.adapter(),
            desired: Some(&desired),
            prior,
            live: None,
            old,
            external: false,
            prevent_destroy: false,
            ignore: &[],
            made_anew: None,
            missing: None,
            pending: false,
            cleared: false,
            mode: Mode::Apply,
            ahead: true,
        })
    };
    let unsure = decided(Some(&prior), Some(&present));
    assert_eq!((unsure.action, unsure.steps.len()), (Action::Unknown, 0));
    assert_eq!(unsure.blockers[0].code, "IdentityUnknown");
    assert!(unsure.blockers[0].message.starts_with("it exists as name=discovery"));
    // Whatever it will be called, it has to be made.
    assert_eq!(decided(Some(&prior), Some(&Live::Absent)).action, Action::Create);
    assert_eq!(decided(None, None).action, Action::Create);
}

#[test]
fn a_member_may_become_known_after_the_plan() {
    let decision =
        |fields| Decision { fields, ..Decision::without_steps(Action::Create, Reason::Absent) };
    let planned = |fields| {
        let decision: Decision = decision(fields);
        crate::plan::Change {
            address: "IamRole.a".parse().unwrap(),
            phase: None,
            identity: Identity::default(),
            action: decision.action,
            reason: decision.reason,
            fields: decision.fields,
            foreign: Vec::new(),
            before: None,
            after: None,
            notes: Vec::new(),
            commands: Vec::new(),
            depends_on: BTreeSet::new(),
            prevent_destroy: false,
            blockers: Vec::new(),
        }
    };
    let unknown = "${IamPolicy.p.arn}";
    let seen = planned(vec![field(&["set", unknown], Value::Unknown(unknown.into()))]);
    let found = |set: &str, text: &str| decision(vec![field(&[set, text], text.into())]);
    assert!(found("set", "arn:p").same_effect(&seen));
    assert!(!found("other", "arn:p").same_effect(&seen));
    // Nothing was known of a whole map: any entries may come, over nothing.
    let whole = planned(vec![field(&["set"], Value::Unknown("${EksCluster.a.subnetIds}".into()))]);
    assert!(found("set", "subnet-1").same_effect(&whole));
    assert!(!found("other", "subnet-1").same_effect(&whole));
    let mut over = found("set", "subnet-1");
    over.fields[0].before = Some("theirs".into());
    assert!(!over.same_effect(&whole));
    let known = planned(vec![field(&["set", "arn:p"], "arn:p".into())]);
    assert!(!found("set", "arn:q").same_effect(&known));
}
