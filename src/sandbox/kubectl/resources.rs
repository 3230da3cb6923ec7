//! `api-resources`: the types of objects that the cluster knows.

use super::{Call, Failure};
use crate::sandbox::flags::{Flag, Takes, flag, short};

pub const FLAGS: &[Flag] = &[
    flag("api-group", Takes::Value),
    flag("namespaced", Takes::Nothing),
    flag("no-headers", Takes::Nothing),
    short("output", 'o', Takes::Value),
    flag("verbs", Takes::Value),
];

/// `kubectl api-resources -o name`. Every type of the simulation has every verb.
pub fn api_resources(call: &mut Call<'_>) -> Result<(), Failure> {
    if call.args.value("output") != Some("name") {
        return Err(Failure::said("only the output `name` is simulated"));
    }
    let namespaced = match call.args.value("namespaced") {
        None => None,
        Some(_) => Some(call.args.on("namespaced")),
    };
    let types = call.connect()?.types();
    for ty in types.iter().filter(|ty| namespaced.is_none_or(|wanted| ty.namespaced == wanted)) {
        call.say(&format!("{}\n", ty.resource()));
    }
    Ok(())
}
