//! Managed policies, their versions and attachments.

use serde_json::json;

use super::{Account, Fails, Nothing, Shows, text};

#[test]
fn a_policy_from_creation_to_deletion() {
    Account::new().play(&[
        ("iam get-policy --policy-arn {OWN}/p", Fails("NoSuchEntity", "Policy arn:aws:iam::111122223333:policy/p was not found.")),
        ("iam get-policy --policy-arn arn:aws:iam::aws:role/whatever", Fails("InvalidInput", "ARN arn:aws:iam::aws:role/whatever is not valid.")),
        (
            "iam create-policy --policy-name p --policy-document {POLICY} --description d --tags Key=a,Value=b",
            Shows(json!({"Policy": {"PolicyName": "p", "DefaultVersionId": "v1", "AttachmentCount": 0, "IsAttachable": true, "Tags": [{"Key": "a", "Value": "b"}]}})),
        ),
        ("iam create-policy --policy-name p --path /x/ --policy-document {POLICY}", Fails("EntityAlreadyExists", "A policy called p already exists. Duplicate names are not allowed.")),
        ("iam get-policy --policy-arn {OWN}/p", Shows(json!({"Policy": {"Description": "d", "Path": "/"}}))),
        ("iam get-policy --policy-arn {OWN}/x/p", Fails("NoSuchEntity", "Policy arn:aws:iam::111122223333:policy/x/p was not found.")),
        ("iam get-policy-version --policy-arn {OWN}/p --version-id v1", Shows(json!({"PolicyVersion": {"VersionId": "v1", "IsDefaultVersion": true, "Document": {"Statement": [{"Action": "s3:GetObject"}]}}}))),
        ("iam tag-policy --policy-arn {OWN}/p --tags Key=c,Value=d", Nothing),
        ("iam untag-policy --policy-arn {OWN}/p --tag-keys a", Nothing),
        ("iam list-policy-tags --policy-arn {OWN}/p", Shows(json!({"Tags": [{"Key": "c", "Value": "d"}]}))),
        ("iam list-policies --scope Local", Shows(json!({"Policies": [{"PolicyName": "billing-reader"}, {"PolicyName": "p"}]}))),
        ("iam list-policies --scope Local --only-attached", Shows(json!({"Policies": [{"PolicyName": "billing-reader"}]}))),
        ("iam delete-policy --policy-arn {OWN}/billing-reader", Fails("DeleteConflict", "Cannot delete a policy attached to entities.")),
        ("iam delete-policy --policy-arn {OWN}/p", Nothing),
        ("iam list-policy-versions --policy-arn {OWN}/p", Fails("NoSuchEntity", "Policy arn:aws:iam::111122223333:policy/p was not found.")),
    ]);
}

#[test]
fn at_most_five_versions() {
    let mut account = Account::new();
    account.play(&[
        ("iam create-policy --policy-name p --policy-document {POLICY}", Shows(json!({}))),
        ("iam create-policy-version --policy-arn {OWN}/p --policy-document {POLICY}", Shows(json!({"PolicyVersion": {"VersionId": "v2", "IsDefaultVersion": false}}))),
        ("iam create-policy-version --policy-arn {OWN}/p --policy-document {POLICY} --set-as-default", Shows(json!({"PolicyVersion": {"VersionId": "v3", "IsDefaultVersion": true}}))),
        ("iam create-policy-version --policy-arn {OWN}/p --policy-document {POLICY}", Shows(json!({}))),
        ("iam create-policy-version --policy-arn {OWN}/p --policy-document {POLICY} --no-set-as-default", Shows(json!({}))),
        (
            "iam create-policy-version --policy-arn {OWN}/p --policy-document {POLICY}",
            Fails("LimitExceeded", "A managed policy can have up to 5 versions. Before you create a new version, you must delete an existing version."),
        ),
        ("iam delete-policy-version --policy-arn {OWN}/p --version-id v3", Fails("DeleteConflict", "Cannot delete the default version of a policy.")),
        ("iam delete-policy-version --policy-arn {OWN}/p --version-id v5", Nothing),
        ("iam delete-policy-version --policy-arn {OWN}/p --version-id v5", Fails(
            "NoSuchEntity",
            "Policy arn:aws:iam::111122223333:policy/p version v5 does not exist or is not attachable.",
        )),
        // A number is never used again.
        ("iam create-policy-version --policy-arn {OWN}/p --policy-document {POLICY}", Shows(json!({"PolicyVersion": {"VersionId": "v6"}}))),
        ("iam set-default-policy-version --policy-arn {OWN}/p --version-id v1", Nothing),
        ("iam get-policy --policy-arn {OWN}/p", Shows(json!({"Policy": {"DefaultVersionId": "v1"}}))),
        ("iam list-policy-versions --policy-arn {OWN}/p", Shows(json!({"Versions": [
            {"VersionId": "v6", "IsDefaultVersion": false},
            {"VersionId": "v4", "IsDefaultVersion": false},
            {"VersionId": "v3", "IsDefaultVersion": false},
            {"VersionId": "v2", "IsDefaultVersion": false},
            {"VersionId": "v1", "IsDefaultVersion": true},
        ]}))),
        (
            "iam delete-policy --policy-arn {OWN}/p",
            Fails("DeleteConflict", "This policy has more than one version. Before you delete a policy, you must delete the policy's versions. The default version is deleted with the policy."),
        ),
    ]);
    let listed = account.ok("iam list-policy-versions --policy-arn {OWN}/p");
    assert!(listed["Versions"][0].get("Document").is_none());
}

#[test]
fn attachments_are_seen_from_both_sides() {
    Account::new().play(&[
        ("iam create-role --role-name r --assume-role-policy-document {EC2}", Shows(json!({}))),
        ("iam create-policy --policy-name p --policy-document {POLICY}", Shows(json!({}))),
        ("iam attach-role-policy --role-name r --policy-arn {OWN}/p", Nothing),
        ("iam attach-role-policy --role-name r --policy-arn {OWN}/p", Nothing),
        ("iam attach-role-policy --role-name r --policy-arn {AWS}/service-role/AmazonEBSCSIDriverPolicy", Nothing),
        (
            "iam attach-role-policy --role-name r --policy-arn {AWS}/AmazonEBSCSIDriverPolicy",
            Fails("NoSuchEntity", "Policy arn:aws:iam::aws:policy/AmazonEBSCSIDriverPolicy does not exist or is not attachable."),
        ),
        ("iam attach-role-policy --role-name no --policy-arn {OWN}/p", Fails("NoSuchEntity", "The role with name no cannot be found.")),
        ("iam list-attached-role-policies --role-name r", Shows(json!({"AttachedPolicies": [
            {"PolicyName": "p", "PolicyArn": "arn:aws:iam::111122223333:policy/p"},
            {"PolicyName": "AmazonEBSCSIDriverPolicy", "PolicyArn": "arn:aws:iam::aws:policy/service-role/AmazonEBSCSIDriverPolicy"},
        ]}))),
        ("iam list-attached-role-policies --role-name r --path-prefix /service-role/", Shows(json!({"AttachedPolicies": [{"PolicyName": "AmazonEBSCSIDriverPolicy"}]}))),
        ("iam get-policy --policy-arn {OWN}/p", Shows(json!({"Policy": {"AttachmentCount": 1}}))),
        ("iam list-entities-for-policy --policy-arn {OWN}/p", Shows(json!({"PolicyGroups": [], "PolicyUsers": [], "PolicyRoles": [{"RoleName": "r"}]}))),
        ("iam list-entities-for-policy --policy-arn {OWN}/p --entity-filter User", Shows(json!({"PolicyRoles": []}))),
        ("iam delete-policy --policy-arn {OWN}/p", Fails("DeleteConflict", "Cannot delete a policy attached to entities.")),
        ("iam detach-role-policy --role-name r --policy-arn {OWN}/p", Nothing),
        ("iam detach-role-policy --role-name r --policy-arn {OWN}/p", Fails("NoSuchEntity", "Policy arn:aws:iam::111122223333:policy/p was not found.")),
        ("iam delete-policy --policy-arn {OWN}/p", Nothing),
        ("iam get-policy-version --policy-arn {AWS}/AmazonEKSWorkerNodePolicy --version-id v3", Shows(json!({"PolicyVersion": {"IsDefaultVersion": true}}))),
    ]);
}

#[test]
fn ten_policies_on_a_role() {
    let mut account = Account::new();
    account.ok("iam create-role --role-name r --assume-role-policy-document {EC2}");
    for at in 0..11 {
        account.ok(&format!("iam create-policy --policy-name p{at} --policy-document {{POLICY}}"));
        let output = account
            .run(&format!("iam attach-role-policy --role-name r --policy-arn {{OWN}}/p{at}"));
        if at < 10 {
            assert_eq!(output.code, 0);
        } else {
            assert!(
                text(&output.stderr).ends_with("Cannot exceed quota for PoliciesPerRole: 10\n")
            );
        }
    }
}

#[test]
fn sizes_are_limited() {
    let mut account = Account::new();
    account.ok("iam create-role --role-name r --assume-role-policy-document {EC2}");
    let document = |size: usize| {
        let resource = "x".repeat(size);
        format!(
            r#"{{"Version":"2012-10-17","Statement":[{{"Effect":"Allow","Action":"s3:*","Resource":"arn:aws:s3:::{resource}"}}]}}"#
        )
    };
    let output = account
        .run(&format!("iam create-policy --policy-name p --policy-document {}", document(6100)));
    assert!(text(&output.stderr).ends_with("Cannot exceed quota for PolicySize: 6144\n"));
    account.ok(&format!(
        "iam put-role-policy --role-name r --policy-name a --policy-document {}",
        document(6000)
    ));
    let output = account.run(&format!(
        "iam put-role-policy --role-name r --policy-name b --policy-document {}",
        document(6000)
    ));
    assert!(
        text(&output.stderr).ends_with("Maximum policy size of 10240 bytes exceeded for role r\n")
    );
}

#[test]
fn the_summary_counts() {
    let mut account = Account::new();
    let before = account.ok("iam get-account-summary")["SummaryMap"]["Roles"].as_i64().unwrap();
    account.ok("iam create-role --role-name r --assume-role-policy-document {EC2}");
    let after = account.ok("iam get-account-summary");
    assert_eq!(after["SummaryMap"]["Roles"], before + 1);
    assert_eq!(after["SummaryMap"]["VersionsPerPolicyQuota"], 5);
}
