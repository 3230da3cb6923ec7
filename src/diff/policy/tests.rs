use proptest::prelude::*;
use serde_json::{Value as Json, json};

use super::*;

fn doc(json: &Json) -> Value {
    Value::from_json(json)
}

/// A document of one statement with these members besides `Effect`.
fn one(members: Json) -> Json {
    let mut statement = json!({"Effect": "Allow"});
    if let (Some(all), Json::Object(members)) = (statement.as_object_mut(), members) {
        all.extend(members);
    }
    json!({"Version": "2012-10-17", "Statement": [statement]})
}

#[track_caller]
fn same(a: &Json, b: &Json) {
    assert!(equal(&doc(a), &doc(b)), "should mean the same:\n{a}\n{b}");
    assert!(equal(&doc(b), &doc(a)), "equality has two directions");
}

#[track_caller]
fn different(a: &Json, b: &Json) {
    assert!(!equal(&doc(a), &doc(b)), "should differ:\n{a}\n{b}");
    assert!(!equal(&doc(b), &doc(a)), "difference has two directions");
}

#[test]
fn what_does_not_count() {
    let root = |arn: &str| one(json!({"Principal": {"AWS": arn}, "Action": "sts:AssumeRole"}));
    let when = |condition: Json| one(json!({"Action": "s3:*", "Condition": condition}));
    for (a, b) in [
        // a list of one against its member
        (one(json!({"Action": "s3:Get*"})), one(json!({"Action": ["s3:Get*"]}))),
        (one(json!({"Resource": "*"})), one(json!({"Resource": ["*"]}))),
        (
            one(json!({"Principal": {"Service": "ec2.amazonaws.com"}})),
            one(json!({"Principal": {"Service": ["ec2.amazonaws.com"]}})),
        ),
        (
            json!({"Version": "2012-10-17", "Statement": {"Effect": "Deny", "Action": "*"}}),
            json!({"Version": "2012-10-17", "Statement": [{"Effect": "Deny", "Action": "*"}]}),
        ),
        // order and repetition
        (
            one(json!({"Action": ["s3:A", "s3:B"]})),
            one(json!({"Action": ["s3:B", "s3:A", "s3:B"]})),
        ),
        (one(json!({"NotAction": ["s3:A", "s3:B"]})), one(json!({"NotAction": ["s3:B", "s3:A"]}))),
        (one(json!({"Resource": ["a", "b"]})), one(json!({"Resource": ["b", "a"]}))),
        (one(json!({"NotResource": ["a", "b"]})), one(json!({"NotResource": ["b", "a"]}))),
        (
            json!({"Version": "2012-10-17", "Statement": [{"Sid": "A"}, {"Sid": "B"}]}),
            json!({"Version": "2012-10-17", "Statement": [{"Sid": "B"}, {"Sid": "A"}]}),
        ),
        // case
        (one(json!({"Action": "S3:GETobject"})), one(json!({"Action": "s3:GetObject"}))),
        (
            json!({"Version": "2012-10-17", "Statement": [{"Effect": "allow"}]}),
            json!({"Version": "2012-10-17", "Statement": [{"Effect": "Allow"}]}),
        ),
        (
            when(json!({"StringEquals": {"AWS:sourceaccount": "1"}})),
            when(json!({"StringEquals": {"aws:SourceAccount": ["1"]}})),
        ),
        // numbers and truth values as text
        (
            when(json!({"Bool": {"aws:SecureTransport": false}})),
            when(json!({"Bool": {"aws:SecureTransport": "false"}})),
        ),
        (
            when(json!({"NumericLessThan": {"aws:MultiFactorAuthAge": 3600}})),
            when(json!({"NumericLessThan": {"aws:MultiFactorAuthAge": ["3600"]}})),
        ),
        (
            when(json!({"StringLike": {"s3:prefix": ["a", "b"]}})),
            when(json!({"StringLike": {"s3:prefix": ["b", "a"]}})),
        ),
        // an account against its root
        (root("123456789012"), root("arn:aws:iam::123456789012:root")),
        (root("123456789012"), root("arn:aws-us-gov:iam::123456789012:root")),
        (
            one(json!({"NotPrincipal": {"AWS": ["arn:aws:iam::123456789012:root", "x"]}})),
            one(json!({"NotPrincipal": {"AWS": ["x", "123456789012"]}})),
        ),
        // what names nothing
        (
            one(json!({"Principal": {"AWS": [], "Service": "a.amazonaws.com"}})),
            one(json!({"Principal": {"Service": ["a.amazonaws.com"]}})),
        ),
        (when(json!({})), one(json!({"Action": "s3:*"}))),
        (when(json!({"Bool": {}})), one(json!({"Action": "s3:*"}))),
        // a missing version
        (
            json!({"Statement": [{"Effect": "Allow"}]}),
            json!({"Version": "2008-10-17", "Statement": [{"Effect": "Allow"}]}),
        ),
        // text
        (json!(""), json!({})),
        (json!(r#"{"Statement": {"Action": "a:B"}}"#), json!({"Statement": [{"Action": "a:b"}]})),
        (
            json!("%7B%22Statement%22%3A%7B%22Action%22%3A%22a%3AB%22%7D%7D"),
            json!({"Statement": [{"Action": ["a:B"]}]}),
        ),
        (
            json!("%7B%22Statement%22%3A%7B%22Resource%22%3A%22a+b%2Bc%22%7D%7D"),
            json!({"Statement": [{"Resource": "a+b+c"}]}),
        ),
    ] {
        same(&a, &b);
    }
}

#[test]
fn what_counts() {
    let base = one(json!({"Sid": "A", "Action": ["s3:A", "s3:B"], "Resource": ["a", "b"]}));
    let principal = |principal: Json| one(json!({"Principal": principal}));
    let when = |condition: Json| one(json!({"Action": "s3:*", "Condition": condition}));
    for (a, b) in [
        (
            base.clone(),
            one(json!({"Sid": "B", "Action": ["s3:A", "s3:B"], "Resource": ["a", "b"]})),
        ),
        (base.clone(), one(json!({"Action": ["s3:A", "s3:B"], "Resource": ["a", "b"]}))),
        (base.clone(), one(json!({"Sid": "A", "Action": "s3:A", "Resource": ["a", "b"]}))),
        (base.clone(), one(json!({"Sid": "A", "Action": ["s3:A", "s3:B"], "Resource": "a"}))),
        (base, json!({"Version": "2012-10-17", "Statement": []})),
        (one(json!({"Action": "s3:A"})), one(json!({"NotAction": "s3:A"}))),
        (one(json!({"Resource": "A"})), one(json!({"Resource": "a"}))),
        (
            json!({"Version": "2012-10-17", "Statement": [{"Effect": "Allow"}]}),
            json!({"Version": "2012-10-17", "Statement": [{"Effect": "Deny"}]}),
        ),
        (
            json!({"Version": "2012-10-17", "Statement": [{"Effect": "Allow"}]}),
            json!({"Statement": [{"Effect": "Allow"}]}),
        ),
        (
            json!({"Version": "2012-10-17", "Id": "a", "Statement": []}),
            json!({"Version": "2012-10-17", "Id": "A", "Statement": []}),
        ),
        // everyone is not every AWS principal
        (principal(json!("*")), principal(json!({"AWS": "*"}))),
        (principal(json!({"AWS": "a"})), principal(json!({"Service": "a"}))),
        (principal(json!({"AWS": "123456789012"})), principal(json!({"AWS": "12345678901"}))),
        (
            principal(json!({"AWS": "123456789012"})),
            principal(json!({"AWS": "arn:aws:iam::123456789012:role/root"})),
        ),
        // an account is one only where principals stand
        (
            one(json!({"Resource": "123456789012"})),
            one(json!({"Resource": "arn:aws:iam::123456789012:root"})),
        ),
        // a deleted principal
        (
            principal(json!({"AWS": "AROAEXAMPLEEXAMPLEEX1"})),
            principal(json!({"AWS": "arn:aws:iam::123456789012:role/x"})),
        ),
        (
            principal(json!({"AWS": "AIDAEXAMPLEEXAMPLEEX1"})),
            principal(json!({"AWS": "AIDAEXAMPLEEXAMPLEEX2"})),
        ),
        // conditions
        (
            when(json!({"StringEquals": {"aws:SourceAccount": "1"}})),
            when(json!({"StringLike": {"aws:SourceAccount": "1"}})),
        ),
        (
            when(json!({"StringEquals": {"aws:SourceAccount": "1"}})),
            when(json!({"stringequals": {"aws:SourceAccount": "1"}})),
        ),
        (
            when(json!({"StringEquals": {"aws:SourceAccount": "a"}})),
            when(json!({"StringEquals": {"aws:SourceAccount": "A"}})),
        ),
        (when(json!({"StringEquals": {"aws:SourceAccount": []}})), when(json!({}))),
        (
            when(json!({"StringEquals": {"a:k": "1", "A:K": "2"}})),
            when(json!({"StringEquals": {"a:k": "2", "A:K": "1"}})),
        ),
        // texts that hold no document
        (json!("not a document"), json!({})),
        (json!("%7B%22broken"), json!({})),
        (json!("%2"), json!({})),
        // decoded once, not twice
        (
            json!({"Statement": [{"Resource": "a%2Fb"}]}),
            json!({"Statement": [{"Resource": "a/b"}]}),
        ),
        (
            json!(r#"{"Statement": [{"Resource": "a%2Fb"}]}"#),
            json!({"Statement": [{"Resource": "a/b"}]}),
        ),
        (
            json!("%7B%22Statement%22%3A%7B%22Resource%22%3A%22a%252Fb%22%7D%7D"),
            json!({"Statement": [{"Resource": "a/b"}]}),
        ),
    ] {
        different(&a, &b);
    }
}

#[test]
fn unknown_equals_only_the_same_unknown() {
    let with = |resource: Value| {
        Value::Map(Map::from([(
            "Statement".into(),
            Value::Map(Map::from([("Resource".into(), resource)])),
        )]))
    };
    let unknown = |expression: &str| Value::Unknown(expression.into());
    let list = |members: Vec<Value>| with(Value::List(members));
    assert!(equal(&with(unknown("${a}")), &list(vec![unknown("${a}")])));
    assert!(equal(
        &list(vec![unknown("${a}"), "b".into()]),
        &list(vec!["b".into(), unknown("${a}")])
    ));
    assert!(!equal(&with(unknown("${a}")), &with(unknown("${b}"))));
    assert!(!equal(&with(unknown("${a}")), &with("${a}".into())));
    assert!(!equal(&unknown("${a}"), &Value::map()));
}

/// A policy as people write it: what the Karpenter controller may do.
#[test]
fn a_whole_policy_as_aws_returns_it() {
    let written = json!({
        "Version": "2012-10-17",
        "Statement": [
            {
                "Sid": "PassRole",
                "Effect": "Allow",
                "Action": ["iam:PassRole"],
                "Resource": ["arn:aws:iam::123456789012:role/KarpenterNodeRole-x"],
                "Condition": {"StringEquals": {"iam:PassedToService": ["ec2.amazonaws.com"]}},
            },
            {"Sid": "Queue", "Effect": "Allow", "Resource": "*",
             "Action": ["sqs:DeleteMessage", "sqs:GetQueueUrl", "sqs:ReceiveMessage"]},
        ],
    });
    let returned = json!({
        "Statement": [
            {"Action": ["sqs:ReceiveMessage", "sqs:DeleteMessage", "sqs:GetQueueUrl"],
             "Effect": "Allow", "Resource": ["*"], "Sid": "Queue"},
            {
                "Action": "iam:PassRole",
                "Condition": {"StringEquals": {"iam:PassedToService": "ec2.amazonaws.com"}},
                "Effect": "Allow",
                "Resource": "arn:aws:iam::123456789012:role/KarpenterNodeRole-x",
                "Sid": "PassRole",
            },
        ],
        "Version": "2012-10-17",
    });
    same(&written, &returned);
    same(&Json::String(written.to_string()), &returned);
}

// ---- properties ------------------------------------------------------------

fn words(prefix: &'static str) -> impl Strategy<Value = Json> {
    prop::collection::btree_set("[a-d]{1,3}", 1..4)
        .prop_map(move |set| set.into_iter().map(|word| json!(format!("{prefix}{word}"))).collect())
}

fn a_principal() -> impl Strategy<Value = Json> {
    prop_oneof![
        Just(json!("*")),
        words("x").prop_map(|names| json!({"Service": names})),
        (words("arn:"), 0..3_u64).prop_map(|(mut names, account)| {
            if let Some(names) = names.as_array_mut() {
                names.push(json!(format!("{:012}", account)));
            }
            json!({"AWS": names})
        }),
    ]
}

fn a_condition() -> impl Strategy<Value = Json> {
    prop_oneof![
        words("v").prop_map(|values| json!({"StringLike": {"aws:Key": values}})),
        any::<bool>().prop_map(|truth| json!({"Bool": {"aws:SecureTransport": truth}})),
        any::<u16>().prop_map(|age| json!({"NumericLessThan": {"aws:Age": age}})),
    ]
}

fn a_statement() -> impl Strategy<Value = Json> {
    (
        any::<bool>(),
        words("s3:"),
        words("r"),
        prop::option::of(a_principal()),
        prop::option::of(a_condition()),
    )
        .prop_map(|(allow, actions, resources, principal, condition)| {
            let mut statement = json!({
                "Effect": if allow { "Allow" } else { "Deny" },
                "Action": actions,
                "Resource": resources,
            });
            if let Some(principal) = principal {
                statement["Principal"] = principal;
            }
            if let Some(condition) = condition {
                statement["Condition"] = condition;
            }
            statement
        })
}

/// Documents whose statements differ from one another by their `Sid`.
fn a_document() -> impl Strategy<Value = Json> {
    prop::collection::vec(a_statement(), 1..4).prop_map(|mut statements| {
        for (index, statement) in statements.iter_mut().enumerate() {
            statement["Sid"] = json!(format!("S{index}"));
        }
        json!({"Version": "2012-10-17", "Statement": statements})
    })
}

/// A source of choices that is the same for the same seed.
struct Choices(u64);

impl Choices {
    fn below(&mut self, bound: usize) -> usize {
        self.0 =
            self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(self.0 >> 33).unwrap() % bound
    }

    fn shuffle(&mut self, list: &mut [Json]) {
        for index in (1..list.len()).rev() {
            let other = self.below(index + 1);
            list.swap(index, other);
        }
    }

    /// The same set, written in another way.
    fn rewrite(&mut self, set: &mut Json) {
        if let Json::Array(list) = set {
            if self.below(3) == 0 {
                let again = list[self.below(list.len())].clone();
                list.push(again);
            }
            self.shuffle(list);
            if list.len() == 1 && self.below(2) == 0 {
                *set = list.remove(0);
            }
        }
    }
}

/// The same document, written in another way.
fn disguised(document: &Json, seed: u64) -> Json {
    let mut choices = Choices(seed);
    let mut document = document.clone();
    let statements = document["Statement"].as_array_mut().unwrap();
    for statement in statements.iter_mut() {
        if choices.below(2) == 0 {
            let upper = statement["Effect"].as_str().unwrap().to_uppercase();
            statement["Effect"] = json!(upper);
        }
        for action in statement["Action"].as_array_mut().unwrap() {
            if choices.below(2) == 0 {
                *action = json!(action.as_str().unwrap().to_uppercase());
            }
        }
        choices.rewrite(&mut statement["Action"]);
        choices.rewrite(&mut statement["Resource"]);
        if let Some(Json::Object(kinds)) = statement.get_mut("Principal") {
            for names in kinds.values_mut() {
                for name in names.as_array_mut().unwrap() {
                    let id = name.as_str().unwrap();
                    if id.starts_with('0') && choices.below(2) == 0 {
                        *name = json!(format!("arn:aws-cn:iam::{id}:root"));
                    }
                }
                choices.rewrite(names);
            }
            if choices.below(3) == 0 {
                kinds.insert("Federated".into(), json!([]));
            }
        }
        if let Some(Json::Object(operators)) = statement.get_mut("Condition") {
            for keys in operators.values_mut() {
                let keys = keys.as_object_mut().unwrap();
                for (key, mut values) in std::mem::take(keys) {
                    if choices.below(2) == 0 && !values.is_array() {
                        values = json!([values.to_string()]);
                    }
                    choices.rewrite(&mut values);
                    keys.insert(
                        if choices.below(2) == 0 { key.to_uppercase() } else { key },
                        values,
                    );
                }
            }
        } else if choices.below(3) == 0 {
            statement["Condition"] = json!({});
        }
    }
    choices.shuffle(statements);
    choices.rewrite(&mut document["Statement"]);
    if choices.below(4) == 0 { Json::String(document.to_string()) } else { document }
}

proptest! {
    #[test]
    fn another_way_of_writing_means_the_same(document in a_document(), seed: u64) {
        let other = disguised(&document, seed);
        prop_assert_eq!(canonical(&doc(&document)), canonical(&doc(&other)));
    }

    #[test]
    fn the_canonical_form_is_its_own(document in a_document(), seed: u64) {
        let once = canonical(&doc(&disguised(&document, seed)));
        prop_assert_eq!(canonical(&once), once);
    }

    #[test]
    fn nothing_is_lost_unseen(document in a_document(), seed: u64) {
        let mut choices = Choices(seed);
        let mut less = document.clone();
        let statements = less["Statement"].as_array_mut().unwrap();
        let index = choices.below(statements.len());
        let member = ["Action", "Resource", "Principal", "Condition", "Sid", "Effect", ""][choices.below(7)];
        match statements[index].get_mut(member) {
            Some(Json::Array(list)) if list.len() > 1 => {
                list.remove(choices.below(list.len()));
            }
            Some(_) => {
                statements[index].as_object_mut().unwrap().remove(member);
            }
            None => {
                statements.remove(index);
            }
        }
        prop_assert!(!equal(&doc(&disguised(&document, seed)), &doc(&less)));
    }

    #[test]
    fn any_text_at_all_has_a_canonical_form(text: String) {
        let once = canonical(&Value::from(text.as_str()));
        prop_assert_eq!(canonical(&once), once.clone());
    }
}

/// Documents that differ, and both sides as people see them.
#[test]
fn only_differences_in_meaning_are_shown() {
    let value = |json: serde_json::Value| Value::from_json(&json);
    let live = value(json!({
        "Version": "2012-10-17",
        "Statement": [
            {"Sid": "Tags", "Effect": "allow", "Action": "ec2:createtags", "Resource": ["*"]},
            {"Sid": "Run", "Effect": "Allow", "Resource": ["*"],
             "Action": ["EC2:CreateFleet", "s3:GetObject", "ec2:RunInstances"],
             "Condition": {"Bool": {"aws:SecureTransport": true}}},
        ],
    }));
    let wanted = value(json!({
        "Version": "2012-10-17",
        "Statement": [
            {"Sid": "Run", "Effect": "Allow", "Resource": "*",
             "Action": ["ec2:RunInstances", "ec2:CreateFleet", "ec2:CreateTags"],
             "Condition": {"Bool": {"aws:SecureTransport": ["true"]}}},
            {"Sid": "Tags", "Effect": "Allow", "Action": ["ec2:CreateTags"], "Resource": "*"},
        ],
    }));
    let (before, after) = aligned(&live, &wanted);
    assert_eq!(after, wanted, "what is desired stays as it is written");
    let mut expected = wanted.reveal().unwrap();
    expected["Statement"][0]["Action"] =
        json!(["ec2:RunInstances", "ec2:CreateFleet", "s3:GetObject"]);
    assert_eq!(before.reveal().unwrap(), expected);

    // The meaning of neither side changes, whatever the documents are.
    let other = value(json!({"Statement": {"Effect": "Deny", "Action": "*", "Resource": "*"}}));
    let text = Value::from(live.reveal().unwrap().to_string());
    for (a, b) in [(&live, &other), (&other, &wanted), (&text, &wanted), (&wanted, &live)] {
        let (before, after) = aligned(a, b);
        assert!(equal(&before, a), "{before}");
        assert!(equal(&after, b), "{after}");
    }
    let same = aligned(&text, &live);
    assert_eq!(same.0, same.1);
}
