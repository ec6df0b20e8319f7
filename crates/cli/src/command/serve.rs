//! `serve`: this machine's devices for runs on others.

use std::net::{SocketAddr, TcpListener};

use clap::Args;
use context_encoder::TOKEN;
use miette::{Context, IntoDiagnostic, Result, miette};

use crate::{outcome::Outcome, output::Output};

/// Compute for other machines, which name this one's devices `remote:HOST:PORT`; ends with Ctrl+C.
///
/// Nothing is encrypted: listen only where a trusted network reaches. Clients must have the same word in the environment
/// variable `CONTEXT_ENCODER_TOKEN`. Burn's server logs to standard output.
#[derive(Args)]
pub struct Serve {
    /// Where to listen; `0.0.0.0:PORT` for every network that this machine is in
    #[arg(long, value_name = "ADDRESS:PORT", default_value = "127.0.0.1:3000")]
    listen: SocketAddr,
    /// The devices, of one kind: `flex`, or `cuda:0,cuda:1`; clients number them from 0
    #[arg(long, value_name = "NAMES", value_delimiter = ',', default_value = "cpu")]
    devices: Vec<String>,
}

impl Serve {
    pub fn run(&self, output: &Output) -> Result<Outcome> {
        let token = std::env::var_os(TOKEN).unwrap_or_default();
        if token.is_empty() {
            return Err(miette!(
                "whoever reaches {} could use this machine: set {TOKEN} to a word of your own, here and where runs are",
                self.listen
            ));
        }
        let devices = self.devices.iter().map(|name| context_encoder::device(name.trim()));
        let devices = devices.collect::<Result<Vec<_>, _>>().into_diagnostic()?;
        let listener = TcpListener::bind(self.listen)
            .into_diagnostic()
            .wrap_err_with(|| format!("cannot listen at {}; name another port", self.listen))?;
        let address = listener.local_addr().into_diagnostic()?;
        output.note(&format!("serving {} at remote:{address}", self.devices.join(",")));
        context_encoder::serve(devices, listener, token.as_encoded_bytes()).into_diagnostic()?;
        Ok(Outcome::Complete)
    }
}
