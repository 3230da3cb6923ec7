//! The shapes of the EKS inputs and answers. Members stand in the order in which
//! the CLI prints them.

use super::super::model::{Field, NUMBER, Shape, TEXT, TEXTS, may, need};

/// Tags as EKS has them.
pub const TAGS: Shape = Shape::Map(&TEXT);

/// Input that names a cluster.
pub const CLUSTER_NAME: Field = need("clusterName", TEXT);
/// Input that names an access entry's principal.
pub const PRINCIPAL_ARN: Field = need("principalArn", TEXT);
/// Input that names an association.
pub const ASSOCIATION_ID: Field = need("associationId", TEXT);
/// Input that makes a call repeatable; the sandbox only accepts it.
pub const TOKEN: Field = may("clientRequestToken", TEXT);

const ENABLED: Shape = Shape::Structure(&[may("enabled", Shape::Flag)]);

const HEALTH: Shape = Shape::Structure(&[may(
    "issues",
    Shape::List(&Shape::Structure(&[
        may("code", TEXT),
        may("message", TEXT),
        may("resourceIds", TEXTS),
    ])),
)]);

/// Which of a control plane's logs are kept.
pub const LOGGING: Shape = Shape::Structure(&[may(
    "clusterLogging",
    Shape::List(&Shape::Structure(&[may("types", TEXTS), may("enabled", Shape::Flag)])),
)]);

const CLUSTER: Shape = Shape::Structure(&[
    may("name", TEXT),
    may("arn", TEXT),
    may("createdAt", TEXT),
    may("version", TEXT),
    may("endpoint", TEXT),
    may("roleArn", TEXT),
    may(
        "resourcesVpcConfig",
        Shape::Structure(&[
            may("subnetIds", TEXTS),
            may("securityGroupIds", TEXTS),
            may("clusterSecurityGroupId", TEXT),
            may("vpcId", TEXT),
            may("endpointPublicAccess", Shape::Flag),
            may("endpointPrivateAccess", Shape::Flag),
            may("publicAccessCidrs", TEXTS),
        ]),
    ),
    may(
        "kubernetesNetworkConfig",
        Shape::Structure(&[
            may("serviceIpv4Cidr", TEXT),
            may("serviceIpv6Cidr", TEXT),
            may("ipFamily", TEXT),
            may("elasticLoadBalancing", ENABLED),
        ]),
    ),
    may("logging", LOGGING),
    may("identity", Shape::Structure(&[may("oidc", Shape::Structure(&[may("issuer", TEXT)]))])),
    may("status", TEXT),
    may("certificateAuthority", Shape::Structure(&[may("data", TEXT)])),
    may("platformVersion", TEXT),
    may("tags", TAGS),
    may("encryptionConfig", ENCRYPTION_CONFIG),
    may("health", HEALTH),
    may("accessConfig", ACCESS_CONFIG),
    may("upgradePolicy", UPGRADE_POLICY),
    may("computeConfig", COMPUTE_CONFIG),
    may("storageConfig", STORAGE_CONFIG),
    may("deletionProtection", Shape::Flag),
]);

/// Input that names an add-on's cluster.
pub const ADDON_CLUSTER: Field = need("clusterName", Shape::Text(1));
/// Input that names an add-on.
pub const ADDON_NAME: Field = need("addonName", TEXT);
/// Input that names a node group.
pub const NODEGROUP_NAME: Field = need("nodegroupName", TEXT);

/// The network of a cluster, as it is asked for.
pub const VPC_CONFIG: Shape = Shape::Structure(&[
    may("subnetIds", TEXTS),
    may("securityGroupIds", TEXTS),
    may("endpointPublicAccess", Shape::Flag),
    may("endpointPrivateAccess", Shape::Flag),
    may("publicAccessCidrs", TEXTS),
]);
/// The network inside of a cluster, as it is asked for.
pub const NETWORK_CONFIG: Shape = Shape::Structure(&[
    may("serviceIpv4Cidr", TEXT),
    may("ipFamily", TEXT),
    may("elasticLoadBalancing", ENABLED),
]);
/// Who may reach a cluster.
pub const ACCESS_CONFIG: Shape = Shape::Structure(&[
    may("bootstrapClusterCreatorAdminPermissions", Shape::Flag),
    may("authenticationMode", TEXT),
]);
/// How long a version is supported.
pub const UPGRADE_POLICY: Shape = Shape::Structure(&[may("supportType", TEXT)]);
/// EKS Auto Mode: nodes.
pub const COMPUTE_CONFIG: Shape = Shape::Structure(&[
    may("enabled", Shape::Flag),
    may("nodePools", TEXTS),
    may("nodeRoleArn", TEXT),
]);
/// EKS Auto Mode: disks.
pub const STORAGE_CONFIG: Shape = Shape::Structure(&[may("blockStorage", ENABLED)]);
/// What is encrypted, by which key.
pub const ENCRYPTION_CONFIG: Shape = Shape::List(&Shape::Structure(&[
    may("resources", TEXTS),
    may("provider", Shape::Structure(&[may("keyArn", TEXT)])),
]));
/// How many nodes a group has.
pub const SCALING_CONFIG: Shape = Shape::Structure(&[
    may("minSize", Shape::Number(Some(0))),
    may("maxSize", Shape::Number(Some(1))),
    may("desiredSize", Shape::Number(Some(0))),
]);
/// How many nodes of a group may be missing during an update.
pub const UPDATE_CONFIG: Shape = Shape::Structure(&[
    may("maxUnavailable", Shape::Number(Some(1))),
    may("maxUnavailablePercentage", Shape::Number(Some(1))),
]);
/// The taints of a group's nodes.
pub const TAINTS: Shape = Shape::List(&Shape::Structure(&[
    may("key", Shape::Text(1)),
    may("value", TEXT),
    may("effect", TEXT),
]));
/// The associations that an add-on is to own.
pub const POD_IDENTITIES: Shape =
    Shape::List(&Shape::Structure(&[need("serviceAccount", TEXT), need("roleArn", TEXT)]));

/// The answer with the versions of add-ons.
pub const ADDON_VERSIONS: &[Field] = &[may(
    "addons",
    Shape::List(&Shape::Structure(&[
        may("addonName", TEXT),
        may("type", TEXT),
        may(
            "addonVersions",
            Shape::List(&Shape::Structure(&[
                may("addonVersion", TEXT),
                may("architecture", TEXTS),
                may("computeTypes", TEXTS),
                may(
                    "compatibilities",
                    Shape::List(&Shape::Structure(&[
                        may("clusterVersion", TEXT),
                        may("platformVersions", TEXTS),
                        may("defaultVersion", Shape::Flag),
                    ])),
                ),
                may("requiresConfiguration", Shape::Flag),
                may("requiresIamPermissions", Shape::Flag),
            ])),
        ),
        may("publisher", TEXT),
        may("owner", TEXT),
    ])),
)];

/// The answer with the configuration of an add-on.
pub const ADDON_CONFIGURATION: &[Field] =
    &[may("addonName", TEXT), may("addonVersion", TEXT), may("configurationSchema", TEXT)];

/// The answer with one cluster.
pub const ONE_CLUSTER: &[Field] = &[may("cluster", CLUSTER)];

/// The answer with an update.
pub const ONE_UPDATE: &[Field] = &[may(
    "update",
    Shape::Structure(&[
        may("id", TEXT),
        may("status", TEXT),
        may("type", TEXT),
        may("params", Shape::List(&Shape::Structure(&[may("type", TEXT), may("value", TEXT)]))),
        may("createdAt", TEXT),
        may("errors", TEXTS),
    ]),
)];

/// The answer with one access entry.
pub const ONE_ENTRY: &[Field] = &[may(
    "accessEntry",
    Shape::Structure(&[
        may("clusterName", TEXT),
        may("principalArn", TEXT),
        may("kubernetesGroups", TEXTS),
        may("accessEntryArn", TEXT),
        may("createdAt", TEXT),
        may("modifiedAt", TEXT),
        may("tags", TAGS),
        may("username", TEXT),
        may("type", TEXT),
    ]),
)];

/// What an access policy covers.
pub const SCOPE: Shape = Shape::Structure(&[may("type", TEXT), may("namespaces", TEXTS)]);

const ASSOCIATED: Shape = Shape::Structure(&[
    may("policyArn", TEXT),
    may("accessScope", SCOPE),
    may("associatedAt", TEXT),
    may("modifiedAt", TEXT),
]);

/// The answer with one associated access policy.
pub const ONE_ASSOCIATED: &[Field] = &[
    may("clusterName", TEXT),
    may("principalArn", TEXT),
    may("associatedAccessPolicy", ASSOCIATED),
];

/// The answer with an entry's access policies. The CLI prints the list first,
/// because it puts the pages of the list together.
pub const ALL_ASSOCIATED: &[Field] = &[
    may("associatedAccessPolicies", Shape::List(&ASSOCIATED)),
    may("clusterName", TEXT),
    may("principalArn", TEXT),
];

/// The answer with one pod identity association.
pub const ONE_ASSOCIATION: &[Field] = &[may(
    "association",
    Shape::Structure(&[
        may("clusterName", TEXT),
        may("namespace", TEXT),
        may("serviceAccount", TEXT),
        may("roleArn", TEXT),
        may("associationArn", TEXT),
        may("associationId", TEXT),
        may("tags", TAGS),
        may("createdAt", TEXT),
        may("modifiedAt", TEXT),
        may("ownerArn", TEXT),
        may("disableSessionTags", Shape::Flag),
        may("targetRoleArn", TEXT),
        may("externalId", TEXT),
        may("policy", TEXT),
    ]),
)];

/// The answer with several associations, in short.
pub const ASSOCIATIONS: &[Field] = &[may(
    "associations",
    Shape::List(&Shape::Structure(&[
        may("clusterName", TEXT),
        may("namespace", TEXT),
        may("serviceAccount", TEXT),
        may("associationArn", TEXT),
        may("associationId", TEXT),
        may("ownerArn", TEXT),
    ])),
)];

/// The answer with one add-on.
pub const ONE_ADDON: &[Field] = &[may(
    "addon",
    Shape::Structure(&[
        may("addonName", TEXT),
        may("clusterName", TEXT),
        may("status", TEXT),
        may("addonVersion", TEXT),
        may("health", HEALTH),
        may("addonArn", TEXT),
        may("createdAt", TEXT),
        may("modifiedAt", TEXT),
        may("serviceAccountRoleArn", TEXT),
        may("tags", TAGS),
        may("publisher", TEXT),
        may("owner", TEXT),
        may("configurationValues", TEXT),
        may("podIdentityAssociations", TEXTS),
    ]),
)];

/// The answer with one node group.
pub const ONE_NODEGROUP: &[Field] = &[may(
    "nodegroup",
    Shape::Structure(&[
        may("nodegroupName", TEXT),
        may("nodegroupArn", TEXT),
        may("clusterName", TEXT),
        may("version", TEXT),
        may("releaseVersion", TEXT),
        may("createdAt", TEXT),
        may("modifiedAt", TEXT),
        may("status", TEXT),
        may("capacityType", TEXT),
        may(
            "scalingConfig",
            Shape::Structure(&[
                may("minSize", NUMBER),
                may("maxSize", NUMBER),
                may("desiredSize", NUMBER),
            ]),
        ),
        may("instanceTypes", TEXTS),
        may("subnets", TEXTS),
        may("amiType", TEXT),
        may("nodeRole", TEXT),
        may("labels", TAGS),
        may("taints", TAINTS),
        may(
            "resources",
            Shape::Structure(&[may(
                "autoScalingGroups",
                Shape::List(&Shape::Structure(&[may("name", TEXT)])),
            )]),
        ),
        may("diskSize", NUMBER),
        may("health", HEALTH),
        may("updateConfig", UPDATE_CONFIG),
        may(
            "launchTemplate",
            Shape::Structure(&[may("name", TEXT), may("version", TEXT), may("id", TEXT)]),
        ),
        may("tags", TAGS),
    ]),
)];

/// The answer of `get-token`, which the CLI makes itself.
pub const CREDENTIAL: &[Field] = &[
    may("kind", TEXT),
    may("apiVersion", TEXT),
    may("spec", Shape::Structure(&[])),
    may("status", Shape::Structure(&[may("expirationTimestamp", TEXT), may("token", TEXT)])),
];
