//! What the CLI itself does: options, formats, refusals.

use super::{Account, Refused, text};

#[test]
fn the_printed_json_is_that_of_the_cli() {
    let mut account = Account::new();
    let output = account.run("sts get-caller-identity");
    assert_eq!(
        text(&output.stdout),
        "{\n    \"UserId\": \"AIDASANDBOX0INSTALLER\",\n    \"Account\": \"111122223333\",\n    \"Arn\": \"arn:aws:iam::111122223333:user/lakehouse-installer\"\n}\n"
    );
    let output = account.run(
        "iam create-role --role-name r --assume-role-policy-document {EC2} --tags Key=a,Value=b",
    );
    let shown = text(&output.stdout);
    let keys: Vec<&str> = shown
        .lines()
        .filter(|line| line.starts_with("        \""))
        .filter_map(|line| line.split('"').nth(1))
        .collect();
    assert_eq!(
        keys,
        ["Path", "RoleName", "RoleId", "Arn", "CreateDate", "AssumeRolePolicyDocument", "Tags"]
    );
    assert!(shown.contains("\"CreateDate\": \"2026-11-22T14:00:56+00:00\""));
    // The document keeps the order in which it was written.
    assert!(shown.find("\"Version\"") < shown.find("\"Statement\""));
}

#[test]
fn text_output() {
    let mut account = Account::new();
    let output = account.run("sts get-caller-identity --output text");
    assert_eq!(
        text(&output.stdout),
        "111122223333\tarn:aws:iam::111122223333:user/lakehouse-installer\tAIDASANDBOX0INSTALLER\n"
    );
    let output = account.run("eks list-clusters --output=text");
    assert_eq!(text(&output.stdout), "CLUSTERS\ttestskillcluster\n");
}

#[test]
fn global_options_stand_anywhere() {
    let mut account = Account::new();
    for line in [
        "--region us-east-2 eks list-clusters",
        "eks --profile p --region=us-east-2 list-clusters --no-cli-pager",
        "eks list-clusters --no-paginate --output json --color off --page-size 5",
    ] {
        assert_eq!(account.ok(line)["clusters"][0], "testskillcluster", "{line}");
    }
    let elsewhere = account.ok("eks list-clusters --region eu-west-1");
    assert_eq!(elsewhere["clusters"].as_array().map(Vec::len), Some(0));
    assert!(text(&account.run("--version").stdout).starts_with("aws-cli/2."));
}

#[test]
fn documents_come_by_standard_input() {
    let mut account = Account::new();
    let line = "iam create-role --role-name r --assume-role-policy-document file:///dev/stdin";
    assert_eq!(account.run_with(line, super::EC2_TRUST).code, 0);
    let line = "iam update-role --cli-input-json file://- --description explicit";
    let stdin = r#"{"RoleName": "r", "Description": "from stdin", "MaxSessionDuration": 7200}"#;
    assert_eq!(account.run_with(line, stdin).code, 0);
    let role = &account.ok("iam get-role --role-name r")["Role"];
    assert_eq!(
        (&role["Description"], &role["MaxSessionDuration"]),
        (&"explicit".into(), &7200.into())
    );
}

#[test]
fn what_the_cli_refuses() {
    Account::new().play(&[
        ("", Refused("aws: error: the following arguments are required: command")),
        ("iam", Refused("aws: error: the following arguments are required: operation")),
        ("foo bar", Refused("aws: error: argument command: Found invalid choice 'foo'")),
        ("iam foo", Refused("aws: error: argument operation: Found invalid choice 'foo'")),
        (
            "iam create-role --tags Key=a,Value=b",
            Refused("the following arguments are required: --role-name, --assume-role-policy-document"),
        ),
        ("iam get-role --role-name", Refused("argument --role-name: expected one argument")),
        ("iam get-role --role-name r --foo x", Refused("\nUnknown options: --foo, x\n")),
        ("iam get-role --role-name r --output foo", Refused("argument --output: Invalid choice")),
        (
            "iam get-role --role-name r --query Role.Arn",
            Refused("The sandbox does not simulate the option --query"),
        ),
        (
            "iam get-role --cli-input-json {}",
            Refused("\nParameter validation failed:\nMissing required parameter in input: \"RoleName\"\n"),
        ),
        (
            r#"iam get-role --cli-input-json {"RoleName":"r","Rolename":"r"}"#,
            Refused("Unknown parameter in input: \"Rolename\", must be one of: RoleName"),
        ),
        (
            "iam get-role --cli-input-json {",
            Refused("Error parsing parameter 'cli-input-json': Invalid JSON:"),
        ),
        (
            "iam tag-role --role-name r --tags Key=a",
            Refused("Missing required parameter in Tags[0]: \"Value\""),
        ),
        (
            "iam tag-role --role-name r --tags foo",
            Refused("Error parsing parameter '--tags': Expected: '=', received: 'EOF' for input:\nfoo\n   ^"),
        ),
        (
            "iam tag-role --role-name r --tags file:///tmp/tags.json",
            Refused("Unable to load paramfile file:///tmp/tags.json: [Errno 2] No such file or directory: '/tmp/tags.json'"),
        ),
        (
            "iam get-policy --policy-arn x",
            Refused("Invalid length for parameter PolicyArn, value: 1, valid min length: 20"),
        ),
        (
            "iam update-role --role-name r --max-session-duration 60",
            Refused("Invalid value for parameter MaxSessionDuration, value: 60, valid min value: 3600"),
        ),
    ]);
}

#[test]
fn the_registry_password_comes_from_one_region_only() {
    let mut account = Account::new();
    let output = account.run("ecr-public get-login-password --region us-east-1");
    assert_eq!(
        (output.code, text(&output.stdout)),
        (0, format!("{}\n", super::super::REGISTRY_PASSWORD))
    );
    let output = account.run("ecr-public get-login-password");
    assert_eq!(output.code, 255);
    assert!(text(&output.stderr).contains("Could not connect to the endpoint URL"));
}

#[test]
fn the_same_commands_give_the_same_world() {
    let mut worlds = Vec::new();
    for _ in 0..2 {
        let mut account = Account::new();
        account.ok("iam create-role --role-name r --assume-role-policy-document {POD}");
        account.ok("eks create-pod-identity-association --cluster-name testskillcluster --namespace n --service-account s --role-arn {ROLE}/r");
        worlds.push(account.world.take_changes());
    }
    assert_eq!(worlds[0], worlds[1]);
}
