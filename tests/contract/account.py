"""Prints all that an account of the AWS emulator holds, as one JSON document.

It knows nothing of `lkh`: what a case compares with it was read by another client,
in one process, by way of the services' own lists.
"""

import json
import sys

import botocore.session

session = botocore.session.get_session()
endpoint, region = sys.argv[1:3]


def client(service):
    return session.create_client(service, region_name=region, endpoint_url=endpoint)


def every(service, operation, key, **arguments):
    if service.can_paginate(operation):
        pages = service.get_paginator(operation).paginate(**arguments)
        return [one for page in pages for one in page.get(key, [])]
    return getattr(service, operation)(**arguments).get(key, [])


def roles(iam):
    for role in every(iam, "list_roles", "Roles"):
        name = role["RoleName"]
        attached = every(iam, "list_attached_role_policies", "AttachedPolicies", RoleName=name)
        yield name, {
            "path": role["Path"],
            "trust": role["AssumeRolePolicyDocument"],
            "attached": sorted(one["PolicyArn"] for one in attached),
            "inline": every(iam, "list_role_policies", "PolicyNames", RoleName=name),
        }


def policies(iam):
    for policy in every(iam, "list_policies", "Policies", Scope="Local"):
        version = iam.get_policy_version(
            PolicyArn=policy["Arn"], VersionId=policy["DefaultVersionId"]
        )
        yield policy["PolicyName"], version["PolicyVersion"]["Document"]


def clusters(eks):
    for name in every(eks, "list_clusters", "clusters"):
        of = {"clusterName": name}
        cluster = eks.describe_cluster(name=name)["cluster"]
        groups = every(eks, "list_nodegroups", "nodegroups", **of)
        addons = every(eks, "list_addons", "addons", **of)
        entries = every(eks, "list_access_entries", "accessEntries", **of)
        pods = every(eks, "list_pod_identity_associations", "associations", **of)
        yield name, {
            "cluster": cluster,
            "nodegroups": {
                one: eks.describe_nodegroup(nodegroupName=one, **of)["nodegroup"] for one in groups
            },
            "addons": {one: eks.describe_addon(addonName=one, **of)["addon"] for one in addons},
            "entries": {
                one: eks.describe_access_entry(principalArn=one, **of)["accessEntry"]
                for one in entries
            },
            "associations": [
                eks.describe_pod_identity_association(associationId=one["associationId"], **of)[
                    "association"
                ]
                for one in pods
            ],
        }


def buckets(s3):
    for bucket in every(s3, "list_buckets", "Buckets"):
        of = {"Bucket": bucket["Name"]}
        yield bucket["Name"], {
            "encryption": s3.get_bucket_encryption(**of)["ServerSideEncryptionConfiguration"],
            "public": s3.get_public_access_block(**of)["PublicAccessBlockConfiguration"],
            "objects": [one["Key"] for one in every(s3, "list_objects_v2", "Contents", **of)],
        }


def network(ec2):
    lists = {
        "vpcs": "Vpcs",
        "subnets": "Subnets",
        "internet_gateways": "InternetGateways",
        "nat_gateways": "NatGateways",
        "addresses": "Addresses",
        "route_tables": "RouteTables",
        "vpc_endpoints": "VpcEndpoints",
        "security_groups": "SecurityGroups",
        "launch_templates": "LaunchTemplates",
        "volumes": "Volumes",
        "network_interfaces": "NetworkInterfaces",
        "tags": "Tags",
    }
    for name, key in lists.items():
        yield name, every(ec2, f"describe_{name}", key)
    yield "instances", every(ec2, "describe_instances", "Reservations")


iam, formation = client("iam"), client("cloudformation")
document = {
    "roles": dict(roles(iam)),
    "policies": dict(policies(iam)),
    "profiles": every(iam, "list_instance_profiles", "InstanceProfiles"),
    "clusters": dict(clusters(client("eks"))),
    "buckets": dict(buckets(client("s3"))),
    "stacks": {
        one["StackName"]: one
        for one in every(formation, "describe_stacks", "Stacks")
        if one["StackStatus"] != "DELETE_COMPLETE"
    },
    "network": dict(network(client("ec2"))),
}
json.dump(document, sys.stdout, default=str)
