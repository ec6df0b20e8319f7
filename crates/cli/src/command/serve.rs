//! `serve`: this machine's devices for programs on other machines.

use std::net::{SocketAddr, TcpListener};

use clap::Args;
use context_encoder::TOKEN;
use miette::{Context, IntoDiagnostic, Result, miette};

use crate::console::{Console, ExitStatus};

/// Serve this machine's devices to other machines, which name them `remote:HOST:PORT`, until Ctrl+C.
///
/// Nothing is encrypted: listen on trusted networks only. Clients must have the same token in the environment
/// variable `CONTEXT_ENCODER_TOKEN`. Burn's server logs to standard output.
#[derive(Args)]
pub struct Serve {
    /// Address to listen at; `0.0.0.0:PORT` for all networks of this machine
    #[arg(long, value_name = "ADDRESS:PORT", default_value = "127.0.0.1:3000")]
    listen: SocketAddr,
    /// Devices of one backend: `flex`, or `cuda:0,cuda:1`; clients number them from 0
    #[arg(long, value_name = "NAMES", value_delimiter = ',', default_value = "cpu")]
    devices: Vec<String>,
}

impl Serve {
    pub fn run(&self, console: &Console) -> Result<ExitStatus> {
        let token = std::env::var_os(TOKEN).unwrap_or_default();
        if token.is_empty() {
            return Err(miette!(
                "anybody who reaches {} could use this machine: set {TOKEN} to a secret token, here and on the clients",
                self.listen
            ));
        }
        let devices = self.devices.iter().map(|name| context_encoder::device(name.trim()));
        let devices = devices.collect::<Result<Vec<_>, _>>().into_diagnostic()?;
        let listener = TcpListener::bind(self.listen)
            .into_diagnostic()
            .wrap_err_with(|| format!("cannot listen at {}; name another port", self.listen))?;
        let address = listener.local_addr().into_diagnostic()?;
        console.note(&format!("serving {} at remote:{address}", self.devices.join(",")));
        context_encoder::serve(devices, listener, token.as_encoded_bytes()).into_diagnostic()?;
        Ok(ExitStatus::Complete)
    }
}
