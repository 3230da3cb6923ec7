//! Many objects of a kind: they are read by a few commands that tell of all,
//! and what these tell is what each alone tells.

use std::fmt::Write as _;

use crate::Case;
use crate::stacks::TRUST;
use crate::stage::Stage;
use crate::world::LOCAL;

pub const CASES: &[Case] =
    &[Case { name: "many_are_read_at_once_as_each_alone", on: LOCAL, needs: None, run: at_once }];

const DOCUMENT: &str = "{Version: '2012-10-17', Statement: [{Effect: Allow, Action: 's3:GetObject', \
                        Resource: 'arn:aws:s3:::lake/*'}]}";
const OTHER: &str =
    r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"s3:*","Resource":"*"}]}"#;
const READER: &str = "arn:aws:iam::aws:policy/AmazonEC2ContainerRegistryReadOnly";

/// Three roles, policies, associations and entries.
fn manifests() -> String {
    let mut all = String::from(
        "apiVersion: lkh/v1
kind: EksCluster
metadata: {name: main, phase: main}
external: true
spec: {name: '${var.cluster}'}
",
    );
    let mut add = |kind: &str, name: &str, spec: &str| {
        let _ = write!(
            all,
            "---\napiVersion: lkh/v1\nkind: {kind}\nmetadata: {{name: {name}, phase: main}}\n\
             spec: {spec}\n"
        );
    };
    for at in 1..=3 {
        let spec = format!(
            "{{roleName: Many{at}, path: /lake/, description: 'number {at}', \
             maxSessionDuration: 7200, managedPolicies: ['{READER}'], \
             inlinePolicies: {{own: {DOCUMENT}}}, tags: {{team: lake}}, \
             permissionsBoundary: 'arn:aws:iam::aws:policy/AmazonEKSWorkerNodePolicy', \
             trustPolicy: {{Version: '2012-10-17', Statement: [{{Effect: Allow, \
             Principal: {{Service: pods.eks.amazonaws.com}}, \
             Action: ['sts:AssumeRole', 'sts:TagSession']}}]}}}}"
        );
        add("IamRole", &format!("many{at}"), &spec);
    }
    for at in 1..=3 {
        let tags = if at == 2 { ", tags: {team: lake}" } else { "" };
        let spec = format!("{{policyName: Many{at}, document: {DOCUMENT}{tags}}}");
        add("IamPolicy", &format!("many{at}"), &spec);
        let spec = format!(
            "{{clusterName: '${{EksCluster.main.name}}', namespace: lake, serviceAccount: many{at}, \
             roleArn: '${{IamRole.many{at}.arn}}'}}"
        );
        add("PodIdentityAssociation", &format!("many{at}"), &spec);
        let spec = format!(
            "{{clusterName: '${{EksCluster.main.name}}', principalArn: '${{IamRole.many{at}.arn}}'}}"
        );
        add("EksAccessEntry", &format!("many{at}"), &spec);
    }
    all
}

fn at_once(stage: &Stage) {
    stage.write_stack(&[("all.yaml", &manifests())]);
    stage.apply();

    let start = stage.world.trace().map(|trace| trace.len());
    let plan = stage.plan();
    assert_eq!(plan.code, 0, "{plan}");
    if let (Some(start), Some(trace)) = (start, stage.world.trace()) {
        let count = |words: &str| trace[start..].iter().filter(|argv| argv.contains(words)).count();
        for (words, expected) in [
            ("aws iam ", 4),
            ("aws iam get-account-authorization-details ", 2),
            ("aws iam list-roles ", 1),
            ("aws iam list-policy-tags ", 1),
            ("aws eks list-pod-identity-associations ", 1),
            ("aws eks describe-pod-identity-association ", 3),
            ("aws eks describe-access-entry ", 3),
            ("aws eks list-associated-access-policies ", 3),
        ] {
            assert_eq!(count(words), expected, "{words}: {:#?}", &trace[start..]);
        }
    }

    // Whatever can differ, behind the back of all of them.
    let account = stage.world.account().to_owned();
    let other_trust = TRUST.replace("ec2.amazonaws.com", "eks.amazonaws.com");
    stage.aws_with(
        "iam update-assume-role-policy --role-name Many1 --policy-document",
        &[&other_trust],
    );
    stage.aws_with(
        "iam update-role --role-name Many1 --max-session-duration 3600 --description",
        &["someone's"],
    );
    stage.aws("iam delete-role-permissions-boundary --role-name Many2");
    stage.aws("iam tag-role --role-name Many2 --tags Key=team,Value=other Key=owner,Value=someone");
    stage.aws(&format!("iam detach-role-policy --role-name Many3 --policy-arn {READER}"));
    for policy in ["own", "theirs"] {
        let put = format!("iam put-role-policy --role-name Many3 --policy-name {policy}");
        stage.aws_with(&format!("{put} --policy-document"), &[OTHER]);
    }
    let policy = |at: u32| format!("arn:aws:iam::{account}:policy/Many{at}");
    let version = format!("iam create-policy-version --set-as-default --policy-arn {}", policy(1));
    stage.aws_with(&format!("{version} --policy-document"), &[OTHER]);
    // The emulator can't put a version in force again, so none is left that would do.
    let first = format!("iam delete-policy-version --version-id v1 --policy-arn {}", policy(1));
    stage.aws(&first);
    stage.aws(&format!("iam untag-policy --tag-keys team --policy-arn {}", policy(2)));

    let plan = stage.plan();
    plan.expect_drift("IamRole.many1", &["description", "maxSessionDuration", "trustPolicy"])
        .expect_drift("IamRole.many2", &["permissionsBoundary", "tags/team"])
        .expect_drift(
            "IamRole.many3",
            &["inlinePolicies/own", &format!("managedPolicies/{READER}")],
        )
        .expect_drift("IamPolicy.many1", &["document"])
        .expect_drift("IamPolicy.many2", &["tags/team"]);
    assert!(plan.foreign("IamRole.many2").contains(&"tags/owner".to_owned()), "{plan}");
    assert!(plan.foreign("IamRole.many3").contains(&"inlinePolicies/theirs".to_owned()), "{plan}");
    // The same is told of each where it is the only one that is looked at.
    for address in ["IamRole.many3", "IamPolicy.many2"] {
        let alone = stage.plan_with(&["--target", address]);
        assert_eq!(alone.of(address), plan.of(address));
    }
    stage.apply();
    stage.expect_clean();
}
