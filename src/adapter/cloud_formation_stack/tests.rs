use serde_json::json;

use super::*;
use crate::adapter::eks::testing::{call, change, failed, ok, present, read, value};
use crate::adapter::{Health, Live, Prior, Verb};
use crate::command::Answer;

const DESCRIBE: &str = "aws cloudformation describe-stacks --stack-name net";
const TEMPLATE_OF: &str =
    "aws cloudformation get-template --stack-name net --template-stage Original";
const EVENTS: &str = "aws cloudformation describe-stack-events --stack-name net";

fn template() -> Json {
    json!({
        "AWSTemplateFormatVersion": "2010-09-09",
        "Description": "a network",
        "Parameters": {
            "Owner": {"Type": "String"},
            "Size": {"Type": "Number", "Default": 3},
        },
        "Resources": {"Vpc": {"Type": "AWS::EC2::VPC", "Properties": {"CidrBlock": "10.0.0.0/16"}}},
        "Outputs": {"VpcId": {"Value": {"Ref": "Vpc"}}, "Ids": {"Value": "a,b"}},
    })
}

fn spec() -> Json {
    json!({
        "stackName": "net",
        "template": template(),
        "parameters": {"Owner": "us"},
        "listOutputs": ["Ids"],
        "tags": {"team": "lake"},
        "capabilities": ["CAPABILITY_IAM"],
    })
}

fn desired(spec: &Json) -> Desired {
    CloudFormationStack.desired(&value(spec), &Context::default()).unwrap()
}

fn stack(status: &str) -> Json {
    json!({
        "StackId": "arn:aws:cloudformation:us-east-2:111122223333:stack/net/1",
        "StackName": "net",
        "StackStatus": status,
        "Parameters": [
            {"ParameterKey": "Owner", "ParameterValue": "us"},
            {"ParameterKey": "Size", "ParameterValue": "3"},
        ],
        "Tags": [
            {"Key": "team", "Value": "lake"},
            {"Key": "theirs", "Value": "1"},
            {"Key": "aws:x", "Value": "y"},
        ],
        "Outputs": [
            {"OutputKey": "VpcId", "OutputValue": "vpc-1"},
            {"OutputKey": "Ids", "OutputValue": "a, b"},
        ],
    })
}

fn stacks(stack: &Json) -> Answer {
    ok(&json!({"Stacks": [stack]}))
}

fn body(template: &Json) -> Answer {
    ok(&json!({"TemplateBody": template, "StagesAvailable": ["Original"]}))
}

fn event(id: &str, status: &str, reason: &str) -> Json {
    let kind = if id == "net" { "AWS::CloudFormation::Stack" } else { "AWS::EC2::Subnet" };
    json!({
        "LogicalResourceId": id, "ResourceType": kind,
        "ResourceStatus": status, "ResourceStatusReason": reason,
    })
}

fn events() -> Answer {
    ok(&json!({"StackEvents": [
        event("net", "ROLLBACK_COMPLETE", ""),
        event("net", "ROLLBACK_IN_PROGRESS", "The following resource(s) failed to create: [B]"),
        event("A", "CREATE_FAILED", "Resource creation cancelled"),
        event("B", "CREATE_FAILED", "The CIDR is invalid."),
        event("net", "CREATE_IN_PROGRESS", "User Initiated"),
        event("Old", "CREATE_FAILED", "another story"),
    ]}))
}

fn steps(operation: &Operation<'_>) -> Vec<String> {
    let steps = CloudFormationStack.steps(operation).unwrap();
    steps.iter().map(|step| step.command.args[..2].join(" ")).collect()
}

#[test]
fn a_stack_as_declared() {
    let desired = desired(&spec());
    let table = [(DESCRIBE, stacks(&stack("UPDATE_COMPLETE"))), (TEMPLATE_OF, body(&template()))];
    let (live, rounds) = read(&CloudFormationStack, Some(&desired), None, &table);
    assert_eq!(rounds, [[DESCRIBE, TEMPLATE_OF]]);
    let object = present(live);
    let sides = Sides { desired: &desired.attributes, prior: None, live: &object.attributes };
    let found = compare(CloudFormationStack.attributes(), &desired.exclusive, sides, &[]);
    assert_eq!(found.changes, []);
    let foreign: Vec<_> = found.foreign.iter().map(|one| one.path.to_string()).collect();
    assert_eq!(foreign, ["tags.theirs"]);
    assert_eq!(
        Value::Map(object.outputs.clone()),
        value(&json!({
            "name": "net",
            "status": "UPDATE_COMPLETE",
            "stackId": "arn:aws:cloudformation:us-east-2:111122223333:stack/net/1",
            "VpcId": "vpc-1",
            "Ids": ["a", "b"],
        }))
    );
    assert_eq!(CloudFormationStack.readiness(&desired, &object), Readiness::Ready);
    assert_eq!(CloudFormationStack.declared_outputs(&value(&spec())), ["Ids", "VpcId"]);
    assert_eq!(CloudFormationStack.patience(&desired), Duration::from_secs(30 * 60));
}

#[test]
fn the_status_tells_what_can_be_done() {
    use Readiness::{NotReady, Ready, Waiting};
    let wanted = desired(&spec());
    let mut other = spec();
    other["parameters"]["Owner"] = json!("them");
    let other = desired(&other);
    for (status, health, ready, differing) in [
        ("CREATE_COMPLETE", "sound", "ready", "ready"),
        ("CREATE_IN_PROGRESS", "busy", "waiting", "waiting"),
        ("UPDATE_COMPLETE_CLEANUP_IN_PROGRESS", "busy", "waiting", "waiting"),
        ("DELETE_IN_PROGRESS", "busy", "waiting", "waiting"),
        ("REVIEW_IN_PROGRESS", "busy", "not ready", "not ready"),
        ("UPDATE_ROLLBACK_COMPLETE", "sound", "ready", "not ready"),
        ("ROLLBACK_COMPLETE", "outdated", "not ready", "not ready"),
        ("CREATE_FAILED", "outdated", "not ready", "not ready"),
        ("DELETE_FAILED", "outdated", "not ready", "not ready"),
        ("UPDATE_ROLLBACK_FAILED", "broken", "not ready", "not ready"),
        ("UPDATE_FAILED", "broken", "not ready", "not ready"),
    ] {
        let table = [
            (DESCRIBE, stacks(&stack(status))),
            (TEMPLATE_OF, body(&template())),
            (EVENTS, events()),
        ];
        let object = present(read(&CloudFormationStack, Some(&wanted), None, &table).0);
        let told = match &object.health {
            Health::Sound => "sound",
            Health::Busy(_) => "busy",
            Health::Outdated(_) => "outdated",
            Health::Broken(_) => "broken",
        };
        assert_eq!(told, health, "{status}");
        for (desired, expected) in [(&wanted, ready), (&other, differing)] {
            let told = match CloudFormationStack.readiness(desired, &object) {
                Ready => "ready",
                Waiting(_) => "waiting",
                NotReady(_) => "not ready",
            };
            if status != "CREATE_COMPLETE" || expected != differing {
                assert_eq!(told, expected, "{status}");
            }
        }
        if health == "outdated" {
            let Health::Outdated(why) = &object.health else { panic!() };
            assert!(why.contains(status), "{why}");
        }
    }
}

#[test]
fn the_first_failure_of_the_last_operation_is_the_cause() {
    let all = events().json().unwrap();
    let all = all["StackEvents"].as_array().unwrap();
    assert_eq!(
        status::cause(all, "net", "ROLLBACK_COMPLETE"),
        "B (AWS::EC2::Subnet): The CIDR is invalid."
    );
    // A rollback that failed has a cause of its own.
    let stuck = [
        event("net", "UPDATE_ROLLBACK_FAILED", "The following resource(s) failed to update: [C]"),
        event("C", "UPDATE_FAILED", "it is in use"),
        event("net", "UPDATE_ROLLBACK_IN_PROGRESS", ""),
        event("B", "UPDATE_FAILED", "no room"),
        event("net", "UPDATE_IN_PROGRESS", "User Initiated"),
    ];
    let told = status::cause(&stuck, "net", "UPDATE_ROLLBACK_FAILED");
    assert_eq!(told, "C (AWS::EC2::Subnet): it is in use");
    assert_eq!(status::cause(&stuck[3..], "net", "UPDATE_FAILED"), "B (AWS::EC2::Subnet): no room");
    assert_eq!(status::cause(&[], "net", "CREATE_FAILED"), "");
}

#[test]
fn absent_is_what_the_service_says_and_nothing_else() {
    let wanted = desired(&spec());
    let no = |message: &str| failed("ValidationError", "DescribeStacks", message);
    let gone = no("Stack with id net does not exist");
    let told = |answer| {
        let table = [(DESCRIBE, answer), (TEMPLATE_OF, no("Stack with id net does not exist"))];
        read(&CloudFormationStack, Some(&wanted), None, &table).0
    };
    assert_eq!(told(gone), Ok(Live::Absent));
    assert_eq!(told(stacks(&stack("DELETE_COMPLETE"))), Ok(Live::Absent));
    for answer in [
        no("1 validation error detected"),
        failed("AccessDenied", "DescribeStacks", "it does not exist for you"),
        ok(&json!({"Stacks": []})),
        ok(&json!({"Stacks": [{}]})),
        // The stack is there, its template can't be read.
        stacks(&stack("CREATE_COMPLETE")),
    ] {
        assert!(told(answer).is_err());
    }
}

#[test]
fn what_makes_no_difference_is_none() {
    let wanted = desired(&spec());
    let mut live = template();
    live["Description"] = json!("other words");
    let text = Json::String(live.to_string());
    for (body_of, equal) in [(live.clone(), true), (text, true), (json!("Resources: {}"), false)] {
        let table = [(DESCRIBE, stacks(&stack("CREATE_COMPLETE"))), (TEMPLATE_OF, body(&body_of))];
        let object = present(read(&CloudFormationStack, Some(&wanted), None, &table).0);
        assert_eq!(object.attributes["template"] == wanted.attributes["template"], equal);
    }
    // A parameter that is hidden is taken to be what was sent; one that went back
    // to its default is not one of ours any more.
    let mut hidden = stack("CREATE_COMPLETE");
    hidden["Parameters"][0]["ParameterValue"] = json!("****");
    let table = [(DESCRIBE, stacks(&hidden)), (TEMPLATE_OF, body(&template()))];
    let mut before = spec();
    before["parameters"]["Size"] = json!(5);
    let before = desired(&before);
    let prior = Prior {
        identity: before.identity.clone(),
        attributes: before.attributes.clone(),
        settings: before.settings.clone(),
        ..Prior::default()
    };
    let object = present(read(&CloudFormationStack, Some(&wanted), Some(&prior), &table).0);
    assert_eq!(object.attributes["parameters"], value(&json!({"Owner": "us"})));
}

#[test]
fn commands_of_a_life() {
    let wanted = desired(&spec());
    let object_of = |status: &str| {
        let table = [
            (DESCRIBE, stacks(&stack(status))),
            (TEMPLATE_OF, body(&template())),
            (EVENTS, events()),
        ];
        present(read(&CloudFormationStack, Some(&wanted), None, &table).0)
    };
    let operation = Operation {
        verb: Verb::Create,
        identity: &wanted.identity,
        desired: Some(&wanted),
        prior: None,
        object: None,
        changes: &[],
    };
    let create = CloudFormationStack.steps(&operation).unwrap();
    let (name, input) = call(&create[0].command);
    assert_eq!((name.as_str(), create.len()), ("cloudformation create-stack", 1));
    let sent: Json = serde_json::from_str(input["TemplateBody"].as_str().unwrap()).unwrap();
    assert_eq!(sent, template());
    assert_eq!(input["Parameters"], json!([{"ParameterKey": "Owner", "ParameterValue": "us"}]));
    assert_eq!(
        (&input["Capabilities"], &input["OnFailure"]),
        (&json!(["CAPABILITY_IAM"]), &json!("ROLLBACK"))
    );

    let object = object_of("CREATE_COMPLETE");
    let changes = [change(&["tags", "team"], Some("x".into()), Some("lake".into()))];
    let update =
        Operation { verb: Verb::Update, object: Some(&object), changes: &changes, ..operation };
    let (name, input) = call(&CloudFormationStack.steps(&update).unwrap()[0].command);
    assert_eq!(name, "cloudformation update-stack");
    // Others' tags are sent along, AWS's own can't be.
    let tags = json!([{"Key": "theirs", "Value": "1"}, {"Key": "team", "Value": "lake"}]);
    assert_eq!(input["Tags"], tags);

    let stuck = object_of("UPDATE_ROLLBACK_FAILED");
    let repair = Operation { verb: Verb::Repair, object: Some(&stuck), ..update };
    assert_eq!(
        steps(&repair),
        [
            "cloudformation continue-update-rollback",
            "cloudformation wait",
            "cloudformation update-stack"
        ]
    );
    let repair = Operation { changes: &[], ..repair };
    assert_eq!(steps(&repair), ["cloudformation continue-update-rollback"]);

    let dead = object_of("ROLLBACK_COMPLETE");
    let replaced = Operation { verb: Verb::Delete, object: Some(&dead), ..operation };
    assert_eq!(steps(&replaced), ["cloudformation delete-stack", "cloudformation wait"]);
    let deleted = Operation { desired: None, ..replaced };
    assert_eq!(steps(&deleted), ["cloudformation delete-stack"]);
}

#[test]
fn a_protected_stack_stays() {
    let mut spec = spec();
    spec["terminationProtection"] = json!(true);
    let wanted = desired(&spec);
    let mut live = stack("CREATE_COMPLETE");
    live["EnableTerminationProtection"] = json!(true);
    let table = [(DESCRIBE, stacks(&live)), (TEMPLATE_OF, body(&template()))];
    let object = present(read(&CloudFormationStack, Some(&wanted), None, &table).0);
    let obstacles = CloudFormationStack.obstacles(&wanted.identity, &object);
    assert_eq!(obstacles[0].code, "StackProtected");
    assert_eq!(object.attributes["terminationProtection"], true.into());
}

#[test]
fn problems_name_the_place() {
    let with = |pointer: &str, told: Json| {
        let mut spec = spec();
        *spec.pointer_mut(pointer).unwrap() = told;
        spec
    };
    for (spec, path, summary) in [
        (with("/stackName", json!("1net")), "stackName", "can't be the name"),
        (with("/template/Resources", json!({})), "template", "no `Resources`"),
        (
            with("/template/Resources/Vpc", json!({"Properties": {}})),
            "template.Resources.Vpc",
            "no `Type`",
        ),
        (with("/parameters", json!({})), "parameters", "`Owner` has no value"),
        (
            with("/parameters", json!({"Owner": "us", "Onwer": "x"})),
            "parameters.Onwer",
            "no parameter `Onwer`",
        ),
        (
            with("/template/Outputs", json!({"status": {"Value": "x"}})),
            "template.Outputs.status",
            "every stack has",
        ),
        (with("/tags", json!({"aws:x": "y"})), "tags[\"aws:x\"]", "for AWS alone"),
        (json!({"stackName": "net"}), "", "no `template`"),
        (json!({"stackName": "net", "timeoutMinutes": 0}), "timeoutMinutes", "1 to 120"),
    ] {
        let problems = CloudFormationStack.desired(&value(&spec), &Context::default()).unwrap_err();
        let found =
            problems.iter().any(|p| p.path.to_string() == path && p.summary.contains(summary));
        assert!(found, "{path} {summary}: {problems:#?}");
    }
}

#[test]
fn an_external_stack_has_the_outputs_that_are_named() {
    let spec = json!({"stackName": "net", "outputs": ["VpcId", "Zone"]});
    let context = Context { external: true, ..Context::default() };
    let wanted = CloudFormationStack.desired(&value(&spec), &context).unwrap();
    assert_eq!(CloudFormationStack.declared_outputs(&value(&spec)), ["VpcId", "Zone"]);
    let table = [(DESCRIBE, stacks(&stack("CREATE_COMPLETE")))];
    let object = present(read(&CloudFormationStack, Some(&wanted), None, &table).0);
    let Readiness::NotReady(blockers) = CloudFormationStack.readiness(&wanted, &object) else {
        panic!()
    };
    assert_eq!(blockers[0].code, "StackWithoutOutput");
    assert!(blockers[0].message.ends_with("has no output Zone"));
}

#[test]
fn values_of_parameters_are_texts() {
    let mut spec = spec();
    spec["template"]["Parameters"] =
        json!({"A": {"Type": "Number"}, "B": {"Type": "String"}, "C": {"Type": "List<String>"}});
    spec["parameters"] = json!({"A": 3, "B": true, "C": ["x", "y"]});
    let wanted = desired(&spec);
    let expected = value(&json!({"A": "3", "B": "true", "C": "x,y"}));
    assert_eq!(wanted.attributes["parameters"], expected);
}
