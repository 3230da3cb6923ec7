//! What a policy allows: in the sandbox the caller may do everything.

use serde_json::json;

use super::super::model::{Answer, Call, Fault, Shape, TEXT, TEXTS, may};

/// What is told of an action on an object.
pub const EVALUATION: Shape = Shape::Structure(&[
    may("EvalActionName", TEXT),
    may("EvalResourceName", TEXT),
    may("EvalDecision", TEXT),
    may("MatchedStatements", TEXTS),
    may("MissingContextValues", TEXTS),
]);

/// `simulate-principal-policy`.
#[expect(clippy::unnecessary_wraps, reason = "every operation has this signature")]
pub fn simulate(call: &mut Call<'_>) -> Result<Answer, Fault> {
    let all = [json!("*")];
    let objects = match call.input.list("ResourceArns") {
        [] => &all[..],
        objects => objects,
    };
    let mut results = Vec::new();
    for action in call.input.list("ActionNames") {
        for object in objects {
            results.push(json!({
                "EvalActionName": action,
                "EvalResourceName": object,
                "EvalDecision": "allowed",
                "MatchedStatements": [],
                "MissingContextValues": [],
            }));
        }
    }
    Ok(Answer::Body(json!({ "EvaluationResults": results, "IsTruncated": false })))
}
