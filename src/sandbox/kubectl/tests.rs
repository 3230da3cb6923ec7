use jiff::SignedDuration;

use super::*;
use crate::sandbox::cluster::{Cluster, Fault, Target, Trouble};
use crate::sandbox::files::MapFiles;

struct Bench {
    world: World,
    files: MapFiles,
}

#[derive(Debug, PartialEq)]
struct Answer {
    code: i32,
    out: String,
    err: String,
}

impl Answer {
    fn json(&self) -> Value {
        assert_eq!(self.code, 0, "{}", self.err);
        serde_json::from_str(&self.out).unwrap()
    }
}

fn ok(out: &str) -> Answer {
    Answer { code: 0, out: out.into(), err: String::new() }
}

fn refused(err: &str) -> Answer {
    Answer { code: 1, out: String::new(), err: format!("{err}\n") }
}

impl Bench {
    fn new() -> Self {
        let mut world = World::new("2026-11-22T14:00:00Z".parse().unwrap());
        seed(&mut world);
        Self { world, files: MapFiles::new() }
    }

    fn run(&mut self, args: &str) -> Answer {
        self.with(args, "")
    }

    fn with(&mut self, args: &str, stdin: &str) -> Answer {
        let args: Vec<String> = args.split_whitespace().map(str::to_owned).collect();
        let output = run(&mut self.world, &args, stdin.as_bytes(), &self.files);
        Answer {
            code: output.code,
            out: String::from_utf8(output.stdout).unwrap(),
            err: String::from_utf8(output.stderr).unwrap(),
        }
    }

    fn pass(&mut self, seconds: i64) {
        let now = self.world.now().checked_add(SignedDuration::from_secs(seconds)).unwrap();
        self.world.set_now(now);
    }
}

const CONFIG: &str = "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: a\ndata:\n  k: v\n";
const WEB: &str = "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: web, labels: {app: web}}\nspec:\n  replicas: 2\n  selector: {matchLabels: {app: web}}\n  template:\n    metadata: {labels: {app: web}}\n    spec: {containers: [{name: web, image: \"web:1\"}]}\n";

#[test]
fn a_new_cluster_has_what_eks_gives_it() {
    let mut bench = Bench::new();
    let nodes = bench.run("get nodes");
    let mut lines = nodes.out.lines();
    assert!(
        lines.next().unwrap().starts_with(
            "NAME                                          STATUS   ROLES    AGE   VERSION"
        ),
        "{}",
        nodes.out
    );
    assert!(
        lines.next().unwrap().starts_with(
            "ip-192-168-12-34.us-east-2.compute.internal   Ready    <none>   0s    v1.34"
        ),
        "{}",
        nodes.out
    );
    bench.pass(60);
    assert_eq!(
        bench.run("get deploy,ds -n kube-system").out,
        "NAME                      READY   UP-TO-DATE   AVAILABLE   AGE\ndeployment.apps/coredns   2/2     2            2           60s\n\nNAME                                    DESIRED   CURRENT   READY   UP-TO-DATE   AVAILABLE   NODE SELECTOR   AGE\ndaemonset.apps/eks-pod-identity-agent   2         2         2       2            2           <none>          60s\n"
    );
    let pods = bench.run("get pods -A -o json").json();
    assert_eq!(pods["items"].as_array().unwrap().len(), 4);
    assert_eq!(
        (pods["kind"].as_str(), pods["metadata"]["resourceVersion"].as_str()),
        (Some("List"), Some(""))
    );
    // Giving it again changes nothing.
    let before = Cluster::open(&mut bench.world).resource_version();
    seed(&mut bench.world);
    assert_eq!(Cluster::open(&mut bench.world).resource_version(), before);
}

#[test]
fn what_is_not_there_is_not_found() {
    let mut bench = Bench::new();
    for (command, expected) in [
        ("get pods x", refused("Error from server (NotFound): pods \"x\" not found")),
        (
            "get deploy/x -o json",
            refused("Error from server (NotFound): deployments.apps \"x\" not found"),
        ),
        ("get deploy x --ignore-not-found -o json", ok("")),
        (
            "get nodepools x",
            refused("error: the server doesn't have a resource type \"nodepools\""),
        ),
        (
            "get pods",
            Answer {
                code: 0,
                out: String::new(),
                err: "No resources found in default namespace.\n".into(),
            },
        ),
        ("get pv", Answer { code: 0, out: String::new(), err: "No resources found\n".into() }),
        ("get pods --ignore-not-found", ok("")),
        ("get pods -o name", ok("")),
        (
            "get ns x y",
            refused(
                "Error from server (NotFound): namespaces \"x\" not found\nError from server (NotFound): namespaces \"y\" not found",
            ),
        ),
        (
            "get pods x -A",
            refused("error: a resource cannot be retrieved by name across all namespaces"),
        ),
        (
            "get pods x -l a=b",
            refused("error: name cannot be provided when a selector is specified"),
        ),
        (
            "get pods -o bogus",
            refused(
                "error: unable to match a printer suitable for the output format \"bogus\", allowed formats are: custom-columns,custom-columns-file,go-template,go-template-file,json,jsonpath,jsonpath-as-json,jsonpath-file,name,template,templatefile,wide,yaml",
            ),
        ),
        (
            "get --bogus",
            refused("error: unknown flag: --bogus\nSee 'kubectl get --help' for usage."),
        ),
        (
            "get pod/x svc",
            refused(
                "error: there is no need to specify a resource type as a separate argument when passing arguments in resource/name form (e.g. 'kubectl get resource/<resource_name>' instead of 'kubectl get resource resource/<resource_name>'",
            ),
        ),
        (
            "delete deploy x",
            refused("Error from server (NotFound): deployments.apps \"x\" not found"),
        ),
        ("delete deploy x --ignore-not-found", ok("")),
        ("delete pods", refused("error: resource(s) were provided, but no name was specified")),
        (
            "scale deploy x --replicas=1",
            refused("error: no objects passed to scale deployments.apps \"x\" not found"),
        ),
        ("scale deploy x", refused("error: required flag(s) \"replicas\" not set")),
        (
            "patch deploy x",
            refused(
                "error: must specify --patch or --patch-file containing the contents of the patch",
            ),
        ),
        ("annotate pod x", refused("error: at least one annotation update is required")),
        ("label pod x", refused("error: at least one label update is required")),
        ("rollout status", refused("error: required resource not specified")),
        ("wait pod/x", refused("error: unrecognized condition: \"\"")),
        (
            "wait pod/x --for=condition=Ready",
            refused("Error from server (NotFound): pods \"x\" not found"),
        ),
        ("wait pods --all --for=condition=Ready", refused("error: no matching resources found")),
        ("wait pod/x --for=delete", ok("")),
        ("apply", refused("error: must specify one of -f and -k")),
        ("apply -f -", refused("error: no objects passed to apply")),
        ("apply -f /nothere.yaml", refused("error: the path \"/nothere.yaml\" does not exist")),
        (
            "apply --force-conflicts -f -",
            refused("error: --force-conflicts only works with --server-side"),
        ),
        ("bogus", refused("error: unknown command \"bogus\" for \"kubectl\"")),
        ("get --raw /readyz", ok("ok")),
    ] {
        assert_eq!(bench.run(command), expected, "{command}");
    }
}

#[test]
fn objects_are_applied_by_the_server() {
    let mut bench = Bench::new();
    let apply = "apply --server-side --field-manager=lkh -f -";
    assert_eq!(
        bench.with(&format!("{apply} --dry-run=server"), CONFIG),
        ok("configmap/a serverside-applied (server dry run)\n")
    );
    assert_eq!(bench.run("get cm a").code, 1);
    assert_eq!(bench.with("diff --server-side -f -", CONFIG).code, 1);
    assert_eq!(bench.with(apply, CONFIG), ok("configmap/a serverside-applied\n"));
    assert_eq!(bench.with("diff --server-side -f -", CONFIG), ok(""));
    let diff =
        bench.with("diff --server-side --force-conflicts -f -", &CONFIG.replace("k: v", "k: w"));
    assert_eq!((diff.code, diff.err.as_str()), (1, ""));
    assert!(
        diff.out.starts_with(
            "diff -u -N /tmp/LIVE-1/v1.ConfigMap.default.a /tmp/MERGED-1/v1.ConfigMap.default.a\n"
        ) && diff.out.contains("\n-  k: v\n+  k: w\n"),
        "{}",
        diff.out
    );
    let object = bench.with(&format!("{apply} -o json"), CONFIG).json();
    assert_eq!(
        (object["data"]["k"].as_str(), object["metadata"].get("managedFields")),
        (Some("v"), None)
    );
    let managed = bench.run("get cm a -o json --show-managed-fields").json();
    assert_eq!(managed["metadata"]["managedFields"][0]["manager"], "lkh");
    // Another manager wants the same field.
    let conflict = bench
        .with("apply --server-side --field-manager=other -f -", &CONFIG.replace("k: v", "k: w"));
    assert_eq!(conflict.code, 1);
    assert!(conflict.err.starts_with("error: Apply failed with 1 conflict: conflict with \"lkh\": .data.k\nPlease review the fields above--they currently have other managers. Here\n"), "{}", conflict.err);
    assert_eq!(
        bench
            .with(
                "apply --server-side --field-manager=other --force-conflicts -f -",
                &CONFIG.replace("k: v", "k: w")
            )
            .code,
        0
    );
    assert_eq!(bench.run("get cm a -o jsonpath={.data.k}"), ok("w"));
    for (manifest, expected) in [
        (
            "apiVersion: v1\nkind: Foo\nmetadata: {name: x}\n",
            "error: resource mapping not found for name: \"x\" namespace: \"\" from \"STDIN\": no matches for kind \"Foo\" in version \"v1\"\nensure CRDs are installed first\n",
        ),
        (
            "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: x, namespace: nope}\n",
            "Error from server (NotFound): namespaces \"nope\" not found\n",
        ),
    ] {
        assert_eq!(bench.with(apply, manifest).err, expected);
    }
    let elsewhere = bench.with(
        &format!("{apply} -n b"),
        "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: x, namespace: c}\n",
    );
    assert_eq!(
        elsewhere.err,
        "error: the namespace from the provided object \"c\" does not match the namespace \"b\". You must pass '--namespace=c' to perform this operation.\n"
    );
}

#[test]
fn objects_are_applied_created_and_deleted() {
    let mut bench = Bench::new();
    assert_eq!(bench.with("apply -f -", CONFIG), ok("configmap/a created\n"));
    assert_eq!(bench.with("apply -f -", CONFIG), ok("configmap/a unchanged\n"));
    assert_eq!(
        bench.with("apply -f -", &CONFIG.replace("k: v", "l: w")),
        ok("configmap/a configured\n")
    );
    assert_eq!(bench.run("get cm a -o json").json()["data"], serde_json::json!({"l": "w"}));
    assert_eq!(
        bench.with("create -f -", CONFIG),
        refused(
            "Error from server (AlreadyExists): error when creating \"STDIN\": configmaps \"a\" already exists"
        )
    );
    let two = format!("{CONFIG}---\n{}", CONFIG.replace("name: a", "name: b"));
    assert_eq!(bench.with("apply -f -", &two), ok("configmap/a configured\nconfigmap/b created\n"));
    assert_eq!(bench.with("get -f - -o name", &two), ok("configmap/a\nconfigmap/b\n"));
    assert_eq!(
        bench.with("delete -f -", CONFIG),
        ok("configmap \"a\" deleted from default namespace\n")
    );
    assert_eq!(
        bench.with("delete -f - --ignore-not-found", &two),
        ok("configmap \"b\" deleted from default namespace\n")
    );
    bench.files = bench.files.clone().with("x.yaml", CONFIG);
    assert_eq!(bench.run("create -f x.yaml -n kube-system"), ok("configmap/a created\n"));
    assert_eq!(bench.run("create namespace lake"), ok("namespace/lake created\n"));
    assert_eq!(
        bench.run("create ns lake"),
        refused("Error from server (AlreadyExists): namespaces \"lake\" already exists")
    );
    assert_eq!(
        bench.run("create secret generic app-secret -n lake --from-literal=token=tok_x1"),
        ok("secret/app-secret created\n")
    );
    assert_eq!(
        bench.run("get secret app-secret -n lake -o jsonpath={.data.token}"),
        ok("dG9rX3gx")
    );
    assert_eq!(bench.run("delete ns lake --timeout=60s"), ok("namespace \"lake\" deleted\n"));
    assert_eq!(bench.run("get secret app-secret -n lake").code, 1);
    assert_eq!(
        bench.run("delete ns lake").err,
        "Error from server (NotFound): namespaces \"lake\" not found\n"
    );
}

#[test]
fn several_objects_are_handled_one_by_one() {
    let mut bench = Bench::new();
    assert_eq!(bench.with("apply -f -", CONFIG).code, 0);
    let missing = "Error from server (NotFound): configmaps \"nope\" not found\n";
    // One that is missing does not keep the command from the other.
    let annotated = bench.run("annotate cm/a cm/nope b=c");
    assert_eq!(
        annotated,
        Answer { code: 1, out: "configmap/a annotated\n".into(), err: missing.into() }
    );
    let found = bench.run("get cm a nope -o json");
    assert_eq!((found.code, found.err.as_str()), (1, missing));
    assert!(found.out.contains("\"kind\": \"List\""), "{}", found.out);
    assert_eq!(bench.with("replace -f -", CONFIG), ok("configmap/a replaced\n"));
    assert_eq!(
        bench.with("replace -f -", &CONFIG.replace("name: a", "name: z")),
        refused(
            "Error from server (NotFound): error when replacing \"STDIN\": configmaps \"z\" not found"
        )
    );
    assert_eq!(bench.run("label cm a x-"), ok("label \"x\" not found.\nconfigmap/a not labeled\n"));
    let all = bench.run("get all -n kube-system -o name").out;
    assert!(
        all.contains("deployment.apps/coredns\n") && all.contains("service/kube-dns\n"),
        "{all}"
    );
    // A comparison neither remembers nor warns.
    let server_side = bench.with("apply --server-side -f -", &CONFIG.replace("name: a", "name: b"));
    assert_eq!(server_side.code, 0);
    assert_eq!(bench.with("diff -f -", &CONFIG.replace("name: a", "name: b")), ok(""));
    let warned = bench.with("apply -f -", &CONFIG.replace("name: a", "name: b"));
    assert!(warned.err.starts_with("Warning: resource configmaps/b is missing the kubectl.kubernetes.io/last-applied-configuration annotation"), "{}", warned.err);
}

#[test]
fn an_invalid_object_is_refused_with_its_causes() {
    let mut bench = Bench::new();
    let bad = "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: bad}\nspec: {template: {spec: {containers: []}}}\n";
    let refusal = bench.with("apply --server-side -f -", bad);
    assert_eq!(refusal.code, 1);
    assert!(
        refusal.err.starts_with("The Deployment \"bad\" is invalid: \n* spec."),
        "{}",
        refusal.err
    );
    for (text, expected) in [
        (
            "a: 1",
            "error: error validating \"STDIN\": error validating data: [apiVersion not set, kind not set]; if you choose to ignore these errors, turn validation off with --validate=false\n",
        ),
        (
            "apiVersion: v1\nkind: ConfigMap\nmetadata: {}\n",
            "error: resource name may not be empty\n",
        ),
    ] {
        assert_eq!(bench.with("apply --server-side -f -", text).err, expected);
    }
}

#[test]
fn a_finalizer_keeps_an_object() {
    let mut bench = Bench::new();
    let kept = CONFIG.replace("name: a", "name: a\n  finalizers: [example.com/keep]");
    assert_eq!(bench.with("create -f -", &kept).code, 0);
    let late = bench.run("delete cm a --timeout=5s");
    assert_eq!(
        (late.code, late.err.as_str()),
        (1, "error: timed out waiting for the condition on configmaps/a\n")
    );
    assert_eq!(
        bench.run("delete cm a --wait=false"),
        ok("configmap \"a\" deleted from default namespace\n")
    );
    let patch = ["patch", "cm", "a", "--type=merge", "-p", "{\"metadata\":{\"finalizers\":null}}"]
        .map(str::to_owned);
    assert_eq!(run(&mut bench.world, &patch, b"", &MapFiles::new()).code, 0);
    assert_eq!(bench.run("get cm a").code, 1);
}

#[test]
fn parts_of_objects_are_changed() {
    let mut bench = Bench::new();
    assert_eq!(bench.with("apply --server-side -f -", WEB).code, 0);
    for (command, expected) in [
        ("scale deploy/web --replicas=3", "deployment.apps/web scaled\n"),
        ("annotate deploy web a=b", "deployment.apps/web annotated\n"),
        ("annotate deploy web a=c --overwrite", "deployment.apps/web annotated\n"),
        ("label deploy web tier=x", "deployment.apps/web labeled\n"),
        ("label deploy web tier=x --overwrite", "deployment.apps/web not labeled\n"),
        ("label deploy web tier-", "deployment.apps/web unlabeled\n"),
        (
            "patch deploy web --type=merge -p {\"spec\":{\"replicas\":1}}",
            "deployment.apps/web patched\n",
        ),
        (
            "patch deploy web --type=merge -p {\"spec\":{\"replicas\":1}}",
            "deployment.apps/web patched (no change)\n",
        ),
        (
            "patch deploy web --type=json -p [{\"op\":\"replace\",\"path\":\"/spec/replicas\",\"value\":2}]",
            "deployment.apps/web patched\n",
        ),
        (
            "patch deploy web -p {\"spec\":{\"template\":{\"spec\":{\"containers\":[{\"name\":\"web\",\"image\":\"web:2\"}]}}}}",
            "deployment.apps/web patched\n",
        ),
        ("rollout restart deploy/web", "deployment.apps/web restarted\n"),
    ] {
        assert_eq!(bench.run(command), ok(expected), "{command}");
    }
    let web = bench.run("get deploy web -o json").json();
    assert_eq!(
        (web["spec"]["replicas"].as_i64(), web["metadata"]["annotations"]["a"].as_str()),
        (Some(2), Some("c"))
    );
    assert_eq!(web["spec"]["template"]["spec"]["containers"][0]["image"], "web:2");
    assert_eq!(
        bench.run("annotate deploy web a=d"),
        refused(
            "error: --overwrite is false but found the following declared annotation(s): 'a' already has a value (c)"
        )
    );
    assert_eq!(
        bench.run("label deploy web app=d"),
        refused("error: 'app' already has a value (web), and --overwrite is false")
    );
}

#[test]
fn rollouts_are_waited_for() {
    let mut bench = Bench::new();
    let slow = |seconds| Fault {
        target: Target::Image("web:1".into()),
        trouble: Trouble::Slow { seconds },
    };
    Cluster::open(&mut bench.world).set_fault(&slow(40));
    assert_eq!(bench.with("apply --server-side -f -", WEB).code, 0);
    let late = bench.run("rollout status deploy/web --timeout=10s");
    assert_eq!(
        late.out,
        "Waiting for deployment \"web\" rollout to finish: 0 of 2 updated replicas are available...\n"
    );
    assert_eq!((late.code, late.err.as_str()), (1, "error: timed out waiting for the condition\n"));
    let late = bench.run("wait --for=condition=Available deploy/web --timeout=5s");
    assert_eq!(late, refused("error: timed out waiting for the condition on deployments/web"));
    let done = bench.run("rollout status deploy web --timeout=300s");
    assert_eq!(
        done,
        ok(
            "Waiting for deployment \"web\" rollout to finish: 0 of 2 updated replicas are available...\ndeployment \"web\" successfully rolled out\n"
        )
    );
    assert_eq!(
        bench.run("wait --for=condition=Available deploy/web"),
        ok("deployment.apps/web condition met\n")
    );
    let pods = bench.run("wait --for=condition=Ready pods -l app=web");
    assert_eq!(pods.out.matches(" condition met\n").count(), 2);
    assert_eq!(
        bench.run("wait deploy/web --for=jsonpath={.status.readyReplicas}=2"),
        ok("deployment.apps/web condition met\n")
    );
    assert_eq!(
        bench.run("rollout status ds/eks-pod-identity-agent -n kube-system"),
        ok("daemon set \"eks-pod-identity-agent\" successfully rolled out\n")
    );
}

#[test]
fn a_pod_that_cannot_run_says_why() {
    let mut bench = Bench::new();
    let fault = Fault {
        target: Target::Image("web:1".into()),
        trouble: Trouble::ImagePull { message: "403 Forbidden".into() },
    };
    Cluster::open(&mut bench.world).set_fault(&fault);
    assert_eq!(bench.with("apply --server-side -f -", WEB).code, 0);
    bench.pass(30);
    let table = bench.run("get pods");
    assert!(table.out.contains("   0/1     ImagePullBackOff   0          30s\n"), "{}", table.out);
    let name = bench.run("get pods -o jsonpath={.items[0].metadata.name}").out;
    let described = bench.run(&format!("describe pod {name}"));
    assert!(
        described
            .out
            .starts_with(&format!("Name:             {name}\nNamespace:        default\n")),
        "{}",
        described.out
    );
    assert!(
        described.out.contains("403 Forbidden") && described.out.contains("Events:\n"),
        "{}",
        described.out
    );
    let events = bench.run("get events --sort-by=.metadata.creationTimestamp");
    assert!(events.out.starts_with("LAST SEEN   TYPE      REASON"), "{}", events.out);
    let narrowed = bench.run(&format!("get pods --field-selector metadata.name={name} -o name"));
    assert_eq!(narrowed, ok(&format!("pod/{name}\n")));
}

#[test]
fn versions_are_shown() {
    let mut bench = Bench::new();
    let versions = bench.run("version -o json");
    assert_eq!(versions.json()["clientVersion"]["gitVersion"], "v1.34.5");
    assert!(versions.json()["serverVersion"]["gitVersion"].as_str().unwrap().starts_with("v1.34"));
    assert!(
        versions.out.starts_with(
            "{\n  \"clientVersion\": {\n    \"major\": \"1\",\n    \"minor\": \"34\",\n"
        )
    );
    Cluster::open(&mut bench.world).set_version("v1.36.2");
    assert_eq!(
        bench.run("version").err,
        "Warning: version difference between client (1.34) and server (1.36) exceeds the supported minor version skew of +/-1\n"
    );
    assert_eq!(bench.run("version -o bogus"), refused("error: --output must be 'yaml' or 'json'"));
}

#[test]
fn a_control_plane_that_is_down_is_named() {
    let mut bench = Bench::new();
    bench.world.put(reach::UNREACHABLE, Value::from(true));
    let down = "The connection to the server 127.0.0.1:6443 was refused - did you specify the right host or port?";
    for command in [
        "get deploy -n kube-system -o json",
        "delete deploy x",
        "get --raw /readyz",
        "scale deploy x --replicas=1",
        "wait pod/x --for=delete",
    ] {
        assert_eq!(bench.run(command), refused(down), "{command}");
    }
    assert_eq!(bench.with("apply --server-side -f -", CONFIG), refused(down));
    let several = bench.run("get deploy,rs,pods,svc,pdb,sa,nodes -A");
    assert_eq!(several, refused(&[down; 7].join("\n")));
    let versions = bench.run("version -o json");
    assert_eq!((versions.code, versions.err), (1, format!("{down}\n")));
    assert!(versions.out.contains("\"kustomizeVersion\": \"v5.7.1\"\n}\n"));
    assert_eq!(bench.with("diff --server-side -f -", CONFIG).code, 2);
}
