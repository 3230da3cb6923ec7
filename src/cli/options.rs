//! Options that several commands share.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::OnceLock;

use clap::{Args, ValueEnum};

/// Which stack, with which variables.
#[derive(Debug, Clone, Args)]
pub(crate) struct StackOptions {
    /// The directory of the manifests
    #[arg(long, value_name = "DIR", default_value = "manifests")]
    pub dir: PathBuf,
    /// Set a variable of the stack; wins over every file
    #[arg(long = "var", value_name = "NAME=VALUE")]
    pub vars: Vec<String>,
    /// Read variables from a YAML file; later files win
    #[arg(long = "var-file", value_name = "FILE")]
    pub var_files: Vec<PathBuf>,
    /// The directory that the state lives in; the default is what the Stack's
    /// `state` says, or `state`. Wins over a bucket
    #[arg(long, value_name = "DIR")]
    pub state_dir: Option<PathBuf>,
    /// How the tools are run; the default is the Stack's `toolbox.exec`
    #[arg(long, value_name = "HOW")]
    pub exec: Option<ExecMode>,
    #[command(flatten)]
    pub output: OutputOptions,
    /// The sensitive variables, once the stack is loaded: their values are
    /// repeated nowhere.
    #[arg(skip)]
    pub hidden: OnceLock<BTreeSet<String>>,
}

/// How results are printed.
#[derive(Debug, Clone, Args)]
pub(crate) struct OutputOptions {
    /// Print data as JSON
    #[arg(long)]
    pub json: bool,
    /// Print without colour, also on a terminal (as does `NO_COLOR`)
    #[arg(long)]
    pub no_color: bool,
}

impl OutputOptions {
    /// Lets `--no-color` have its way for the whole process.
    pub(crate) fn settle(&self) {
        if self.no_color {
            anstream::ColorChoice::Never.write_global();
        }
    }
}

/// How to reach AWS and the cluster.
#[derive(Debug, Clone, Args)]
pub(crate) struct AccessOptions {
    /// The AWS profile
    #[arg(long, value_name = "NAME")]
    pub profile: Option<String>,
    /// The AWS region
    #[arg(long, value_name = "REGION")]
    pub region: Option<String>,
    /// A kubeconfig to reach the cluster with, instead of a token from EKS;
    /// it is read and never written
    #[arg(long, value_name = "FILE")]
    pub kubeconfig: Option<PathBuf>,
    /// The context in the kubeconfig
    #[arg(long, value_name = "NAME", requires = "kubeconfig")]
    pub kube_context: Option<String>,
    /// How many commands may run side by side
    #[arg(long, value_name = "N", default_value_t = 10)]
    pub parallelism: usize,
    /// Only this resource or phase, with what it depends on; may be repeated
    #[arg(long = "target", value_name = "ADDRESS|phase.NAME")]
    pub targets: Vec<String>,
}

impl AccessOptions {
    /// With nothing but the way to AWS.
    pub(crate) fn of(aws: &AwsOptions) -> Self {
        Self {
            profile: aws.profile.clone(),
            region: aws.region.clone(),
            kubeconfig: None,
            kube_context: None,
            parallelism: 4,
            targets: Vec::new(),
        }
    }
}

/// How to reach AWS, for commands that only look after the state.
#[derive(Debug, Clone, Args)]
pub(crate) struct AwsOptions {
    /// The AWS profile, where the state is in S3
    #[arg(long, value_name = "NAME")]
    pub profile: Option<String>,
    /// The AWS region
    #[arg(long, value_name = "REGION")]
    pub region: Option<String>,
}

/// How the tools are run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum ExecMode {
    /// In one toolbox container per run
    Docker,
    /// As they are installed on this machine
    Local,
    /// Not at all: a simulated account and cluster, kept in a file
    Sandbox,
}
