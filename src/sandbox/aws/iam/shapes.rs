//! The shapes of IAM's inputs and answers. Members stand in the order in which
//! the CLI prints them.

use super::super::model::{Field, NUMBER, Shape, TEXT, TEXTS, may, need};

/// A name of any kind.
pub const NAME: Shape = Shape::Text(1);
/// An ARN.
pub const ARN: Shape = Shape::Text(20);
/// A policy document as input.
pub const POLICY_TEXT: Shape = Shape::Text(1);
/// A session duration in seconds.
pub const SESSION: Shape = Shape::Number(Some(3600));
/// Tags.
pub const TAGS: Shape =
    Shape::List(&Shape::Structure(&[need("Key", Shape::Text(1)), need("Value", TEXT)]));
/// Keys of tags.
pub const TAG_KEYS: Shape = Shape::List(&Shape::Text(1));

/// A role.
pub const ROLE: Shape = Shape::Structure(&[
    may("Path", TEXT),
    may("RoleName", TEXT),
    may("RoleId", TEXT),
    may("Arn", TEXT),
    may("CreateDate", TEXT),
    may("AssumeRolePolicyDocument", Shape::Document),
    may("Description", TEXT),
    may("MaxSessionDuration", NUMBER),
    may("PermissionsBoundary", BOUNDARY),
    may("Tags", TAGS),
    may("RoleLastUsed", LAST_USED),
]);

const BOUNDARY: Shape =
    Shape::Structure(&[may("PermissionsBoundaryType", TEXT), may("PermissionsBoundaryArn", TEXT)]);
const LAST_USED: Shape = Shape::Structure(&[may("LastUsedDate", TEXT), may("Region", TEXT)]);

/// A managed policy.
pub const POLICY: Shape = Shape::Structure(&[
    may("PolicyName", TEXT),
    may("PolicyId", TEXT),
    may("Arn", TEXT),
    may("Path", TEXT),
    may("DefaultVersionId", TEXT),
    may("AttachmentCount", NUMBER),
    may("PermissionsBoundaryUsageCount", NUMBER),
    may("IsAttachable", Shape::Flag),
    may("Description", TEXT),
    may("CreateDate", TEXT),
    may("UpdateDate", TEXT),
    may("Tags", TAGS),
]);

/// A version of a managed policy.
pub const VERSION: Shape = Shape::Structure(&[
    may("Document", Shape::Document),
    may("VersionId", TEXT),
    may("IsDefaultVersion", Shape::Flag),
    may("CreateDate", TEXT),
]);

/// An instance profile.
pub const PROFILE: Shape = Shape::Structure(&[
    may("Path", TEXT),
    may("InstanceProfileName", TEXT),
    may("InstanceProfileId", TEXT),
    may("Arn", TEXT),
    may("CreateDate", TEXT),
    may("Roles", Shape::List(&ROLE)),
    may("Tags", TAGS),
]);

/// All that IAM tells of a role, with its policies.
const ROLE_DETAIL: Shape = Shape::Structure(&[
    may("Path", TEXT),
    may("RoleName", TEXT),
    may("RoleId", TEXT),
    may("Arn", TEXT),
    may("CreateDate", TEXT),
    may("AssumeRolePolicyDocument", Shape::Document),
    may("InstanceProfileList", Shape::List(&PROFILE)),
    may(
        "RolePolicyList",
        Shape::List(&Shape::Structure(&[
            may("PolicyName", TEXT),
            may("PolicyDocument", Shape::Document),
        ])),
    ),
    may("AttachedManagedPolicies", ATTACHED_POLICIES),
    may("PermissionsBoundary", BOUNDARY),
    may("Tags", TAGS),
    may("RoleLastUsed", LAST_USED),
]);

/// All that IAM tells of a managed policy but its tags, with its versions.
const POLICY_DETAIL: Shape = Shape::Structure(&[
    may("PolicyName", TEXT),
    may("PolicyId", TEXT),
    may("Arn", TEXT),
    may("Path", TEXT),
    may("DefaultVersionId", TEXT),
    may("AttachmentCount", NUMBER),
    may("PermissionsBoundaryUsageCount", NUMBER),
    may("IsAttachable", Shape::Flag),
    may("Description", TEXT),
    may("CreateDate", TEXT),
    may("UpdateDate", TEXT),
    may("PolicyVersionList", Shape::List(&VERSION)),
]);

/// The answer with everything.
pub const DETAILS: &[Field] = &[
    may("UserDetailList", Shape::List(&TEXT)),
    may("GroupDetailList", Shape::List(&TEXT)),
    may("RoleDetailList", Shape::List(&ROLE_DETAIL)),
    may("Policies", Shape::List(&POLICY_DETAIL)),
];

/// The answer with one role.
pub const ONE_ROLE: &[Field] = &[may("Role", ROLE)];
/// The answer with one policy.
pub const ONE_POLICY: &[Field] = &[may("Policy", POLICY)];
/// The answer with one version.
pub const ONE_VERSION: &[Field] = &[may("PolicyVersion", VERSION)];
/// The answer with one instance profile.
pub const ONE_PROFILE: &[Field] = &[may("InstanceProfile", PROFILE)];
/// The answer with several instance profiles.
pub const PROFILES: &[Field] = &[may("InstanceProfiles", Shape::List(&PROFILE))];
/// The answer with tags.
pub const ONLY_TAGS: &[Field] = &[may("Tags", TAGS)];
/// The answer with the entities of a policy.
pub const ENTITIES: &[Field] = &[
    may(
        "PolicyGroups",
        Shape::List(&Shape::Structure(&[may("GroupName", TEXT), may("GroupId", TEXT)])),
    ),
    may(
        "PolicyUsers",
        Shape::List(&Shape::Structure(&[may("UserName", TEXT), may("UserId", TEXT)])),
    ),
    may(
        "PolicyRoles",
        Shape::List(&Shape::Structure(&[may("RoleName", TEXT), may("RoleId", TEXT)])),
    ),
];
/// The answer with attached policies.
pub const ATTACHED: &[Field] = &[may("AttachedPolicies", ATTACHED_POLICIES)];

const ATTACHED_POLICIES: Shape =
    Shape::List(&Shape::Structure(&[may("PolicyName", TEXT), may("PolicyArn", TEXT)]));

/// The answer about a deletion.
pub const DELETION: &[Field] = &[
    may("Status", TEXT),
    may(
        "Reason",
        Shape::Structure(&[
            may("Reason", TEXT),
            may(
                "RoleUsageList",
                Shape::List(&Shape::Structure(&[may("Region", TEXT), may("Resources", TEXTS)])),
            ),
        ]),
    ),
];

/// Input that names a role.
pub const ROLE_NAME: Field = need("RoleName", NAME);
/// Input that names a policy.
pub const POLICY_ARN: Field = need("PolicyArn", ARN);
/// Input that names an instance profile.
pub const PROFILE_NAME: Field = need("InstanceProfileName", NAME);
/// Input that names a policy's version.
pub const VERSION_ID: Field = need("VersionId", TEXT);
/// Input that restricts a list to a path.
pub const PATH_PREFIX: Field = may("PathPrefix", Shape::Text(1));
