//! What every service of the simulated account shares: the account, ids,
//! timestamps. Ids come from the world's counters and times from its clock, so
//! that the same commands give the same world.

use jiff::Timestamp;

use crate::sandbox::world::World;

/// The one account of the sandbox.
pub const ACCOUNT: &str = "111122223333";

/// The region that commands without `--region` use.
pub const HOME_REGION: &str = "us-east-2";

/// The user whose credentials every command uses.
pub const CALLER_ARN: &str = "arn:aws:iam::111122223333:user/lakehouse-installer";

/// The unique id of that user.
pub const CALLER_ID: &str = "AIDASANDBOX0INSTALLER";

/// An IAM unique id such as `AROA...`: a prefix and 17 letters and digits.
pub fn unique_id(world: &mut World, prefix: &str) -> String {
    let number = world.next(&format!("iam/{prefix}"));
    format!("{prefix}{}", letters(scatter(number, prefix), BASE32))
}

/// An EC2 style id such as `subnet-0123456789abcdef0`.
pub fn ec2_id(world: &mut World, prefix: &str) -> String {
    let number = world.next(&format!("ec2/{prefix}"));
    format!("{prefix}-0{:016x}", scatter(number, prefix))
}

/// An id of a pod identity association: `a-` and 17 letters and digits.
pub fn association_id(world: &mut World) -> String {
    let number = world.next("eks/association");
    format!("a-{}", letters(scatter(number, "association"), LOWER))
}

/// A UUID.
pub fn uuid(world: &mut World, counter: &str) -> String {
    let number = world.next(counter);
    let high = scatter(number, counter);
    let low = scatter(high, "uuid");
    format!(
        "{:08x}-{:04x}-4{:03x}-a{:03x}-{:012x}",
        high >> 32,
        (high >> 16) & 0xffff,
        high & 0xfff,
        low >> 52,
        low & 0xffff_ffff_ffff
    )
}

const BASE32: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
const LOWER: &[u8] = b"abcdefghijklmnopqrstuvwxyz0123456789";

/// Spreads a counter over 64 bits, one to one, so that ids look unlike each
/// other but are never the same for two numbers of one counter.
fn scatter(number: u64, salt: &str) -> u64 {
    let seed = salt.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    });
    let mut bits = number.wrapping_add(seed);
    for multiplier in [0xbf58_476d_1ce4_e5b9_u64, 0x94d0_49bb_1331_11eb] {
        bits = (bits ^ (bits >> 30)).wrapping_mul(multiplier);
    }
    bits ^ (bits >> 31)
}

/// 17 letters or digits: all 64 bits and 20 more, so that two different values
/// never give the same text.
fn letters(bits: u64, alphabet: &[u8]) -> String {
    let size = alphabet.len() as u128;
    let more = u128::from(scatter(bits, "letters") & 0xf_ffff);
    let mut rest = u128::from(bits) | (more << 64);
    (0..17)
        .map(|_| {
            let at = usize::try_from(rest % size).unwrap_or_default();
            rest /= size;
            alphabet.get(at).copied().map_or('0', char::from)
        })
        .collect()
}

/// A time with whole seconds, as IAM gives them: `2026-11-22T14:00:56+00:00`.
pub fn to_second(time: Timestamp) -> String {
    time.strftime("%Y-%m-%dT%H:%M:%S+00:00").to_string()
}

/// A time with milliseconds, as EKS gives them and the CLI prints them: six
/// digits, or none where they are zero.
pub fn to_millisecond(time: Timestamp) -> String {
    let millisecond = time.as_millisecond().rem_euclid(1000);
    if millisecond == 0 {
        return to_second(time);
    }
    format!("{}.{millisecond:03}000+00:00", time.strftime("%Y-%m-%dT%H:%M:%S"))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn ids_are_distinct_and_of_their_form() {
        let mut world = World::new(Timestamp::UNIX_EPOCH);
        let ids: BTreeSet<String> = (0..5000).map(|_| unique_id(&mut world, "AROA")).collect();
        assert_eq!(ids.len(), 5000);
        assert!(ids.iter().all(|id| id.len() == 21));
        assert_eq!(association_id(&mut world).len(), 19);
        assert_eq!(ec2_id(&mut world, "subnet").len(), 24);
        assert_eq!(uuid(&mut world, "x").len(), 36);
    }

    #[test]
    fn times_as_the_cli_prints_them() {
        let time = Timestamp::from_millisecond(1_795_356_056_123).unwrap();
        assert_eq!(to_second(time), "2026-11-22T14:00:56+00:00");
        assert_eq!(to_millisecond(time), "2026-11-22T14:00:56.123000+00:00");
        let whole = Timestamp::from_second(1_795_356_056).unwrap();
        assert_eq!(to_millisecond(whole), "2026-11-22T14:00:56+00:00");
    }
}
