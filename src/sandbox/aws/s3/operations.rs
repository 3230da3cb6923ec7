//! The table of the S3 operations.

use super::super::model::{Field, NUMBER, Operation, Shape, TEXT, may, need};
use super::{create_bucket, get_bucket_versioning, objects, put_bucket_versioning};

const BUCKET: Field = need("Bucket", Shape::Text(3));
const KEY: Field = need("Key", Shape::Text(1));
const METADATA: Shape = Shape::Map(&TEXT);

/// What is known of an object that was read.
pub(super) const GOT: &[Field] = &[
    may("AcceptRanges", TEXT),
    may("LastModified", TEXT),
    may("ContentLength", NUMBER),
    may("ETag", TEXT),
    may("ContentType", TEXT),
    may("Metadata", METADATA),
];

const CONTENT: Shape = Shape::Structure(&[
    may("Key", TEXT),
    may("LastModified", TEXT),
    may("ETag", TEXT),
    may("Size", NUMBER),
    may("StorageClass", TEXT),
]);

/// Every operation that the sandbox answers.
pub const OPERATIONS: &[Operation] = &[
    Operation {
        command: "create-bucket",
        name: "CreateBucket",
        input: &[
            BUCKET,
            may("CreateBucketConfiguration", Shape::Structure(&[may("LocationConstraint", TEXT)])),
        ],
        output: &[may("Location", TEXT)],
        run: create_bucket,
    },
    Operation {
        command: "delete-object",
        name: "DeleteObject",
        input: &[BUCKET, KEY, may("IfMatch", TEXT)],
        output: &[],
        run: objects::delete,
    },
    Operation {
        command: "get-bucket-versioning",
        name: "GetBucketVersioning",
        input: &[BUCKET],
        output: &[may("Status", TEXT)],
        run: get_bucket_versioning,
    },
    Operation {
        command: "get-object",
        name: "GetObject",
        input: &[BUCKET, KEY, may("ChecksumMode", TEXT), need("outfile", TEXT)],
        output: GOT,
        run: objects::get,
    },
    Operation {
        command: "head-object",
        name: "HeadObject",
        input: &[BUCKET, KEY],
        output: GOT,
        run: objects::head,
    },
    Operation {
        command: "list-objects-v2",
        name: "ListObjectsV2",
        input: &[BUCKET, may("Prefix", TEXT)],
        output: &[
            may("Contents", Shape::List(&CONTENT)),
            may("RequestCharged", TEXT),
            may("Prefix", TEXT),
        ],
        run: objects::list,
    },
    Operation {
        command: "put-bucket-versioning",
        name: "PutBucketVersioning",
        input: &[BUCKET, need("VersioningConfiguration", Shape::Structure(&[may("Status", TEXT)]))],
        output: &[],
        run: put_bucket_versioning,
    },
    Operation {
        command: "put-object",
        name: "PutObject",
        input: &[
            BUCKET,
            KEY,
            may("Body", TEXT),
            may("ContentType", TEXT),
            may("Metadata", METADATA),
            may("IfMatch", TEXT),
            may("IfNoneMatch", TEXT),
        ],
        output: &[may("ETag", TEXT)],
        run: objects::put,
    },
];
