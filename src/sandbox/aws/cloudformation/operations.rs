//! The table of the CloudFormation operations.

use super::super::model::{Field, NUMBER, Operation, Shape, TEXT, TEXTS, may, need, operation};
use super::{
    create, delete, describe, describe_events, describe_resources, get_template, lead_back,
    protect, update,
};

const NAME: Field = need("StackName", Shape::Text(1));
const TAGS: Field =
    may("Tags", Shape::List(&Shape::Structure(&[need("Key", TEXT), need("Value", TEXT)])));
const PARAMETERS: Field = may(
    "Parameters",
    Shape::List(&Shape::Structure(&[
        may("ParameterKey", TEXT),
        may("ParameterValue", TEXT),
        may("UsePreviousValue", Shape::Flag),
    ])),
);
const ID: Field = may("StackId", TEXT);

const STACK: Shape = Shape::Structure(&[
    ID,
    may("StackName", TEXT),
    PARAMETERS,
    may("CreationTime", TEXT),
    may("LastUpdatedTime", TEXT),
    may("RollbackConfiguration", Shape::Structure(&[])),
    may("StackStatus", TEXT),
    may("DisableRollback", Shape::Flag),
    may("NotificationARNs", TEXTS),
    may("Capabilities", TEXTS),
    may(
        "Outputs",
        Shape::List(&Shape::Structure(&[
            may("OutputKey", TEXT),
            may("OutputValue", TEXT),
            may("Description", TEXT),
        ])),
    ),
    TAGS,
    may("EnableTerminationProtection", Shape::Flag),
]);

const EVENT: Shape = Shape::Structure(&[
    ID,
    may("EventId", TEXT),
    may("StackName", TEXT),
    may("LogicalResourceId", TEXT),
    may("PhysicalResourceId", TEXT),
    may("ResourceType", TEXT),
    may("Timestamp", TEXT),
    may("ResourceStatus", TEXT),
    may("ResourceStatusReason", TEXT),
]);

const RESOURCE: Shape = Shape::Structure(&[
    may("StackName", TEXT),
    ID,
    may("LogicalResourceId", TEXT),
    may("PhysicalResourceId", TEXT),
    may("ResourceType", TEXT),
    may("Timestamp", TEXT),
    may("ResourceStatus", TEXT),
]);

/// Every operation that the sandbox answers.
pub const OPERATIONS: &[Operation] = &[
    operation(
        "continue-update-rollback",
        "ContinueUpdateRollback",
        &[NAME, may("RoleARN", TEXT), may("ResourcesToSkip", TEXTS)],
        &[],
        lead_back,
    ),
    operation(
        "create-stack",
        "CreateStack",
        &[
            NAME,
            may("TemplateBody", Shape::Text(1)),
            PARAMETERS,
            may("TimeoutInMinutes", NUMBER),
            may("Capabilities", TEXTS),
            may("RoleARN", TEXT),
            may("OnFailure", TEXT),
            TAGS,
            may("EnableTerminationProtection", Shape::Flag),
        ],
        &[ID],
        create,
    ),
    operation("delete-stack", "DeleteStack", &[NAME, may("RoleARN", TEXT)], &[], delete),
    operation(
        "describe-stack-events",
        "DescribeStackEvents",
        &[NAME],
        &[may("StackEvents", Shape::List(&EVENT))],
        describe_events,
    ),
    operation(
        "describe-stack-resources",
        "DescribeStackResources",
        &[NAME],
        &[may("StackResources", Shape::List(&RESOURCE))],
        describe_resources,
    ),
    operation(
        "describe-stacks",
        "DescribeStacks",
        &[may("StackName", TEXT)],
        &[may("Stacks", Shape::List(&STACK))],
        describe,
    ),
    operation(
        "get-template",
        "GetTemplate",
        &[NAME, may("TemplateStage", TEXT)],
        // Kept and printed as a tree.
        &[may("TemplateBody", TEXT), may("StagesAvailable", TEXTS)],
        get_template,
    ),
    operation("rollback-stack", "RollbackStack", &[NAME, may("RoleARN", TEXT)], &[ID], lead_back),
    operation(
        "update-stack",
        "UpdateStack",
        &[
            NAME,
            may("TemplateBody", Shape::Text(1)),
            may("UsePreviousTemplate", Shape::Flag),
            PARAMETERS,
            may("Capabilities", TEXTS),
            may("RoleARN", TEXT),
            TAGS,
        ],
        &[ID],
        update,
    ),
    operation(
        "update-termination-protection",
        "UpdateTerminationProtection",
        &[NAME, need("EnableTerminationProtection", Shape::Flag)],
        &[ID],
        protect,
    ),
];
