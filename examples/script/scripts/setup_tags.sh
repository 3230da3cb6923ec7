#!/usr/bin/env bash
# Tags the cluster's subnets, so that Karpenter finds them.
set -euo pipefail
subnets=$(aws eks describe-cluster --name "$CLUSTER" --output json |
  tr -d ' ",' | grep '^subnet-')
aws ec2 create-tags --resources $subnets --tags "Key=karpenter.sh/discovery,Value=$CLUSTER"
