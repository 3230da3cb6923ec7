use super::super::load::load_texts;
use super::super::stack::Stack;
use super::super::variables::VariableInputs;

const STACK: &str = r"
apiVersion: lkh/v1
kind: Stack
metadata: {name: lake, description: a lake}
spec:
  variables:
    compute: {default: karpenter, allowed: [karpenter, auto]}
    nodes: {type: number, default: 2}
    spot: {type: bool, default: true}
    cert: {default: null}
    given: {}
  phases: [{name: compute}]
  outputs:
    role: {value: '${ServiceLinkedRole.karpenter.arn}'}
    compute: {value: 'by ${var.compute}'}
";

/// A document that is declared under a condition.
fn document(name: &str, when: &str) -> String {
    format!(
        "---\napiVersion: lkh/v1\nkind: ServiceLinkedRole\n\
         metadata: {{name: {name}, phase: compute, description: the role}}\n\
         spec: {{serviceName: {name}.amazonaws.com}}\nwhen: {when}\n"
    )
}

fn loaded(documents: &str, assignments: &[&str], open: bool) -> Result<Stack, String> {
    let inputs = VariableInputs {
        assignments: assignments.iter().map(|one| (*one).to_owned()).collect(),
        open,
        ..VariableInputs::default()
    };
    let texts: [(&str, &[u8]); 2] =
        [("stack.yaml", STACK.as_bytes()), ("a.yaml", documents.as_bytes())];
    load_texts(&texts, "here", &inputs).map_err(|wrong| wrong.render(false))
}

/// The names of what is declared.
fn on(stack: &Stack) -> Vec<&str> {
    stack.resources.iter().map(|one| one.address.name.as_str()).collect()
}

#[test]
fn every_variable_must_have_one_of_its_values() {
    let documents = [
        document("karpenter", "{compute: karpenter}"),
        document("auto", "{compute: [auto]}"),
        document("either", "{compute: [karpenter, auto]}"),
        document("both", "{compute: karpenter, nodes: 3}"),
        document("amount", "{nodes: 2.0}"),
        document("spot", "{spot: true}"),
        document("none", "{cert: null}"),
        document("always", "{}"),
    ]
    .concat();
    let stack = loaded(&documents, &["given=x"], false).unwrap();
    assert_eq!(on(&stack), ["always", "amount", "either", "karpenter", "none", "spot"]);
    let why: Vec<_> = stack
        .switched_off
        .iter()
        .map(|(resource, off)| format!("{} {off}", resource.address.name))
        .collect();
    assert_eq!(
        why,
        [
            "auto only when compute is `auto`, and it is `karpenter`",
            "both only when nodes is `3`, and it is `2`",
        ]
    );
    let stack = loaded(
        &documents,
        &["given=x", "compute=auto", "nodes=3", "spot=false", "cert=arn"],
        false,
    )
    .unwrap();
    assert_eq!(on(&stack), ["always", "auto", "either"]);
    // What is switched off has no output.
    let off: Vec<_> = stack.outputs.iter().map(|one| one.off.is_some()).collect();
    assert_eq!(off, [true, false]);
    assert_eq!(stack.outputs[1].value.as_str(), Some("by auto"));
}

#[test]
fn two_documents_share_an_address_while_one_is_declared() {
    let documents =
        [document("karpenter", "{compute: karpenter}"), document("karpenter", "{compute: auto}")]
            .concat();
    let stack = loaded(&documents, &["given=x"], false).unwrap();
    assert_eq!(on(&stack), ["karpenter"]);
    assert_eq!(stack.outputs[0].off, None);
    let twice = [documents, document("karpenter", "{spot: true}")].concat();
    let wrong = loaded(&twice, &["given=x"], false).unwrap_err();
    assert!(wrong.contains("ServiceLinkedRole.karpenter is declared twice"), "{wrong}");
}

#[test]
fn a_stack_without_values_can_be_looked_at() {
    let documents = [
        document("karpenter", "{given: a}"),
        document("karpenter", "{given: b}"),
        document("other", "{compute: karpenter}"),
    ]
    .concat();
    let wrong = loaded(&documents, &[], false).unwrap_err();
    assert!(wrong.contains("the variable `given` has no value"), "{wrong}");
    assert_eq!(wrong.matches("error").count(), 1, "{wrong}");
    let stack = loaded(&documents, &[], true).unwrap();
    assert_eq!(on(&stack), ["other"]);
    let why: Vec<_> = stack.switched_off.iter().map(|(_, off)| off.to_string()).collect();
    assert_eq!(why, ["only when given is `a`", "only when given is `b`"]);
    let required: Vec<_> = stack
        .parameters
        .iter()
        .filter(|one| one.is_required())
        .map(|one| one.name.as_str())
        .collect();
    assert_eq!(required, ["given"]);
    assert_eq!(stack.description.as_deref(), Some("a lake"));
}
