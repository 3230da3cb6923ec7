//! IAM: versions of policies, drift of roles, and who an access entry is for.

use std::collections::BTreeSet;

use serde_json::json;

use crate::Case;
use crate::stacks::{ACCESS, ROLE, TRUST, policy};
use crate::stage::{Stage, owned};
use crate::world::{Backend, LOCAL};

pub const CASES: &[Case] = &[
    Case { name: "six_changes_of_a_policy_take_effect", on: LOCAL, needs: None, run: six_changes },
    Case { name: "drift_of_a_role_is_found_and_undone", on: LOCAL, needs: None, run: drift },
    Case { name: "an_entry_follows_a_role_made_anew", on: LOCAL, needs: None, run: made_anew },
];

fn six_changes(stage: &Stage) {
    let arn = format!("arn:aws:iam::{}:policy/Reader", stage.world.account());
    stage.write_stack(&[("policy.yaml", &policy(0))]);
    stage.apply();
    // Someone else uses it.
    stage.aws_with("iam create-role --role-name Neighbour --assume-role-policy-document", &[TRUST]);
    stage.aws(&format!("iam attach-role-policy --role-name Neighbour --policy-arn {arn}"));
    let versions = || {
        let found = stage.aws(&format!("iam list-policy-versions --policy-arn {arn}"));
        found["Versions"].as_array().unwrap().clone()
    };
    let in_force = || {
        let all = versions();
        assert!(all.len() <= 5, "{all:?}");
        let default: Vec<_> = all.iter().filter(|one| one["IsDefaultVersion"] == true).collect();
        assert_eq!(default.len(), 1);
        let version = owned(&default[0]["VersionId"]);
        let found =
            stage.aws(&format!("iam get-policy-version --policy-arn {arn} --version-id {version}"));
        owned(&found["PolicyVersion"]["Document"]["Statement"][0]["Sid"])
    };
    for number in 1..=6 {
        stage.write("policy.yaml", &policy(number));
        if number == 6 {
            let plan = stage.plan();
            plan.expect_only("IamPolicy.reader", "update");
            let commands = plan.commands("IamPolicy.reader");
            assert!(commands[0].contains("delete-policy-version"), "room first: {commands:?}");
            assert!(commands[1].contains("create-policy-version"), "{commands:?}");
        }
        stage.apply();
        assert_eq!(in_force(), format!("Change{number}"));
    }
    let found = stage.aws("iam list-attached-role-policies --role-name Neighbour");
    assert_eq!(found["AttachedPolicies"][0]["PolicyArn"], arn);
    // A version that exists is put in force again, and none is made.
    let before: Vec<_> = versions().iter().map(|one| owned(&one["VersionId"])).collect();
    stage.write("policy.yaml", &policy(4));
    let plan = stage.plan();
    let commands = plan.commands("IamPolicy.reader");
    assert_eq!(commands.len(), 1, "{commands:?}");
    assert!(commands[0].contains("set-default-policy-version"), "{commands:?}");
    // The emulator does not know that operation.
    if stage.backend == Backend::Sandbox {
        stage.apply();
        assert_eq!(in_force(), "Change4");
        let after: Vec<_> = versions().iter().map(|one| owned(&one["VersionId"])).collect();
        assert_eq!(before, after);
        stage.expect_clean();
    }
}

fn drift(stage: &Stage) {
    const NODE: &str = "IamRole.node";
    const OURS: &str = "arn:aws:iam::aws:policy/AmazonEKSWorkerNodePolicy";
    const THEIRS: &str = "arn:aws:iam::aws:policy/AmazonEKS_CNI_Policy";
    stage.write_stack(&[("role.yaml", ROLE)]);
    stage.apply();
    let before = stage.intents().len();

    let other = TRUST.replace("ec2.amazonaws.com", "eks.amazonaws.com");
    stage.aws_with(
        "iam update-assume-role-policy --role-name NodeRole --policy-document",
        &[&other],
    );
    let plan = stage.plan();
    assert_eq!(plan.code, 2);
    plan.expect_only(NODE, "update").expect_drift(NODE, &["trustPolicy"]);
    stage.apply();
    let role = stage.aws("iam get-role --role-name NodeRole");
    let trusted = &role["Role"]["AssumeRolePolicyDocument"]["Statement"][0]["Principal"];
    assert_eq!(*trusted, json!({"Service": "ec2.amazonaws.com"}));
    let commands: Vec<_> = stage.intents().split_off(before);
    assert_eq!(commands.len(), 1, "{commands:?}");
    assert!(commands[0].1.contains("update-assume-role-policy"), "{commands:?}");

    // One of ours is gone, and others have put things on the role.
    stage.aws(&format!("iam detach-role-policy --role-name NodeRole --policy-arn {OURS}"));
    stage.aws(&format!("iam attach-role-policy --role-name NodeRole --policy-arn {THEIRS}"));
    stage.aws("iam tag-role --role-name NodeRole --tags Key=owner,Value=someone");
    let plan = stage.plan();
    let detached = format!("managedPolicies/{OURS}");
    plan.expect_only(NODE, "update").expect_drift(NODE, &[&detached]);
    let foreign = plan.foreign(NODE);
    assert!(foreign.contains(&format!("managedPolicies/{THEIRS}")), "{foreign:?}");
    assert!(foreign.contains(&"tags/owner".to_owned()), "{foreign:?}");
    stage.lkh(&["plan"]).expect(0).expect_says(&["AmazonEKS_CNI_Policy", "left alone", "drift"]);
    stage.apply();

    let attached = || -> BTreeSet<String> {
        let found = stage.aws("iam list-attached-role-policies --role-name NodeRole");
        let found = found["AttachedPolicies"].as_array().unwrap();
        found.iter().map(|one| owned(&one["PolicyArn"])).collect()
    };
    assert_eq!(attached(), BTreeSet::from([OURS.to_owned(), THEIRS.to_owned()]));
    let found = stage.aws("iam list-role-tags --role-name NodeRole");
    let tags: BTreeSet<_> =
        found["Tags"].as_array().unwrap().iter().map(|tag| owned(&tag["Key"])).collect();
    assert_eq!(tags, ["owner", "team"].map(str::to_owned).into());

    // What others attached would go with the role, so the role stays.
    let plan = stage.plan_with(&["--destroy"]);
    assert_eq!(plan.code, 1, "{plan}");
    assert_eq!(plan.of(NODE)["blockers"][0]["code"], "RoleHasOtherPolicies", "{plan}");
    // Where the manifest says that the list is whole, they are taken off.
    stage.write("role.yaml", &(ROLE.to_owned() + "  exclusive: [managedPolicies]\n"));
    stage.apply();
    assert_eq!(attached(), BTreeSet::from([OURS.to_owned()]));
    stage.expect_clean();
}

fn made_anew(stage: &Stage) {
    const ENTRY: &str = "EksAccessEntry.node";
    stage.write_stack(&[("role.yaml", ROLE), ("access.yaml", ACCESS)]);
    stage.apply();
    let arn = format!("arn:aws:iam::{}:role/NodeRole", stage.world.account());
    let made_at = || {
        let cluster = stage.world.cluster();
        let found = stage.aws(&format!(
            "eks describe-access-entry --cluster-name {cluster} --principal-arn {arn}"
        ));
        found["accessEntry"]["createdAt"].clone()
    };
    for forget in [false, true] {
        let before = made_at();
        make_role_anew(stage);
        if forget {
            stage.lose_state();
        }
        let plan = stage.plan();
        assert_eq!(plan.code, 2);
        assert_eq!(plan.action(ENTRY), "replace", "{plan}");
        assert_eq!(plan.of(ENTRY)["reason"]["code"], "outdated", "{plan}");
        let expected = if forget { "adopt" } else { "no-op" };
        assert_eq!(plan.action("IamRole.node"), expected, "{plan}");
        stage.apply();
        assert_ne!(made_at(), before, "the entry is another one");
    }
    stage.expect_clean();
}

/// Deletes the role and makes it again, as someone does who tidies up.
fn make_role_anew(stage: &Stage) {
    const OURS: &str = "arn:aws:iam::aws:policy/AmazonEKSWorkerNodePolicy";
    // IAM tells in whole seconds when a role was made, and without the state
    // only that tells that the role is younger than its entry.
    std::thread::sleep(std::time::Duration::from_millis(1100));
    stage.aws(&format!("iam detach-role-policy --role-name NodeRole --policy-arn {OURS}"));
    stage.aws("iam delete-role --role-name NodeRole");
    stage.aws_with(
        "iam create-role --role-name NodeRole --tags Key=team,Value=lake \
         --assume-role-policy-document",
        &[TRUST],
    );
    stage.aws(&format!("iam attach-role-policy --role-name NodeRole --policy-arn {OURS}"));
}
