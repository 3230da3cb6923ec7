//! The toolbox container as data: the argv that starts it, the scripts that
//! run inside it, and how their last words are read. Pure but for looking
//! which of the user's AWS files exist.

use std::path::{Path, PathBuf};

use crate::command::Effect;
use crate::exec::owner::Owner;
use crate::exec::{Surroundings, environment};

/// The run's private folder in the container: memory, this user's alone.
pub(super) const FOLDER: &str = "/run/lkh";
/// Where the user's AWS files are mounted, read-only.
const AWS: &str = "/run/lkh-aws";

/// Makes the private folders, then sleeps until the container is removed. The
/// session caches are copied: `aws` may renew what is in them, and the user's
/// own files stay as they are.
const PREPARE: &str = r"umask 077
cd /run/lkh && mkdir -p home/.aws/cli helm docker pid || exit 1
for cache in sso cli; do
  mkdir -p home/.aws/$cache/cache
  if [ -d /run/lkh-aws/$cache ]; then cp /run/lkh-aws/$cache/*.json home/.aws/$cache/cache/; fi
done
printf 'apiVersion: v1\nkind: Config\n' >kubeconfig
: >ready
exec sleep infinity";

/// Waits until the container is prepared.
const READY: &str = r"umask 077
n=0
until [ -e /run/lkh/ready ]; do
  n=$((n + 1))
  if [ $n -gt 200 ]; then echo 'the toolbox did not get ready' >&2; exit 1; fi
  sleep 0.05
done
";

/// Makes standard input a file without a name: `aws` opens it twice. A client
/// that dies in the middle of it leaves a part, which is not given to a tool.
const INPUT: &str = r#"f=$(mktemp /run/lkh/input.XXXXXX) && cat >"$f" && [ "$(wc -c <"$f")" -eq "$3" ] && exec <"$f" && rm -f "$f" || exit 1
"#;

/// Runs a tool: TOKEN SECONDS BYTES TOOL ARGS. The deadline is inside, since
/// ending the docker client ends nothing in here. The last line of standard
/// error tells the tool's own exit code; without it the tool did not come to
/// its end. The inner shell outlives the polite signal, so that `timeout` waits
/// for the tool and not only for the shell. Whether memory ran out is told by
/// the kernel's count of kills: a tool whose child was killed may well exit
/// with 0.
const RUN: &str = r#"token=$1 limit=$2
shift 3
command -v "$1" >/dev/null 2>&1 || { printf '\n%s missing\n' "$token" >&2; exit 127; }
exec timeout -k 5 "$limit" sh -c 'token=$1
shift
trap : TERM
kills() {
  cat /sys/fs/cgroup/memory.events /sys/fs/cgroup/memory/memory.oom_control 2>/dev/null |
    grep "^oom_kill "
}
echo "$PPID" >"/run/lkh/pid/$token"
[ -e "/run/lkh/pid/$token.ended" ] && exit 1
before=$(kills)
"$@"
code=$?
rm -f "/run/lkh/pid/$token"
[ "$(kills)" = "$before" ] || code=oom
printf "\n%s %s\n" "$token" "$code" >&2
[ "$code" = oom ] && exit 137
exit "$code"' sh "$token" "$@""#;

/// Ends what runs under a token, with all its children, and keeps what has not
/// begun yet from beginning.
pub(super) const END: &str = r#": >"/run/lkh/pid/$1.ended"
read -r group <"/run/lkh/pid/$1" && rm -f "/run/lkh/pid/$1" && kill -s KILL -- "-$group""#;

/// Replaces a private file as a whole.
const STORE: &str = r#"cat >"/run/lkh/$1.new" && mv -f "/run/lkh/$1.new" "/run/lkh/$1""#;

/// The script that runs a tool, with or without a standard input.
pub(super) fn run_script(with_input: bool) -> String {
    format!("{READY}{}{RUN}", if with_input { INPUT } else { "" })
}

/// The script that stores a private file.
pub(super) fn store_script() -> String {
    format!("{READY}{STORE}")
}

/// How a tool came to its end, by its last line on standard error.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Ending {
    /// With this exit code of its own.
    Exit(i32),
    /// By this signal. A shell can't tell it from an exit code of 128 and more,
    /// which none of the tools has.
    Signal(i32),
    /// The kernel killed it, or a process beside it, for want of memory.
    OutOfMemory,
    /// It is not in the image.
    Missing,
    /// Not at all: it was ended, or `docker` failed.
    Untold,
}

/// Splits standard error into the tool's own and its ending.
pub(super) fn ending(mut stderr: Vec<u8>, token: &str) -> (Vec<u8>, Ending) {
    let mark = format!("\n{token} ");
    let found = stderr.windows(mark.len()).rposition(|window| window == mark.as_bytes());
    let Some(at) = found else { return (stderr, Ending::Untold) };
    let told = stderr.split_off(at);
    let words = String::from_utf8_lossy(told.get(mark.len()..).unwrap_or_default()).into_owned();
    let ending = match words.trim() {
        "missing" => Ending::Missing,
        "oom" => Ending::OutOfMemory,
        code => match code.parse() {
            Ok(code @ 129..=159) => Ending::Signal(code - 128),
            Ok(code) => Ending::Exit(code),
            Err(_) => Ending::Untold,
        },
    };
    (stderr, ending)
}

/// The name of a run's container.
pub(super) fn container_name(run: &str) -> String {
    let plain = |c: char| if c.is_ascii_alphanumeric() || "_.-".contains(c) { c } else { '-' };
    format!("lkh-{}", run.chars().map(plain).collect::<String>())
}

/// The names of the user's variables that go into the container. Their values
/// come from the docker client's environment, so they are in no argv and in no
/// `docker inspect`.
pub(super) fn passed_names(surroundings: &Surroundings) -> Vec<&str> {
    const OWN: [&str; 10] = [
        "PATH",
        "HOME",
        "TMPDIR",
        "SHELL",
        "USER",
        "LOGNAME",
        "PWD",
        "AWS_CONFIG_FILE",
        "AWS_SHARED_CREDENTIALS_FILE",
        "SSH_AUTH_SOCK",
    ];
    let fixed = environment::fixed(surroundings, FOLDER, Effect::Read);
    surroundings
        .environment
        .iter()
        .map(|(name, _)| name.as_str())
        .filter(|name| environment::may_pass(name) && !fixed.contains_key(*name))
        .filter(|name| !OWN.contains(name) && !name.starts_with("XDG_") && !name.contains('='))
        .collect()
}

/// The argv, after `docker`, that starts the container.
pub(super) fn start_args(surroundings: &Surroundings, owner: &Owner, user: &str) -> Vec<String> {
    let mut args: Vec<String> = ["run", "--detach", "--init", "--pull", "never"]
        .into_iter()
        .chain(["--network", "host", "--read-only", "--cap-drop", "ALL"])
        .chain(["--security-opt", "no-new-privileges"])
        .map(str::to_owned)
        .collect();
    let mut add = |flag: &str, value: String| args.extend([flag.to_owned(), value]);
    add("--name", container_name(&surroundings.run));
    add("--label", format!("lkh.run={}", surroundings.run));
    for (label, value) in owner.labels() {
        add("--label", format!("{label}={value}"));
    }
    add("--user", user.to_owned());
    let (uid, gid) = user.split_once(':').unwrap_or((user, user));
    add("--tmpfs", "/tmp:rw,nosuid,nodev,mode=1777".to_owned());
    add("--tmpfs", format!("{FOLDER}:rw,nosuid,nodev,noexec,mode=0700,uid={uid},gid={gid}"));
    for (source, target) in mounts(surroundings) {
        add("--mount", bind(&source, &target));
    }
    add("--workdir", surroundings.manifests.to_string_lossy().into_owned());
    for (name, value) in environment::fixed(surroundings, FOLDER, Effect::Read) {
        add("--env", format!("{name}={value}"));
    }
    for (name, value) in [
        ("HOME", format!("{FOLDER}/home")),
        ("AWS_CONFIG_FILE", format!("{AWS}/config")),
        ("AWS_SHARED_CREDENTIALS_FILE", format!("{AWS}/credentials")),
    ] {
        add("--env", format!("{name}={value}"));
    }
    add("--entrypoint", "sh".to_owned());
    args.extend([surroundings.image.clone(), "-c".to_owned(), PREPARE.to_owned()]);
    args
}

/// What of the user's the container sees, read-only: the manifests, the AWS
/// files that exist, a kubeconfig that the user named, and the files that
/// variables point at.
fn mounts(surroundings: &Surroundings) -> Vec<(PathBuf, String)> {
    const FILES: [&str; 5] = [
        "AWS_WEB_IDENTITY_TOKEN_FILE",
        "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE",
        "AWS_CA_BUNDLE",
        "REQUESTS_CA_BUNDLE",
        "SSL_CERT_FILE",
    ];
    let value = |name| environment::value(surroundings, name);
    let same = |path: &Path| (path.to_owned(), path.to_string_lossy().into_owned());
    let mut mounts = vec![same(&surroundings.manifests)];
    let home = value("HOME").map(|home| Path::new(home).join(".aws"));
    let own = |variable, name: &str| {
        value(variable).map(PathBuf::from).or_else(|| home.as_ref().map(|home| home.join(name)))
    };
    let folder = |name: &str| home.as_ref().map(|home| home.join(name));
    let aws = [
        (own("AWS_CONFIG_FILE", "config"), "config"),
        (own("AWS_SHARED_CREDENTIALS_FILE", "credentials"), "credentials"),
        (folder("sso/cache"), "sso"),
        (folder("cli/cache"), "cli"),
    ];
    for (source, name) in aws {
        if let Some(source) = source.filter(|source| source.exists()) {
            mounts.push((source, format!("{AWS}/{name}")));
        }
    }
    let named = FILES.into_iter().filter_map(value).map(Path::new);
    for path in surroundings.kubeconfig.as_deref().into_iter().chain(named) {
        if path.is_absolute() && path.exists() && !path.starts_with(&surroundings.manifests) {
            let mount = same(path);
            if !mounts.contains(&mount) {
                mounts.push(mount);
            }
        }
    }
    mounts
}

/// A read-only bind mount. The flag's value is a line of CSV; unlike `-v` it
/// makes no folder where the source is missing.
fn bind(source: &Path, target: &str) -> String {
    let field = |text: String| {
        if text.contains([',', '"', '\n']) {
            format!("\"{}\"", text.replace('"', "\"\""))
        } else {
            text
        }
    };
    let source = field(format!("source={}", source.to_string_lossy()));
    format!("type=bind,{source},{},readonly", field(format!("target={target}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn surroundings() -> Surroundings {
        Surroundings {
            environment: vec![
                ("PATH".into(), "/bin".into()),
                ("HOME".into(), "/nowhere".into()),
                ("AWS_SECRET_ACCESS_KEY".into(), "canary".into()),
                ("AWS_DEFAULT_REGION".into(), "us-west-2".into()),
                ("DOCKER_HOST".into(), "tcp://canary".into()),
                ("HTTPS_PROXY".into(), "http://user:canary@proxy".into()),
            ],
            region: "eu-west-1".into(),
            image: "toolbox:1".into(),
            manifests: "/stacks/a,b".into(),
            run: "r/1".into(),
            ..Surroundings::default()
        }
    }

    #[test]
    fn the_container_gets_the_least_it_needs() {
        let owner = Owner {
            host: "box".into(),
            boot: "b".into(),
            space: "s".into(),
            user: 3,
            pid: 7,
            started: "9".into(),
        };
        let args = start_args(&surroundings(), &owner, "1000:100").join(" ");
        assert!(
            args.starts_with(
                "run --detach --init --pull never --network host --read-only --cap-drop ALL \
             --security-opt no-new-privileges --name lkh-r-1 --label lkh.run=r/1 \
             --label lkh.host=box --label lkh.boot=b --label lkh.pidns=s --label lkh.uid=3 --label lkh.pid=7 \
             --label lkh.started=9 --user 1000:100 --tmpfs /tmp:rw,nosuid,nodev,mode=1777 \
             --tmpfs /run/lkh:rw,nosuid,nodev,noexec,mode=0700,uid=1000,gid=100 \
             --mount type=bind,\"source=/stacks/a,b\",\"target=/stacks/a,b\",readonly \
             --workdir /stacks/a,b --env "
            ),
            "{args}"
        );
        assert!(args.contains("--entrypoint sh toolbox:1 -c "));
        for never in ["canary", "docker.sock", "/nowhere", "--privileged"] {
            assert!(!args.contains(never), "{never}: {args}");
        }
    }

    #[test]
    fn only_names_of_variables_are_passed() {
        assert_eq!(passed_names(&surroundings()), ["AWS_SECRET_ACCESS_KEY", "HTTPS_PROXY"]);
    }

    #[test]
    fn the_users_aws_files_are_mounted_where_they_exist() {
        let home = tempfile::tempdir().unwrap();
        std::fs::create_dir_all(home.path().join(".aws/sso/cache")).unwrap();
        std::fs::write(home.path().join(".aws/config"), "").unwrap();
        let mut surroundings = surroundings();
        surroundings.environment[1].1 = home.path().display().to_string();
        let targets: Vec<_> = mounts(&surroundings).into_iter().map(|(_, target)| target).collect();
        assert_eq!(targets, ["/stacks/a,b", "/run/lkh-aws/config", "/run/lkh-aws/sso"]);
    }

    #[test]
    fn the_last_line_tells_the_tools_own_exit_code() {
        let of = |text: &str| {
            let (stderr, ending) = ending(text.into(), "t0k");
            (String::from_utf8(stderr).unwrap(), ending)
        };
        assert_eq!(of("\nt0k 0\n"), (String::new(), Ending::Exit(0)));
        assert_eq!(of("a\nb\nt0k 125\n"), ("a\nb".into(), Ending::Exit(125)));
        assert_eq!(of("a\n\nt0k 124\n"), ("a\n".into(), Ending::Exit(124)));
        assert_eq!(of("Killed\n\nt0k 137\n").1, Ending::Signal(9));
        assert_eq!(of("\nt0k oom\n").1, Ending::OutOfMemory);
        assert_eq!(of("\nt0k missing\n"), (String::new(), Ending::Missing));
        assert_eq!(of("Error: no such container\n").1, Ending::Untold);
        assert_eq!(of("\nt0k 1\nmore\nt0k 2\n").1, Ending::Exit(2));
    }
}
