use serde_json::json;

use super::*;
use crate::adapter::eks::testing::{call, change, failed, ok, present, read, value};
use crate::adapter::{Live, Prior, Verb};
use crate::command::Answer;

const HEAD: &str = "aws s3api head-bucket --bucket lake-1";
const VERSIONS: &str = "aws s3api list-object-versions --bucket lake-1 --no-paginate";

fn get(operation: &str) -> String {
    format!("aws s3api {operation} --bucket lake-1")
}

fn context(region: &str) -> Context {
    Context { region: region.into(), account: Some("111122223333".into()), ..Context::default() }
}

fn desired(spec: &Json) -> Desired {
    S3Bucket.desired(&value(spec), &context("us-east-2")).unwrap()
}

fn prior(desired: &Desired) -> Prior {
    Prior {
        identity: desired.identity.clone(),
        attributes: desired.attributes.clone(),
        outputs: Map::new(),
        settings: desired.settings.clone(),
        ..Prior::default()
    }
}

fn head(region: &str) -> Answer {
    ok(&json!({"BucketArn": "arn:aws:s3:::lake-1", "BucketRegion": region}))
}

fn steps(operation: &Operation<'_>) -> Vec<(String, Json)> {
    S3Bucket.steps(operation).unwrap().iter().map(|step| call(&step.command)).collect()
}

#[test]
fn names_that_s3_takes() {
    for (name, good) in [
        ("ingextlakehouse111122223333", true),
        ("a.b-c9", true),
        ("ab", false),
        ("Upper", false),
        ("under_score", false),
        ("a..b", false),
        ("-ab", false),
        ("ab.", false),
        ("192.168.5.4", false),
        ("xn--ab", false),
        ("sthree-ab", false),
        ("ab-s3alias", false),
        ("ab--ol-s3", false),
    ] {
        let spec = value(&json!({ "bucket": name }));
        assert_eq!(S3Bucket.desired(&spec, &context("us-east-2")).is_ok(), good, "{name}");
    }
    let long = "a".repeat(64);
    assert!(S3Bucket.desired(&value(&json!({"bucket": long})), &context("us-east-2")).is_err());
}

#[test]
fn problems_name_the_place() {
    for (field, told, path, summary) in [
        ("expireDays", json!(0), "expireDays", "counted from 1"),
        ("lifecycleRules", json!({"a": {"prefix": "x/"}}), "lifecycleRules.a", "does nothing"),
        (
            "lifecycleRules",
            json!({"a": {"transitions": [{"days": 1, "storageClass": "COLD"}]}}),
            "lifecycleRules.a.transitions.0.storageClass",
            "`COLD` is not a storage class",
        ),
        (
            "encryption",
            json!({"algorithm": "AES256", "kmsKeyId": "x"}),
            "encryption.kmsKeyId",
            "S3's own keys",
        ),
        (
            "policy",
            json!({"Statement": {"Effect": "Allow", "Action": "s3:*", "Resource": "*"}}),
            "policy.Statement",
            "neither `Principal`",
        ),
        ("tags", json!({"aws:x": "y"}), "tags[\"aws:x\"]", "for AWS alone"),
    ] {
        let mut spec = json!({"bucket": "lake-1"});
        spec[field] = told;
        let problems = S3Bucket.desired(&value(&spec), &context("us-east-2")).unwrap_err();
        let found =
            problems.iter().any(|p| p.path.to_string() == path && p.summary.contains(summary));
        assert!(found, "{spec}: {problems:#?}");
    }
}

#[test]
fn what_is_not_declared_is_protected_or_left_alone() {
    let desired = desired(&json!({"bucket": "lake-1", "expireDays": 7}));
    assert_eq!(
        Value::Map(desired.attributes).redacted_json(),
        json!({
            "publicAccessBlock": {
                "blockPublicAcls": true, "ignorePublicAcls": true,
                "blockPublicPolicy": true, "restrictPublicBuckets": true,
            },
            "lifecycle": {"lkh-expire": {
                "Status": "Enabled", "Filter": {"Prefix": ""}, "Expiration": {"Days": 7},
            }},
        })
    );
    assert_eq!(desired.outputs["arn"], "arn:aws:s3:::lake-1".into());
    let external = Context { external: true, ..context("us-east-2") };
    let external = S3Bucket.desired(&value(&json!({"bucket": "lake-1"})), &external).unwrap();
    assert!(external.attributes.is_empty());
}

#[test]
fn absent_is_what_the_service_says_and_nothing_else() {
    let desired = desired(&json!({"bucket": "lake-1"}));
    let table = [(HEAD, failed("404", "HeadBucket", "Not Found"))];
    assert_eq!(read(&S3Bucket, Some(&desired), None, &table).0, Ok(Live::Absent));
    for answer in
        [failed("400", "HeadBucket", "Bad Request"), Answer { code: 255, ..Answer::default() }]
    {
        assert!(read(&S3Bucket, Some(&desired), None, &[(HEAD, answer)]).0.is_err());
    }
    // Of one that was ours, not to be let in tells nothing.
    let denied = [(HEAD, failed("403", "HeadBucket", "Forbidden"))];
    assert!(read(&S3Bucket, Some(&desired), Some(&prior(&desired)), &denied).0.is_err());
}

#[test]
fn a_bucket_of_others_is_never_made_nor_touched() {
    let desired = desired(&json!({"bucket": "lake-1"}));
    let location = get("get-bucket-location");
    let place = |told: Json| ok(&json!({ "LocationConstraint": told }));
    for (code, table) in [
        ("BucketOfSomeoneElse", vec![(HEAD, failed("403", "HeadBucket", "Forbidden"))]),
        ("BucketInOtherRegion", vec![(HEAD, head("eu-west-1"))]),
        (
            "BucketInOtherRegion",
            vec![
                (HEAD, failed("301", "HeadBucket", "Moved Permanently")),
                (location.as_str(), place(Json::Null)),
            ],
        ),
        (
            "BucketInOtherRegion",
            vec![(HEAD, Answer::default()), (location.as_str(), place(json!("EU")))],
        ),
    ] {
        let object = present(read(&S3Bucket, Some(&desired), None, &table).0);
        let operation = Operation {
            verb: Verb::Update,
            identity: &desired.identity,
            desired: Some(&desired),
            prior: None,
            object: Some(&object),
            changes: &[],
        };
        assert_eq!(S3Bucket.steps(&operation).unwrap_err()[0].code, code);
        assert!(matches!(S3Bucket.readiness(&desired, &object), Readiness::NotReady(_)));
    }
}

#[test]
fn regions_by_the_old_names() {
    let spec = json!({"bucket": "lake-1", "publicAccessBlock": {"blockPublicAcls": false}});
    let (location, block) = (get("get-bucket-location"), get("get-public-access-block"));
    let none = failed("NoSuchPublicAccessBlockConfiguration", "GetPublicAccessBlock", "no");
    for (told, region) in
        [(Json::Null, "us-east-1"), (json!("EU"), "eu-west-1"), (json!("us-west-2"), "us-west-2")]
    {
        let desired = S3Bucket.desired(&value(&spec), &context(region)).unwrap();
        let table = [
            (HEAD, Answer::default()),
            (location.as_str(), ok(&json!({ "LocationConstraint": told }))),
            (block.as_str(), none.clone()),
        ];
        let object = present(read(&S3Bucket, Some(&desired), None, &table).0);
        assert_eq!(object.outputs["region"], region.into());
        let create = Operation {
            verb: Verb::Create,
            identity: &desired.identity,
            desired: Some(&desired),
            prior: None,
            object: None,
            changes: &[],
        };
        let (name, input) = steps(&create).remove(0);
        assert_eq!(name, "s3api create-bucket");
        let place = input.pointer("/CreateBucketConfiguration/LocationConstraint");
        assert_eq!(place, (region != "us-east-1").then(|| json!(region)).as_ref());
    }
}

#[test]
fn what_others_have_put_there_is_sent_along() {
    let desired = desired(&json!({
        "bucket": "lake-1",
        "expireDays": 7,
        "versioning": true,
        "tags": {"team": "data"},
    }));
    let (block, lifecycle, tags, versioning) = (
        get("get-public-access-block"),
        get("get-bucket-lifecycle-configuration"),
        get("get-bucket-tagging"),
        get("get-bucket-versioning"),
    );
    let table = [
        (HEAD, head("us-east-2")),
        (
            block.as_str(),
            ok(&json!({"PublicAccessBlockConfiguration": {
                "BlockPublicAcls": true, "IgnorePublicAcls": true,
                "BlockPublicPolicy": true, "RestrictPublicBuckets": true,
            }})),
        ),
        (
            lifecycle.as_str(),
            ok(&json!({"TransitionDefaultMinimumObjectSize": "varies_by_storage_class", "Rules": [
                {"ID": "old", "Prefix": "tmp/", "Status": "Enabled", "Expiration": {"Days": 1}},
            ]})),
        ),
        (
            tags.as_str(),
            ok(&json!({"TagSet": [
                {"Key": "aws:cloudformation:stack-name", "Value": "s"},
                {"Key": "owner", "Value": "someone"},
                {"Key": "team", "Value": "old"},
            ]})),
        ),
        (versioning.as_str(), Answer::default()),
    ];
    let (live, rounds) = read(&S3Bucket, Some(&desired), None, &table);
    assert_eq!((rounds.len(), rounds[1].len()), (2, 4));
    let object = present(live);
    assert_eq!(object.attributes["versioning"], false.into());
    assert_eq!(object.attributes["tags"], value(&json!({"owner": "someone", "team": "old"})));
    let rule = desired.attributes["lifecycle"].get("lkh-expire").cloned();
    let changes = [
        change(&["lifecycle", "lkh-expire"], None, rule),
        change(&["tags", "team"], Some("old".into()), Some("data".into())),
        change(&["versioning"], Some(false.into()), Some(true.into())),
    ];
    let update = Operation {
        verb: Verb::Update,
        identity: &desired.identity,
        desired: Some(&desired),
        prior: None,
        object: Some(&object),
        changes: &changes,
    };
    assert_eq!(
        steps(&update),
        [
            (
                "s3api put-bucket-versioning".into(),
                json!({
                    "Bucket": "lake-1", "VersioningConfiguration": {"Status": "Enabled"},
                })
            ),
            (
                "s3api put-bucket-tagging".into(),
                json!({"Bucket": "lake-1", "Tagging": {"TagSet": [
                    {"Key": "aws:cloudformation:stack-name", "Value": "s"},
                    {"Key": "owner", "Value": "someone"},
                    {"Key": "team", "Value": "data"},
                ]}})
            ),
            (
                "s3api put-bucket-lifecycle-configuration".into(),
                json!({
                    "Bucket": "lake-1",
                    "TransitionDefaultMinimumObjectSize": "varies_by_storage_class",
                    "LifecycleConfiguration": {"Rules": [
                        {"ID": "old", "Filter": {"Prefix": "tmp/"}, "Status": "Enabled", "Expiration": {"Days": 1}},
                        {"ID": "lkh-expire", "Filter": {"Prefix": ""}, "Status": "Enabled", "Expiration": {"Days": 7}},
                    ]},
                })
            ),
        ]
    );
    // The last of them gone, nothing is there to be put.
    let gone = [change(&["lifecycle", "old"], Some("x".into()), None)];
    let update = Operation { changes: &gone, ..update };
    assert_eq!(steps(&update)[0].0, "s3api delete-bucket-lifecycle");
}

fn page(keys: &[&str], next: Option<&str>) -> Answer {
    let versions: Vec<Json> =
        keys.iter().map(|key| json!({"Key": key, "VersionId": "v1"})).collect();
    let mut page = json!({"IsTruncated": next.is_some(), "Versions": versions});
    if let Some(next) = next {
        page["NextKeyMarker"] = json!(next);
        page["NextVersionIdMarker"] = json!("v1");
        page["DeleteMarkers"] = json!([{"Key": "gone", "VersionId": "m1"}]);
    }
    ok(&page)
}

#[test]
fn a_bucket_that_holds_something_stays() {
    let kept = prior(&desired(&json!({"bucket": "lake-1"})));
    for (answer, told) in [
        (Answer::default(), None),
        (page(&[], None), None),
        (page(&["a"], None), Some("holds 1 object or version: a")),
        (page(&["a", "b"], Some("b")), Some("holds more than 3 objects and versions: a, b, gone")),
    ] {
        let table = [(HEAD, head("us-east-2")), (VERSIONS, answer)];
        let object = present(read(&S3Bucket, None, Some(&kept), &table).0);
        let obstacles = S3Bucket.obstacles(&kept.identity, &object);
        match told {
            None => assert_eq!(obstacles, []),
            Some(told) => {
                assert_eq!(obstacles[0].code, "BucketNotEmpty");
                assert!(obstacles[0].message.contains(told), "{obstacles:?}");
                assert!(obstacles[0].next.contains("forceDestroy: true"));
            }
        }
    }
    let broken =
        [(HEAD, head("us-east-2")), (VERSIONS, failed("AccessDenied", "ListObjectVersions", "no"))];
    assert!(read(&S3Bucket, None, Some(&kept), &broken).0.is_err());
}

#[test]
fn told_to_it_is_emptied_page_by_page() {
    let doomed = prior(&desired(&json!({"bucket": "lake-1", "forceDestroy": true})));
    let second = format!("{VERSIONS} --key-marker b --version-id-marker v1");
    let table = [
        (HEAD, head("us-east-2")),
        (VERSIONS, page(&["a", "b"], Some("b"))),
        (second.as_str(), page(&["c"], None)),
    ];
    let object = present(read(&S3Bucket, None, Some(&doomed), &table).0);
    assert_eq!(S3Bucket.obstacles(&doomed.identity, &object), []);
    let delete = Operation {
        verb: Verb::Delete,
        identity: &doomed.identity,
        desired: None,
        prior: Some(&doomed),
        object: Some(&object),
        changes: &[],
    };
    let steps = steps(&delete);
    assert_eq!(steps.len(), 2);
    assert_eq!(steps[0].0, "s3api delete-objects");
    assert_eq!(steps[0].1["Delete"]["Objects"].as_array().unwrap().len(), 4);
    assert_eq!(steps[1].0, "s3api delete-bucket");
}

#[test]
fn the_schema_explains_every_field() {
    let schema = S3Bucket.schema().to_value();
    assert_eq!(schema["additionalProperties"], json!(false));
    for (name, property) in schema["properties"].as_object().unwrap() {
        let told = property.get("description").or(property.get("$ref"));
        assert!(told.is_some() || property.get("anyOf").is_some(), "{name}: {property}");
    }
    assert!(!jsonschema::is_valid(&schema, &json!({"bucket": "x", "expire": 1})));
}
