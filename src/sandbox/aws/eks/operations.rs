//! The table of the EKS operations.

use super::super::model::{Answer, Call, Fault, Field, Operation, Shape, TEXT, TEXTS, may, need};
use super::shapes::{
    ALL_ASSOCIATED, ASSOCIATION_ID, ASSOCIATIONS, CLUSTER_NAME, CREDENTIAL, LOGGING, ONE_ADDON,
    ONE_ASSOCIATED, ONE_ASSOCIATION, ONE_CLUSTER, ONE_ENTRY, ONE_NODEGROUP, ONE_UPDATE,
    PRINCIPAL_ARN, SCOPE, TAGS, TOKEN,
};
use super::{access, access_policies, clusters, pod_identity, tags, token};

const fn operation(
    command: &'static str,
    name: &'static str,
    input: &'static [Field],
    output: &'static [Field],
    run: fn(&mut Call<'_>) -> Result<Answer, Fault>,
) -> Operation {
    Operation { command, name, input, output, run }
}

const TAG_KEYS: Shape = Shape::List(&Shape::Text(1));

/// Every operation that the sandbox answers.
pub const OPERATIONS: &[Operation] = &[
    operation(
        "associate-access-policy",
        "AssociateAccessPolicy",
        &[CLUSTER_NAME, PRINCIPAL_ARN, need("policyArn", TEXT), need("accessScope", SCOPE)],
        ONE_ASSOCIATED,
        access_policies::associate,
    ),
    operation(
        "create-access-entry",
        "CreateAccessEntry",
        &[
            CLUSTER_NAME,
            PRINCIPAL_ARN,
            may("kubernetesGroups", TEXTS),
            may("tags", TAGS),
            TOKEN,
            may("username", TEXT),
            may("type", TEXT),
        ],
        ONE_ENTRY,
        access::create,
    ),
    operation(
        "create-pod-identity-association",
        "CreatePodIdentityAssociation",
        &[
            CLUSTER_NAME,
            need("namespace", TEXT),
            need("serviceAccount", TEXT),
            need("roleArn", TEXT),
            TOKEN,
            may("tags", TAGS),
            may("disableSessionTags", Shape::Flag),
            may("targetRoleArn", TEXT),
            may("policy", TEXT),
        ],
        ONE_ASSOCIATION,
        pod_identity::create,
    ),
    operation(
        "delete-access-entry",
        "DeleteAccessEntry",
        &[CLUSTER_NAME, PRINCIPAL_ARN],
        &[],
        access::delete,
    ),
    operation(
        "delete-pod-identity-association",
        "DeletePodIdentityAssociation",
        &[CLUSTER_NAME, ASSOCIATION_ID],
        ONE_ASSOCIATION,
        pod_identity::delete,
    ),
    operation(
        "describe-access-entry",
        "DescribeAccessEntry",
        &[CLUSTER_NAME, PRINCIPAL_ARN],
        ONE_ENTRY,
        access::describe,
    ),
    operation(
        "describe-addon",
        "DescribeAddon",
        &[need("clusterName", Shape::Text(1)), need("addonName", TEXT)],
        ONE_ADDON,
        clusters::describe_addon,
    ),
    operation(
        "describe-cluster",
        "DescribeCluster",
        &[need("name", TEXT)],
        ONE_CLUSTER,
        clusters::describe,
    ),
    operation(
        "describe-nodegroup",
        "DescribeNodegroup",
        &[CLUSTER_NAME, need("nodegroupName", TEXT)],
        ONE_NODEGROUP,
        clusters::describe_nodegroup,
    ),
    operation(
        "describe-pod-identity-association",
        "DescribePodIdentityAssociation",
        &[CLUSTER_NAME, ASSOCIATION_ID],
        ONE_ASSOCIATION,
        pod_identity::describe,
    ),
    operation(
        "describe-update",
        "DescribeUpdate",
        &[need("name", TEXT), need("updateId", TEXT)],
        ONE_UPDATE,
        clusters::describe_update,
    ),
    operation(
        "disassociate-access-policy",
        "DisassociateAccessPolicy",
        &[CLUSTER_NAME, PRINCIPAL_ARN, need("policyArn", TEXT)],
        &[],
        access_policies::disassociate,
    ),
    operation(
        "get-token",
        "GetToken",
        &[may("clusterName", TEXT), may("roleArn", TEXT), may("clusterId", TEXT)],
        CREDENTIAL,
        token::get,
    ),
    operation(
        "list-access-entries",
        "ListAccessEntries",
        &[CLUSTER_NAME, may("associatedPolicyArn", TEXT)],
        &[may("accessEntries", TEXTS)],
        access::list,
    ),
    operation(
        "list-addons",
        "ListAddons",
        &[need("clusterName", Shape::Text(1))],
        &[may("addons", TEXTS)],
        clusters::list_addons,
    ),
    operation(
        "list-associated-access-policies",
        "ListAssociatedAccessPolicies",
        &[CLUSTER_NAME, PRINCIPAL_ARN],
        ALL_ASSOCIATED,
        access_policies::list,
    ),
    operation(
        "list-clusters",
        "ListClusters",
        &[may("include", TEXTS)],
        &[may("clusters", TEXTS)],
        clusters::list,
    ),
    operation(
        "list-nodegroups",
        "ListNodegroups",
        &[CLUSTER_NAME],
        &[may("nodegroups", TEXTS)],
        clusters::list_nodegroups,
    ),
    operation(
        "list-pod-identity-associations",
        "ListPodIdentityAssociations",
        &[CLUSTER_NAME, may("namespace", TEXT), may("serviceAccount", TEXT)],
        ASSOCIATIONS,
        pod_identity::list,
    ),
    operation(
        "list-tags-for-resource",
        "ListTagsForResource",
        &[need("resourceArn", TEXT)],
        &[may("tags", TAGS)],
        tags::list,
    ),
    operation(
        "tag-resource",
        "TagResource",
        &[need("resourceArn", TEXT), need("tags", TAGS)],
        &[],
        tags::tag,
    ),
    operation(
        "untag-resource",
        "UntagResource",
        &[need("resourceArn", TEXT), need("tagKeys", TAG_KEYS)],
        &[],
        tags::untag,
    ),
    operation(
        "update-access-entry",
        "UpdateAccessEntry",
        &[
            CLUSTER_NAME,
            PRINCIPAL_ARN,
            may("kubernetesGroups", TEXTS),
            TOKEN,
            may("username", TEXT),
        ],
        ONE_ENTRY,
        access::update,
    ),
    operation(
        "update-cluster-config",
        "UpdateClusterConfig",
        &[
            need("name", TEXT),
            may(
                "resourcesVpcConfig",
                Shape::Structure(&[
                    may("subnetIds", TEXTS),
                    may("securityGroupIds", TEXTS),
                    may("endpointPublicAccess", Shape::Flag),
                    may("endpointPrivateAccess", Shape::Flag),
                    may("publicAccessCidrs", TEXTS),
                ]),
            ),
            may("logging", LOGGING),
            TOKEN,
            may("accessConfig", Shape::Structure(&[may("authenticationMode", TEXT)])),
            may("deletionProtection", Shape::Flag),
        ],
        ONE_UPDATE,
        clusters::update_config,
    ),
    operation(
        "update-pod-identity-association",
        "UpdatePodIdentityAssociation",
        &[
            CLUSTER_NAME,
            ASSOCIATION_ID,
            may("roleArn", TEXT),
            TOKEN,
            may("disableSessionTags", Shape::Flag),
            may("targetRoleArn", TEXT),
            may("policy", TEXT),
        ],
        ONE_ASSOCIATION,
        pod_identity::update,
    ),
];
