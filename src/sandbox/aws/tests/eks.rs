//! Clusters, access entries, pod identity.

use serde_json::json;

use super::{Account, Fails, Nothing, Refused, Shows};

const C: &str = "--cluster-name testskillcluster";

/// Plays lines in which `{C}` names the cluster.
fn play(account: &mut Account, story: Vec<(&str, super::Expect)>) {
    for (line, expected) in story {
        account.play(&[(&line.replace("{C}", C), expected)]);
    }
}

#[test]
fn clusters() {
    let mut account = Account::new();
    account.play(&[
        ("eks list-clusters", Shows(json!({"clusters": ["testskillcluster"]}))),
        ("eks describe-cluster --name no", Fails("ResourceNotFoundException", "No cluster found for name: no.")),
        ("eks describe-cluster --name testskillcluster", Shows(json!({"cluster": {
            "status": "ACTIVE",
            "version": "1.34",
            "arn": "arn:aws:eks:us-east-2:111122223333:cluster/testskillcluster",
            "createdAt": "2026-11-22T14:00:56.123000+00:00",
            "accessConfig": {"authenticationMode": "API_AND_CONFIG_MAP"},
            "kubernetesNetworkConfig": {"ipFamily": "ipv4"},
        }}))),
        ("eks list-addons --cluster-name no", Fails("ResourceNotFoundException", "No cluster found for name: no.")),
        ("eks list-nodegroups --cluster-name testskillcluster", Shows(json!({"nodegroups": ["standardworkers"]}))),
        ("eks describe-nodegroup --cluster-name testskillcluster --nodegroup-name standardworkers", Shows(json!({"nodegroup": {"status": "ACTIVE", "scalingConfig": {"desiredSize": 2}}}))),
        ("eks describe-nodegroup --cluster-name testskillcluster --nodegroup-name no", Fails("ResourceNotFoundException", "No node group found for name: no.")),
        ("eks describe-addon --cluster-name testskillcluster --addon-name eks-pod-identity-agent", Shows(json!({"addon": {"status": "ACTIVE", "health": {"issues": []}}}))),
        ("eks describe-addon --cluster-name testskillcluster --addon-name no", Fails("ResourceNotFoundException", "No addon: no found in cluster: testskillcluster")),
        ("eks update-cluster-config --name testskillcluster --access-config authenticationMode=CONFIG_MAP", Fails(
            "InvalidParameterException",
            "Unsupported authentication mode update from API_AND_CONFIG_MAP to CONFIG_MAP",
        )),
    ]);
    let update = account.ok(
        "eks update-cluster-config --name testskillcluster --access-config authenticationMode=API",
    );
    let id = update["update"]["id"].as_str().unwrap().to_owned();
    let describe = format!("eks describe-update --name testskillcluster --update-id {id}");
    assert_eq!(account.ok(&describe)["update"]["status"], "InProgress");
    account.play(&[
        (
            "eks update-cluster-config --name testskillcluster --deletion-protection",
            Fails(
                "ResourceInUseException",
                "Cannot change cluster testskillcluster because it currently has status UPDATING.",
            ),
        ),
        ("eks wait cluster-active --name testskillcluster", Nothing),
    ]);
    assert_eq!(account.ok(&describe)["update"]["status"], "Successful");
    let cluster = account.ok("eks describe-cluster --name testskillcluster");
    assert_eq!(cluster["cluster"]["accessConfig"]["authenticationMode"], "API");
}

#[test]
fn access_entries() {
    play(
        &mut Account::new(),
        vec![
            (
                "eks create-access-entry {C} --principal-arn {ROLE}/r --type EC2_LINUX",
                Fails(
                    "InvalidParameterException",
                    "The specified principalArn is invalid: invalid principal.",
                ),
            ),
            (
                "eks describe-access-entry {C} --principal-arn {ROLE}/r",
                Fails(
                    "ResourceNotFoundException",
                    "The specified principalArn could not be found. You can view your available access entries with 'list-access-entries'.",
                ),
            ),
            (
                "iam create-role --role-name r --path /x/ --assume-role-policy-document {EC2}",
                Shows(json!({})),
            ),
            (
                "eks create-access-entry {C} --principal-arn {ROLE}/r --type EC2_LINUX",
                Fails(
                    "InvalidParameterException",
                    "The specified principalArn is invalid: invalid principal.",
                ),
            ),
            (
                "eks create-access-entry --cluster-name no --principal-arn {ROLE}/x/r",
                Fails("ResourceNotFoundException", "No cluster found for name: no."),
            ),
            (
                "eks create-access-entry {C} --principal-arn {ROLE}/x/r --type EC2_LINUX --tags a=b",
                Shows(json!({"accessEntry": {
                    "type": "EC2_LINUX",
                    "username": "system:node:{{EC2PrivateDNSName}}",
                    "kubernetesGroups": ["system:nodes"],
                    "tags": {"a": "b"},
                }})),
            ),
            (
                "eks create-access-entry {C} --principal-arn {ROLE}/x/r --type EC2_LINUX",
                Fails(
                    "ResourceInUseException",
                    "The specified access entry resource is already in use on this cluster.",
                ),
            ),
            (
                "eks update-access-entry {C} --principal-arn {ROLE}/x/r --kubernetes-groups a",
                Fails(
                    "InvalidParameterException",
                    "The kubernetesGroups and username parameters cannot be set for access entries of type EC2_LINUX",
                ),
            ),
            (
                "eks associate-access-policy {C} --principal-arn {ROLE}/x/r --policy-arn arn:aws:eks::aws:cluster-access-policy/AmazonEKSViewPolicy --access-scope type=cluster",
                Fails(
                    "InvalidRequestException",
                    "Access policies cannot be associated with an access entry of type EC2_LINUX",
                ),
            ),
            ("eks delete-access-entry {C} --principal-arn {ROLE}/x/r", Nothing),
            (
                "eks create-access-entry {C} --principal-arn {ROLE}/x/r --kubernetes-groups system:nodes",
                Fails(
                    "InvalidParameterException",
                    "The kubernetes group name system:nodes is invalid, it cannot start with system:",
                ),
            ),
            (
                "eks create-access-entry {C} --principal-arn {ROLE}/x/r --kubernetes-groups a b",
                Shows(json!({"accessEntry": {
                    "type": "STANDARD",
                    "username": "arn:aws:sts::111122223333:assumed-role/r/{{SessionName}}",
                    "kubernetesGroups": ["a", "b"],
                }})),
            ),
            (
                "eks update-access-entry {C} --principal-arn {ROLE}/x/r --username u --kubernetes-groups",
                Shows(json!({"accessEntry": {"username": "u", "kubernetesGroups": []}})),
            ),
            (
                "eks create-access-entry {C} --principal-arn arn:aws:sts::111122223333:assumed-role/r/s",
                Fails(
                    "InvalidParameterException",
                    "The principalArn parameter format is not valid",
                ),
            ),
            (
                "eks list-access-entries {C} --associated-policy-arn arn:aws:eks::aws:cluster-access-policy/AmazonEKSClusterAdminPolicy",
                Shows(
                    json!({"accessEntries": ["arn:aws:iam::111122223333:user/lakehouse-installer"]}),
                ),
            ),
        ],
    );
}

#[test]
fn access_policies() {
    let view = "--policy-arn arn:aws:eks::aws:cluster-access-policy/AmazonEKSViewPolicy";
    let entry = format!("{C} --principal-arn arn:aws:iam::111122223333:role/report-builder");
    let mut account = Account::new();
    account.ok(&format!("eks create-access-entry {entry}"));
    let associate = format!("eks associate-access-policy {entry} {view} --access-scope");
    account.play(&[
        (&format!("{associate} type=namespace"), Fails("InvalidParameterException", "The access scope of type namespace must have namespaces")),
        (&format!("{associate} type=namespace,namespaces=a,b"), Shows(json!({"associatedAccessPolicy": {"accessScope": {"type": "namespace", "namespaces": ["a", "b"]}}}))),
        (&format!("{associate} type=cluster"), Shows(json!({"associatedAccessPolicy": {"accessScope": {"type": "cluster", "namespaces": []}}}))),
        (&format!("eks list-associated-access-policies {entry}"), Shows(json!({"clusterName": "testskillcluster", "associatedAccessPolicies": [{"accessScope": {"type": "cluster"}}]}))),
        (&format!("eks disassociate-access-policy {entry} {view}"), Nothing),
        (&format!("eks disassociate-access-policy {entry} {view}"), Fails("ResourceNotFoundException", "The specified policyArn is not associated with the access entry.")),
    ]);
}

#[test]
fn an_entry_keeps_the_id_of_its_role() {
    let mut account = Account::new();
    let role = account.ok("iam create-role --role-name r --assume-role-policy-document {EC2}");
    account.ok(&format!("eks create-access-entry {C} --principal-arn {{ROLE}}/r --type EC2_LINUX"));
    account.ok("iam delete-role --role-name r");
    account.ok("iam create-role --role-name r --assume-role-policy-document {EC2}");
    let key = "eks/us-east-2/access-entry/testskillcluster/arn:aws:iam::111122223333:role/r";
    assert_eq!(account.world.get(key).unwrap()["principalId"], role["Role"]["RoleId"]);
}

#[test]
fn pod_identity() {
    let mut account = Account::new();
    play(
        &mut account,
        vec![
            (
                "iam create-role --role-name pods --assume-role-policy-document {POD}",
                Shows(json!({})),
            ),
            (
                "iam create-role --role-name nodes --assume-role-policy-document {EC2}",
                Shows(json!({})),
            ),
            (
                "eks create-pod-identity-association {C} --namespace n --service-account s --role-arn {ROLE}/no",
                Fails("InvalidParameterException", "Role provided in the request does not exist."),
            ),
            (
                "eks create-pod-identity-association {C} --namespace n --service-account s --role-arn {ROLE}/nodes",
                Fails("InvalidParameterException", "Trust policy of the role provided is invalid."),
            ),
            (
                "eks create-pod-identity-association {C} --namespace n --service-account s",
                Refused("the following arguments are required: --role-arn"),
            ),
            (
                "eks create-pod-identity-association {C} --namespace n --service-account s --role-arn {ROLE}/pods --tags a=b",
                Shows(json!({"association": {
                    "namespace": "n",
                    "serviceAccount": "s",
                    "roleArn": "arn:aws:iam::111122223333:role/pods",
                    "disableSessionTags": false,
                    "tags": {"a": "b"},
                }})),
            ),
            (
                "eks create-pod-identity-association {C} --namespace m --service-account s --role-arn {ROLE}/pods",
                Shows(json!({})),
            ),
            (
                "eks list-pod-identity-associations {C}",
                Shows(json!({"associations": [{"namespace": "m"}, {"namespace": "n"}]})),
            ),
            (
                "eks list-pod-identity-associations {C} --namespace n",
                Shows(json!({"associations": [{"namespace": "n"}]})),
            ),
            (
                "eks list-pod-identity-associations {C} --namespace n --service-account no",
                Shows(json!({"associations": []})),
            ),
            (
                "eks list-pod-identity-associations {C} --service-account s",
                Shows(json!({"associations": [{"namespace": "m"}, {"namespace": "n"}]})),
            ),
            (
                "eks describe-pod-identity-association {C} --association-id a-no",
                Fails(
                    "ResourceNotFoundException",
                    "No pod identity association found for ID: a-no.",
                ),
            ),
        ],
    );
    let listed = account
        .ok(&format!("eks list-pod-identity-associations {C} --namespace n --service-account s"));
    let found = &listed["associations"][0];
    assert!(found.get("roleArn").is_none(), "the list is short");
    let (id, arn) =
        (found["associationId"].as_str().unwrap(), found["associationArn"].as_str().unwrap());
    let again = account.run(&format!("eks create-pod-identity-association {C} --namespace n --service-account s --role-arn {{ROLE}}/pods"));
    assert!(super::text(&again.stderr).ends_with(&format!("(ResourceInUseException) when calling the CreatePodIdentityAssociation operation: Association already exists: {id}\n")));

    account.play(&[
        (&format!("eks update-pod-identity-association {C} --association-id {id} --role-arn {{ROLE}}/nodes"), Fails("InvalidParameterException", "Trust policy of the role provided is invalid.")),
        (&format!("eks update-pod-identity-association {C} --association-id {id} --disable-session-tags --target-role-arn arn:aws:iam::444455556666:role/t"), Shows(json!({"association": {"disableSessionTags": true, "targetRoleArn": "arn:aws:iam::444455556666:role/t"}}))),
        (&format!("eks tag-resource --resource-arn {arn} --tags c=d"), Nothing),
        (&format!("eks untag-resource --resource-arn {arn} --tag-keys a"), Nothing),
        (&format!("eks list-tags-for-resource --resource-arn {arn}"), Shows(json!({"tags": {"c": "d"}}))),
        (&format!("eks delete-pod-identity-association {C} --association-id {id}"), Shows(json!({"association": {"namespace": "n"}}))),
        (&format!("eks list-pod-identity-associations {C} --namespace n"), Shows(json!({"associations": []}))),
    ]);
}

#[test]
fn tokens() {
    let mut account = Account::new();
    account.play(&[(
        "eks get-token --cluster-name x",
        Shows(json!({
            "kind": "ExecCredential",
            "apiVersion": "client.authentication.k8s.io/v1beta1",
            "status": {"expirationTimestamp": "2026-11-22T14:14:56Z"},
        })),
    )]);
    assert_eq!(account.run("eks get-token").code, 255);
}

/// The nodes of the simulated Kubernetes cluster; `None` where no API answers.
fn nodes(account: &mut Account) -> Option<Vec<String>> {
    let args = ["get", "nodes", "-o", "name"].map(str::to_owned);
    let files = crate::sandbox::files::MapFiles::new();
    let tool = crate::command::Tool::Kubectl;
    let output = crate::sandbox::run(&mut account.world, tool, &args, b"", &files);
    let text = String::from_utf8(output.stdout).unwrap();
    (output.code == 0).then(|| text.lines().map(str::to_owned).collect())
}

#[test]
fn a_cluster_lives_from_its_making_to_its_end() {
    let mut account = Account::new();
    crate::sandbox::kubectl::seed(&mut account.world);
    let seeded = account.ok("eks describe-cluster --name testskillcluster");
    let subnets: Vec<String> = seeded["cluster"]["resourcesVpcConfig"]["subnetIds"]
        .as_array()
        .unwrap()
        .iter()
        .map(|id| id.as_str().unwrap().to_owned())
        .collect();
    let role = seeded["cluster"]["roleArn"].as_str().unwrap().to_owned();
    let group = account.ok(&format!("eks describe-nodegroup {C} --nodegroup-name standardworkers"));
    let node_role = group["nodegroup"]["nodeRole"].as_str().unwrap().to_owned();

    // What is there goes first: EKS refuses in the other order.
    account.play(&[
        (
            "eks delete-cluster --name testskillcluster",
            Fails("ResourceInUseException", "Cluster has nodegroups attached"),
        ),
        (
            &format!("eks delete-nodegroup {C} --nodegroup-name standardworkers"),
            Shows(json!({"nodegroup": {"status": "DELETING"}})),
        ),
        (&format!("eks wait nodegroup-deleted {C} --nodegroup-name standardworkers"), Nothing),
    ]);
    assert_eq!(nodes(&mut account).unwrap().len(), 0);
    assert_eq!(account.ok("ec2 describe-instances")["Reservations"], json!([]));
    account.play(&[
        (
            "eks delete-cluster --name testskillcluster",
            Shows(json!({"cluster": {"status": "DELETING"}})),
        ),
        ("eks wait cluster-deleted --name testskillcluster", Nothing),
        ("eks list-clusters", Shows(json!({"clusters": []}))),
    ]);
    assert_eq!(nodes(&mut account), None, "no API answers any more");

    let vpc = format!("--resources-vpc-config subnetIds={}", subnets.join(","));
    let before = account.world.now();
    account.play(&[
        (
            &format!("eks create-cluster --name lake --role-arn {role} {vpc} --access-config authenticationMode=API"),
            Shows(json!({"cluster": {"status": "CREATING", "version": "1.34"}})),
        ),
        (
            &format!("eks create-cluster --name lake --role-arn {role} {vpc}"),
            Fails("ResourceInUseException", "Cluster already exists with name: lake"),
        ),
        (
            "eks list-access-entries --cluster-name lake",
            Shows(json!({"accessEntries": ["arn:aws:iam::111122223333:user/lakehouse-installer"]})),
        ),
    ]);
    assert_eq!(nodes(&mut account), None, "not before it is ACTIVE");
    account.play(&[
        ("eks wait cluster-active --name lake", Nothing),
        (
            "eks update-cluster-version --name lake --kubernetes-version 1.36",
            Fails("InvalidParameterException", "unsupported Kubernetes version 1.36"),
        ),
    ]);
    let minutes = account.world.now().duration_since(before).as_mins();
    assert_eq!(minutes, 9);
    assert_eq!(nodes(&mut account).unwrap().len(), 0);
    let made = account.ok("eks describe-cluster --name lake");
    let security = &made["cluster"]["resourcesVpcConfig"]["clusterSecurityGroupId"];
    account.ok(&format!("ec2 describe-security-groups --group-ids {}", security.as_str().unwrap()));

    // Without nodes the DNS pods have nowhere to go.
    account.play(&[
        (
            "eks create-addon --cluster-name lake --addon-name coredns",
            Shows(json!({"addon": {"status": "CREATING", "addonVersion": "v1.12.4-eksbuild.1"}})),
        ),
        (
            "eks create-addon --cluster-name lake --addon-name coredns",
            Fails("ResourceInUseException", "Addon already exists."),
        ),
    ]);
    let waited = account.run("eks wait addon-active --cluster-name lake --addon-name coredns");
    assert_ne!(waited.code, 0);
    let addon = account.ok("eks describe-addon --cluster-name lake --addon-name coredns");
    assert_eq!(addon["addon"]["status"], "DEGRADED");
    assert_eq!(addon["addon"]["health"]["issues"][0]["code"], "InsufficientNumberOfReplicas");

    let group = "--cluster-name lake --nodegroup-name workers";
    let create = format!(
        "eks create-nodegroup {group} --node-role {node_role} --subnets {} {} \
         --instance-types t3.large --scaling-config minSize=1,maxSize=3,desiredSize=2",
        subnets[0], subnets[1]
    );
    account.play(&[
        (&create, Shows(json!({"nodegroup": {"status": "CREATING"}}))),
        (&format!("eks wait nodegroup-active {group}"), Nothing),
    ]);
    assert_eq!(nodes(&mut account).unwrap().len(), 2);
    let addon = account.ok("eks describe-addon --cluster-name lake --addon-name coredns");
    assert_eq!(addon["addon"]["status"], "ACTIVE");
    account.play(&[
        (
            &format!("eks update-nodegroup-config {group} --scaling-config desiredSize=3"),
            Shows(json!({"update": {"status": "InProgress", "type": "ConfigUpdate"}})),
        ),
        (
            &format!("eks update-nodegroup-config {group} --scaling-config desiredSize=1"),
            Fails(
                "ResourceInUseException",
                "Cannot change node group workers because it currently has status UPDATING.",
            ),
        ),
        (&format!("eks wait nodegroup-active {group}"), Nothing),
    ]);
    assert_eq!(nodes(&mut account).unwrap().len(), 3);
    let instances = account.ok("ec2 describe-instances");
    assert_eq!(instances["Reservations"].as_array().unwrap().len(), 3);
}

#[test]
fn nodes_without_their_policy_do_not_join() {
    let mut account = Account::new();
    let seeded = account.ok("eks describe-cluster --name testskillcluster");
    let subnet = seeded["cluster"]["resourcesVpcConfig"]["subnetIds"][0].as_str().unwrap();
    let group = format!("{C} --nodegroup-name bare");
    account.ok("iam create-role --role-name bare --assume-role-policy-document {EC2}");
    let create =
        format!("eks create-nodegroup {group} --node-role {{ROLE}}/bare --subnets {subnet}");
    account.ok(&create);
    assert_ne!(account.run(&format!("eks wait nodegroup-active {group}")).code, 0);
    account.play(&[(
        &format!("eks describe-nodegroup {group}"),
        Shows(json!({"nodegroup": {
            "status": "CREATE_FAILED",
            "health": {"issues": [{"code": "NodeCreationFailure"}]},
        }})),
    )]);
}
