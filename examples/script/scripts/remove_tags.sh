#!/usr/bin/env bash
set -euo pipefail
subnets=$(aws ec2 describe-tags --output json --filters \
  Name=resource-type,Values=subnet \
  Name=key,Values=karpenter.sh/discovery \
  "Name=value,Values=$CLUSTER" | sed -n 's/.*"ResourceId": "\([^"]*\)".*/\1/p')
aws ec2 delete-tags --resources $subnets --tags Key=karpenter.sh/discovery
