//! `lkh sandbox`

use std::io::Read as _;
use std::path::PathBuf;

use clap::Subcommand;

use super::next;
use super::session::world_path;
use super::{code, print, tell};
use crate::command::Tool;
use crate::sandbox::{Fault, Quota, Sandbox, Seed};

/// Looks after the simulated account and cluster of `--exec sandbox`: make it
/// anew, or change things behind lkh's back and watch how `lkh plan` shows the
/// drift and `lkh apply` undoes it.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Where the state lives
    #[arg(long, value_name = "DIR", default_value = "state", global = true)]
    state_dir: PathBuf,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Make the sandbox anew: the account, the cluster, and the state of
    /// stacks applied to it
    ///
    /// What takes minutes in AWS (a cluster about nine, a node group two, an
    /// add-on half of one) takes them in the sandbox's own time, and nobody
    /// waits for it: `aws eks wait` and `lkh apply` let that time pass.
    Reset {
        /// What the new account holds; without it, what the last one began
        /// with. A sandbox that was never used begins with what
        /// `spec.toolbox.sandbox` of the first stack says
        #[arg(long, value_enum)]
        seed: Option<Seed>,
    },
    /// Run a command in it, as `aws`, `helm` or `kubectl` would:
    /// lkh sandbox run -- aws iam delete-role --role-name x
    Run {
        /// The tool and its arguments
        #[arg(required = true, trailing_var_arg = true, allow_hyphen_values = true)]
        argv: Vec<String>,
    },
    /// Set the number of nodes; 0 leaves every new pod pending
    Nodes {
        /// How many
        count: usize,
    },
    /// Set how many roles or policies the account may hold: an apply that would
    /// make more is stopped before it changes anything
    Quota {
        /// Of what
        #[arg(value_enum)]
        of: Quota,
        /// How many
        count: u64,
    },
    /// Break the pods of a workload, or mend them again
    Break {
        /// The namespace
        #[arg(long, short, default_value = "kube-system")]
        namespace: String,
        /// The workload's name, for example karpenter
        workload: String,
        /// What is wrong with it
        #[arg(long, value_enum, default_value = "crash-loop")]
        with: Fault,
    },
    /// Leave a release pending, as a helm does that is killed half-way
    Interrupt {
        /// The namespace
        #[arg(long, short, default_value = "kube-system")]
        namespace: String,
        /// The release's name
        release: String,
    },
}

pub(crate) fn run(args: &Args) -> anyhow::Result<u8> {
    let path = world_path(&args.state_dir);
    if let Command::Reset { seed } = args.command {
        let seed = match seed {
            Some(seed) => seed,
            None if path.exists() => Sandbox::open(&path)?.seed()?,
            None => {
                tell("There is no sandbox yet: the first plan or apply makes it.");
                next::say_command("lkh apply --exec sandbox");
                return Ok(code::GOOD);
            }
        };
        if let Some(directory) = path.parent()
            && directory.exists()
        {
            std::fs::remove_dir_all(directory)?;
        }
        Sandbox::open_with(&path, seed)?;
        tell(&format!("The sandbox is new: {}", path.display()));
        next::say_command("lkh apply --exec sandbox");
        return Ok(code::GOOD);
    }
    let sandbox = Sandbox::open(&path)?;
    match &args.command {
        Command::Reset { .. } => {}
        Command::Run { argv } => {
            let (name, rest) = argv.split_first().map_or(("", argv.as_slice()), |(n, r)| (n, r));
            let tool = [Tool::Aws, Tool::Helm, Tool::Kubectl]
                .into_iter()
                .find(|tool| tool.program() == name);
            let Some(tool) = tool else {
                anyhow::bail!("the sandbox knows aws, helm and kubectl, not `{name}`");
            };
            let reads_input = rest.iter().any(|arg| arg == "-" || arg.contains("/dev/stdin"));
            let mut input = Vec::new();
            if reads_input {
                std::io::stdin().read_to_end(&mut input)?;
            }
            let output = sandbox.run(tool, rest, &input, &std::env::current_dir()?)?;
            print(&String::from_utf8_lossy(&output.stdout));
            drop(std::io::Write::write_all(&mut std::io::stderr(), &output.stderr));
            return Ok(u8::try_from(output.code).unwrap_or(code::ERROR));
        }
        Command::Nodes { count } => {
            sandbox.set_nodes(*count)?;
            tell(&format!("The cluster has {} now.", crate::report::count(*count, "node")));
        }
        Command::Quota { of, count } => {
            sandbox.set_quota(*of, *count)?;
            tell(&format!("{}: {count}.", of.name()));
        }
        Command::Break { namespace, workload, with } => {
            sandbox.set_fault(namespace, workload, *with)?;
            tell(&format!("{namespace}/{workload}: {}.", with.word()));
        }
        Command::Interrupt { namespace, release } => {
            let output = sandbox.interrupt(namespace, release)?;
            let said = String::from_utf8_lossy(&output.stderr);
            anyhow::ensure!(output.code == 0, "helm said: {}", said.trim());
            tell(&format!("{namespace}/{release} is pending, and no helm is at work on it."));
        }
    }
    next::say_command("lkh plan --exec sandbox");
    Ok(code::GOOD)
}
