//! The account's counts and quotas.

use serde_json::{Value, json};

use super::super::model::{Answer, Call, Fault};
use crate::sandbox::Quota;
use crate::sandbox::world::World;

fn key(quota: Quota) -> String {
    format!("iam/quota/{}", quota.name())
}

/// Sets a quota.
pub fn set_quota(world: &mut World, quota: Quota, most: u64) {
    world.put(key(quota), most.into());
}

/// `get-account-summary`: AWS's default quotas where none were set, and what the
/// account holds.
#[expect(clippy::unnecessary_wraps, reason = "every operation has this signature")]
pub fn get(call: &mut Call<'_>) -> Result<Answer, Fault> {
    let count = |prefix: &str| call.world.scan(prefix).count();
    let quota = |quota: Quota, most: u64| {
        call.world.get(&key(quota)).and_then(Value::as_u64).unwrap_or(most)
    };
    Ok(Answer::Body(json!({ "SummaryMap": {
        "AccessKeysPerUserQuota": 2,
        "AccountAccessKeysPresent": 0,
        "AccountMFAEnabled": 1,
        "AccountPasswordPresent": 1,
        "AccountSigningCertificatesPresent": 0,
        "AssumeRolePolicySizeQuota": 2048,
        "AttachedPoliciesPerGroupQuota": 10,
        "AttachedPoliciesPerRoleQuota": 10,
        "AttachedPoliciesPerUserQuota": 10,
        "GlobalEndpointTokenVersion": 1,
        "GroupPolicySizeQuota": 5120,
        "Groups": 0,
        "GroupsPerUserQuota": 10,
        "GroupsQuota": 300,
        "InstanceProfiles": count("iam/profile/"),
        "InstanceProfilesQuota": 1000,
        "MFADevices": 0,
        "MFADevicesInUse": 0,
        "Policies": count("iam/policy/account/"),
        "PoliciesQuota": quota(Quota::Policies, 1500),
        "PolicySizeQuota": 6144,
        "PolicyVersionsInUse": count("iam/policy-version/"),
        "PolicyVersionsInUseQuota": 10000,
        "Providers": 0,
        "RolePolicySizeQuota": 10240,
        "Roles": count("iam/role/"),
        "RolesQuota": quota(Quota::Roles, 1000),
        "ServerCertificates": 0,
        "ServerCertificatesQuota": 20,
        "SigningCertificatesPerUserQuota": 2,
        "UserPolicySizeQuota": 2048,
        "Users": 1,
        "UsersQuota": 5000,
        "VersionsPerPolicyQuota": 5,
    } })))
}
