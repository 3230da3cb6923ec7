//! What the account has besides the cluster: a domain with its zone and
//! certificates, and names of buckets that others have taken.

use serde_json::json;

use super::super::{acm, route53, s3};
use super::REGION;
use crate::sandbox::world::World;

/// The domain of the account.
const DOMAIN: &str = "example.com";

/// Makes the zone and the certificates.
pub fn seed(world: &mut World) {
    route53::put_zone(world, DOMAIN, "registrar-0001");
    acm::put(world, REGION, &[DOMAIN], "ISSUED");
    acm::put(world, REGION, &["*.k8.example.com"], "ISSUED");
    // One that somebody forgot to validate.
    acm::put(world, REGION, &["*.dev.example.com"], "PENDING_VALIDATION");
    for name in ["lakehouse", "data-lake"] {
        world.put(s3::taken_key(name), json!({"account": "444455556666"}));
    }
}
