//! The table of the S3 operations.

use super::super::model::{Answer, Call, Fault, Field, NUMBER, Operation, Shape, TEXT, may, need};
use super::{buckets, objects, versions};

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

const RULES: Shape = Shape::List(&Shape::Structure(&[
    may(
        "Expiration",
        Shape::Structure(&[
            may("Date", TEXT),
            may("Days", NUMBER),
            may("ExpiredObjectDeleteMarker", Shape::Flag),
        ]),
    ),
    may("ID", TEXT),
    may("Prefix", TEXT),
    may(
        "Filter",
        Shape::Structure(&[
            may("Prefix", TEXT),
            may("Tag", TAG),
            may("ObjectSizeGreaterThan", NUMBER),
            may("ObjectSizeLessThan", NUMBER),
            may(
                "And",
                Shape::Structure(&[
                    may("Prefix", TEXT),
                    may("Tags", Shape::List(&TAG)),
                    may("ObjectSizeGreaterThan", NUMBER),
                    may("ObjectSizeLessThan", NUMBER),
                ]),
            ),
        ]),
    ),
    need("Status", TEXT),
    may(
        "Transitions",
        Shape::List(&Shape::Structure(&[
            may("Date", TEXT),
            may("Days", NUMBER),
            may("StorageClass", TEXT),
        ])),
    ),
    may(
        "NoncurrentVersionTransitions",
        Shape::List(&Shape::Structure(&[
            may("NoncurrentDays", NUMBER),
            may("StorageClass", TEXT),
            may("NewerNoncurrentVersions", NUMBER),
        ])),
    ),
    may(
        "NoncurrentVersionExpiration",
        Shape::Structure(&[may("NoncurrentDays", NUMBER), may("NewerNoncurrentVersions", NUMBER)]),
    ),
    may("AbortIncompleteMultipartUpload", Shape::Structure(&[may("DaysAfterInitiation", NUMBER)])),
]));

const TAG: Shape = Shape::Structure(&[need("Key", Shape::Text(1)), need("Value", TEXT)]);
const TAGS: Shape = Shape::List(&TAG);

const ENCRYPTION: Shape = Shape::Structure(&[need(
    "Rules",
    Shape::List(&Shape::Structure(&[
        may(
            "ApplyServerSideEncryptionByDefault",
            Shape::Structure(&[need("SSEAlgorithm", TEXT), may("KMSMasterKeyID", TEXT)]),
        ),
        may("BucketKeyEnabled", Shape::Flag),
    ])),
)]);

const PUBLIC_ACCESS: Shape = Shape::Structure(&[
    may("BlockPublicAcls", Shape::Flag),
    may("IgnorePublicAcls", Shape::Flag),
    may("BlockPublicPolicy", Shape::Flag),
    may("RestrictPublicBuckets", Shape::Flag),
]);

const OWNERSHIP: Shape = Shape::Structure(&[need(
    "Rules",
    Shape::List(&Shape::Structure(&[need("ObjectOwnership", TEXT)])),
)]);

const VERSIONS: Shape = Shape::List(&Shape::Structure(&[
    may("ETag", TEXT),
    may("Size", NUMBER),
    may("StorageClass", TEXT),
    may("Key", TEXT),
    may("VersionId", TEXT),
    may("IsLatest", Shape::Flag),
    may("LastModified", TEXT),
]));

const MARKERS: Shape = Shape::List(&Shape::Structure(&[
    may("Key", TEXT),
    may("VersionId", TEXT),
    may("IsLatest", Shape::Flag),
    may("LastModified", TEXT),
]));

const OBJECTS: Shape =
    Shape::List(&Shape::Structure(&[need("Key", Shape::Text(1)), may("VersionId", TEXT)]));

/// An operation on a bucket and nothing else.
const fn on_bucket(
    command: &'static str,
    name: &'static str,
    output: &'static [Field],
    run: fn(&mut Call<'_>) -> Result<Answer, Fault>,
) -> Operation {
    Operation { command, name, input: &[BUCKET], output, run }
}

/// Every operation that the sandbox answers.
pub const OPERATIONS: &[Operation] = &[
    Operation {
        command: "create-bucket",
        name: "CreateBucket",
        input: &[
            BUCKET,
            may("CreateBucketConfiguration", Shape::Structure(&[may("LocationConstraint", TEXT)])),
            may("ObjectOwnership", TEXT),
        ],
        output: &[may("Location", TEXT)],
        run: buckets::create,
    },
    on_bucket("delete-bucket", "DeleteBucket", &[], buckets::delete),
    on_bucket("delete-bucket-lifecycle", "DeleteBucketLifecycle", &[], buckets::delete_lifecycle),
    on_bucket("delete-bucket-policy", "DeleteBucketPolicy", &[], buckets::delete_policy),
    on_bucket("delete-bucket-tagging", "DeleteBucketTagging", &[], buckets::delete_tagging),
    on_bucket(
        "delete-public-access-block",
        "DeletePublicAccessBlock",
        &[],
        buckets::delete_public_access,
    ),
    on_bucket(
        "get-bucket-encryption",
        "GetBucketEncryption",
        &[may("ServerSideEncryptionConfiguration", ENCRYPTION)],
        buckets::get_encryption,
    ),
    on_bucket(
        "get-bucket-lifecycle-configuration",
        "GetBucketLifecycleConfiguration",
        &[may("Rules", RULES), may("TransitionDefaultMinimumObjectSize", TEXT)],
        buckets::get_lifecycle,
    ),
    on_bucket(
        "get-bucket-location",
        "GetBucketLocation",
        &[may("LocationConstraint", TEXT)],
        buckets::location,
    ),
    on_bucket(
        "get-bucket-ownership-controls",
        "GetBucketOwnershipControls",
        &[may("OwnershipControls", OWNERSHIP)],
        buckets::get_ownership,
    ),
    on_bucket("get-bucket-policy", "GetBucketPolicy", &[may("Policy", TEXT)], buckets::get_policy),
    on_bucket(
        "get-bucket-tagging",
        "GetBucketTagging",
        &[may("TagSet", TAGS)],
        buckets::get_tagging,
    ),
    on_bucket(
        "get-public-access-block",
        "GetPublicAccessBlock",
        &[may("PublicAccessBlockConfiguration", PUBLIC_ACCESS)],
        buckets::get_public_access,
    ),
    on_bucket(
        "head-bucket",
        "HeadBucket",
        &[may("BucketArn", TEXT), may("BucketRegion", TEXT), may("AccessPointAlias", Shape::Flag)],
        buckets::head,
    ),
    Operation {
        command: "delete-objects",
        name: "DeleteObjects",
        input: &[
            BUCKET,
            need(
                "Delete",
                Shape::Structure(&[need("Objects", OBJECTS), may("Quiet", Shape::Flag)]),
            ),
        ],
        output: &[may("Deleted", OBJECTS)],
        run: versions::delete_many,
    },
    Operation {
        command: "list-buckets",
        name: "ListBuckets",
        input: &[],
        output: &[may(
            "Buckets",
            Shape::List(&Shape::Structure(&[may("Name", TEXT), may("CreationDate", TEXT)])),
        )],
        run: buckets::list,
    },
    Operation {
        command: "list-object-versions",
        name: "ListObjectVersions",
        input: &[
            BUCKET,
            may("KeyMarker", TEXT),
            may("VersionIdMarker", TEXT),
            may("MaxKeys", NUMBER),
        ],
        output: &[
            may("IsTruncated", Shape::Flag),
            may("KeyMarker", TEXT),
            may("VersionIdMarker", TEXT),
            may("NextKeyMarker", TEXT),
            may("NextVersionIdMarker", TEXT),
            may("Versions", VERSIONS),
            may("DeleteMarkers", MARKERS),
            may("Name", TEXT),
            may("Prefix", TEXT),
            may("MaxKeys", NUMBER),
        ],
        run: versions::list,
    },
    Operation {
        command: "put-bucket-encryption",
        name: "PutBucketEncryption",
        input: &[BUCKET, need("ServerSideEncryptionConfiguration", ENCRYPTION)],
        output: &[],
        run: buckets::put_encryption,
    },
    Operation {
        command: "put-bucket-lifecycle-configuration",
        name: "PutBucketLifecycleConfiguration",
        input: &[
            BUCKET,
            may("LifecycleConfiguration", Shape::Structure(&[need("Rules", RULES)])),
            may("TransitionDefaultMinimumObjectSize", TEXT),
        ],
        output: &[],
        run: buckets::put_lifecycle,
    },
    Operation {
        command: "put-bucket-ownership-controls",
        name: "PutBucketOwnershipControls",
        input: &[BUCKET, need("OwnershipControls", OWNERSHIP)],
        output: &[],
        run: buckets::put_ownership,
    },
    Operation {
        command: "put-bucket-policy",
        name: "PutBucketPolicy",
        input: &[BUCKET, need("Policy", TEXT)],
        output: &[],
        run: buckets::put_policy,
    },
    Operation {
        command: "put-bucket-tagging",
        name: "PutBucketTagging",
        input: &[BUCKET, need("Tagging", Shape::Structure(&[need("TagSet", TAGS)]))],
        output: &[],
        run: buckets::put_tagging,
    },
    Operation {
        command: "put-public-access-block",
        name: "PutPublicAccessBlock",
        input: &[BUCKET, need("PublicAccessBlockConfiguration", PUBLIC_ACCESS)],
        output: &[],
        run: buckets::put_public_access,
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
        run: buckets::get_versioning,
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
        run: buckets::put_versioning,
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
