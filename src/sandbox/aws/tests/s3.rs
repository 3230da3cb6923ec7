//! Buckets and objects.

use serde_json::json;

use super::{Account, Fails, Nothing, Refused, Shows, text};

const NO_BUCKET: &str = "The specified bucket does not exist";
const NO_KEY: &str = "The specified key does not exist.";
const OTHERWISE: &str = "At least one of the pre-conditions you specified did not hold";

#[test]
fn objects_are_written_where_the_caller_says() {
    let mut account = Account::new();
    let put = "s3api put-object --bucket team --key a/b --body /dev/stdin";
    account.play(&[
        (put, Fails("NoSuchBucket", NO_BUCKET)),
        ("s3api get-bucket-versioning --bucket team", Fails("NoSuchBucket", NO_BUCKET)),
        ("s3api create-bucket --bucket team", Shows(json!({"Location": "/team"}))),
        ("s3api get-bucket-versioning --bucket team", Nothing),
        (
            "s3api put-bucket-versioning --bucket team --versioning-configuration Status=Enabled",
            Nothing,
        ),
        ("s3api get-bucket-versioning --bucket team", Shows(json!({"Status": "Enabled"}))),
        ("s3api head-object --bucket team --key a/b", Fails("404", "Not Found")),
        ("s3api get-object --bucket team --key a/b /dev/stdout", Fails("NoSuchKey", NO_KEY)),
        ("s3api put-object --bucket team --key a/b --body file", Refused("path to a file")),
        ("s3api get-object --bucket team --key a/b", Refused("outfile")),
        ("s3api list-objects-v2 --bucket team --prefix a/", Shows(json!({"Prefix": "a/"}))),
    ]);
    let first =
        account.run_with(&format!("{put} --if-none-match * --metadata k=v"), "{\"x\": 1}\n");
    assert_eq!(first.code, 0, "{}", text(&first.stderr));
    let tag = serde_json::from_slice::<serde_json::Value>(&first.stdout).unwrap()["ETag"].clone();
    let got = account.run("s3api get-object --bucket team --key a/b /dev/stdout");
    let rest = text(&got.stdout);
    let rest = rest.strip_prefix("{\"x\": 1}\n").unwrap();
    let rest: serde_json::Value = serde_json::from_str(rest).unwrap();
    assert_eq!(rest["ContentLength"], 9);
    assert_eq!((&rest["ETag"], &rest["Metadata"]), (&tag, &json!({"k": "v"})));
    let tag = tag.as_str().unwrap();
    account.play(&[
        (&format!("{put} --if-none-match *"), Fails("PreconditionFailed", OTHERWISE)),
        (&format!("{put} --if-match \"x\""), Fails("PreconditionFailed", OTHERWISE)),
        ("s3api list-objects-v2 --bucket team", Shows(json!({"Contents": [{"Key": "a/b"}]}))),
    ]);
    let second = account.run_with(&format!("{put} --if-match {tag}"), "other");
    assert_eq!(second.code, 0, "{}", text(&second.stderr));
    account.play(&[
        (&format!("{put} --if-match {tag}"), Fails("PreconditionFailed", OTHERWISE)),
        ("s3api delete-object --bucket team --key a/b", Nothing),
        (&format!("{put} --if-match {tag}"), Fails("NoSuchKey", NO_KEY)),
    ]);
}
