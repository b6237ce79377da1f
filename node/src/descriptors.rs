//! How many files this process may have open, and what they are shared out to.
//!
//! Connections are what strangers and clients can open; a log's files are what the peer can't do without. So the bounds on
//! connections follow from the limit on open files, with a reserve for the files.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use crate::net::NetLimits;

/// For the state store, tables, keys, attachments that are read or written, and what libraries open by themselves.
const OWN: usize = 192;
/// For each log: the files of two more segments, until they rest, and two parts of its index.
const PER_LOG: usize = 6;
/// Fewest and most files of logs that rest and are open all the same.
const AT_REST: (usize, usize) = (32, 4096);
/// Connections of the API below which no peer starts.
const LEAST_API: usize = 64;
/// Handshakes at once below which no peer starts.
const LEAST_HANDSHAKES: usize = 32;

/// How many of each the limit allows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Shares {
    /// Connections of the API.
    pub(crate) api: usize,
    /// [`NetLimits::max_handshakes`].
    pub(crate) handshakes: usize,
}

/// The limit on open files is too small to serve.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "this process may have {limit} files open, and needs {needed} for its logs, its members' connections and some clients: allow \
     it more (`ulimit -n {needed}`, or LimitNOFILE={needed} in its service's unit)"
)]
pub(crate) struct TooFewFiles {
    limit: usize,
    needed: usize,
}

/// Raises the soft limit on open files to the hard one, which any process may, and gives it. Libraries that can't cope with
/// large descriptors are why the soft one is small by default; none is used here.
pub(crate) fn raise() -> usize {
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    let raised = Rlimit {
        current: maximum,
        maximum,
    };
    let limit = match setrlimit(Resource::Nofile, raised) {
        Ok(()) => maximum,
        Err(error) => {
            tracing::warn!(%error, "the soft limit on open files is unchanged");
            current
        }
    };
    limit.map_or(usize::MAX, |limit| limit.try_into().unwrap_or(usize::MAX))
}

/// How many files that rest may be open: those of full segments and of index parts, of which a log has the more the longer it is.
/// Those read last are; the others are opened again when they are read.
pub(crate) fn at_rest(limit: usize) -> usize {
    let (fewest, most) = AT_REST;
    (limit / 8).clamp(fewest, most)
}

/// Files that are open now; none where the system doesn't say.
pub(crate) fn open_now() -> usize {
    std::fs::read_dir("/dev/fd").map_or(0, Iterator::count)
}

/// Shares the limit out, after the logs of this many members were opened. `open` files are, without those that rest.
///
/// # Errors
/// [`TooFewFiles`].
pub(crate) fn share(
    limit: usize,
    open: usize,
    members: usize,
    wanted: Shares,
    net: &NetLimits,
) -> Result<Shares, TooFewFiles> {
    let connections = members.saturating_mul(net.max_established_per_peer as usize);
    let kept = open + OWN + members * PER_LOG + connections;
    // Members' addresses have as many places for handshakes as strangers have.
    let least = LEAST_API + 2 * LEAST_HANDSHAKES;
    let free = limit
        .checked_sub(kept + at_rest(limit))
        .filter(|free| *free >= least)
        .ok_or_else(|| TooFewFiles {
            limit,
            needed: enough(kept + least),
        })?;
    let handshakes = (free / 8).max(LEAST_HANDSHAKES).min(wanted.handshakes);
    Ok(Shares {
        api: (free - 2 * handshakes).min(wanted.api),
        handshakes,
    })
}

/// The least limit that leaves so many files beside those that rest.
fn enough(files: usize) -> usize {
    let mut limit = files;
    while limit < files + at_rest(limit) {
        limit = files + at_rest(limit);
    }
    limit
}

#[cfg(test)]
mod tests {
    use super::*;

    const WANTED: Shares = Shares {
        api: 8192,
        handshakes: 512,
    };

    #[test]
    fn the_soft_limit_is_raised_to_the_hard_one() {
        let Rlimit { maximum, .. } = getrlimit(Resource::Nofile);
        let raised = raise();
        assert_eq!(getrlimit(Resource::Nofile).current, maximum);
        assert_eq!(
            maximum.map(|limit| limit as usize).unwrap_or(usize::MAX),
            raised
        );
    }

    #[test]
    fn with_many_files_everyone_has_what_it_wants() {
        let net = NetLimits::default();
        assert_eq!(share(20_000, 100, 30, WANTED, &net), Ok(WANTED));
        assert_eq!(share(usize::MAX, 100, 30, WANTED, &net), Ok(WANTED));
    }

    #[test]
    fn all_shares_together_leave_the_logs_their_files_whatever_the_limit_is() {
        let net = NetLimits::default();
        for members in [1, 3, 30, 300] {
            for limit in (0..40_000).step_by(17) {
                match share(limit, 5 * members, members, WANTED, &net) {
                    Ok(Shares { api, handshakes }) => {
                        assert!(api >= LEAST_API && handshakes >= LEAST_HANDSHAKES);
                        let connections = api + 2 * handshakes + 4 * members;
                        let logs = 5 * members + 6 * members + at_rest(limit);
                        assert!(connections + logs + OWN <= limit);
                    }
                    Err(TooFewFiles { needed, .. }) => {
                        assert!(needed > limit);
                        assert!(share(needed, 5 * members, members, WANTED, &net).is_ok());
                        assert!(share(needed - 1, 5 * members, members, WANTED, &net).is_err());
                    }
                }
            }
        }
    }
}
