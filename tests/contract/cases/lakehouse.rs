//! The whole lakehouse as it ships, with the real tools: from an account with
//! nothing in it to all seven phases, once more, and away again.
//!
//! The manifests are those of `manifests/`, unchanged; variables say where the
//! charts lie, which are stand-ins (`tests/charts`), and that the network has no
//! NAT gateway, which the emulator's CloudFormation does not know.
//!
//! Where the emulator differs from AWS, and what follows from it here:
//!
//! - every cluster says that it lies in one VPC of the emulator's own
//!   (`vpc-00000000`), whatever its subnets are: so two subnets are made there
//!   beforehand, and Karpenter's tags are looked for on them;
//! - the role for spot instances has another name, so it is found by its path;
//! - `ecr-public get-login-password` is refused, so charts are pulled anonymously.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use serde_json::{Value as Json, json};

use crate::Case;
use crate::stage::{Stage, owned, texts};
use crate::world::Backend;

pub const CASES: &[Case] = &[Case {
    name: "the_whole_lakehouse_from_nothing_to_nothing",
    on: &[Backend::Real],
    needs: None,
    run: whole,
}];

const CLUSTER: &str = "whole";

fn whole(stage: &Stage) {
    ship(stage);
    let run = stage.apply();
    println!("{run}");
}

/// The shipped manifests, with variables for what can't be had here.
fn ship(stage: &Stage) {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    crate::stage::copy(&root.join("manifests"), &stage.manifests());
    stage.set("cluster", CLUSTER);
    stage.set("rootDomain", "example.com");
    stage.set("lakehouseVersion", "1.0.0");
    stage.set("natGateways", "none");
    stage.set("karpenterChart", &stage.chart("karpenter"));
    stage.set("lakehouseCharts", &stage.chart("lakehouse"));
    let controller = format!("{}/aws-load-balancer-controller", stage.chart("lakehouse"));
    stage.set("loadBalancerChart", &controller);
    stage.set("loadBalancerRepository", "null");
    let certificate = "acm request-certificate --domain-name *.k8.example.com";
    stage.aws(certificate);
}
