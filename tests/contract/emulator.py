"""Starts the AWS emulator with what it forgets of EKS and IAM put back.

The emulator keeps some fields of what EKS is asked to make, drops the others, and
says that every cluster lies in one network of its own, whatever its subnets are.
EKS tells all that it was given, and the network of the subnets. Of roles in the
account's authorization details it leaves out the permissions boundary, which IAM
tells. Nothing else of the emulator is touched.
"""

import sys

from ministack.app import main
from ministack.services import ec2, eks, iam

CLUSTER = ("computeConfig", "deletionProtection", "storageConfig", "upgradePolicy")
NODEGROUP = ("launchTemplate", "updateConfig")


def create_cluster(body, *more):
    network = body.get("resourcesVpcConfig", {})
    for subnet in map(ec2._subnets.get, network.get("subnetIds", [])):
        if subnet:
            network.setdefault("vpcId", subnet["VpcId"])
    answer = emulated_cluster(body, *more)
    keep(eks._clusters.get(body.get("name")), body, CLUSTER)
    return answer


def create_nodegroup(cluster, body):
    answer = emulated_nodegroup(cluster, body)
    keep(eks._nodegroups.get(f"{cluster}/{body.get('nodegroupName')}"), body, NODEGROUP)
    return answer


def keep(made, asked, names):
    for name in names:
        if made is not None and name in asked:
            made.setdefault(name, asked[name])


def account_details(parameters):
    status, headers, body = emulated_details(parameters)
    for name, role in iam._roles.items():
        if boundary := role.get("PermissionsBoundary"):
            begin = f"<member><RoleName>{name}</RoleName>"
            told = (
                "<PermissionsBoundary><PermissionsBoundaryType>Policy</PermissionsBoundaryType>"
                f"<PermissionsBoundaryArn>{boundary}</PermissionsBoundaryArn></PermissionsBoundary>"
            )
            body = body.replace(begin.encode(), (begin + told).encode(), 1)
    return status, headers, body


emulated_cluster, eks._create_cluster = eks._create_cluster, create_cluster
emulated_nodegroup, eks._create_nodegroup = eks._create_nodegroup, create_nodegroup
emulated_details = iam._IAM_HANDLERS["GetAccountAuthorizationDetails"]
iam._IAM_HANDLERS["GetAccountAuthorizationDetails"] = account_details
sys.exit(main())
