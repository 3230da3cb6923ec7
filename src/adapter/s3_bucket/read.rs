//! How a bucket is read: first whether it is there and ours, then what the
//! manifest declares of it, or what stands in the way of its end.

use serde_json::Value as Json;

use super::super::eks::{text, unreadable};
use super::super::iam::{self, Source};
use super::super::{Live, Object, Questions, ReadError, Reading, Subject, iam_document};
use super::{
    Answers, BUCKET, CONTENT, ENCRYPTION, FORCE_DESTROY, LIFECYCLE, MINIMUM_SIZE, MORE, NOT_OURS,
    OWNERSHIP, POLICY, PUBLIC_ACCESS_BLOCK, RAW_RULES, RAW_TAGS, REGION, TAGS, VERSIONING, arn,
    lifecycle,
};
use crate::command::{Answer, Command, Tool};
use crate::value::{Map, Value};

/// How many pages of objects are read before a bucket is emptied.
const MAX_PAGES: usize = 9;

fn command(operation: &str, name: &str) -> Command {
    Command::read(Tool::Aws, &["s3api", operation]).flag("--bucket", name)
}

pub(super) fn read(subject: &Subject<'_>, answers: &Answers) -> Result<Reading, ReadError> {
    let name = subject.identity.part(BUCKET);
    let mut questions = Questions::new(answers);
    let head = command("head-bucket", name);
    let Some(answer) = questions.ask(head.clone()) else { return Ok(questions.asking()) };
    if ["404", "NoSuchBucket"].iter().any(|code| answer.is_service_error(code)) {
        return Ok(Reading::Live(Live::Absent));
    }
    // Of a bucket that was ours before, that it can't be seen now tells nothing.
    if answer.is_service_error("403") && subject.prior.is_none() {
        return Ok(blocked(
            "BucketOfSomeoneElse",
            format!(
                "a bucket named {name} exists, and belongs to someone else or may not be seen \
                 with these credentials"
            ),
            format!(
                "choose another name: names of buckets are the same for all accounts; if {name} \
                 is yours, allow s3:ListBucket on it"
            ),
        ));
    }
    let head_whole = if answer.succeeded() {
        // Versions of the tool that tell no region answer nothing at all.
        if answer.stdout.trim().is_empty() { Json::Null } else { iam::whole(&head, answer)? }
    } else if answer.is_service_error("301") {
        Json::Null
    } else {
        return Err(unreadable(head, answer));
    };
    let region = match text(&head_whole, "/BucketRegion") {
        Some(region) => region.to_owned(),
        None => match location(&mut questions, name)? {
            Some(region) => region,
            None => return Ok(questions.asking()),
        },
    };
    let settings = subject
        .desired
        .map(|desired| &desired.settings)
        .or(subject.prior.map(|prior| &prior.settings));
    let wanted = settings.and_then(|settings| settings.get(REGION)).and_then(Value::as_str);
    if let Some(wanted) = wanted.filter(|wanted| *wanted != region) {
        return Ok(blocked(
            "BucketInOtherRegion",
            format!("the bucket {name} is in {region}, and this stack in {wanted}"),
            format!("choose another name, or use the region {region}"),
        ));
    }
    let outputs = iam::map([
        ("name", name.into()),
        ("arn", arn(&name.into(), &region)),
        ("region", region.into()),
    ]);
    let read = match subject.desired {
        None => content(&mut questions, name, settings)?.map(|facts| (Map::new(), facts)),
        Some(_) => parts(&mut questions, name, subject)?,
    };
    let Some((attributes, facts)) = read else { return Ok(questions.asking()) };
    let object = Object { attributes, outputs, facts, ..Object::default() };
    Ok(Reading::Live(Live::Present(Box::new(object))))
}

/// A bucket of that name that can't be this resource's.
fn blocked(code: &str, message: String, next: String) -> Reading {
    let told =
        iam::map([("code", code.into()), ("message", message.into()), ("next", next.into())]);
    let facts = iam::map([(NOT_OURS, told.into())]);
    Reading::Live(Live::Present(Box::new(Object { facts, ..Object::default() })))
}

/// The region of a bucket, by the question that all versions know.
fn location(questions: &mut Questions<'_>, name: &str) -> Result<Option<String>, ReadError> {
    let get = command("get-bucket-location", name);
    let Some(answer) = questions.ask(get.clone()) else { return Ok(None) };
    let whole = iam::whole(&get, answer)?;
    Ok(Some(match text(&whole, "/LocationConstraint") {
        // The first region has no constraint, and the second had another name.
        None => "us-east-1".to_owned(),
        Some("EU") => "eu-west-1".to_owned(),
        Some(region) => region.to_owned(),
    }))
}

/// One part of a bucket's configuration.
enum Part {
    /// It must be asked first.
    NotAsked,
    /// The bucket has none.
    None,
    /// This is it.
    Told(Json),
}

/// Asks for one part of a bucket, which says by one of these errors that it has
/// none.
fn part(
    questions: &mut Questions<'_>,
    operation: &str,
    name: &str,
    absent: &[&str],
) -> Result<Part, ReadError> {
    let get = command(operation, name);
    let Some(answer) = questions.ask(get.clone()) else { return Ok(Part::NotAsked) };
    if absent.iter().any(|code| answer.is_service_error(code)) {
        return Ok(Part::None);
    }
    // Versioning that was never switched on answers nothing at all.
    if answer.succeeded() && answer.stdout.trim().is_empty() {
        return Ok(Part::None);
    }
    let whole = iam::whole(&get, answer)?;
    // What is put back as a whole must have been read as a whole.
    if let Some(member) = list_in(operation) {
        Source { command: &get, answer }.list(&whole, member)?;
    }
    Ok(Part::Told(whole))
}

/// The member of an answer that is a list, where there is one.
fn list_in(operation: &str) -> Option<&'static str> {
    match operation {
        "get-bucket-lifecycle-configuration" => Some("Rules"),
        "get-bucket-tagging" => Some("TagSet"),
        _ => None,
    }
}

/// What the manifest declares, or declared when it was last applied.
fn parts(
    questions: &mut Questions<'_>,
    name: &str,
    subject: &Subject<'_>,
) -> Result<Option<(Map, Map)>, ReadError> {
    let declared = |attribute: &str| {
        subject
            .desired
            .and_then(|desired| desired.attributes.get(attribute))
            .filter(|value| !value.is_null())
    };
    let remembered = |attribute: &str| {
        declared(attribute).is_some()
            || subject.prior.is_some_and(|prior| prior.attributes.contains_key(attribute))
    };
    let (mut attributes, mut facts) = (Map::new(), Map::new());
    let mut missing = false;
    let mut ask = |operation: &str, absent: &[&str]| {
        part(questions, operation, name, absent).map(|told| match told {
            Part::Told(json) => Some(json),
            Part::None => None,
            Part::NotAsked => {
                missing = true;
                None
            }
        })
    };
    if declared(PUBLIC_ACCESS_BLOCK).is_some()
        && let Some(told) =
            ask("get-public-access-block", &["NoSuchPublicAccessBlockConfiguration"])?
    {
        let flag = |member: &str| {
            let told = told.pointer("/PublicAccessBlockConfiguration");
            let on = told.and_then(|told| told.get(member)).and_then(Json::as_bool);
            Value::from(on.unwrap_or(false))
        };
        let block = iam::map([
            ("blockPublicAcls", flag("BlockPublicAcls")),
            ("ignorePublicAcls", flag("IgnorePublicAcls")),
            ("blockPublicPolicy", flag("BlockPublicPolicy")),
            ("restrictPublicBuckets", flag("RestrictPublicBuckets")),
        ]);
        attributes.insert(PUBLIC_ACCESS_BLOCK.into(), block.into());
    }
    if declared(OWNERSHIP).is_some()
        && let Some(told) =
            ask("get-bucket-ownership-controls", &["OwnershipControlsNotFoundError"])?
        && let Some(owner) = text(&told, "/OwnershipControls/Rules/0/ObjectOwnership")
    {
        attributes.insert(OWNERSHIP.into(), owner.into());
    }
    if let Some(wanted) = declared(ENCRYPTION)
        && let Some(told) =
            ask("get-bucket-encryption", &["ServerSideEncryptionConfigurationNotFoundError"])?
    {
        attributes.insert(ENCRYPTION.into(), encryption(&told, wanted));
    }
    if declared(VERSIONING).is_some() {
        let told = ask("get-bucket-versioning", &[])?;
        let on = told.as_ref().and_then(|told| text(told, "/Status")) == Some("Enabled");
        attributes.insert(VERSIONING.into(), on.into());
    }
    if remembered(LIFECYCLE) {
        let told = ask("get-bucket-lifecycle-configuration", &["NoSuchLifecycleConfiguration"])?;
        let raw = raw_list(told.as_ref(), "Rules");
        attributes.insert(LIFECYCLE.into(), lifecycle::by_id(&raw).into());
        facts.insert(RAW_RULES.into(), raw.into());
        let size = told.as_ref().and_then(|told| text(told, "/TransitionDefaultMinimumObjectSize"));
        if let Some(size) = size.filter(|size| *size != "all_storage_classes_128K") {
            facts.insert(MINIMUM_SIZE.into(), size.into());
        }
    }
    if remembered(TAGS) {
        let told = ask("get-bucket-tagging", &["NoSuchTagSet"])?;
        let raw = raw_list(told.as_ref(), "TagSet");
        let tags = raw.iter().filter_map(|tag| {
            let key = tag.get("Key")?.as_str()?;
            (!iam::is_aws_tag(key)).then(|| Some((key.to_owned(), tag.get("Value")?.clone())))?
        });
        attributes.insert(TAGS.into(), Value::Map(tags.collect()));
        facts.insert(RAW_TAGS.into(), raw.into());
    }
    if remembered(POLICY)
        && let Some(told) = ask("get-bucket-policy", &["NoSuchBucketPolicy"])?
        && let Some(policy) = told.get("Policy")
    {
        attributes.insert(POLICY.into(), iam_document::from_answer(policy));
    }
    Ok((!missing).then_some((attributes, facts)))
}

fn raw_list(told: Option<&Json>, member: &str) -> Vec<Value> {
    let list = told.and_then(|told| told.get(member)).and_then(Json::as_array);
    list.into_iter().flatten().map(Value::from_json).collect()
}

/// The default encryption, as far as the manifest says anything of it.
fn encryption(told: &Json, wanted: &Value) -> Value {
    let rule = told.pointer("/ServerSideEncryptionConfiguration/Rules/0");
    let at = |pointer: &str| rule.and_then(|rule| rule.pointer(pointer)).map(Value::from_json);
    let members = [
        ("algorithm", at("/ApplyServerSideEncryptionByDefault/SSEAlgorithm")),
        ("kmsKeyId", at("/ApplyServerSideEncryptionByDefault/KMSMasterKeyID")),
        ("bucketKey", at("/BucketKeyEnabled")),
    ];
    let declared = |name: &str| wanted.get(name).is_some_and(|value| !value.is_null());
    Value::Map(
        members
            .into_iter()
            .filter(|(name, _)| declared(name))
            .filter_map(|(name, value)| Some((name.to_owned(), value?)))
            .collect(),
    )
}

/// What the bucket holds: enough to tell that it is not empty, or all of it
/// where it is to be emptied.
fn content(
    questions: &mut Questions<'_>,
    name: &str,
    settings: Option<&Map>,
) -> Result<Option<Map>, ReadError> {
    let force = settings.and_then(|settings| settings.get(FORCE_DESTROY)).and_then(Value::as_bool)
        == Some(true);
    let pages = if force { MAX_PAGES } else { 1 };
    let mut found = Vec::new();
    let mut more = false;
    let mut list = command("list-object-versions", name).arg("--no-paginate");
    for page in 1..=pages {
        let Some(answer) = questions.ask(list.clone()) else { return Ok(None) };
        let whole = page_of(&list, answer)?;
        for kind in ["Versions", "DeleteMarkers"] {
            let source = Source { command: &list, answer };
            // S3 leaves out an empty list.
            let listed = match whole.get(kind) {
                None | Some(Json::Null) => &[][..],
                Some(_) => source.list(&whole, kind)?,
            };
            for version in listed {
                found.push(Value::Map(iam::map([
                    ("Key", source.text(version, "Key")?.into()),
                    ("VersionId", source.text(version, "VersionId")?.into()),
                ])));
            }
        }
        more = whole.get("IsTruncated").and_then(Json::as_bool) == Some(true);
        let (Some(key), true) = (text(&whole, "/NextKeyMarker"), more && page < pages) else {
            break;
        };
        list = command("list-object-versions", name)
            .arg("--no-paginate")
            .flag("--key-marker", key)
            .flag("--version-id-marker", text(&whole, "/NextVersionIdMarker").unwrap_or("null"));
    }
    Ok(Some(iam::map([
        (CONTENT, found.into()),
        (MORE, more.into()),
        (FORCE_DESTROY, force.into()),
    ])))
}

/// One page of a list that is read page by page.
fn page_of(list: &Command, answer: &Answer) -> Result<Json, ReadError> {
    if !answer.succeeded() {
        return Err(unreadable(list.clone(), answer));
    }
    if answer.stdout.trim().is_empty() {
        return Ok(Json::Null);
    }
    answer.json().map_err(|why| ReadError::new(list.clone(), answer, why))
}
