//! Whoever edits a saved plan and seals it again gains nothing: what an apply
//! plans anew is compared with the file, and anything that it would do
//! otherwise is refused. Tried on generated edits of real plans.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test that can't go on fails"
)]

#[path = "support/account.rs"]
#[allow(dead_code, reason = "each test uses a part of it")]
mod account;

use std::path::Path;
use std::sync::OnceLock;

use account::Account;
use lkh::engine::Targets;
use lkh::plan::{Mode, Plan, file};
use proptest::prelude::*;
use proptest::sample::Index;
use serde_json::{Value as Json, json};

/// An account with drift and changes in all colours, and what is planned for it.
fn case() -> &'static (Account, Plan) {
    static CASE: OnceLock<(Account, Plan)> = OnceLock::new();
    CASE.get_or_init(|| {
        let stack = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cli/stack");
        let mut account = Account::with(&stack);
        assert!(account.apply().is_good());
        account.behind(
            "aws iam detach-role-policy --role-name NodeRole --policy-arn \
             arn:aws:iam::aws:policy/AmazonEKS_CNI_Policy",
        );
        account.behind("aws iam tag-role --role-name NodeRole --tags Key=theirs,Value=1");
        account.variables = vec!["replicas=2".into()];
        let plan = account.plan(Mode::Apply).0.plan;
        assert!(plan.summary().count(lkh::plan::Action::Update) >= 2, "{}", plan.summary());
        (account, plan)
    })
}

/// One edit, whatever it hits.
#[derive(Debug, Clone)]
enum Edit {
    Remove(Index),
    Replace(Index, Json),
    Copy(Index, Index),
    Double(Index),
    Swap(Index, Index),
    Append(Index, String),
}

fn edit() -> impl Strategy<Value = Edit> {
    let at = any::<Index>;
    let word = proptest::sample::select(vec![
        "delete",
        "replace",
        "create",
        "no-op",
        "destroy",
        "IamRole.node",
        "IamRole.controller",
        "--debug",
        "",
        "sha256:00",
        "x",
    ]);
    let value = prop_oneof![
        word.clone().prop_map(Json::from),
        any::<bool>().prop_map(Json::from),
        (0u64..9).prop_map(Json::from),
        Just(Json::Null),
        Just(json!([])),
        Just(json!({})),
        Just(json!({"$unknown": "${IamRole.node.arn}"})),
        Just(json!({"$sensitive": true})),
    ];
    prop_oneof![
        at().prop_map(Edit::Remove),
        (at(), value).prop_map(|(at, value)| Edit::Replace(at, value)),
        (at(), at()).prop_map(|(from, to)| Edit::Copy(from, to)),
        at().prop_map(Edit::Double),
        (at(), at()).prop_map(|(one, other)| Edit::Swap(one, other)),
        (at(), word).prop_map(|(at, word)| Edit::Append(at, word.to_owned())),
    ]
}

/// The pointer of every value in a tree, below its root.
fn pointers(json: &Json, at: &str, found: &mut Vec<String>) {
    let mut visit = |key: &str, value: &Json| {
        let at = format!("{at}/{}", key.replace('~', "~0").replace('/', "~1"));
        pointers(value, &at, found);
        found.push(at);
    };
    match json {
        Json::Array(list) => {
            for (index, value) in list.iter().enumerate() {
                visit(&index.to_string(), value);
            }
        }
        Json::Object(map) => {
            for (key, value) in map {
                visit(key, value);
            }
        }
        _ => {}
    }
}

fn make(json: &mut Json, edit: &Edit) {
    let mut all = Vec::new();
    pointers(json, "", &mut all);
    let pick = |index: &Index| index.get(&all).clone();
    let value = |json: &Json, index: &Index| json.pointer(&pick(index)).cloned().unwrap();
    let (parent, key) = match edit {
        Edit::Remove(at) | Edit::Double(at) => {
            let pointer = pick(at);
            let (parent, key) = pointer.rsplit_once('/').unwrap();
            (parent.to_owned(), key.replace("~1", "/").replace("~0", "~"))
        }
        _ => (String::new(), String::new()),
    };
    match edit {
        Edit::Remove(_) => match json.pointer_mut(&parent).unwrap() {
            Json::Array(list) => drop(list.remove(key.parse().unwrap())),
            Json::Object(map) => drop(map.remove(&key)),
            _ => {}
        },
        Edit::Double(_) => {
            if let Json::Array(list) = json.pointer_mut(&parent).unwrap() {
                let member = list[key.parse::<usize>().unwrap()].clone();
                list.push(member);
            }
        }
        Edit::Replace(at, new) => *json.pointer_mut(&pick(at)).unwrap() = new.clone(),
        Edit::Copy(from, to) => {
            let new = value(json, from);
            *json.pointer_mut(&pick(to)).unwrap() = new;
        }
        Edit::Swap(one, other) => {
            let (a, b) = (value(json, one), value(json, other));
            *json.pointer_mut(&pick(one)).unwrap() = b;
            // The second may have been below the first.
            if let Some(place) = json.pointer_mut(&pick(other)) {
                *place = a;
            }
        }
        Edit::Append(at, word) => match json.pointer_mut(&pick(at)).unwrap() {
            Json::Array(list) => list.push(json!(word)),
            Json::String(text) => text.push_str(word),
            Json::Object(map) => drop(map.insert(word.clone(), json!(word))),
            _ => {}
        },
    }
}

/// What an apply of this file would go on with; `None`: it refuses.
fn carried_out(edited: &Plan) -> Option<Plan> {
    let (account, plan) = case();
    // The file is sealed again, so its digest is right; a version that nobody knows is refused.
    let read = file::from_bytes(&file::to_bytes(edited).unwrap()).ok()?;
    let now = if edited.mode == plan.mode && edited.targets == plan.targets {
        plan.clone()
    } else {
        let engine = account.engine();
        let targets = Targets(edited.targets.clone());
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(engine.plan(edited.mode, &targets)).ok()?.plan
    };
    file::moved(&read, &now).is_empty().then_some(now)
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: if std::env::var_os("PROPTEST_CASES").is_some() {
            ProptestConfig::default().cases
        } else {
            768
        },
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    /// An edited file is refused, or means what is planned anew.
    #[test]
    fn an_edit_that_changes_the_meaning_is_refused(edits in proptest::collection::vec(edit(), 1..3)) {
        let (_, plan) = case();
        let mut json = serde_json::to_value(plan).unwrap();
        for edit in &edits {
            make(&mut json, edit);
        }
        // What is no plan any more is refused before anything is read.
        let Ok(edited) = serde_json::from_value::<Plan>(json) else { return Ok(()) };
        let same_question = edited.mode == plan.mode && edited.targets == plan.targets;
        match carried_out(&edited) {
            None => {}
            Some(now) => {
                prop_assert_eq!(now.meaning(), edited.meaning());
                prop_assert!(!same_question || edited.meaning() == plan.meaning());
                prop_assert_eq!(&edited.manifests, &plan.manifests);
                prop_assert_eq!(&edited.lineage, &plan.lineage);
                prop_assert_eq!(edited.serial, plan.serial);
            }
        }
    }
}

#[test]
fn the_plan_itself_is_carried_out() {
    let (_, plan) = case();
    assert_eq!(carried_out(plan).map(|now| now.meaning()), Some(plan.meaning()));
}
