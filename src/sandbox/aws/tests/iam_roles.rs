//! Roles, instance profiles, service-linked roles.

use serde_json::json;

use super::{Account, Fails, Nothing, Shows, text};

#[test]
fn a_role_from_creation_to_deletion() {
    Account::new().play(&[
        ("iam get-role --role-name r", Fails("NoSuchEntity", "The role with name r cannot be found.")),
        (
            "iam create-role --role-name r --path /a/b/ --assume-role-policy-document {EC2} --description d --max-session-duration 7200",
            Shows(json!({"Role": {"Path": "/a/b/", "Arn": "arn:aws:iam::111122223333:role/a/b/r", "Description": "d"}})),
        ),
        (
            "iam create-role --role-name R --assume-role-policy-document {EC2}",
            Fails("EntityAlreadyExists", "Role with name R already exists."),
        ),
        (
            "iam get-role --role-name r",
            Shows(json!({"Role": {"MaxSessionDuration": 7200, "RoleLastUsed": {}, "AssumeRolePolicyDocument": {"Version": "2012-10-17"}}})),
        ),
        // What update-role is not told, it resets.
        ("iam update-role --role-name r --description e", Nothing),
        ("iam get-role --role-name r", Shows(json!({"Role": {"MaxSessionDuration": 3600, "Description": "e"}}))),
        ("iam update-role --role-name r --max-session-duration 43201", Fails(
            "ValidationError",
            "1 validation error detected: Value '43201' at 'maxSessionDuration' failed to satisfy constraint: Member must have value less than or equal to 43200",
        )),
        ("iam update-role-description --role-name r --description f", Shows(json!({"Role": {"Description": "f"}}))),
        ("iam update-assume-role-policy --role-name r --policy-document {POD}", Nothing),
        (
            "iam get-role --role-name r",
            Shows(json!({"Role": {"AssumeRolePolicyDocument": {"Statement": [{"Principal": {"Service": "pods.eks.amazonaws.com"}}]}}})),
        ),
        (
            "iam update-assume-role-policy --role-name r --policy-document {",
            Fails("MalformedPolicyDocument", "This policy contains invalid Json"),
        ),
        ("iam delete-role --role-name r", Nothing),
        ("iam delete-role --role-name r", Fails("NoSuchEntity", "The role with name r cannot be found.")),
    ]);
}

#[test]
fn what_holds_a_role_back() {
    Account::new().play(&[
        ("iam create-role --role-name r --assume-role-policy-document {EC2}", Shows(json!({}))),
        ("iam create-instance-profile --instance-profile-name p", Shows(json!({"InstanceProfile": {"Roles": []}}))),
        ("iam create-instance-profile --instance-profile-name p", Fails("EntityAlreadyExists", "Instance Profile p already exists.")),
        ("iam add-role-to-instance-profile --instance-profile-name p --role-name r", Nothing),
        (
            "iam add-role-to-instance-profile --instance-profile-name p --role-name r",
            Fails("LimitExceeded", "Cannot exceed quota for InstanceSessionsPerInstanceProfile: 1"),
        ),
        ("iam list-instance-profiles-for-role --role-name r", Shows(json!({"InstanceProfiles": [{"InstanceProfileName": "p", "Roles": [{"RoleName": "r"}]}]}))),
        ("iam attach-role-policy --role-name r --policy-arn {AWS}/AmazonEKSWorkerNodePolicy", Nothing),
        ("iam put-role-policy --role-name r --policy-name in --policy-document {POLICY}", Nothing),
        ("iam delete-role --role-name r", Fails("DeleteConflict", "Cannot delete entity, must remove roles from instance profile first.")),
        ("iam delete-instance-profile --instance-profile-name p", Fails("DeleteConflict", "Cannot delete entity, must remove roles from instance profile first.")),
        ("iam remove-role-from-instance-profile --instance-profile-name p --role-name r", Nothing),
        ("iam delete-instance-profile --instance-profile-name p", Nothing),
        ("iam get-instance-profile --instance-profile-name p", Fails("NoSuchEntity", "Instance Profile p cannot be found.")),
        ("iam delete-role --role-name r", Fails("DeleteConflict", "Cannot delete entity, must detach all policies first.")),
        ("iam detach-role-policy --role-name r --policy-arn {AWS}/AmazonEKSWorkerNodePolicy", Nothing),
        ("iam delete-role --role-name r", Fails("DeleteConflict", "Cannot delete entity, must delete policies first.")),
        ("iam list-role-policies --role-name r", Shows(json!({"PolicyNames": ["in"]}))),
        ("iam get-role-policy --role-name r --policy-name in", Shows(json!({"RoleName": "r", "PolicyName": "in", "PolicyDocument": {"Version": "2012-10-17"}}))),
        ("iam get-role-policy --role-name r --policy-name no", Fails("NoSuchEntity", "The role policy with name no cannot be found.")),
        ("iam delete-role-policy --role-name r --policy-name in", Nothing),
        ("iam delete-role-policy --role-name r --policy-name in", Fails("NoSuchEntity", "The role policy with name in cannot be found.")),
        ("iam delete-role --role-name r", Nothing),
    ]);
}

#[test]
fn tags_of_a_role() {
    let mut account = Account::new();
    account.play(&[
        ("iam create-role --role-name r --assume-role-policy-document {EC2} --tags Key=a,Value=1 Key=b,Value=", Shows(json!({}))),
        ("iam tag-role --role-name r --tags Key=A,Value=2 Key=c,Value=3", Nothing),
        ("iam untag-role --role-name r --tag-keys b none", Nothing),
        ("iam list-role-tags --role-name r", Shows(json!({"Tags": [{"Key": "A", "Value": "2"}, {"Key": "c", "Value": "3"}]}))),
        ("iam get-role --role-name r", Shows(json!({"Role": {"Tags": [{"Key": "A", "Value": "2"}, {"Key": "c", "Value": "3"}]}}))),
        (
            "iam tag-role --role-name r --tags Key=x,Value=1 Key=X,Value=2",
            Fails("InvalidInput", "Duplicate tag keys found. Please note that Tag keys are case insensitive."),
        ),
    ]);
    let many: Vec<String> = (0..49).map(|at| format!("Key=k{at},Value=v")).collect();
    let output = account.run(&format!("iam tag-role --role-name r --tags {}", many.join(" ")));
    assert!(text(&output.stderr).contains("(LimitExceeded)"));
    // Lists leave tags out.
    let listed = account.ok("iam list-roles --path-prefix /");
    assert!(listed["Roles"].as_array().unwrap().iter().all(|role| role.get("Tags").is_none()));
}

#[test]
fn names_and_paths_are_checked() {
    let mut account = Account::new();
    account.play(&[
        ("iam get-role --role-name a/b", Fails(
            "ValidationError",
            "The specified value for roleName is invalid. It must contain only alphanumeric characters and/or the following: +=,.@_-",
        )),
        ("iam create-role --role-name r --path x --assume-role-policy-document {EC2}", Fails(
            "ValidationError",
            "The specified value for path is invalid. It must begin and end with / and contain only alphanumeric characters and/or / characters.",
        )),
    ]);
    let long = "r".repeat(65);
    let output = account.run(&format!("iam get-role --role-name {long}"));
    assert!(text(&output.stderr).contains("Member must have length less than or equal to 64"));
}

#[test]
fn a_trusted_role_is_known_by_its_id() {
    let mut account = Account::new();
    let trust = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"AWS":"arn:aws:iam::111122223333:role/friend"},"Action":"sts:AssumeRole"}]}"#;
    let create = format!("iam create-role --role-name r --assume-role-policy-document {trust}");
    let principal = "/Role/AssumeRolePolicyDocument/Statement/0/Principal/AWS";

    let output = account.run(&create);
    assert!(text(&output.stderr).ends_with(
        "Invalid principal in policy: \"AWS\":\"arn:aws:iam::111122223333:role/friend\"\n"
    ));
    let friend =
        account.ok("iam create-role --role-name friend --assume-role-policy-document {EC2}");
    account.ok(&create);
    let shown = account.ok("iam get-role --role-name r");
    assert_eq!(shown.pointer(principal), friend.pointer("/Role/Arn"));

    account.ok("iam delete-role --role-name friend");
    account.ok("iam create-role --role-name friend --assume-role-policy-document {EC2}");
    let shown = account.ok("iam get-role --role-name r");
    assert_eq!(shown.pointer(principal), friend.pointer("/Role/RoleId"));
}

#[test]
fn a_boundary_is_put_replaced_and_removed() {
    Account::new().play(&[
        ("iam create-role --role-name r --assume-role-policy-document {EC2}", Shows(json!({}))),
        ("iam create-policy --policy-name p --policy-document {POLICY}", Shows(json!({}))),
        ("iam put-role-permissions-boundary --role-name r --permissions-boundary {OWN}/p", Nothing),
        ("iam get-role --role-name r", Shows(json!({"Role": {"PermissionsBoundary": {"PermissionsBoundaryType": "Policy", "PermissionsBoundaryArn": "arn:aws:iam::111122223333:policy/p"}}}))),
        ("iam get-policy --policy-arn {OWN}/p", Shows(json!({"Policy": {"AttachmentCount": 0, "PermissionsBoundaryUsageCount": 1}}))),
        ("iam list-entities-for-policy --policy-arn {OWN}/p --policy-usage-filter PermissionsBoundary", Shows(json!({"PolicyRoles": [{"RoleName": "r"}]}))),
        ("iam delete-policy --policy-arn {OWN}/p", Fails("DeleteConflict", "Cannot delete a policy attached to entities.")),
        ("iam put-role-permissions-boundary --role-name r --permissions-boundary {AWS}/PowerUserAccess", Nothing),
        ("iam delete-policy --policy-arn {OWN}/p", Nothing),
        ("iam delete-role-permissions-boundary --role-name r", Nothing),
        ("iam get-policy --policy-arn {AWS}/PowerUserAccess", Shows(json!({"Policy": {"PermissionsBoundaryUsageCount": 0}}))),
    ]);
}

#[test]
fn the_spot_role_is_made_once() {
    let mut account = Account::new();
    account.play(&[
        ("iam list-roles --path-prefix /aws-service-role/spot.amazonaws.com/", Shows(json!({"Roles": []}))),
        (
            "iam create-service-linked-role --aws-service-name spot.amazonaws.com --custom-suffix x",
            Fails("InvalidInput", "Custom suffix is not allowed for spot.amazonaws.com"),
        ),
        (
            "iam create-service-linked-role --aws-service-name spot.amazonaws.com",
            Shows(json!({"Role": {"RoleName": "AWSServiceRoleForEC2Spot", "Path": "/aws-service-role/spot.amazonaws.com/"}})),
        ),
        (
            "iam create-service-linked-role --aws-service-name spot.amazonaws.com",
            Fails("InvalidInput", "Service role name AWSServiceRoleForEC2Spot has been taken in this account, please try a different suffix."),
        ),
        (
            "iam update-role --role-name AWSServiceRoleForEC2Spot --description x",
            Fails("UnmodifiableEntity", "Cannot perform the operation on the protected role 'AWSServiceRoleForEC2Spot' - this role is only modifiable by AWS"),
        ),
        ("iam list-attached-role-policies --role-name AWSServiceRoleForEC2Spot", Shows(json!({"AttachedPolicies": [{"PolicyName": "AWSEC2SpotServiceRolePolicy"}]}))),
    ]);
    let task = account.ok("iam delete-service-linked-role --role-name AWSServiceRoleForEC2Spot");
    let task = task["DeletionTaskId"].as_str().unwrap().to_owned();
    let status = format!("iam get-service-linked-role-deletion-status --deletion-task-id {task}");
    assert_eq!(account.ok(&status)["Status"], "SUCCEEDED");
    account.play(&[(
        "iam get-role --role-name AWSServiceRoleForEC2Spot",
        Fails("NoSuchEntity", "The role with name AWSServiceRoleForEC2Spot cannot be found."),
    )]);
}
